"""`bench cache`."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.main import JSON, answer, say
from bench.cli.words import values_by_key


@click.group()
def cache() -> None:
    """Say what the cache holds, and free what was made under keys that are no longer used."""


@cache.command()
@click.argument("words", nargs=-1, metavar="[cache=DIR]")
@JSON
def show(words: tuple[str, ...], as_json: bool) -> None:
    """Say what the cache holds, and what of it was made under keys that are no longer used."""
    from bench.data import places

    folder = _folder(words)
    sizes = (
        {each.name: places.size(each) for each in sorted(folder.iterdir()) if each.is_dir()} if folder.is_dir() else {}
    )
    earlier = [each.name for each in places.earlier(folder)]
    if as_json:
        answer({"cache": str(folder), "bytes": sizes, "earlier": earlier})
        return
    print(f"cache {folder}")
    for name, size in sizes.items():
        print(
            f"  {name:<20} {_mebibytes(size):>12}{'  no longer used; free it: bench cache prune' * (name in earlier)}"
        )


@cache.command()
@click.argument("words", nargs=-1, metavar="[cache=DIR]")
@click.option("--dry-run", is_flag=True, help="Say what would be freed, and free nothing.")
@JSON
def prune(words: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Free what was made under keys that are no longer used: nothing reads it any more."""
    from bench.data import places

    folder = _folder(words)
    sizes = {each.name: places.size(each) for each in places.earlier(folder)}
    for name, size in sizes.items():
        say(f"{'would free' if dry_run else 'freeing'} {_mebibytes(size)} in {folder / name}")
        if not dry_run:
            places.remove(folder / name)
    if as_json:
        answer({"cache": str(folder), "bytes": sizes, "freed": not dry_run})
    else:
        print(f"{_mebibytes(sum(sizes.values()))} {'could be freed' if dry_run else 'freed'}")


def _folder(words: tuple[str, ...]) -> Path:
    from bench.data.places import cache_folder

    return cache_folder(values_by_key(words, ("cache",), ()).get("cache", ("",))[0])


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
