"""The work of the stage `impute`: fit on training groups (or load what was learnt elsewhere),
complete every record, check what came back. It scores the entries that are hidden in the test part
and, by themselves, in the validation part. `bench.stages.artifacts` says what it leaves.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench import arrays
from bench.cohort import Cohort, Series
from bench.components import Context, Imputer
from bench.data.splits import PARTS
from bench.data.store import Store
from bench.errors import PluginError
from bench.execute import memory
from bench.execute.job import Job, Setup
from bench.files import is_file_of
from bench.grid.cell import Cell
from bench.metrics.imputation import TERMS, Errors, median, pack, record_sums, scores_of
from bench.registry import Registry, Spec
from bench.results.federated import Trained
from bench.results.records import Audit
from bench.stages import artifacts, handed
from bench.stages.clients import imputer_of, trained_by
from bench.stages.contract import broken_completion, moved
from bench.stages.imputer_audits import ImputerAudits
from bench.stages.twin import LEAST, SHARE, Twin
from bench.stages.view import View, view
from bench.stages.weights import installed, load_into

VALIDATION, TEST = PARTS.index("valid"), PARTS.index("test")

CHUNK = 1024
"""Records handed to an imputer at a time; results do not depend on it (that is a promise of the
contract).
"""


@dataclass(frozen=True)
class Imputation:
    """What the impute stage left: see the module. scores (of the test part), validation (of that
    part), audits, costs and errors as in `bench.results.records.Measures`; trained: by which
    rounds.
    """

    completed: dict[str, np.ndarray]
    draws: dict[str, np.ndarray] | None
    scores: dict[str, dict[str, float]]
    validation: dict[str, dict[str, float]]
    audits: dict[str, Audit]
    costs: dict[str, float]
    errors: str = ""
    trained: Trained | None = None


def impute(job: Job, setup: Setup, registry: Registry, context: Context) -> None:
    """Do the job and leave the imputation in the store. Raises PluginError when the imputer
    breaks its contract.
    """
    cell, store, name = job.cell, setup.store, artifacts.imputation(job.id)
    spec = registry.get("imputer", cell.imputer.name)
    seen = view(cell, setup, registry).select(cell.modalities)
    if "hides_values" in spec.tags:
        seen = replace(seen, cohort=blank(seen.cohort))
    cohort = seen.cohort.without_targets()
    imputer = imputer_of(cell, setup, registry, seen.recorded)
    started = time.perf_counter()
    if cell.imputer.weights:
        load_into(imputer, installed(Path(setup.cache), cell.imputer.weights), cohort, seen.scaler, setup.differ)
    else:
        imputer.fit(cohort.take(np.flatnonzero(seen.parts == 0)), cohort.take(np.flatnonzero(seen.parts == 1)), context)
    fitted = time.perf_counter()
    draws = setup.draws if "draws" in spec.tags else 1
    with Twin(imputer, spec, context) as twin:
        began = time.perf_counter()
        completed, all_draws, scored, untouched = complete(imputer, spec, seen, cohort, draws, context)
        ended = time.perf_counter()
        peak = float(memory.peak())
        used = 1 if all_draws is None else len(next(iter(all_draws.values())))
        stage = all_draws or {name: values[None] for name, values in completed.items()}
        limit = max(SHARE * (fitted - started + ended - began), LEAST)
        audits = ImputerAudits(twin, spec, cohort, stage, context, limit).run(seconds=ended - began, key=job.id)
    errors = scored.errors(TEST)
    content = pack(errors) if errors else b""
    state = handed.state(imputer.state_dict(), spec, {*cohort.ids.tolist(), *cohort.groups.tolist()})
    about = {
        "scores": scored.scores(TEST),
        "validation": scored.scores(VALIDATION),
        "errors": hashlib.sha256(content).hexdigest() if content else "",
        "drawn": all_draws is not None,
        "learnt": bool(state),
        "audits": msgspec.to_builtins({"observed-untouched": untouched, **audits.results}),
        "costs": {
            "impute_fit_seconds": fitted - started,
            "impute_seconds": ended - began,
            "impute_seconds_per_draw": (ended - began) / (len(cohort) * used),
            "impute_audit_seconds": began - fitted + audits.seconds,
            "impute_audit_records": float(audits.records),
            "impute_peak_memory_bytes": peak,
            **handed.costs(imputer, spec, "imputer_"),
            "draws": float(used),
        },
        "trained": msgspec.to_builtins(trained_by(imputer)),
    }
    if store.has(name) and not artifacts.is_imputed(store, job.id):
        store.remove(name)
    with store.put(name) as folder:
        folder.mkdir()
        if content:
            (folder / "errors.npz").write_bytes(content)
        named = {"key": job.id}
        arrays.write(folder / "completed.safetensors", completed, {**named, "about": json.dumps(about)})
        if all_draws is not None:
            arrays.write(folder / "draws.safetensors", all_draws, named)
        if state:
            arrays.write(folder / "state.safetensors", state, named)


@dataclass(frozen=True)
class Scored:
    """Sums over the hidden entries of each record of the parts that are scored.

    - ids, groups: str [n].
    - parts: int8 [n], as in `View`.
    - modalities: the m that are scored.
    - sums: float64 [n, m, terms], terms as in `bench.metrics.imputation.TERMS`; 0 for records of
      other parts, NaN where a term does not apply to the imputer.
    """

    ids: np.ndarray
    groups: np.ndarray
    parts: np.ndarray
    modalities: list[str]
    sums: np.ndarray

    def scores(self, part: int) -> dict[str, dict[str, float]]:
        """The scores of one part, made of its own records alone
        (`bench.metrics.imputation.scores_of`).
        """
        sums = self.sums[self.parts == part].sum(axis=0)
        return scores_of({name: sums[column] for column, name in enumerate(self.modalities)})

    def errors(self, part: int) -> Errors | None:
        """The sums of each record of one part, for the modalities in which it has anything
        hidden; None where nothing is.
        """
        rows = np.flatnonzero(self.parts == part)
        sums = self.sums[rows]
        hidden = sums[..., 0].sum(axis=0) > 0
        if not hidden.any():
            return None
        return Errors(self.ids[rows], self.groups[rows], np.array(self.modalities)[hidden], sums[:, hidden])


def complete(
    imputer: Imputer[Any], spec: Spec, seen: View, cohort: Cohort, draws: int, context: Context
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray] | None, Scored, Audit]:
    """The completed grid, all draws where there are several, the errors at what is hidden and
    filled, and the audit `observed-untouched`. Raises PluginError for what is no completion.
    """
    n = len(cohort)
    completed = {name: np.empty(series.grid.shape, np.float32) for name, series in cohort.modalities.items()}
    kept: dict[str, np.ndarray] | None = None
    fills = not ({"leaves_nan", "hides_values"} & spec.tags)
    scored = [name for name in cohort.modalities if fills and name in seen.truth]
    changed: dict[str, tuple[int, float]] = {}
    sums = np.zeros((n, len(scored), len(TERMS)))
    for start in range(0, n, CHUNK):
        index = np.arange(start, min(start + CHUNK, n))
        part = cohort.take(index)
        completions = imputer.impute(part, draws, context)
        if problem := broken_completion(completions, part, draws, spec.tags):
            raise PluginError(f"{handed.who(spec)}{problem}")
        chosen = np.flatnonzero(np.isin(seen.parts[index], (VALIDATION, TEST)))
        for name, values in completions.items():
            completed[name][index] = median(values)
            count, largest = moved(part.modalities[name], values)
            before = changed.get(name, (0, 0.0))
            changed[name] = before[0] + count, max(before[1], largest)
        for column, name in enumerate(scored):
            rows = index[chosen]
            chunk_sums = record_sums(
                name, seen.truth[name][rows], completions[name][:, chosen], seen.hidden[name][rows]
            )
            sums[rows, column] = chunk_sums
        if draws > 1:
            if kept is None:
                kept = {
                    name: np.empty((len(values), *completed[name].shape), np.float32)
                    for name, values in completions.items()
                }
            for name, values in completions.items():
                kept[name][:, index] = values
        context.report(f"imputed {index[-1] + 1} of {n} records")
    found_errors = Scored(cohort.ids, cohort.groups, seen.parts, scored, sums)
    return completed, kept, found_errors, _untouched(spec, changed)


def _untouched(spec: Spec, changed: dict[str, tuple[int, float]]) -> Audit:
    """The audit `observed-untouched`. changed: modality -> observed entries that came back as
    something else, and by how much.
    """
    if "hides_values" in spec.tags:
        return Audit(None, "a control that hides all values")
    problems = [f"{count} of {name}, by up to {largest:.1g}" for name, (count, largest) in changed.items() if count]
    if problems:
        return Audit(False, f"observed entries came back changed: {'; '.join(problems)}")
    return Audit(True, "every observed entry came back bit-identical")


def blank(cohort: Cohort) -> Cohort:
    """The cohort with every observed value, event value and static set to 0: only masks and
    times are left to see.
    """

    def zero(values: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(values), np.float32(np.nan), np.float32(0))

    def blanked(series: Series) -> Series:
        return replace(series, grid=zero(series.grid), events=replace(series.events, values=zero(series.events.values)))

    modalities = {name: blanked(series) for name, series in cohort.modalities.items()}
    return replace(cohort.with_modalities(modalities), statics=zero(cohort.statics))


def load(store: Store, key: str) -> Imputation:
    """The imputation of that key, memory-mapped. Raises Damaged for a part that is gone or not
    what it was.
    """
    folder = store.open(artifacts.imputation(key))
    completed, metadata = arrays.read(folder / "completed.safetensors", key)
    about = json.loads(metadata["about"])
    errors = about.get("errors", "")
    if errors and not is_file_of(folder / "errors.npz", errors):
        raise arrays.Damaged(folder / "errors.npz", "is gone or was changed since it was written")
    return Imputation(
        completed=completed,
        draws=arrays.read(folder / "draws.safetensors", key)[0] if artifacts.drawn(about) else None,
        scores=about["scores"],
        validation=about["validation"],
        audits=msgspec.convert(about["audits"], dict[str, Audit]),
        costs=about["costs"],
        errors=errors,
        trained=msgspec.convert(about.get("trained"), Trained | None),
    )


def completed_cohort(cell: Cell, setup: Setup, registry: Registry) -> tuple[Cohort, View, Imputation]:
    """What a fuser may see of a cell: the completed grid, the original masks, the events, both
    flags, all targets.
    """
    spec = registry.get("imputer", cell.imputer.name)
    seen = view(cell, setup, registry).select(cell.modalities)
    imputation = load(setup.store, cell.keys["impute"])
    cohort = blank(seen.cohort) if "hides_values" in spec.tags else seen.cohort
    uses_draws = "uses_draws" in registry.get("fuser", cell.fuser.name).tags
    draws = imputation.draws if uses_draws else None
    return filled(cohort, imputation.completed, draws, spec, setup), seen, imputation


def filled(
    cohort: Cohort,
    completed: Mapping[str, np.ndarray],
    draws: Mapping[str, np.ndarray] | None,
    spec: Spec,
    setup: Setup,
) -> Cohort:
    """What an imputer made of a cohort, as fusers see it. spec: of the imputer.

    completed: modality -> float32 [n, length, channels]. draws: modality -> float32 [draws, n,
    length, channels]; None where fusers see no draws.
    """
    generates = setup.fill_absent and not ({"leaves_nan", "hides_values"} & spec.tags)
    return cohort.with_modalities(
        {
            name: replace(
                series,
                grid=completed[name],
                filled=~series.available & generates,
                draws=draws[name] if draws else None,
            )
            for name, series in cohort.modalities.items()
        }
    )
