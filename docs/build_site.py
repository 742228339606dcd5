"""Builds the site of this project's pages into build/site: `make docs`.

The pages of the repository keep their places: links that work in the repository work on the site.
Zensical takes one folder, so the pages are copied to build/pages first. A link, a heading or a name
of the code that does not exist fails the build.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "build" / "pages"
SHOWN = (
    "*.md",
    "news/README.md",
    "docs/**/*.md",
    "docs/**/*.svg",
    "docs/**/*.png",
    "leaderboards/**/*.md",
    "leaderboards/**/*.svg",
    "leaderboards/notes/*.csv",
    "leaderboards/notes/*.png",
    "leaderboards/*.toml",
)


def main() -> int:
    shutil.rmtree(PAGES, ignore_errors=True)
    for pattern in SHOWN:
        for page in ROOT.glob(pattern):
            copy = PAGES / page.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(page, copy)
    zensical = Path(sysconfig.get_path("scripts")) / "zensical"
    return subprocess.run([zensical, "build", "--strict", "--clean"], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
