"""Which sets of PhysioNet 2012 are read, told by digests of what their records and outcomes say.
Light: builds no cohort.
"""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from bench_datasets.bounded_tar import DAMAGED, TooLarge, opened
from bench_datasets.physionet2012.files import RECORD_NAME, SetFiles, find, record_files
from bench_datasets.physionet2012.params import Physionet2012Params

WHOLE = 4000
"""Records of each set."""

LARGEST_RECORD, LARGEST_SET = 2**20, 64 * 2**20
"""Bytes: the largest published record has 0.04 MB, a set 10 MB."""

TEXT: dict[str, str] = {
    "a": "a02287f23c9d774a630ed7084545c097c8eaff73c92dcd93a88e7793a6c07b7b",
    "b": "156c9aebe349a3fd3b64dd592817bbf646e15488b84976c05a74217ba273ec99",
}
"""Digest (`text_digest`) of each set as it was published; that of set c is not known here."""

VALUES: dict[str, str] = {
    "a": "4ca0c3d5074e2d024a22c798de6c73141c488e3c5aa5af85aa65cfbebb75d02e",
    "b": "a422afc4bcc35ccb4c35de510db08353221568ef910553763c86c8e32f7b56f9",
}
"""The same of what the text says (`value_digest`), whatever program saved it since."""


def release(root: Path, params: Physionet2012Params) -> str:
    """For example "PhysioNet 2012 set a" or "PhysioNet 2012 sets a, b", where the contents are
    those that were published, in whatever form they were saved since. Behind a set that is not
    whole stands how many records it has; of a set whose digest is not known, that its records were
    counted alone. A set that has the records of a published one, but says anything else, is called
    by that name with what differs. Empty where a file is damaged, which the reader refuses.
    """
    names, others = [], {}
    try:
        for each in find(root, params):
            records = dict(_records(each.source))
            if len(records) != WHOLE:
                names.append(f"{each.name} ({len(records):,} of {WHOLE:,} records)")
            elif each.name not in TEXT:
                names.append(f"{each.name} (told by the number of its records alone)")
            else:
                names.append(each.name)
                if (other := _other(each, records)) is not None:
                    others[each.name] = other
    except (*DAMAGED, csv.Error):
        return ""
    title = f"PhysioNet 2012 set{'s' * (len(names) > 1)} {', '.join(names)}"
    if not others:
        return title
    reasons = [
        f"{'its contents' if len(names) == 1 else f'the contents of set {name}'} "
        f"{f'are those of set {other}' if other else 'differ'}"
        for name, other in others.items()
    ]
    return f"{title} by its counts, but {' and '.join(reasons)}"


def _other(each: SetFiles, records: Mapping[str, bytes]) -> str | None:
    """The set whose contents these are, if they are not those of the set of that name: empty for
    none that is known.
    """
    known = _known(text_digest(records, each.outcomes.read_bytes()), TEXT)
    if not known:
        known = _known(value_digest(records, each.outcomes.read_text("utf-8-sig")), VALUES)
    return None if known == each.name else known


def _known(digest: str, digests: Mapping[str, str]) -> str:
    return next((name for name, known in digests.items() if known == digest), "")


def text_digest(records: Mapping[str, bytes], outcomes: bytes) -> str:
    """SHA-256 over all records by id and the outcomes; ends of lines may be of any system."""
    return _digest((record, _lines(content)) for record, content in [*sorted(records.items()), ("outcomes", outcomes)])


def _lines(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n").rstrip(b"\n")


def value_digest(records: Mapping[str, bytes], outcomes: str) -> str:
    """SHA-256 over what the records and the outcomes say: numbers as numbers, columns by name, the
    outcomes in any order.

    Raises csv.Error for outcomes that are no table.
    """
    from bench_datasets.physionet2012.read import _as_published  # which needs pandas

    numbers: dict[bytes, bytes] = {}

    def value(line: bytes) -> bytes:
        head, comma, text = line.rpartition(b",")
        if text not in numbers:
            numbers[text] = _number(text.decode("latin-1")).encode()
        return head + comma + numbers[text]

    entries = [
        (record, b"\n".join(map(value, _as_published(_lines(content)).splitlines())))
        for record, content in sorted(records.items())
    ]
    rows = list(csv.reader(io.StringIO(outcomes)))
    columns = [_plain(name) for name in rows[0]] if rows else []
    places = [columns.index(name) for name in map(_plain, OUTCOMES) if name in columns]
    table = sorted(",".join(_number(row[place]) for place in places) for row in rows[1:] if len(row) == len(columns))
    return _digest([*entries, ("outcomes", "\n".join(table).encode())])


OUTCOMES = ("RecordID", "SAPS-I", "SOFA", "Length_of_stay", "Survival", "In-hospital_death")


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def _number(text: str) -> str:
    try:
        return repr(float(text))
    except ValueError:
        return text.strip()


def _digest(parts: Iterable[tuple[str, bytes]]) -> str:
    whole = hashlib.sha256()
    for name, content in parts:
        whole.update(f"{name} {len(content)}\n".encode())
        whole.update(content)
    return whole.hexdigest()


def _records(source: Path) -> Iterator[tuple[str, bytes]]:
    """Id and content of every record of an archive or a folder. Raises TooLarge for more than a
    set has.
    """
    left = LARGEST_SET
    for name, size, content in _files(source):
        left -= size
        if size > LARGEST_RECORD or left < 0:
            raise TooLarge("more than a set has")
        if record := RECORD_NAME.fullmatch(PurePosixPath(name).name):
            yield record[1], content()


def _files(source: Path) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    """Name, size once it is unpacked, and content, of every plain file."""
    if source.is_dir():
        yield from ((path.name, path.stat().st_size, path.read_bytes) for path in record_files(source))
    elif source.suffix == ".zip":
        with zipfile.ZipFile(source) as archive:
            yield from ((info.filename, info.file_size, partial(archive.read, info)) for info in archive.infolist())
    else:
        with opened(source) as members:
            for member, tar in members:
                if member.isreg() and (file := tar.extractfile(member)):
                    yield member.name, member.size, file.read
