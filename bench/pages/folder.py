"""A site in its folder: written page by page, each whole or not at all; what is not of a site of
ours is never touched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from bench.config.words import ORIGIN
from bench.errors import UsageError
from bench.files import read_bytes, storage, write_bytes
from bench.pages.places import INDEX
from bench.text.names import shown

MARKER = "gapbench-site.json"
"""By this file a site of ours is known. It lists the pages, so that those
of an earlier site are removed."""

LARGEST = 2**22
"""Bytes of the marker."""

_PAGE = re.compile(r"(?:[a-z]+/)?[A-Za-z0-9][A-Za-z0-9_.+-]*\.html")


class Marker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """pages: relative to the folder."""

    pages: list[str]
    site: int = 1


def earlier_pages(folder: Path) -> list[str]:
    """The pages of the site in a folder; none where the folder is not there, or is empty.

    Raises UsageError where it holds anything else than a site of ours.
    """
    named = f'"to" = {shown(str(folder))} (from {ORIGIN})'
    with storage(folder):
        if not folder.exists():
            return []
        if not folder.is_dir():
            raise UsageError(f"{named} is a file; give a folder that is new, empty or a site: to=public")
        if not any(folder.iterdir()):
            return []
    try:
        marker = msgspec.json.decode(read_bytes(folder / MARKER, LARGEST), type=Marker)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        raise UsageError(
            f"{named} holds files, and none named {MARKER} that can be read: it is no site of ours, so nothing was "
            "written; give a new folder: to=public"
        ) from None
    return [page for page in marker.pages if _PAGE.fullmatch(page)]


def write(folder: Path, pages: Mapping[str, bytes]) -> None:
    """Write the pages that differ, the index last, and remove those of an earlier site that are no
    more.

    pages: path relative to the folder -> content. Raises UsageError as `earlier_pages`, before
    anything is written, and StorageError.
    """
    before = earlier_pages(folder)
    write_bytes(folder / MARKER, msgspec.json.encode(Marker(sorted({*before, *pages}))) + b"\n")
    for place in sorted(pages, key=lambda each: (each == INDEX, each)):
        if not _holds(folder / place, pages[place]):
            write_bytes(folder / place, pages[place])
    with storage(folder):
        for place in set(before) - pages.keys():
            (folder / place).unlink(missing_ok=True)
    write_bytes(folder / MARKER, msgspec.json.encode(Marker(sorted(pages))) + b"\n")


def _holds(file: Path, content: bytes) -> bool:
    """Whether a file is there with this content."""
    try:
        return read_bytes(file, len(content)) == content
    except OSError:
        return False
