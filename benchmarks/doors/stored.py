"""What a run leaves: records files and weights."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.doors.case import Case
from benchmarks.doors.physionet import stand_in
from benchmarks.mutations import (
    mutated_bytes,
    mutated_tree,
)


@functools.cache
def _exports() -> list[tuple[bytes, Any]]:
    """Exports, as bytes and as trees without their checksum."""
    from bench.results.export_file import encode_export
    from support.fake_exports import LOS, PUBLISHED, make_export, simulated_export

    made = [
        make_export(("mean", "locf"), ("linear", "gru"), (1, 2), published=PUBLISHED),
        make_export(("mean",), ("linear",), (1, 2), ("natural", "mcar(rate=0.3)"), (LOS,)),
        simulated_export({"a": 1.0, "b": 2.0, "c": 3.0}, n=80),
    ]
    whole = [encode_export(export) for export in made]
    return [(content, {k: v for k, v in json.loads(content).items() if k != "sha256"}) for content in whole]


def sealed_export(tree: Any) -> bytes:
    """An export with its checksum."""
    rest = ",\n".join(f"{json.dumps(key)}: {_json(inner)}" for key, inner in tree.items()) + "\n}\n"
    return b'{\n"sha256": "' + hashlib.sha256(rest.encode()).hexdigest().encode() + b'",\n' + rest.encode()


def records(chance: random.Random) -> Case:
    """Records files, of which tables are made."""
    whole, tree = chance.choice(_exports())
    how = chance.random()
    if how < 0.25:
        content = mutated_bytes(whole, chance, [other for other, _ in _exports()])
    elif how < 0.4:  # the text of a sealed file, whose JSON may then be anything
        body = mutated_bytes(whole.split(b"\n", 2)[2], chance)
        content = b'{\n"sha256": "' + hashlib.sha256(body).hexdigest().encode() + b'",\n' + body
    else:
        tree = mutated_tree(tree, chance)
        content = sealed_export(tree) if isinstance(tree, dict) else _json(tree).encode()
    command = chance.choice([("--html",), ("--json",), ("--print", "--no-costs")])
    asked: list[tuple[str, ...]] = [("report", "from=made.records.json", "to=tables", *command)]
    if chance.random() < 0.05:
        asked.append(("plot", "rates", "from=made.records.json", "to=there.svg"))
    return Case(asked, {"made.records.json": content})


@functools.cache
def _weights() -> bytes:
    from bench.stages import weights as files
    from support.weight_files import STATE, made

    with tempfile.TemporaryDirectory() as place:
        record = made(component="mean", params={})
        files.write(Path(place) / "w.safetensors", STATE, record)
        return (Path(place) / "w.safetensors").read_bytes()


def resealed(content: bytes, change: Callable[[dict[str, Any]], Any]) -> bytes:
    """A file of weights with another header."""
    length = int.from_bytes(content[:8], "little")
    text = _json(change(json.loads(content[8 : 8 + length]))).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def _json(value: Any) -> str:
    """As JSON, also where it is too deep for Python to write."""
    try:
        return json.dumps(value)
    except RecursionError:
        return '{"a":' * 3000 + "1" + "}" * 3000


def with_record(change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], Any]:
    """A change of the record inside the header, with checksums that fit."""

    def changed(header: dict[str, Any]) -> dict[str, Any]:
        about = json.loads(header["__metadata__"]["gapbench"])
        text = _json(change(json.loads(about["metadata"]["weights"])))
        about["metadata"] = {"weights": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}
        return _resigned(header, about)

    return changed


def _resigned(header: dict[str, Any], about: Any) -> dict[str, Any]:
    from bench import arrays

    if isinstance(about, dict):
        with contextlib.suppress(KeyError, RecursionError):
            about["text_sha256"] = arrays._text_digest(about["sha256"], about["metadata"])
    return {**header, "__metadata__": {"gapbench": _json(about)}}


def weights(chance: random.Random) -> Case:
    """Files of weights in the safetensors format, and configurations beside them."""
    whole = _weights()
    how = chance.random()
    if how < 0.3:
        content = mutated_bytes(whole, chance)
    elif how < 0.65:
        content = resealed(whole, with_record(lambda record: mutated_tree(record, chance)))
    elif how < 0.75:
        content = resealed(
            whole,
            lambda header: _resigned(header, mutated_tree(json.loads(header["__metadata__"]["gapbench"]), chance)),
        )
    elif how < 0.95:
        content = resealed(whole, lambda header: mutated_tree(header, chance))
    else:
        content = chance.choice([0, 8, 2**31, 2**63 - 1, 2**64 - 1]).to_bytes(8, "little") + whole[8:]
    files = {"many/strange.safetensors": content, "many/good.safetensors": whole}
    if chance.random() < 0.2:
        beside = _json(
            mutated_tree(json.loads(json.dumps({"a": 1, "component": "around", "list": [1, {"b": None}]})), chance)
        )
        files["many/strange.json"] = mutated_bytes(beside.encode(), chance)
    load = ("weights", "load", "many/strange.safetensors")
    plan = ("plan", "suite=small.toml", f"data.root={stand_in()}", "imputer=mean", "weights=many/strange.safetensors")
    return Case([("weights", "list", "many"), load, *([plan] if chance.random() < 0.3 else [])], files)
