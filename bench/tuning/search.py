"""Tuning: every method of a kind the same number of trials, chosen among by the validation score
alone. See docs/how-to/tune.md.

Trials are cells of the grid with other parameters, so all that holds for cells holds for them.
Nothing here reads a test score: of a record, `Seen` is all that is looked at.
"""

from __future__ import annotations

import itertools
import math
import shlex
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench.config.command import Request, Variant
from bench.config.conversion import convert
from bench.config.request import request, single
from bench.config.suite import Audits, Controls
from bench.config.words import ORIGIN, parse, without
from bench.errors import UsageError
from bench.grid.axes import COMPONENTS, NAMES
from bench.grid.cell import Cell
from bench.grid.differences import suffix
from bench.grid.identity import digest
from bench.grid.plan import Plan
from bench.grid.variants import short
from bench.registry import Registry
from bench.results.records import Record
from bench.seeds import derive
from bench.tuning.file import Protocol, Trial, Tuned, TunedMethod, source_of, stated
from bench.tuning.kinds import KINDS, Kind, kind_of
from bench.tuning.proposer import Combination, Proposer, version

TRIALS = 8

OWN = ("trials", "to", "kind")
"""The words that `bench run` does not know."""


def once(kind: str) -> tuple[str, ...]:
    """Axes of which the first value is tuned on, unless words name others."""
    return tuple(name for name in NAMES if name != kind)


class TuneRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A command line of `bench tune`. kind: what is tuned. request: of trial 0 of every method. to:
    the file. pinned: method -> parameters that the command line set.
    """

    kind: Kind
    request: Request
    trials: int
    to: Path
    pinned: Mapping[str, Set[str]]


def request_of(words: Sequence[str], registry: Registry) -> TuneRequest:
    """Understand a command line. Raises UsageError for what is not known, for a method with several
    rows in the suite, and for an imputer that fills nothing.
    """
    parsed = {word.key: word for word in parse(words)}
    own = {key: word for key, word in parsed.items() if key in (*OWN, "tuned")}
    if "tuned" in own:
        raise UsageError(f'"tuned" (from {ORIGIN}) is a word of bench run; bench tune writes such a file: to=FILE')
    trials = single(own["trials"], int) if "trials" in own else TRIALS
    if not isinstance(trials, int) or isinstance(trials, bool) or trials < 1:
        raise UsageError(f'"trials" = {trials} is not accepted (from {ORIGIN}): a whole number from 1')
    kind = kind_of(single(own["kind"], str) if "kind" in own else "fuser", ORIGIN)
    whole = request(without(words, own), registry)
    if whole.settings.shard:
        raise UsageError(f'"shard" (from {ORIGIN}) is a word of bench run; bench tune needs all of its cells here')
    suite, named_keys = whole.suite, {key.removeprefix("grid.") for key in parsed}
    axes = {axis: getattr(suite.grid, axis)[: None if axis in named_keys else 1] for axis in once(kind.name)}
    if kind.name == "imputer" and "fuser" not in named_keys:  # one fuser, a cheap one, completes its cells
        axes["fuser"] = (*suite.controls.fuser, *suite.grid.fuser)[:1]
    if len(axes["task"]) > 1:
        raise UsageError(
            f'"task" names {len(axes["task"])} tasks (from {ORIGIN}); metrics of two do not add up: tune each'
        )
    names = _methods(kind, whole, kind.name in named_keys, registry)
    grid = msgspec.structs.replace(suite.grid, **axes, **{kind.name: names})
    narrowed = msgspec.structs.replace(
        suite, grid=grid, controls=Controls(imputer=(), fuser=(), federation=()), audits=Audits(cells=())
    )
    kept = {
        axis: tuple(
            msgspec.structs.replace(row, control=False) for name in getattr(grid, axis) for row in whole.of(axis, name)
        )
        for axis in COMPONENTS
    }
    labels = {axis: rows for axis, rows in whole.labels.items() if axis != kind.name}  # each trial has its own
    narrowed_request = msgspec.structs.replace(
        whole, suite=narrowed, words=tuple(words), verb="tune", variants=kept, labels=labels
    )
    for name in names:
        if len(rows := narrowed_request.of(kind.name, name)) > 1:
            raise UsageError(
                f"{name} has {len(rows)} rows in this suite ({', '.join(row.label for row in rows)}); tuning starts from one: "
                f"give a single value of each parameter, {kind.name}.{name}.PARAMETER=VALUE"
            )
    profile = whole.settings.profile
    parts = [suite.name, profile * (profile != "demo"), suffix(whole.overrides), "imputers" * (kind.name == "imputer")]
    name = "-".join(filter(None, parts))
    default = whole.settings.out_folder() / "tuned" / f"{name}.toml"
    to = Path(single(own["to"], str)).expanduser() if "to" in own else default
    pinned = {name: set(whole.pinned.get(f"{kind.name}.{name}", ())) for name in names}
    for label in whole.labels.get(kind.name, ()):
        pinned[label.name] |= (label.parameters() or {}).keys()
    return TuneRequest(kind=kind, request=narrowed_request, trials=trials, to=to, pinned=pinned)


def _methods(kind: Kind, whole: Request, named: bool, registry: Registry) -> tuple[str, ...]:
    """The methods to tune: those that words name, else those of the suite, controls included,
    that can be tuned.
    """
    suite = whole.suite
    controls = () if named else getattr(suite.controls, kind.name)
    names = tuple(dict.fromkeys([*getattr(suite.grid, kind.name), *controls]))
    refused = {name: reason for name in names if (reason := kind.refusal(registry.get(kind.name, name)))}
    if refused and (named or len(refused) == len(names)):
        name, reason = next(iter(refused.items()))
        raise UsageError(
            f"{kind.name} {name} {reason} and cannot be tuned; name others: {kind.name}=NAME,... (bench list {kind.name}s)"
        )
    return tuple(name for name in names if name not in refused)


def check_hidden(ask: TuneRequest, plan: Plan, registry: Registry) -> None:
    """Refuse to tune imputers where nothing is hidden in the validation part, so that no trial
    could have a score.
    """
    if ask.kind.name != "imputer":
        return
    suite = ask.request.suite
    if "valid" not in suite.hiding.parts:
        raise UsageError(
            f"this suite hides in {suite.hiding.in_words()} alone (hiding.parts), and imputers are tuned by entries that are "
            "hidden in the validation part; give hiding.parts=valid,test or leave it out"
        )
    for cell in plan.cells:
        if not _hides(cell, registry):
            others = [name for name in registry.names("scenario") if name != cell.scenario.name]
            raise UsageError(
                f"scenario {cell.scenario.label} hides nothing, and imputers are tuned by entries that are hidden in the "
                f"validation part; give scenario=NAME, one of {', '.join(others)}"
            )


def _hides(cell: Cell, registry: Registry) -> bool:
    """Whether its scenario expects to hide anything of a record in which everything was
    observed.
    """
    scenario = registry.get("scenario", cell.scenario.name).build(cell.scenario.params)
    observed = {name: np.ones((24, 4), bool) for name in cell.modalities}
    return bool(scenario.expected(observed) > 0)


def run_command(ask: TuneRequest) -> str:
    """The command that shows default and tuned rows side by side, on what was tuned on."""
    return shlex.join(["bench", "run", *without(ask.request.words, OWN), f"tuned={ask.to}"])


class Seen(msgspec.Struct, frozen=True):
    """What tuning looks at of a record: how it ended, the score of the validation part, seconds
    of the kind that is tuned.
    """

    status: str
    reason: str
    score: float | None
    seconds: float


def seen(record: Record, metric: str, failed: Sequence[str] = (), kind: Kind = KINDS["fuser"]) -> Seen:
    """The only place where a score is read; it never reads test scores.

    failed: names of the audits that the cell failed; where one is about the kind that is tuned, its
    score is none.
    """
    score = kind.score(record, metric)
    costs = record.costs
    seconds = costs.get("seconds", math.fsum(costs.get(name, 0.0) for name in kind.costs))
    if record.status == "ok" and (broken := kind.judged_by(failed)):
        return Seen("ok", f"failed the audit {', '.join(broken)}", None, seconds)
    if record.status == "ok" and (score is None or not math.isfinite(score)):
        return Seen("ok", f"the validation part has no {kind.described(metric)}", None, seconds)
    return Seen(record.status, record.reason, score if record.status == "ok" else None, seconds)


def concluded(values: Mapping[str, Any], cells: Sequence[Seen]) -> Trial:
    """A trial of its cells: the mean score, or none where one of them has none."""
    bad = next((cell for cell in cells if cell.score is None), None)
    scores = [cell.score for cell in cells if cell.score is not None]
    return Trial(
        values=stated(values),
        status=bad.status if bad else "ok",
        reason=bad.reason if bad else "",
        score=None if bad else math.fsum(scores) / len(scores),
        seconds=round(math.fsum(cell.seconds for cell in cells), 3),
    )


def best_of(trials: Sequence[Trial], higher: bool) -> int:
    """The number of the best trial; of equal ones the first, so that what does not beat the
    defaults changes nothing. 0 where none has a score.
    """
    scored = [
        (trial.score if higher else -trial.score, -number)
        for number, trial in enumerate(trials)
        if trial.score is not None
    ]
    return -max(scored)[1] if scored else 0


@dataclass
class Search:
    """The trials of one method. choices: parameter -> its values, that of trial 0 first; source:
    as in `TunedMethod`.
    """

    base: Variant
    choices: Mapping[str, list[Any]]
    params: type[msgspec.Struct]
    proposer: Proposer
    source: str = ""
    tried: list[Combination] = field(default_factory=list)
    done: list[Trial] = field(default_factory=list)

    def next(self, count: int) -> list[Variant]:
        """Up to so many further trials, as rows of a plan."""
        rows = []
        for _ in range(count):
            combination = self.proposer.propose() if self.tried else (0,) * len(self.choices)
            if combination is None:
                break
            self.tried.append(combination)
            rows.append(self.variant(combination))
        return rows

    def values(self, combination: Combination) -> dict[str, Any]:
        return {name: values[place] for (name, values), place in zip(self.choices.items(), combination, strict=True)}

    def variant(self, combination: Combination) -> Variant:
        """The row of a trial; its label says what differs from trial 0."""
        values = self.values(combination)
        whole = convert({**self.base.params, **values}, self.params, f"{self.base.kind}.{self.base.name}", "its space")
        changed = [name for name, place in zip(self.choices, combination, strict=True) if place]
        words = ", ".join(f"{name}={short(values[name])}" for name in changed)
        label = self.base.labelled(words) if words else self.base.label
        return msgspec.structs.replace(self.base, label=label, params=msgspec.to_builtins(whole))

    def take(self, cells: Sequence[Seen]) -> None:
        """The cells of the next trial that has not ended."""
        combination = self.tried[len(self.done)]
        trial = concluded(self.values(combination), cells)
        self.done.append(trial)
        if trial.score is not None and self.choices:
            self.proposer.learn(combination, trial.score)

    def result(self, higher: bool) -> TunedMethod:
        best = best_of(self.done, higher)
        scoreless = all(trial.score is None for trial in self.done)
        notes = ["it declares no space: nothing to choose"] * (not self.choices)
        notes += ["no trial has a validation score: the defaults stay"] * scoreless
        return TunedMethod(
            best=best,
            default_score=self.done[0].score,
            best_score=self.done[best].score,
            seconds=round(math.fsum(trial.seconds for trial in self.done), 3),
            note="; ".join(notes),
            source=self.source,
            default=stated(self.base.params),
            chosen=stated(self.variant(self.tried[best]).params),
            trial=tuple(self.done),
        )


def searches(ask: TuneRequest, registry: Registry, higher: bool) -> dict[str, Search]:
    """A search per method; the values of its space were checked when it was registered."""
    searches_by_name = {}
    for name in getattr(ask.request.suite.grid, ask.kind.name):
        (base,) = ask.request.of(ask.kind.name, name)
        spec = registry.get(ask.kind.name, name)
        choices = {}
        for parameter, values in spec.space.items():
            if parameter in ask.pinned[name]:
                continue
            typed = [
                msgspec.to_builtins(spec.parameters({parameter: value}, f"the space of {name}"))[parameter]
                for value in values
            ]
            first = base.params[parameter]
            choices[parameter] = [first, *(value for value in typed if digest(value) != digest(first))]
        seed = derive(ask.request.suite.grid.seed[0], "tune", name)
        proposer = Proposer([len(v) for v in choices.values()], seed, higher)
        searches_by_name[name] = Search(base, choices, spec.params, proposer, source_of(spec))
    return searches_by_name


def protocol_of(ask: TuneRequest, plan: Plan, registry: Registry) -> Protocol:
    """What the trials have in common. plan: of trial 0 of every method."""
    suite = ask.request.suite
    dataset = registry.get("dataset", suite.dataset)
    metric, higher = ask.kind.metric(dataset.tasks[suite.grid.task[0]].primary)
    fusers = ask.kind.name == "fuser"

    def labels(axis: str) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(getattr(cell.coordinates, axis) for cell in plan.cells))

    return Protocol(
        kind=ask.kind.name,
        suite=suite.name,
        profile=ask.request.settings.profile,
        dataset=suite.dataset,
        data=stated(msgspec.structs.asdict(dataset.parameters(suite.data))),
        manifest=plan.manifest,
        split=stated(suite.split_identity()),
        training=suite.training.shared_by(ask.kind.name),
        fill_absent=suite.fill_absent,
        precision=ask.request.settings.precision,
        task=suite.grid.task[0],
        modalities=labels("modalities"),
        scenario=labels("scenario"),
        imputer=labels("imputer") if fusers else (),
        seed=labels("seed"),
        draws=suite.draws,
        inputs=digest(sorted({cell.keys["impute" if fusers else "hide"] for cell in plan.cells})),
        metric=metric,
        higher=higher,
        trials=ask.trials,
        optuna=version(),
    )


def check_same(known: Tuned, protocol: Protocol, path: Path) -> None:
    """Refuse to add to a file whose methods were tuned otherwise: methods in one file had the
    same chances.
    """
    for name in Protocol.__struct_fields__:
        was, now = getattr(known.protocol, name), getattr(protocol, name)
        if was != now:
            raise UsageError(
                f"{path} holds {known.protocol.kind}s that were tuned otherwise ({name}: {was} there, {now} now); "
                "give another to=FILE, or remove it"
            )


class Ran(msgspec.Struct, frozen=True):
    """What came of running a request: its cells, the records by key, and whether any cell's turn
    did not come. failed: key -> names of the audits that the cell failed.
    """

    cells: Sequence[Cell]
    records: Mapping[str, Record]
    stopped: bool
    failed: Mapping[str, Sequence[str]] = {}


def tune(
    ask: TuneRequest, registry: Registry, protocol: Protocol, run: Callable[[Request], Ran], say: Callable[[str], None]
) -> dict[str, TunedMethod] | None:
    """All trials of all methods; None when the run was stopped before their end.

    run: does the cells of a request. Half of the trials are drawn up front and done together with
    the defaults, each other one is proposed from the scores of those before it.
    """
    going, kind = searches(ask, registry, protocol.higher), ask.kind
    count = 1 + (ask.trials - 1) // 2
    while rows := {name: new for name, search in going.items() if (new := search.next(count))}:
        first, last = max(len(going[n].done) for n in rows), max(len(going[n].tried) for n in rows)
        say(
            f"tuning {', '.join(rows)}: trial{'s' * (last - first > 1)} {first}{f' to {last - 1}' * (last - first > 1)}"
        )
        grid = msgspec.structs.replace(ask.request.suite.grid, **{kind.name: tuple(rows)})
        suite = msgspec.structs.replace(ask.request.suite, grid=grid)
        request = msgspec.structs.replace(ask.request, suite=suite)
        ran = run(request.with_variants(kind.name, itertools.chain(*rows.values())))
        if ran.stopped:
            return None
        for name, new in rows.items():
            for row in new:
                cells = [
                    cell
                    for cell in ran.cells
                    if cell.chosen[kind.name].name == name and getattr(cell.coordinates, kind.name) == row.label
                ]
                going[name].take(
                    [seen(ran.records[cell.key], protocol.metric, ran.failed.get(cell.key, ()), kind) for cell in cells]
                )
        count = min(1, ask.trials - max(len(search.tried) for search in going.values()))
    return {name: search.result(protocol.higher) for name, search in going.items()}
