"""Archives from unknown sources, read within bounds: memory holds a limited part of the archive,
however strongly it is compressed.
"""

from __future__ import annotations

import gzip
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LARGEST_READ = 32 * 2**20
"""Bytes that are asked for at once: more than any record; headers of an archive have a few
hundred.
"""

LARGEST = 2**30
"""Bytes of an archive once it is unpacked: twenty times a published set."""

MOST_MEMBERS = 100_000


class TooLarge(ValueError):
    """What of an archive is beyond the bounds, in words."""


DAMAGED = (
    OSError, EOFError, ValueError, ArithmeticError, LookupError, RuntimeError, zlib.error, lzma.LZMAError, struct.error,
    tarfile.TarError, zipfile.BadZipFile,
)  # fmt: skip
"""What `gzip`, `tarfile` and `zipfile` raise for archives that are cut short, changed, or made to
mislead. ValueError is also how a name is refused that is no UTF-8; `TooLarge` is one of these.
"""


class _Bounded:
    """A stream that refuses reads and seeks beyond the bounds."""

    def __init__(self, stream: gzip.GzipFile):
        self._stream = stream

    def read(self, count: int = -1) -> bytes:
        if not 0 <= count <= LARGEST_READ:
            raise TooLarge(f"a header of more than {LARGEST_READ // 2**20} MiB")
        self._check(self._stream.tell() + count)
        return self._stream.read(count)

    def seek(self, place: int, whence: int = 0) -> int:
        self._check(place)
        return self._stream.seek(place, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def _check(self, place: int) -> None:
        if place > LARGEST + LARGEST_READ:
            raise TooLarge(f"more than {LARGEST // 2**30} GiB once it is unpacked")


@contextmanager
def opened(source: Path) -> Iterator[Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]]:
    """The members of a .tar.gz, one after the other, with the archive to take them from. At the end
    of the block the rest is read too, since the checksum of the whole stands there.

    Raises TooLarge beyond the bounds, and what `tarfile` and `gzip` raise.
    """
    with gzip.open(source) as stream:
        bounded = _Bounded(stream)
        with tarfile.open(fileobj=bounded, mode="r:") as archive:  # type: ignore[call-overload]  # only reads
            yield _members(archive)
            while bounded.read(2**20):
                pass


def _members(archive: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
    for number, member in enumerate(archive):
        if number >= MOST_MEMBERS:
            raise TooLarge(f"more than {MOST_MEMBERS:,} members")
        yield member, archive
