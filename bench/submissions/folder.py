"""The folder of a submission: `submission.toml`, `records.json`, `README.md`, and for open data
`predictions/KEY.npz`.

Such folders come from anybody. No name in one is ever followed: files are looked for by names that
are known, and whatever else lies there is refused.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import tomli_w

from bench.config import toml_file
from bench.config.words import halves
from bench.errors import BenchError, UsageError
from bench.files import is_path, read_bytes, replacing
from bench.grid.axes import REPEATS
from bench.results.export_file import LARGEST, encode_export, load_export
from bench.results.ledger import LARGEST_ARRAYS
from bench.results.records import Export
from bench.text.names import RULE, is_name, shown

FORMAT = 1
ABOUT, RECORDS, README, PREDICTIONS = "submission.toml", "records.json", "README.md", "predictions"
LARGEST_README = 2**20

OF_METHODS = ("imputer", "fuser", "federation")
"""Words of a submission: which methods its rows are of, and their parameters. Besides them it may
say seeds and splits (`REPEATS`), since a board may have more than the suite. All else is the
suite's.
"""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,99}")
"""What `pip install NAME==VERSION` takes for nothing else."""

_REVISION = re.compile(r"([0-9a-f]{7,64}(\+changes)?)?")


class Refused(BenchError):
    """Why a folder is no submission that could be checked."""

    exit_code = 7


class Pinned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A distribution that brings methods of the rows. revision: of the checkout it was installed
    from as editable, else empty.
    """

    name: str
    version: str
    revision: str = ""

    @property
    def in_words(self) -> str:
        return f"{self.name}=={self.version}" + (f" at revision {self.revision}" if self.revision else "")


