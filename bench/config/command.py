"""A command as data: the settings of a run (`Settings`), a method with its parameters (`Variant`),
and both together with the suite (`Request`). `bench.config.request` makes them out of words.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from bench.config.suite import Suite
from bench.config.words import ORIGIN, duration, size, without
from bench.data import places
from bench.errors import UsageError, nearest
from bench.grid.matching_rows import Label
from bench.results.records import Override

INDIFFERENT = {
    "name", "out", "cache", "executor", "shared", "slurm", "ray", "address", "workers", "budget", "retry", "shuffle", "shard",
}  # fmt: skip
"""Settings that change where, how fast and in which order cells are run, but no result."""


class Variant(msgspec.Struct, frozen=True):
    """One method with one set of parameters. label: its name, and in brackets what the command line
    or a sweep set, or the parameter's type asks to be shown (`_in_label`).

    params: plain values, every parameter of its type. weights: digest of the file its state is
    loaded from, where it is not fitted. Hashable; labels of one kind differ where anything else
    does.
    """

    kind: str
    name: str
    label: str
    params: dict[str, Any]
    control: bool = False
    weights: str = ""

    def __hash__(self) -> int:
        return hash((self.kind, self.label))

    def loading(self, digest: str) -> Variant:
        """The same, with its state loaded from the weights of that digest; the label says so."""
        return msgspec.structs.replace(self, label=self.labelled(f"weights={digest[:8]}"), weights=digest)

    def labelled(self, word: str) -> str:
        """The label with one more word in its brackets."""
        inside = self.label.partition("(")[2].removesuffix(")")
        return f"{self.name}({', '.join([inside] * bool(inside) + [word])})"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a suite is run; none of it changes what a cell means, except device, precision and
    threads, which are in its key.
    """

    suite: Annotated[str, msgspec.Meta(description="A suite's name, or a path that ends in `.toml`. Needed.")] = ""
    name: Annotated[
        str,
        msgspec.Meta(
            description="What the [run is kept as](../how-to/history.md#runs); empty: the date and the time at which it ended."
        ),
    ] = ""
    profile: Annotated[str, msgspec.Meta(description="Which profile of the suite is laid over it.")] = "demo"
    out: Annotated[str, msgspec.Meta(description="Folder of the ledger, the tables and the baselines.")] = "results"
    cache: Annotated[
        str,
        msgspec.Meta(
            description="Folder of prepared data, masks, imputations, checkpoints and downloads; empty: see [the "
            "environment](#environment)."
        ),
    ] = ""
    executor: Annotated[
        str,
        msgspec.Meta(
            description="What runs the jobs: `local` = worker processes on this machine, `slurm` = the [queue of a "
            "cluster](../how-to/slurm.md), `ray` = a [Ray cluster](../how-to/ray.md). Results do not depend on it."
        ),
    ] = "local"
    shared: Annotated[
        str,
        msgspec.Meta(
            description="A folder that all machines of a cluster see. Without `cache` the cache is in it, for every executor."
        ),
    ] = ""
    slurm: Annotated[
        dict[str, str],
        msgspec.Meta(
            description="`slurm.OPTION=VALUE`: an option of `sbatch`, as it is, such as `slurm.partition=gpu`. "
            "`slurm.NAME.OPTION` is for the jobs of one method, `slurm.cpu.OPTION` and `slurm.cuda.OPTION` for those of "
            "a device. `slurm.array` says at most how many jobs an array has."
        ),
    ] = {}
    ray: Annotated[
        dict[str, str],
        msgspec.Meta(
            description="`ray.memory=8GiB`, `ray.cpus=2`, `ray.gpus=0.5`: what a task asks Ray for. `ray.NAME.memory` is for "
            "the jobs of one method, `ray.cpu.memory` and `ray.cuda.memory` for those of a device."
        ),
    ] = {}
    address: Annotated[
        str,
        msgspec.Meta(
            description="The Ray cluster of `executor=ray`: `auto` is that of this machine, `HOST:6379` another, `local` one "
            "that begins and ends with the run."
        ),
    ] = "auto"
    workers: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            description="Processes. 0 = one per core this process may use, and at least one per GPU. With `device=cuda` "
            "the first workers have a GPU each and take the cells that train on it. The others, and a worker "
            "whose GPU has nothing to do, take the rest.",
        ),
    ] = 0
    threads: Annotated[
        int,
        msgspec.Meta(ge=1, description="Threads of each worker; arithmetic depends on it, so it is part of the keys."),
    ] = 1
    device: Annotated[
        str,
        msgspec.Meta(
            description="`auto`, `cpu` or `cuda`. `auto` takes a GPU when torch can use one. `cuda` takes all that this process "
            "may use, `cuda:1` the second of them alone. Which of them is in no key."
        ),
    ] = "auto"
    precision: Annotated[
        Literal["fp32", "bf16"], msgspec.Meta(description="`bf16`: autocast; weights stay in single precision.")
    ] = "fp32"
    budget: Annotated[
        str,
        msgspec.Meta(
            description="Stop after this time, such as `9m`; see [stopping](../how-to/run.md#stop). Empty: no budget."
        ),
    ] = ""
    retry: Annotated[
        bool, msgspec.Meta(description="Try again what failed, timed out or ran out of memory in an earlier run.")
    ] = True
    tuned: Annotated[
        str,
        msgspec.Meta(
            description="A file that [`bench tune`](../how-to/tune.md) wrote: a further row for each method in it, with the "
            "parameters chosen there. Two files, one of fusers and one of imputers: `tuned=A.toml,B.toml`."
        ),
    ] = ""
    shuffle: Annotated[
        int | None, msgspec.Meta(description="A seed for the order in which cells are run; no result depends on it.")
    ] = None
    shard: Annotated[
        str,
        msgspec.Meta(
            description="`3/16` runs the third of 16 parts of the cells, which [`bench ledger "
            "merge`](../how-to/many-machines.md#shards) puts together. Empty: all of them."
        ),
    ] = ""

    def cache_folder(self) -> Path:
        """See `bench.data.places`."""
        return places.cache_folder(self.cache or (self.shared and str(Path(self.shared) / "cache")))

    def out_folder(self) -> Path:
        return Path(self.out).expanduser().absolute()

    def tuned_files(self) -> list[Path]:
        """The files of tuned parameters. A comma parts two of them behind `.toml` alone, since
        file names may hold commas.
        """
        return [Path(name).expanduser() for name in re.split(r"(?<=\.toml),", self.tuned) if name]

    def part(self) -> tuple[int, int]:
        """Which part of how many `shard` names; (1, 1) where it names none. Raises UsageError."""
        if not self.shard:
            return 1, 1
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", self.shard)
        number, parts = (int(match[1]), int(match[2])) if match else (0, 0)
        if not 1 <= number <= parts:
            raise UsageError(
                f'"shard" = {self.shard} (from {ORIGIN}) is not accepted; give for example shard=3/16, the third of 16 parts'
            )
        return number, parts

    def budget_seconds(self) -> float | None:
        return duration(self.budget, "budget") if self.budget else None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A resolved command: typed settings, the typed suite and the methods that it runs."""

    settings: Settings
    suite: Suite
    root: str
    words: tuple[str, ...]
    variants: Mapping[str, tuple[Variant, ...]]
    """kind of component -> its values on the grid: those that the suite names in their order,
    then its further controls
    """
    pinned: Mapping[str, frozenset[str]] = {}
    """`kind.name` -> parameters set on the command line"""
    labels: Mapping[str, tuple[Label, ...]] = {}
    """kind of component -> the rows that words ask for, where they name any by its label"""
    overrides: tuple[Override, ...] = ()
    """in what the suite differs from its file and its profile"""
    notes: tuple[str, ...] = ()
    """what every table made of it must say, besides what the suite tells"""
    tuned_on: str = ""
    """the manifest of the data that parameters were tuned on; empty where none were"""
    verb: Literal["run", "tune"] = "run"
    """the command that was asked"""

    def of(self, kind: str, name: str) -> tuple[Variant, ...]:
        """The variants of one method."""
        return tuple(variant for variant in self.variants[kind] if variant.name == name)

    def loading(self, weights: Mapping[str, str]) -> Request:
        """The same with imputers that load weights instead of being fitted. weights: imputer ->
        digest of its weights.
        """
        rows = [v.loading(weights[v.name]) if v.name in weights else v for v in self.variants["imputer"]]
        for label in self.labels.get("imputer", ()):
            if label.weights and label.name not in weights:
                raise UsageError(
                    f'imputer "{label.text}" (from {ORIGIN}) was loaded, and its weights are not in this run; add: '
                    f"weights={label.weights}"
                )
        return self.with_variants("imputer", rows).narrowed()

    def narrowed(self) -> Request:
        """The same with the rows alone that words ask for by their labels. Raises UsageError for a
        label that none has.
        """
        request, federations = self, [row.label for row in self.variants["federation"]]
        for kind, labels in self.labels.items():
            rows = {row.label: row for row in self.variants[kind]}
            for label in labels:
                if not label.among(rows):
                    raise UsageError(
                        f'{kind} "{label.text}" (from {ORIGIN}) is no row of this run; {nearest(label.row, rows)}there: '
                        f"{', '.join(rows)}"
                    )
                if label.federation and not any(label.is_trained_by(name) for name in federations):
                    raise UsageError(
                        f'{kind} "{label.text}" (from {ORIGIN}) names a federation that is not in this run; add: '
                        f"federation={label.federation}"
                    )
            kept: list[str] = []
            for name in dict.fromkeys(row.name for row in rows.values()):
                own = [label for label in labels if label.name == name] or [Label(name, name)]
                kept += [text for label in own for text in label.among(rows)]
            request = request.with_variants(kind, [rows[text] for text in dict.fromkeys(kept)])
        return request

    def trainers(self) -> dict[tuple[str, str], list[Label]]:
        """Kind and label of each row that words ask for -> by which labels, where all of these
        say which federation trained it.
        """
        labels_of_row: dict[tuple[str, str], list[Label]] = {}
        for kind, labels in self.labels.items():
            rows = [row.label for row in self.variants[kind]]
            for label in labels:
                for text in label.among(rows):
                    labels_of_row.setdefault((kind, text), []).append(label)
        return {row: labels for row, labels in labels_of_row.items() if all(label.federation for label in labels)}

    def with_variants(self, kind: str, variants: Iterable[Variant]) -> Request:
        """The same with these values of an axis."""
        return msgspec.structs.replace(self, variants={**self.variants, kind: tuple(variants)})

    def time_limit(self) -> float:
        return duration(self.suite.limits.time, "limits.time", f"suite {self.suite.name}")

    def memory_limit(self) -> int:
        return size(self.suite.limits.memory, "limits.memory", f"suite {self.suite.name}")

    def command(self, exact: bool = True) -> str:
        """The command that repeats this request; without `exact`, only the words that can change
        a result.
        """
        return shlex.join(["bench", self.verb, *without(self.words, () if exact else INDIFFERENT)])
