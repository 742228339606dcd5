"""`bench site`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from bench.cli.main import components, say


@click.command()
@click.argument("words", nargs=-1, metavar="[DIR|FILE]... [from=DIR|FILE] [to=DIR] [out=DIR]")
def site(words: tuple[str, ...]) -> None:
    """Write a static site of leaderboards, for any static host.

    Pages of all leaderboards, methods and suites, and an overview over all tables. Made of export
    files, or folders of *.records.json (default: leaderboards, and the last run of each suite in
    OUT/runs). They go to to=DIR (default: public), which must be new, empty or a site. An export
    that cannot be read is named on stderr and on the first page.
    """
    import bench
    from bench.cli.words import values_by_key
    from bench.errors import StorageError
    from bench.pages import site as made_of
    from bench.pages.folder import earlier_pages, write
    from bench.pages.sources import read
    from bench.pages.suites import installed

    values = values_by_key(tuple(word for word in words if "=" in word), ("to", "out", "from"), ())
    named = [*(word for word in words if "=" not in word), *values.get("from", ())]
    folder = Path(values.get("to", ("public",))[0]).expanduser()
    earlier_pages(folder)
    sources, unread = read(_files(named, values.get("out", ("",))[0]))
    for each in unread:
        say(f"warning: {each.name} is left out: {each.reason}")
    if not sources:
        raise StorageError(
            f"none of the {len(unread)} exports can be read, so no site was written; see the warnings above"
        )
    pages = made_of(sources, unread, components(), installed(), bench.__version__)
    write(folder, pages)
    print(f"{folder / 'index.html'}: {len(pages)} pages of {len(sources)} leaderboards")


def _files(named: Sequence[str], out: str) -> list[Path]:
    """The exports of these files and folders, and the last runs in `out`; the usual ones where
    both are empty. UsageError for a path that is not there, and where there is no export at all.
    """
    from bench.config.words import ORIGIN
    from bench.errors import UsageError
    from bench.pages.sources import EXPORTS

    files: list[Path] = []
    for text in named:
        path = Path(text).expanduser()
        if not path.exists():
            raise UsageError(f'"{text}" (from {ORIGIN}) does not exist; give folders or files of exports')
        files += sorted(path.glob(EXPORTS)) if path.is_dir() else [path]
    if not named:
        files += sorted(Path("leaderboards").glob(EXPORTS))
    if out or not named:
        files += _last_runs(Path(out or "results").expanduser())
    if not files:
        raise UsageError(
            "there is no export to make a site of: neither leaderboards/*.records.json nor a run that is kept; "
            "run a suite, or give from=DIR"
        )
    return files


def _last_runs(out: Path) -> list[Path]:
    """The file of the last run of each suite."""
    from bench.results.snapshots import infos

    return [*{suite: path for path, suite, _ in infos(out, say)}.values()]
