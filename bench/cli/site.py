"""`bench site`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.main import components, say

if TYPE_CHECKING:
    from bench.pages.runs import Kept


@click.command()
@click.argument("words", nargs=-1, metavar="[DIR|FILE]... [from=DIR|FILE] [to=DIR] [out=DIR]")
def site(words: tuple[str, ...]) -> None:
    """Write a static site of leaderboards, for any static host.

    Pages of all leaderboards, methods and suites, histories of runs, and an overview over all
    tables. Made of export files, or folders of *.records.json (default: leaderboards), and of
    OUT/runs: the last readable run of each suite, and all of them for its history. They go to
    to=DIR (default: public), which must be new, empty or a site. An export that cannot be read is
    named on stderr and on the first page.
    """
    import bench
    from bench.cli.words import values_by_key
    from bench.errors import StorageError
    from bench.pages import site as made_of
    from bench.pages.folder import earlier_pages, write
    from bench.pages.runs import Kept, kept
    from bench.pages.sources import read
    from bench.pages.suites import installed

    values = values_by_key(tuple(word for word in words if "=" in word), ("to", "out", "from"), ())
    named = [*(word for word in words if "=" not in word), *values.get("from", ())]
    folder = Path(values.get("to", ("public",))[0]).expanduser()
    earlier_pages(folder)
    out = values.get("out", ("" if named else "results",))[0]
    runs = kept(Path(out).expanduser()) if out else Kept([], {}, [])
    sources, torn = read(_files(named, runs))
    unread = [*torn, *runs.unread]
    for each in unread:
        say(f"warning: {each.name} is left out: {each.reason}")
    if not sources:
        none = "the one export cannot be read" if len(unread) == 1 else f"none of the {len(unread)} exports can be read"
        raise StorageError(f"{none}, so no site was written; see the warnings above")
    pages = made_of(sources, unread, components(), installed(), runs.histories, bench.__version__)
    write(folder, pages)
    print(f"{folder / 'index.html'}: {len(pages)} pages of {len(sources)} leaderboard{'s' * (len(sources) != 1)}")


def _files(named: Sequence[str], runs: Kept) -> list[Path]:
    """The exports of these files and folders, the usual ones where none is named, and the last
    runs. UsageError for a path that is not there, and where there is nothing at all.
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
    if not [*files, *runs.last, *runs.unread]:
        raise UsageError(
            "there is no export to make a site of, neither a *.records.json nor a run that is kept; run a suite, or name a "
            "folder: bench site DIR"
        )
    return [*files, *runs.last]