class Submission(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `submission.toml` says.

    - words: of the run, those of `OF_METHODS`.
    - device: which the keys were made for.
    - records: SHA-256 of `records.json`. predictions: key of a cell -> SHA-256 of its file.
    """

    format: int = FORMAT
    suite: str
    words: list[str] = []
    device: str = "cpu"
    plugins: list[Pinned] = []
    records: str
    predictions: dict[str, str] = {}


@dataclass(frozen=True)
class Packed:
    """A folder that was read. predictions: key of a cell -> the bytes of its file."""

    submission: Submission
    export: Export
    predictions: dict[str, bytes] = field(default_factory=dict)


def is_of_methods(word: str) -> bool:
    """Whether a word says a method, one of its parameters, seeds or splits, and names no absolute
    path.
    """
    key, _, value = halves(word)
    return key.partition(".")[0] in (*OF_METHODS, *REPEATS) and not is_path(value.strip("\"'"))


def write(folder: Path, submission: dict[str, Any], export: Export, predictions: dict[str, bytes], readme: str) -> None:
    """Write a submission whole or not at all. submission: its fields but for digests. Raises
    UsageError where the folder is there, and StorageError.
    """
    if folder.exists() or folder.is_symlink():
        raise UsageError(f"{folder} is there already; give another to=FOLDER, or remove it")
    records = encode_export(export)
    packed = Submission(
        **submission,
        records=hashlib.sha256(records).hexdigest(),
        predictions={key: hashlib.sha256(content).hexdigest() for key, content in sorted(predictions.items())},
    )
    with replacing(folder) as temporary:
        temporary.mkdir()
        (temporary / ABOUT).write_text(text_of(packed), encoding="utf-8")
        (temporary / RECORDS).write_bytes(records)
        (temporary / README).write_text(readme, encoding="utf-8")
        if predictions:
            (temporary / PREDICTIONS).mkdir()
            for key, content in predictions.items():
                (temporary / PREDICTIONS / f"{key}.npz").write_bytes(content)


def text_of(submission: Submission) -> str:
    """The content of `submission.toml`."""
    return tomli_w.dumps(msgspec.to_builtins(submission))


def read(folder: Path) -> Packed:
    """The submission in a folder. Raises UsageError where there is no such folder, and Refused,
    with the reason, for any other content than that of a submission.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; give that of a submission: bench verify FOLDER")
    submission = about(folder)
    wanted = {ABOUT, RECORDS, *(f"{PREDICTIONS}/{key}.npz" for key in submission.predictions)}
    _check_files(folder, wanted)
    _intact(folder, RECORDS, submission.records, LARGEST)
    try:
        export = load_export(folder / RECORDS, "bench submit")
    except BenchError as error:
        raise Refused(str(error)) from None
    if strange := sorted(submission.predictions.keys() - {record.key for record in export.records}):
        raise Refused(f"it has predictions of {strange[0]}, of which {RECORDS} has no record")
    predictions = {
        key: _intact(folder, f"{PREDICTIONS}/{key}.npz", digest, LARGEST_ARRAYS)
        for key, digest in submission.predictions.items()
    }
    return Packed(submission, export, predictions)


def about(folder: Path) -> Submission:
    """What `submission.toml` says, each entry checked. Raises Refused."""
    path = folder / ABOUT
    if path.is_symlink():
        raise Refused(f"{ABOUT} is a link; a submission holds plain files alone")
    try:
        submission = msgspec.convert(toml_file.parsed(toml_file.text_of(path)), Submission)
    except OSError as error:
        raise Refused(f"{ABOUT} cannot be read: {error.strerror}; pack the rows with: bench submit") from None
    except toml_file.NotToml as error:
        raise Refused(f"{ABOUT} {error}") from None
    except msgspec.ValidationError as error:
        raise Refused(f"{ABOUT} is not as bench submit writes it: {error}") from None
    if submission.format != FORMAT:
        raise Refused(f"{ABOUT} has format {submission.format}, this bench reads format {FORMAT}")
    if not is_name(submission.suite):
        raise Refused(f"{ABOUT}: suite {shown(submission.suite)} is not accepted: {RULE}")
    if submission.device not in ("cpu", "cuda"):
        raise Refused(f"{ABOUT}: device {shown(submission.device)} is not accepted: cpu or cuda")
    for text in (submission.records, *submission.predictions, *submission.predictions.values()):
        if not _DIGEST.fullmatch(text):
            raise Refused(f"{ABOUT}: {shown(text)} is neither a key nor a digest: 64 digits, 0 to 9 and a to f")
    for each in submission.plugins:
        for pattern, text in ((_DISTRIBUTION, each.name), (_VERSION, each.version), (_REVISION, each.revision)):
            if not pattern.fullmatch(text):
                raise Refused(f"{ABOUT}: {shown(text)} is no name, version or revision of a plugin")
    if strange := [word for word in submission.words if not is_of_methods(word)]:
        raise Refused(
            f"{ABOUT}: the word {shown(strange[0])} says more than methods, their parameters and seeds; all else is the suite's"
        )
    return submission


def _check_files(folder: Path, wanted: set[str]) -> None:
    """Raises Refused unless the folder holds these files and no others but `README.md`."""
    there = set()
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or (path.is_dir() and name == PREDICTIONS)):
            raise Refused(f"{shown(name)} is no plain file of a submission; remove it")
        if path.is_file():
            there.add(name)
    if strange := sorted(there - wanted - {README}):
        raise Refused(f"{shown(strange[0])} is no file of a submission; remove it")
    if lacking := sorted(wanted - there):
        raise Refused(f"{lacking[0]} is not there; pack the rows again: bench submit")
    if README in there and (folder / README).stat().st_size > LARGEST_README:
        raise Refused(f"{README} is larger than {LARGEST_README // 2**20} MiB")


def _intact(folder: Path, name: str, digest: str, most: int) -> bytes:
    try:
        content = read_bytes(folder / name, most)
    except OSError as error:
        raise Refused(f"{name} cannot be read: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise Refused(f"{name} is not what {ABOUT} says: its digest is another, so it was changed since it was packed")
    return content
