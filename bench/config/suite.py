"""What a suite holds, and its JSON schema. `bench.config.layers` reads the files."""

from __future__ import annotations

import inspect
import math
import typing
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from bench.config.training import Training
from bench.federated.settings import Partition, Privacy, Rounds
from bench.grid.axes import AXES, CENTRAL, PATIENT
from bench.results.records import Correction, Published
from bench.text import names

SHORT = {"weights": "weights.files", "metrics": "stats.metrics"}
"""Other words of the command line that stand for a key of the suite."""


Name = Annotated[str, msgspec.Meta(pattern=names.PATTERN)]
"""What may stand in a file name and in a table; see `bench.text.names`."""

Fraction = Annotated[float, msgspec.Meta(gt=0, lt=1)]


RULES = (PATIENT, REFERENCE_STAY := "reference-stay")
"""The rules by which any cohort can be split."""


class Drawing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a rule parts records: with the suite's own seed, never a cell's. Of no effect on a
    split that the dataset carries.
    """

    seed: Annotated[int, msgspec.Meta(description="Seed of the split. Fix it before any score is seen.")] = 0
    fractions: Annotated[
        tuple[Fraction, Fraction, Fraction], msgspec.Meta(description="Shares of train, valid and test; they sum to 1.")
    ] = (0.70, 0.15, 0.15)


class Split(Drawing, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the records of a cell are split.

    by: "patient" keeps all records of a group on one side. "reference-stay" splits by record, as
    published code does, so that patients stand on both sides. Whatever is made with it says so. See
    `bench.data.splits`. Any other name is a split that the dataset carries
    (`bench.cohort.Cohort.splits`), which has no seed and no fractions.
    """

    by: Name = PATIENT

    @property
    def legacy(self) -> bool:
        """Whether patients stand on both sides."""
        return self.by == REFERENCE_STAY

    @property
    def carried(self) -> bool:
        """Whether the dataset carries it."""
        return self.by not in RULES

    @property
    def label(self) -> str:
        """What a table made with it is called by; empty for the default."""
        return f"split={self.by}" if self.by != PATIENT else ""

    def identity(self) -> dict[str, Any]:
        """What of it decides a key. The default rule is not named, so that keys made before
        there was another still hold.
        """
        if self.carried:
            return {"by": self.by}
        return {"seed": self.seed, "fractions": list(self.fractions), **({"by": self.by} if self.legacy else {})}

    def in_words(self) -> str:
        """In words, for the provenance of a record."""
        if self.carried:
            return f"{self.label} (of the dataset)"
        rule = f"{self.label} (by record: patients on both sides), " if self.legacy else ""
        return f"{rule}seed {self.seed}, fractions {'/'.join(f'{share:g}' for share in self.fractions)}"


class Grid(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is run when the command line does not say otherwise: a field for each axis
    (`bench.grid.axes`).
    """

    split: Annotated[
        tuple[Name, ...],
        msgspec.Meta(
            description="How records are split. `patient`: all records of a patient on one side. `reference-stay`: the legacy "
            "rule below. Any other name: a split that the dataset carries; several of these, such as published folds, make one "
            "table."
        ),
    ] = (PATIENT,)
    task: Annotated[tuple[str, ...], msgspec.Meta(description="Tasks of the dataset.")]
    modalities: Annotated[tuple[str, ...], msgspec.Meta(description="Modality sets, see `[modalities]`.")] = ("all",)
    scenario: Annotated[
        tuple[str, ...], msgspec.Meta(description="How entries are hidden: `bench list scenarios`.")
    ] = ("natural",)
    imputer: Annotated[tuple[str, ...], msgspec.Meta(description="Imputers: `bench list imputers`.")]
    fuser: Annotated[tuple[str, ...], msgspec.Meta(description="Fusers: `bench list fusers`.")]
    federation: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="How clients learn together: `bench list federations`. `central`: not at all, all records lie in one "
            "place."
        ),
    ] = (CENTRAL,)
    seed: Annotated[
        tuple[Annotated[int, msgspec.Meta(ge=0)], ...],
        msgspec.Meta(description="The cells' seeds: masks, starting weights, order of batches. Never the split."),
    ]


class Controls(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Methods that are always in the grid, so that a table shows what is gained over them;
    federations where the grid has any.
    """

    imputer: Annotated[tuple[str, ...], msgspec.Meta(description="Control imputers.")] = ("none", "mask_only", "mean")
    fuser: Annotated[tuple[str, ...], msgspec.Meta(description="Control fusers.")] = ("linear",)
    federation: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="Control federations; in a grid that has a federation besides `central` alone."),
    ] = (CENTRAL, "local")

    def of(self, axis: str, values: Sequence[str]) -> tuple[str, ...]:
        """The controls of an axis of components, in a grid that has these values of it."""
        controls: tuple[str, ...] = getattr(self, axis, ())
        default = next(each.default for each in AXES if each.name == axis)
        return controls if default is None or set(values) != {default} else ()


