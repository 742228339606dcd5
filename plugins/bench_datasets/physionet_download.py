"""Download of published files: resumed, checked against the publisher's own SHA256SUMS.txt, whole
files or none.

Only the standard library: `pooch`, the usual choice, checks and shows progress but cannot resume.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.errors import DataError
from bench.files import read_bytes, storage

TRIES = 5
"""Attempts in a row that bring nothing; any progress starts the count again."""

PAUSE = 1.0
"""Seconds before the second attempt; doubled for each further one."""

LARGEST = 2**30
"""Bytes of a file that is fetched: ten times the largest published one."""

Report = Callable[[str], None]


class _Transient(Exception):
    """What another attempt may mend."""


def published(base: str, variable: str, into: Path, report: Report) -> tuple[str, Mapping[str, str]]:
    """The address to fetch from and what is published there: name -> SHA-256. `into` is made where
    it is not there.

    base: the publisher's folder; variable: the environment variable that names a mirror with the
          same files.
    """
    base = (os.environ.get(variable) or base).rstrip("/") + "/"
    if not base.startswith(("http://", "https://")):
        raise DataError(f"{variable}={base} is not an http:// or https:// address")
    with storage(into):
        into.mkdir(parents=True, exist_ok=True)
    sums = into / "SHA256SUMS.txt.part"
    with storage(sums):
        sums.unlink(missing_ok=True)
    download(base + "SHA256SUMS.txt", sums, variable, report)
    digests = _checksums(read_bytes(sums, LARGEST).decode("utf-8", "replace"), base)
    sums.unlink()
    return base, digests


def fetch_file(url: str, target: Path, expected: str, variable: str, report: Report) -> None:
    """Bring one file, or check the one that is there.

    An interrupted download stays as `NAME.part` and is resumed by the next call. report: takes one
    short line at a time. variable: names a mirror.

    Raises DataError when the file cannot be reached or has another checksum than `expected`. A
    corrupt download is removed; a file that was there before is left alone. Raises StorageError
    when the file cannot be written.
    """
    if target.exists():
        digest = _sha256(target)
        if digest != expected:
            raise DataError(
                f"{target} is there already and differs from the published file "
                f"(SHA-256 {digest}, published {expected}); it may be a repacked copy: "
                "keep using it, or move it away and fetch again"
            )
        report(f"{target.name} is there already, checksum right")
        return
    with storage(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    download(url, part, variable, report)
    digest = _sha256(part)
    if digest != expected:
        part.unlink()
        raise DataError(
            f"{url} arrived damaged (SHA-256 {digest}, expected {expected}) and was removed; run the same command "
            f"again, or name a mirror in {variable}"
        )
    with storage(target):
        part.replace(target)
    report(f"{target.name} complete, checksum right")


def download(url: str, part: Path, variable: str, report: Report) -> None:
    """Bring `part` to its full length, resuming what is there. The folder is there already.
    DataError after TRIES attempts that brought nothing. variable: names a mirror.
    """
    failed = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            return _attempt(url, part, before, report)
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in (408, 429):
                raise DataError(f"{url} answers {error.code} {error.reason}; is the address right?") from error
            reason = f"{error.code} {error.reason}"
        except (_Transient, urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        grown = (part.stat().st_size if part.exists() else 0) > before
        failed = 1 if grown else failed + 1
        if failed >= TRIES:
            raise DataError(
                f"{url} was not fetched ({reason}, {failed} attempts in a row); what arrived is kept; "
                f"run the same command again, name a mirror in {variable}, or put the files into {part.parent}"
            )
        report(f"{part.stem}: {reason}; trying again")
        time.sleep(PAUSE * 2 ** (failed - 1))


def _attempt(url: str, part: Path, have: int, report: Report) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "gapbench"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
        whole = re.fullmatch(r"bytes \*/([0-9]{1,15})", error.headers.get("Content-Range", ""))
        if whole and int(whole[1]) == have:
            return  # it was complete already; the checksum decides
        part.unlink()
        raise _Transient("the part on disk is longer than the file; starting over") from error
    with answer, storage(part):
        if answer.status == 206:
            place = re.match(rf"bytes {have}-", answer.headers.get("Content-Range", ""))
            if not place:
                part.unlink()
                raise _Transient("the server resumed at another place; starting over")
        start = have if answer.status == 206 else 0
        length = answer.headers.get("Content-Length", "")
        total = start + int(length) if re.fullmatch(r"[0-9]{1,15}", length) else None  # what is no number says nothing
        done, reported_at = start, time.monotonic()
        with part.open("ab" if start else "wb") as file:
            while block := _read(answer):
                file.write(block)
                done += len(block)
                if done > LARGEST:
                    part.unlink()
                    raise DataError(
                        f"{url} sends more than {LARGEST // 2**20:,} MiB, as no published file has; it was removed"
                    )
                if time.monotonic() - reported_at > 0.5:
                    reported_at = time.monotonic()
                    report(f"{part.stem}: {done / 1e6:.1f} of {f'{total / 1e6:.1f}' if total else '?'} MB")
            file.flush()
            os.fsync(file.fileno())
    if total is not None and done < total:
        raise _Transient(f"the connection was cut after {done:,} of {total:,} bytes")


def _read(answer: http.client.HTTPResponse) -> bytes:
    """A block, or _Transient: an error of the network must not pass for an error of the disk."""
    try:
        return answer.read1(2**16)
    except (OSError, http.client.HTTPException) as error:
        raise _Transient(str(error) or type(error).__name__) from error


def _checksums(text: str, base: str) -> dict[str, str]:
    digests = dict(reversed(pair) for pair in re.findall(r"^([0-9a-f]{64})[ \t]+\*?(?:\./)?(\S+)[ \t\r]*$", text, re.M))
    if not digests:
        raise DataError(f"{base}SHA256SUMS.txt lists no checksum; is the address right?")
    return digests


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
