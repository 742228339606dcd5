"""Exports as files: one JSON document with a line per record, the same bytes whatever order the
records came in.

Its first line is the checksum of all the others. Exports of earlier versions have none and begin
with their schema; they are read as they are.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from bench.errors import StorageError
from bench.files import read_bytes, write_bytes
from bench.results.records import SCHEMA, Export, Record
from bench.results.shareable import check_names, shareable
from bench.text.clean import json_text
from bench.text.json_file import check_count, decoded

_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(Export)

LARGEST = 128 * 2**20
"""Bytes of an export: some 20,000 cells with their comparisons."""

_SEALED = re.compile(rb'\{\n"sha256": "([0-9a-f]{64})",\n(.*)', re.DOTALL)
_UNSEALED = b'{\n"schema": '


HUGE = 1e100
"""What no score, cost or interval reaches; its square is still a number."""

_MAYBE_HUGE = re.compile(rb"[eE]\+?[1-9]\d\d|\d{100}")
"""How a huge number is written; that it stands in text too, only a look at the numbers tells,
which takes longer.
"""


def _huge(value: Any) -> Iterator[float]:
    if isinstance(value, float | int) and not -HUGE <= value <= HUGE:
        yield value
    elif isinstance(value, dict | list | tuple | msgspec.Struct):
        inside = msgspec.structs.astuple(value) if isinstance(value, msgspec.Struct) else value
        for inner in inside.values() if isinstance(inside, dict) else inside:
            yield from _huge(inner)


class _Schema(msgspec.Struct):
    schema: int


_schema = msgspec.json.Decoder(_Schema)


def save_export(path: Path, export: Export) -> None:
    """Write an export whole or not at all. Raises StorageError, also where it could not be read
    again.
    """
    content = encode_export(export)
    try:
        check_count(content)
        too_large = f"it is larger than {LARGEST // 2**20} MiB, the most that is read" * (len(content) > LARGEST)
    except msgspec.DecodeError as error:
        too_large = str(error)
    if too_large:
        raise StorageError(
            f"{path} was not written, since it could not be read again: {too_large}; export the grid in parts, for example "
            "task by task: bench report suite=NAME task=NAME"
        )
    write_bytes(path, content)


def encode_export(export: Export) -> bytes:
    """An export as JSON: records sorted by coordinates, each on a line of its own, names in
    dictionaries sorted.

    Numbers that are not finite have no form in JSON and are left out: a score that is not a number
    is no score.
    """
    records = sorted((finite(record) for record in export.records), key=lambda record: (record.coordinates, record.key))
    lines: list[bytes] = []
    for field in msgspec.structs.fields(Export):
        value: Any = records if field.name == "records" else getattr(export, field.name)
        if field.name == "run" and value is None:  # as in earlier versions, which knew of no runs
            continue
        if isinstance(value, list) and value:
            body = b"[\n" + b",\n".join(map(_encoder.encode, value)) + b"\n]"
        else:
            body = _encoder.encode(value)
        lines.append(f'"{field.name}": '.encode() + body)
    rest = b"\n".join(map(_visible, (b",\n".join(lines) + b"\n}\n").split(b"\n")))
    return b'{\n"sha256": "' + hashlib.sha256(rest).hexdigest().encode() + b'",\n' + rest


def _visible(line: bytes) -> bytes:
    """A line of JSON that says the same, without characters that cannot be seen: people look at a
    file, too.
    """
    return line if line.isascii() and b"\x7f" not in line else json_text(line.decode()).encode()


def finite(record: Record) -> Record:
    """The record without scores that are not finite; the same object when there are none."""
    groups = ("scores", "validation", "oracle", "hidden", "costs")
    nested = ("imputation", "imputation_validation", "completion")
    numbers = [getattr(record, name) for name in groups]
    numbers += [scores for name in nested for scores in getattr(record, name).values()]
    calibration = record.calibration
    calibrated = calibration is None or math.isfinite(calibration.ece + calibration.brier)
    scored = all(pattern.score is None or math.isfinite(pattern.score) for pattern in record.patterns)
    if calibrated and scored and math.isfinite(sum(sum(group.values()) for group in numbers)):
        return record
    kept: dict[str, Any] = {name: _finite(getattr(record, name)) for name in groups}
    kept |= {name: {modality: _finite(scores) for modality, scores in getattr(record, name).items()} for name in nested}
    kept["calibration"] = calibration if calibrated else None
    kept["patterns"] = [
        pattern
        if pattern.score is None or math.isfinite(pattern.score)
        else msgspec.structs.replace(pattern, score=None)
        for pattern in record.patterns
    ]
    return msgspec.structs.replace(record, **kept)


def _finite(scores: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in scores.items() if math.isfinite(value)}


class _Command(msgspec.Struct):
    command: str = ""


def command_of(path: Path) -> str:
    """The command of the run that an export is of; empty where there is none that can be read."""
    try:
        return msgspec.json.decode(read_bytes(path, LARGEST), type=_Command).command
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return ""


def check_seal(content: bytes) -> None:
    """DecodeError where the bytes of an export are not those that its checksum is of. Exports of
    earlier versions have none.
    """
    if sealed := _SEALED.fullmatch(content):
        if hashlib.sha256(sealed[2]).hexdigest().encode() != sealed[1]:
            raise msgspec.DecodeError("its checksum does not match: it was changed or cut short")
    elif not content.startswith(_UNSEALED):
        raise msgspec.DecodeError("it does not begin as an export does")


def load_export(path: Path, again: str = "bench report") -> Export:
    """Read an export. Raises StorageError when it is not there, damaged, or of a schema this
    version does not know.

    again: the command that makes it.
    """
    try:
        content = read_bytes(path, LARGEST)
    except FileNotFoundError:
        raise StorageError(f"there is no export at {path}; make one with: bench run, then {again}") from None
    except OSError as error:
        raise StorageError(
            f"cannot read {path}: {error.strerror or error}; check the path and its permissions"
        ) from error
    try:
        check_seal(content)
        schema = decoded(content, _schema).schema
        if schema == SCHEMA:
            export = check_names(decoded(content, _decoder), str(path))
            if _MAYBE_HUGE.search(content) and (huge := next(_huge(export), None)):
                raise msgspec.DecodeError(f"it holds the number {huge:g}, which is too large to compute with")
            return msgspec.structs.replace(export, records=[shareable(record) for record in export.records])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StorageError(
            f"{path} is not a complete export ({error}); restore it, or make it again: {again}"
        ) from error
    remedy = "upgrade gapbench" if schema > SCHEMA else f"make it again with this version: {again}"
    raise StorageError(f"{path} has schema {schema}, this bench reads schema {SCHEMA}; {remedy}")