class Scaling(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Standardisation; values beyond `winsorise` standard deviations are set to it, "never"
    leaves them as they are.
    """

    over: Annotated[
        Literal["train", "everything"],
        msgspec.Meta(
            description="What means and deviations are learnt from: the visible entries of the training part, or all "
            "records before anything was hidden (everything)."
        ),
    ] = "train"
    winsorise: Annotated[
        Annotated[float, msgspec.Meta(gt=0)] | Literal["never"],
        msgspec.Meta(
            description="Values further than this many standard deviations from the mean are set to that distance."
        ),
    ] = 10.0

    @property
    def cut(self) -> float:
        """The distance in standard deviations, infinite for "never"."""
        return math.inf if self.winsorise == "never" else self.winsorise

    @property
    def leaks(self) -> bool:
        """Whether test records and hidden entries enter."""
        return self.over != "train"

    def identity(self) -> dict[str, Any]:
        """What of it decides a key. The default rule is not named, so that keys made before
        there was another still hold.
        """
        return {"winsorise": self.winsorise, **({"over": self.over} if self.leaks else {})}

    def in_words(self) -> str:
        """In words, for the provenance of a record: whatever differs from the default, else
        nothing.
        """
        leak = "over everything (test records and hidden entries included)" if self.leaks else ""
        cut = f"cut at {self.cut:g}" if self.winsorise != "never" else "never cut"
        return ", ".join(filter(None, [leak, cut])) if self != Scaling() else ""


PartName = Literal["train", "valid", "test"]


class Hiding(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where scenarios hide: in every part, or in some alone, as published code does that trains on
    all it has.

    Records of other parts stay as recorded, for imputers and fusers alike.
    """

    parts: Annotated[
        tuple[PartName, ...], msgspec.Meta(min_length=1, description="The parts in which scenarios hide.")
    ] = ("train", "valid", "test")

    def identity(self) -> dict[str, Any]:
        """What of it decides a key. The default is not named, so that keys made before there was
        a choice still hold.
        """
        return {"hiding": self.in_words()} if self.in_words() else {}

    def in_words(self) -> str:
        """In words, for the provenance of a record: empty for the default."""
        chosen = [part for part in typing.get_args(PartName) if part in self.parts]
        return "" if len(chosen) == 3 else " and ".join(chosen)


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Imputers that are not fitted but given what was learnt elsewhere. See
    `bench.stages.weights`.
    """

    files: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Files of weights, or the first 8 digits or more of the digest of installed ones; one per "
            "imputer."
        ),
    ] = ()
    differ: Annotated[
        tuple[Literal["scaling", "split"], ...],
        msgspec.Meta(
            description="What may differ all the same: `scaling` (means and deviations), `split` (the same data set, "
            "split otherwise: the imputer may have learnt from test records)."
        ),
    ] = ()


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one cell may use: wall time and memory (anonymous, of its worker process)."""

    time: Annotated[str, msgspec.Meta(description="Wall time, such as `90s`, `9m`, `1h30m`.")] = "1h"
    memory: Annotated[
        str, msgspec.Meta(description="Memory of the worker process, such as `500MiB`, `8GiB` (powers of 1024).")
    ] = "16GiB"


class Stats(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Paired bootstrap over groups and seeds. With 2,000 resamples an adjusted p-value near 0.05
    is known to 0.005.
    """

    resamples: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            le=1_000_000,
            description="Resamples per table; more where `alpha`, or with `holm` the pairs of a table, need them.",
        ),
    ] = 2000
    alpha: Annotated[float, msgspec.Meta(ge=0.0001, lt=1, description="Level of intervals, tests and tie groups.")] = (
        0.05
    )
    seed: Annotated[int, msgspec.Meta(description="Seed of the resampling.")] = 0
    correction: Annotated[
        Correction,
        msgspec.Meta(
            description="How p-values are adjusted for the number of comparisons: step-down max-T, or Holm's procedure."
        ),
    ] = "maxt"
    metrics: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Further metrics, by which methods are compared as by the primary one; computed from stored "
            "predictions: `bench list metrics`."
        ),
    ] = ()


class Audits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which audit cells are added: one of each per task and fuser, on the first scenario,
    imputer and seed.
    """

    cells: Annotated[
        tuple[Literal["permuted-labels", "repeat"], ...],
        msgspec.Meta(
            description="Cells that are added: one of each per task and fuser, on its first combination. They are not "
            "scored among the others."
        ),
    ] = ("permuted-labels", "repeat")


class Suite(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A suite, after its profile and the command line were laid over the file. See
    docs/reference/suite-files.md.
    """

    name: Annotated[
        Name,
        msgspec.Meta(
            description="The suite's name in the ledger, in tables and in file names: 1 to 64 letters, digits, `_`, `-`, "
            "`.`, `+`, the first a letter or digit. Give the file the same name."
        ),
    ]
    title: Annotated[str, msgspec.Meta(description="The title of the leaderboard.")]
    dataset: Annotated[str, msgspec.Meta(description="The name of a dataset: `bench list datasets`.")]
    grid: Annotated[Grid, msgspec.Meta(description="What is run: the product of all axes.")]
    summary: Annotated[str, msgspec.Meta(description="One line for `bench show`.")] = ""
    data: Annotated[dict[str, Any], msgspec.Meta(description="The dataset's own parameters.")] = {}
    split: Annotated[Drawing, msgspec.Meta(description="How a rule parts records.")] = Drawing()
    modalities: Annotated[
        dict[str, tuple[str, ...]], msgspec.Meta(description="Modality sets: name → modalities of the dataset.")
    ] = {}
    draws: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            description="How many draws an imputer that can draw returns. Fusers see their median; imputation scores use "
            "them all.",
        ),
    ] = 1
    fill_absent: Annotated[
        bool,
        msgspec.Meta(
            description="Whether a modality that a record lacks altogether is handed to fusers as the imputer completed "
            "it, marked `filled`. If not, it stays absent. Of no effect behind imputers that fill nothing. A "
            "note under every table says so."
        ),
    ] = False
    controls: Annotated[Controls, msgspec.Meta(description="Methods that are always in the grid.")] = Controls()
    hiding: Annotated[Hiding, msgspec.Meta(description="Where scenarios hide.")] = Hiding()
    scaling: Annotated[Scaling, msgspec.Meta(description="How values are standardised.")] = Scaling()
    weights: Annotated[
        Weights, msgspec.Meta(description="Imputers that are not fitted but given what was learnt elsewhere.")
    ] = Weights()
    limits: Annotated[Limits, msgspec.Meta(description="What one cell may use.")] = Limits()
    training: Annotated[
        Training, msgspec.Meta(description="The same training for every fuser that the harness trains.")
    ] = Training()
    partition: Annotated[
        Partition, msgspec.Meta(description="Which client has which subject, where the grid has federations.")
    ] = Partition()
    rounds: Annotated[Rounds, msgspec.Meta(description="How federations are run.")] = Rounds()
    privacy: Annotated[Privacy, msgspec.Meta(description="Differential privacy of clients.")] = Privacy()
    stats: Annotated[Stats, msgspec.Meta(description="The paired bootstrap.")] = Stats()
    audits: Annotated[Audits, msgspec.Meta(description="Which audit cells are added.")] = Audits()
    scenario: Annotated[dict[str, dict[str, Any]], msgspec.Meta(description="Parameters of scenarios, by name.")] = {}
    imputer: Annotated[dict[str, dict[str, Any]], msgspec.Meta(description="Parameters of imputers, by name.")] = {}
    fuser: Annotated[dict[str, dict[str, Any]], msgspec.Meta(description="Parameters of fusers, by name.")] = {}
    federation: Annotated[
        dict[str, dict[str, Any]], msgspec.Meta(description="Parameters of federations, by name.")
    ] = {}
    profiles: Annotated[
        dict[str, dict[str, Any]],
        msgspec.Meta(description="Name → any of the other keys, laid over the file when `profile=NAME` is given."),
    ] = {}
    published: Annotated[tuple[Published, ...], msgspec.Meta(description="Published values to stand beside ours.")] = ()
    published_file: Annotated[
        str,
        msgspec.Meta(
            description="A TOML file of `[[published]]` tables, beside the suite file: long reference tables stand there."
        ),
    ] = ""

    def split_identity(self) -> Any:
        """What of the splits decides keys: of the only one, or of each."""
        each = [split.identity() for split in self.splits().values()]
        return each[0] if len(each) == 1 else each

    def splits(self) -> dict[str, Split]:
        """The splits of the grid, by name."""
        return {name: Split(by=name, **msgspec.structs.asdict(self.split)) for name in self.grid.split}


def schema() -> dict[str, Any]:
    """The JSON schema of a suite file, for editors; the same as `suites/schema.json`."""
    suite_schema = msgspec.json.schema(Suite)
    for struct in suite_schema["$defs"].values():  # Python takes the indentation out of docstrings from 3.13 on
        struct["description"] = inspect.cleandoc(struct["description"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A gapbench suite", **suite_schema}
