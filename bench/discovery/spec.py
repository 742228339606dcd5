"""A component as its plugin declared it (`Spec`), and the words that declarations are made of.

Plugins import these from `bench.registry`.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from bench.cohort import Task
from bench.config.conversion import convert
from bench.discovery.guard import error_line, value_line
from bench.discovery.lazy import load
from bench.errors import BenchError, PluginError
from bench.presets import Presets
from bench.workload import Workload

Kind = Literal["dataset", "scenario", "imputer", "fuser", "federation"]
KINDS: tuple[Kind, ...] = typing.get_args(Kind)

Randomness = Literal["deterministic", "seeded", "stochastic"]
RANDOMNESS = typing.get_args(Randomness)
"""deterministic: the seed changes nothing; seeded: same seed, same bits on the CPU; stochastic:
not reproducible.
"""

TAGS: Mapping[str, str] = {
    "torch": "runs on torch; takes the device and the precision of the run",
    "uses_events": "reads the time-stamped events, not only the grid",
    "draws": "can return several draws; of imputers, and of fusers tagged own_imputer",
    "uses_draws": "fuser: reads all draws of the imputer",
    "nan_aware": "fuser: accepts a grid with NaN, so the control `none` makes sense",
    "own_imputer": "fuser: completes the series by itself from what is observed; its completion is scored, and it is paired "
    "with controls alone, which fill nothing",
    "leaves_nan": "imputer: a control that returns NaN where nothing was observed",
    "hides_values": "imputer: a control whose fuser sees masks and times but no value",
    "learner": "its torch modules are trained by `bench.learner.Learner`, so the rounds of a federation can train it",
    "sums": "imputer: learns from exact sums alone (`bench.sums.Summed`), the same however records are divided",
    "learns_nothing": "imputer: learns nothing from training records",
    "alone": "federation: a control in which every client trains by itself and sends nothing",
    "pooled": "federation: a control in which all records lie in one place; what is not federated",
    "uses_split": "dataset: learns from training records while preparing (`Context.parts`), so the split is in its key",
    "synthetic": "dataset: generated; every table made on it says so",
}


NOTES: Mapping[str, str] = {
    "count": "whole numbers from 0, of which a record keeps three significant digits",
    "share": "numbers from 0 to 1, of which a record keeps two decimals",
    "modality": "names of modalities of the cell",
}
"""What a declared note may hold, besides words that the declaration lists: nothing that could
name or measure a single record.
"""


BY_COUNTS = ", told by its counts alone"
"""What stands behind the name of a release (`Spec.release`) where no digest of its content is
known, so that an edit which keeps the counts would pass.
"""

MARK = "synthetic.json"
"""The file by which generated data are known after they were moved: in `data.root` itself, or among
a dataset's files.
"""


NOTE = re.compile(r"[a-z][a-z0-9 -]{0,59}")
"""The name of a declared note."""


def is_amount(value: Any) -> bool:
    """Whether something is a finite number of seconds or of records, 0 or more."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1e15


class NoParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A component without parameters."""


@dataclass(frozen=True)
class Embedder:
    """How a dataset makes one modality's file of prepared embeddings out of raw files (`bench data
    embed`).

    - path: lazy path of a function `(source, to, params, data, root, context) -> dict`. It reads
      the folder `source`, writes the file `to`, whole or not at all, and returns what it made as
      plain values. It goes on where an earlier call stopped. data: the dataset's parameters; root:
      its folder when one was given, else None; context: device and report.
    - params: what it takes, as `key=value`; a field without a default must be given.
    """

    path: str
    params: type[msgspec.Struct] = NoParams
    summary: str = ""


class Contents(msgspec.Struct, frozen=True):
    """What a cohort will have where only the files of the dataset say it (`Spec.contents`)."""

    tasks: tuple[Task, ...] = ()
    modalities: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Spec:
    """One component as its plugin declared it."""

    kind: Kind
    name: str
    path: str
    params: type[msgspec.Struct] = NoParams
    presets: Presets[Any] | None = None
    """Named sets of values for the parameters that are null by default (`bench show` lists
    them).
    """
    version: str = "1"
    summary: str = ""
    paper: str = ""
    tags: frozenset[str] = frozenset()
    randomness: Randomness = "deterministic"
    seconds: float | Callable[[Any, Workload], float] = 1.0
    """What one fit-and-apply takes with one CPU core, used until a ledger knows better: on 1,000
    records, all else left out of account; or a function (typed parameters,
    `bench.workload.Workload`) -> seconds.
    """
    generated_records: Callable[[Any], int] | None = None
    """dataset: (typed parameters) -> how many records its generator makes; for estimates before
    they are there
    """
    channels: Callable[[Any], Mapping[str, int]] | None = None
    """dataset: (typed parameters) -> modality -> how many channels it has, about; for estimates
    before they are there
    """
    expected_failures: Mapping[str, str] = field(default_factory=dict)
    """Conformance checks known to fail, each with its reason. One that passes after all is
    reported (strict).
    """
    test_params: Mapping[str, Any] = field(default_factory=dict)
    """Parameters the conformance kit uses in place of the defaults, so that a slow method can be
    checked in seconds.
    """
    space: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """What tuning may choose from: parameter -> its values, every combination of them allowed.
    Small, so that every method can be given the same number of trials.
    """
    notes: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    """fuser: what `Context.note` may keep in a record: name -> a key of `NOTES`, or the words
    one of which it is
    """
    tasks: Mapping[str, Any] = field(default_factory=dict)
    """dataset: name -> bench.cohort.Task"""
    modalities: tuple[str, ...] = ()
    """dataset: the names of its modalities, in their order"""
    splits: tuple[str, ...] = ()
    """dataset: the names of the splits that its cohort carries (`Cohort.splits`), for
    `split=NAME`
    """
    columns: tuple[str, ...] = ()
    """dataset: the names of the columns that its cohort carries (`Cohort.columns`), for
    `partition.by=NAME`
    """
    contents: str = ""
    """dataset: lazy path of a light function `(root, params) -> Contents`, where the files say
    which tasks, modalities, splits and columns the cohort has. Those of the declaration are empty
    then, until a root is known (`Registry.look_into`).
    """
    files: str = ""
    """dataset: lazy path of a light function `(root, params) -> list[Path]`: the files that
    decide its content
    """
    release: str = ""
    """dataset: lazy path of a light function `(root, params) -> str`. It says which release or part
    of it the files are, as one cites it ("MIMIC-IV demo 2.2"). It decides by digests of their
    content and not by names of folders. Where no digest of the release is known, `BY_COUNTS` stands
    behind the name. What has the counts of a release but another content says so; "" for none that
    is known.
    """
    fetch: str = ""
    """dataset: lazy path of a function `(root, params, report) -> None` that downloads the files"""
    fetch_name: str = ""
    """dataset: the name of the download for `bench data fetch` where it is only a part that is open
    to everybody; such a part is never downloaded unasked
    """
    verify: str = ""
    """dataset: lazy path of a function `(root, params) -> list[dict]` with item, status and
    detail of each thing looked at
    """
    embed: Mapping[str, Embedder] = field(default_factory=dict)
    """dataset: modality -> how its prepared embeddings are made"""
    generate: str = ""
    """dataset: lazy path of a function `(folder, params, report) -> None` that makes a folder with
    made-up files of the same layout; the folder does not exist yet
    """
    indifferent: tuple[str, ...] = ()
    """dataset: the parameters that change nothing of the cohort, such as the consent to terms of
    use
    """
    selects_by: tuple[str, ...] = ()
    """fuser: metrics by which it chooses among models besides the task's primary one, whose code
    is then in its keys
    """
    without_noise: tuple[str, ...] = ()
    """imputer or fuser tagged learner: the groups of its arrays that noise does not cover, `buffer`
    and `own`; under `privacy.clip` it is skipped
    """
    refuses: str = ""
    """federation: lazy path of a light function `(params, method's params) -> str`. It says why it
    cannot merge such a training, and what to type; "" where it can.
    """
    generate_params: tuple[str, ...] = ()
    """dataset: the parameters that decide what `generate` writes. Only these are in the key of the
    generated folder, and they have no effect on files that are there; empty: all parameters
    """
    plugin: str = ""
    """the distribution and module that declared it"""

    def seen(self) -> Contents:
        """What is known of the contents of a dataset."""
        return Contents(tuple(self.tasks.values()), self.modalities, self.splits, self.columns)

    def load(self, attribute: str | None = None) -> Any:
        """Import what a lazy path names (the component itself when no other path is given).

        Raises PluginError, with the plugin and the reason, when it cannot be imported.
        """
        return load(attribute or self.path, f'{self.kind} "{self.name}" (from {self.plugin})')

    def call(self, path: str, *arguments: Any, **named: Any) -> Any:
        """What the function that a lazy path names makes of these. Raises its own BenchError or
        OSError, else PluginError.
        """
        function = self.load(path)
        return self._answer(function, path, *arguments, **named)

    def _answer(self, function: Callable[..., Any], what: str, *arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except (BenchError, OSError):
            raise
        except (Exception, SystemExit) as error:
            failed = f'{what} of {self.kind} "{self.name}" (from {self.plugin}) failed'
            raise PluginError(f"{failed}: {error_line(error)}", public=failed) from error

    def build(self, params: msgspec.Struct | Mapping[str, Any] | None = None) -> Any:
        """The component, constructed with its parameters (a struct, a mapping of its fields, or
        the defaults).
        """
        if not isinstance(params, msgspec.Struct):
            params = self.parameters(params or {})
        return self.load()(params)

    def parameters(self, values: Mapping[str, Any], origin: str = "the caller") -> msgspec.Struct:
        """The typed parameters with `values` over the defaults; UsageError for an unknown name
        or a bad value.
        """
        return convert(values, self.params, f"{self.kind}.{self.name}", origin)

    def expected_seconds(self, values: Mapping[str, Any], work: Workload) -> float:
        """`seconds` for these parameter values and so much work. PluginError when its function
        fails.
        """
        if not callable(self.seconds):
            return self.seconds * work.records / 1000
        return self._number("seconds", self._answer(self.seconds, "seconds", self.parameters(values), work))

    def expected_records(self, params: msgspec.Struct) -> int | None:
        """`generated_records` for these parameters, None where nothing says it. PluginError when
        its function fails.
        """
        if self.generated_records is None:
            return None
        return int(self._number("generated_records", self._answer(self.generated_records, "generated_records", params)))

    def expected_channels(self, params: msgspec.Struct) -> dict[str, int]:
        """`channels` for these parameters, empty where nothing says it. PluginError when its
        function fails.
        """
        if self.channels is None:
            return {}
        channels = self._answer(self.channels, "channels", params)
        if not isinstance(channels, Mapping):
            raise PluginError(
                f'channels of {self.kind} "{self.name}" (from {self.plugin}) must give modality -> number, '
                f"not {value_line(channels)}"
            )
        return {str(name): max(1, int(self._number("channels", number))) for name, number in channels.items()}

    def _number(self, what: str, value: Any) -> float:
        if not is_amount(value):
            whose = f'{what} of {self.kind} "{self.name}" (from {self.plugin})'
            raise PluginError(f"{whose} must give a number from 0, not {value_line(value)}")
        return float(value)
