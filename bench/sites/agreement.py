"""What the server of a federation and its sites agree on, and the folder in which a site has its
share.

A site prepares its folder from its own copy of the data (`bench.sites.folder`), and trains nothing
but what stands in it.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from bench import arrays
from bench.cohort import Cohort, Task
from bench.components import Context
from bench.config.suite import Scaling
from bench.data.splits import PARTS
from bench.errors import DataError, UsageError
from bench.federated.settings import Privacy, Rounds
from bench.files import read_bytes, write_text
from bench.stages.preparing import load, save

AGREEMENT, SHARE, FORM, LOCAL = "agreement.json", "share.json", "form", "local"

S = TypeVar("S", bound=msgspec.Struct)

LARGEST = 2**20
"""Bytes of an agreement that are read."""


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A component with all its parameters."""

    name: str
    params: dict[str, Any]


class Agreement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that decides what is trained, and how; the same at the server and at every site.

    - gapbench: the version, which decides what messages look like.
    - split: in words; scenario, hidden_in: each site divides its own records, and hides in them.
    - seed: of the cell.
    """

    gapbench: str
    suite: str
    dataset: str
    task: Task
    modalities: tuple[str, ...]
    split: str
    scenario: Named
    hidden_in: tuple[str, ...]
    imputer: Named
    fuser: Named
    federation: Named
    seed: int
    rounds: Rounds
    privacy: Privacy
    scaling: Scaling
    fill_absent: bool
    precision: str
    threads: int

    @property
    def digest(self) -> str:
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()

    @property
    def context(self) -> Context:
        return Context(seed=self.seed, precision=self.precision)

    def difference(self, other: Agreement) -> str:
        """The first thing in which another differs, in words; empty where nothing does."""
        for name in self.__struct_fields__:
            here, there = (msgspec.json.encode(getattr(each, name)).decode() for each in (self, other))
            if here != there:
                return f"{name} is {here} here and {there} there"
        return ""


class Share(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a site has.

    - client: its number in the partition of the suite; None where all records are of one site.
    - modalities: those it has.
    """

    client: int | None
    modalities: tuple[str, ...]


def write(folder: Path, agreement: Agreement, share: Share, parts: dict[str, Cohort], form: Cohort) -> None:
    """Write the folder of a site. The agreement and the form are all that a server needs.

    - parts: train, valid and test: visible entries in recorded units, and the targets of the task.
    - form: a cohort without records.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / AGREEMENT).unlink(missing_ok=True)  # so that what is half written counts as nothing
    for name, cohort in {**parts, FORM: form}.items():
        save(_file(folder, name), cohort)
    write_text(folder / SHARE, msgspec.json.format(msgspec.json.encode(share)).decode() + "\n")
    write_text(folder / AGREEMENT, msgspec.json.format(msgspec.json.encode(agreement)).decode() + "\n")


def read_agreement(folder: Path) -> Agreement:
    """Raises DataError, with what to type, where the folder holds none of this version."""
    return _decoded(folder, AGREEMENT, Agreement)


def read_share(folder: Path) -> Share:
    """Raises DataError."""
    return _decoded(folder, SHARE, Share)


def read_cohort(folder: Path, name: str) -> Cohort:
    """A part, or the form. Raises DataError where it is not there, or damaged."""
    if not _file(folder, name).exists():
        raise _unprepared(folder, f"has no {_file(folder, name).name}")
    try:
        return load(_file(folder, name))
    except arrays.Damaged as error:
        raise _unprepared(folder, f"has a {error.path.name} that {error.what}") from None


def check_free(folder: Path, agreement: Agreement, client: int | None) -> None:
    """Raise UsageError unless a folder may be written for a client under an agreement: it is not
    there, or was prepared for the same before, be it in part.
    """
    another = "; name another to=DIR"
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"to={folder} is a file{another}")
    names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    ours = {AGREEMENT, SHARE, LOCAL, *(_file(folder, name).name for name in (*PARTS, FORM))}
    if stray := sorted(names - ours):
        raise UsageError(f"{folder} holds files of something else, such as {stray[0]}{another}")
    with contextlib.suppress(DataError):  # what cannot be read is written again, as its error says
        if (share := read_share(folder)).client != client:
            whose = [f"client {each}" if each is not None else "all clients" for each in (share.client, client)]
            raise UsageError(f"{folder} was prepared for {whose[0]}, not for {whose[1]}{another}")
        if what := agreement.difference(read_agreement(folder)):
            raise UsageError(f"{folder} was prepared under another agreement{another}, or the same words; {what}")


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.safetensors"


def _decoded(folder: Path, name: str, kind: type[S]) -> S:
    try:
        return msgspec.json.decode(read_bytes(folder / name, LARGEST), type=kind)
    except OSError:
        raise _unprepared(folder, f"has no {name}") from None
    except msgspec.MsgspecError as error:
        raise _unprepared(folder, f"has a {name} that cannot be used ({error})") from None


def _unprepared(folder: Path, what: str) -> DataError:
    return DataError(f"{folder} {what}; make it with: bench federate prepare to={folder} suite=NAME [KEY=VALUE]...")
