"""Takes pictures of two result pages for the documentation: wide and narrow, light and dark.

    .venv/bin/python docs/screenshots.py

Renders the committed records of physionet48 (16 methods) and physionet48-fusers (124 methods) and
looks at them with Chromium, which must be installed. Needs the extra `signals`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from bench.leaderboard import load_export, render

ROOT = Path(__file__).parents[1]
SUITES = ("physionet48", "physionet48-fusers")
SIZES = ((1400, 1300), (390, 1500))
NARROWEST = 500
"""Pixels, at least, of a window of Chromium; a narrower page is looked at in a frame."""


def main(to: Path) -> None:
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        sys.exit("Chromium is not installed: chromium, chromium-browser or google-chrome")
    to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for suite in SUITES:
            page = Path(folder) / f"{suite}.html"
            page.write_bytes(render(load_export(ROOT / "leaderboards" / f"{suite}.records.json"), page=True)["html"])
            for width, height in SIZES:
                for theme in ("light", "dark"):
                    picture = to / f"{suite}-{width}-{theme}.png"
                    look(browser, page, picture, (width, height), theme == "dark")
                    print(picture)


def look(browser: str, page: Path, picture: Path, size: tuple[int, int], dark: bool) -> None:
    """Write what a browser of that size (width and height in pixels) shows of a page."""
    width, height = size
    shown = page
    if width < NARROWEST:
        shown = page.with_name("frame.html")
        frame = f'<iframe src="{page.as_uri()}" width="{width}" height="{height}" style="border:0"></iframe>'
        shown.write_text(f'<body style="margin:0">{frame}', encoding="utf-8")
    words = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    words += ["--allow-file-access-from-files", "--virtual-time-budget=3000", f"--screenshot={picture}"]
    words += [f"--window-size={max(width, NARROWEST)},{height}", *["--blink-settings=preferredColorScheme=0"] * dark]
    subprocess.run([*words, shown.as_uri()], check=True, capture_output=True, timeout=120)
    taken = Image.open(picture).convert("RGB").crop((0, 0, width, height))
    taken.quantize(64, dither=Image.Dither.NONE).save(picture, optimize=True)


if __name__ == "__main__":
    main(ROOT / "docs" / "reference" / "result-page")
