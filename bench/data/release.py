"""Which release of a dataset the files that were found are: asked of the dataset, for titles,
records and published values.

A name that two releases share, such as "MIMIC-IV", says too little: the open demo of 100 patients
is called so too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from bench.files import read_bytes, write_text
from bench.grid.identity import digest, sources
from bench.registry import BY_COUNTS, Spec
from bench.results.records import Export, Published

GENERATED = "synthetic cohort"
"""The release of a cohort that was generated."""


def release_of(spec: Spec, params: msgspec.Struct, root: Path, synthetic: bool, manifest: str, cache: Path) -> str:
    """The release in words that may be published; empty where the dataset declares no way to tell
    it.

    Asked once for the same content, parameters and code, and remembered under `cache`.
    """
    if synthetic or not spec.release:
        return GENERATED if synthetic else ""
    key = digest([sources(spec.release.partition(":")[0])[0], manifest, msgspec.to_builtins(params)])
    path = cache / "releases" / f"{key}.json"
    try:
        known = msgspec.json.decode(read_bytes(path, 2**20), type=dict[str, str])
        if known.get("check") == digest([key, known.get("release")]):
            return known["release"]
    except (OSError, msgspec.MsgspecError):
        pass
    release: str = spec.call(spec.release, root, params) or f"unknown release of {spec.name}"
    write_text(path, msgspec.json.encode({"release": release, "check": digest([key, release])}).decode() + "\n")
    return release


def elsewhere(export: Export, entry: Published, nobody: Sequence[str] = ()) -> str:
    """Why a published value does not stand beside ours, in words; empty where it was measured on
    these data. These are the same data when the digest of the release's content is the same. Where
    the dataset knows no digest, its counts decide, which the title then says.

    `nobody`: modalities of the table that no record has.
    """
    if export.synthetic:
        return "ours are of generated patients"
    if not entry.release:
        return "the suite does not say which data they were measured on"
    if not export.release:
        return f"measured on {entry.release}; which data ours are of is not recorded"
    if entry.release != export.release.removesuffix(BY_COUNTS):
        return f"measured on {entry.release}, ours on {export.release}"
    if other := [f"{key}={_plain(value)}" for key, value in entry.data.items() if export.data.get(key) != value]:
        ours = [
            f"{key}={_plain(export.data.get(key))}"
            for key, value in entry.data.items()
            if export.data.get(key) != value
        ]
        return f"measured with {', '.join(other)}, ours with {', '.join(ours)}"
    return f"no record of ours has {', '.join(nobody)}" if nobody else ""


def _plain(value: Any) -> str:
    return msgspec.json.encode(value).decode().strip('"')


def public(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a dataset as an export may hold them, and as it has them when it is read again.
    Tuples become lists; of an absolute path only the last part stays.
    """
    from bench.grid.variants import short

    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(params))
    return {key: short(value) if isinstance(value, str) else value for key, value in plain.items()}
