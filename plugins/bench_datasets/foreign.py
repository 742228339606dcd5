"""What a file is that is not what its name says: told by its first bytes, in words for a
message.
"""

from __future__ import annotations

from pathlib import Path

_KINDS: tuple[tuple[bytes, str], ...] = (
    (
        b"version https://git-lfs",
        "a pointer of Git LFS in place of the file: type git lfs pull in the clone it came from",
    ),
    (b"<!doctype html", "a web page, saved in place of the file (a login or an error?): download it again"),
    (b"<html", "a web page, saved in place of the file (a login or an error?): download it again"),
    (b"<?xml", "an XML document, saved in place of the file (an error of a server?): download it again"),
    (b"PK\x03\x04", "a zip archive (of Excel, NumPy or torch?)"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"BZh", "compressed with bzip2"),
    (b"\xfd7zXZ\x00", "compressed with xz"),
    (b"(\xb5/\xfd", "compressed with Zstandard"),
    (b"7z\xbc\xaf'\x1c", "a 7-Zip archive"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow (Feather) file"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x93NUMPY", "an array of NumPy (.npy)"),
    (b"MATLAB 5.0", "a MATLAB file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\xd0\xcf\x11\xe0", "a file of an old Office program (.xls?)"),
    (b"RDX", "a file of R (.RData)"),
    (b"\xff\xfe", "text in UTF-16, as spreadsheets write it: save it as UTF-8"),
    (b"\xfe\xff", "text in UTF-16, as spreadsheets write it: save it as UTF-8"),
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "a file of torch.save of old"),
    (b"%PDF", "a PDF document"),
)


def kind_of(path: Path) -> str:
    """What a file is, by its first bytes, or "" where nothing is known or it cannot be read.
    Empty files are called so.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(64)
    except OSError:
        return ""
    return kind_of_bytes(start)


def kind_of_bytes(start: bytes) -> str:
    """The same, of the first bytes themselves."""
    if not start:
        return "empty"
    if not start.strip(b"\0"):
        return "nothing but zeros, as an interrupted copy leaves it"
    page = start.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n").lower()
    return next((kind for mark, kind in _KINDS if (page if mark.startswith(b"<") else start).startswith(mark)), "")
