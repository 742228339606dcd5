"""The first stage: a cohort is checked, stored, and read back without being copied."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cohort import COUNT_KINDS, Count
from bench.components import Context
from bench.config.suite import Hiding, Scaling
from bench.data.manifest import manifest
from bench.errors import DataError, PluginError, StorageError
from bench.execute.job import Setup
from bench.registry import Spec
from bench.stages import artifacts
from bench.stages.preparing import load, prepare, save, validate
from bench.testing.toy import TOY_TASK, toy_cohort, toy_targets
from bench_toy.plugin import PLAIN, ToyParams
from support.asking import SUPPORT  # noqa: F401  makes bench_toy importable

SPEC = Spec(
    "dataset", "toy", "bench_toy.parts:Toy", tasks={"toy": TOY_TASK}, modalities=("vitals", "labs"), plugin="tests"
)


@pytest.fixture
def cohort():
    return replace(
        toy_cohort(), counts={"rows": Count(7, "found"), "rows without a time": Count(3, "unusable")}, bin_hours=0.5
    )


def assert_same(a, b):
    for name in ("ids", "groups", "statics"):
        assert np.array_equal(getattr(a, name), getattr(b, name), equal_nan=name == "statics")
    assert (a.static_names, a.bin_hours, dict(a.counts)) == (b.static_names, b.bin_hours, dict(b.counts))
    assert list(a.modalities) == list(b.modalities)
    for name, series in a.modalities.items():
        other = b.modalities[name]
        assert (series.channels, series.units) == (other.channels, other.units)
        for part in ("grid", "observed", "times", "available", "filled"):
            x, y = getattr(series, part), getattr(other, part)
            assert x.dtype == y.dtype
            assert x.tobytes() == y.tobytes()
        for part in ("offsets", "times", "values"):
            assert getattr(series.events, part).tobytes() == getattr(other.events, part).tobytes()
    assert list(a.targets) == list(b.targets)
    assert all(np.array_equal(a.targets[task], b.targets[task], equal_nan=True) for task in a.targets)


def test_a_cohort_comes_back_bit_for_bit(cohort, tmp_path):
    save(tmp_path / "cohort", cohort)
    assert_same(load(tmp_path / "cohort"), cohort)


@given(
    st.dictionaries(
        st.text("abc: ", min_size=1), st.builds(Count, st.integers(0, 2**53 - 1), st.sampled_from(COUNT_KINDS))
    )
)
def test_counts_of_every_kind_come_back(tmp_path_factory, counts):
    folder = tmp_path_factory.mktemp("counts")
    counted = replace(toy_cohort(n=2, length=2), counts=counts)
    validate(counted, SPEC)
    save(folder / "cohort", counted)
    assert load(folder / "cohort").counts == counts


def test_the_splits_that_a_cohort_carries_come_back_and_must_be_those_declared(cohort, tmp_path):
    parts = np.arange(len(cohort), dtype=np.int8) // 2 % 3
    carrying = replace(cohort, splits={"fold0": parts})
    declared = replace(SPEC, splits=("fold0",))
    validate(carrying, declared)
    save(tmp_path / "cohort", carrying)
    assert np.array_equal(load(tmp_path / "cohort").splits["fold0"], parts)
    assert np.array_equal(carrying.take(np.array([5, 1])).splits["fold0"], parts[[5, 1]])
    for wrong, spec, message in [
        (carrying, SPEC, "splits must be those declared"),
        (cohort, declared, "splits must be those declared"),
        (replace(cohort, splits={"fold0": parts + 1}), declared, "must be int8"),
        (
            replace(cohort, splits={"fold0": np.arange(len(cohort), dtype=np.int8) % 3}),
            declared,
            "parts the records of",
        ),
    ]:
        with pytest.raises(PluginError, match=message):
            validate(wrong, spec)


def test_the_columns_that_a_cohort_carries_come_back_and_must_be_those_declared(cohort, tmp_path):
    sites = np.array(["north", "", "\u00fcst south"] * len(cohort))[: len(cohort)]
    carrying = replace(cohort, columns={"site": sites})
    declared = replace(SPEC, columns=("site",))
    validate(carrying, declared)
    save(tmp_path / "cohort", carrying)
    assert load(tmp_path / "cohort").columns["site"].tolist() == sites.tolist()
    assert carrying.take(np.array([5, 1])).columns["site"].tolist() == sites[[5, 1]].tolist()
    for wrong, spec, message in [
        (carrying, SPEC, "columns must be those declared"),
        (cohort, declared, "columns must be those declared"),
        (replace(cohort, columns={"site": np.arange(len(cohort))}), declared, "must be str"),
        (replace(cohort, columns={"site": sites[1:]}), declared, "must be str"),
        (replace(cohort, columns={"site": np.full(len(cohort), "a\nb")}), declared, "printable texts"),
    ]:
        with pytest.raises(PluginError, match=message):
            validate(wrong, spec)


def test_targets_of_every_kind_come_back_unknown_ones_included(cohort, tmp_path):
    targets = {name: target.copy() for name, target in toy_targets().items()}
    targets["toy_labels"][3] = np.nan
    cohort = replace(cohort, targets=targets)
    save(tmp_path / "cohort", cohort)
    assert_same(load(tmp_path / "cohort"), cohort)


def test_the_oracle_of_a_generated_cohort_comes_back_and_no_component_is_handed_it(cohort, tmp_path):
    cohort = replace(cohort, oracle={"toy": np.linspace(0, 1, len(cohort), dtype=np.float32)[:, None]})
    validate(cohort, SPEC)
    save(tmp_path / "cohort", cohort)
    assert np.array_equal(load(tmp_path / "cohort").oracle["toy"], cohort.oracle["toy"])
    assert load(tmp_path / "cohort").take(np.array([3])).oracle["toy"].shape == (1, 1)
    assert load(tmp_path / "cohort").without_targets().oracle == {}


def test_what_was_loaded_can_be_stored_and_taken_apart_like_any_cohort(cohort, tmp_path):
    first, second = (tmp_path / folder / "cohort" for folder in ("first", "second"))
    save(first, cohort)
    save(second, load(first))
    assert first.read_bytes() == second.read_bytes()
    index = np.array([5, 1, 1])
    assert_same(load(second).take(index), cohort.take(index))


def test_arrays_stay_on_the_disk_and_cannot_be_changed_by_accident(cohort, tmp_path):
    save(tmp_path / "cohort", cohort)
    grid = load(tmp_path / "cohort").modalities["vitals"].grid
    base = grid
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert isinstance(base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        grid[0] = 0


def test_a_stored_cohort_that_was_cut_short_is_refused(cohort, tmp_path):
    save(tmp_path / "cohort", cohort)
    content = (tmp_path / "cohort").read_bytes()
    (tmp_path / "cohort").write_bytes(content[:-100])
    with pytest.raises(StorageError, match="cut short"):
        load(tmp_path / "cohort")


def setup(folder, manifest=""):
    """What a worker knows of a run whose data and cache lie in a folder."""
    return Setup(
        root=str(folder / "data"), cache=str(folder / "cache"), manifest=manifest, scaling=Scaling(), hiding=Hiding(),
        fill_absent=False, draws=1, precision="fp32", threads=1,
    )  # fmt: skip


def spec_of(monkeypatch, made):
    """The dataset `toy`, whose `prepare` gives (or raises) `made`; counts how often it is asked."""
    asked = []

    def prepared(root, context):
        asked.append(root)
        if isinstance(made, Exception):
            raise made
        return made

    monkeypatch.setattr(Spec, "build", lambda self, params=None: SimpleNamespace(prepare=prepared))
    return SPEC, asked


def test_a_dataset_is_read_once_and_afterwards_found_in_the_cache(cohort, tmp_path, monkeypatch):
    spec, asked = spec_of(monkeypatch, cohort)
    for _ in range(2):
        assert_same(prepare(spec, {}, setup(tmp_path), "key", Context()), cohort)
    assert asked == [tmp_path / "data"]
    assert setup(tmp_path).store.has(artifacts.cohort("key"))


@pytest.mark.parametrize("made", [DataError("nothing here"), None])
def test_nothing_is_stored_of_a_cohort_that_cannot_be_read_or_breaks_a_promise(cohort, tmp_path, monkeypatch, made):
    spec, _ = spec_of(monkeypatch, made or replace(cohort, targets={}))
    with pytest.raises((DataError, PluginError)):
        prepare(spec, {}, setup(tmp_path), "key", Context())
    assert not setup(tmp_path).store.open(artifacts.cohort("key")).exists()


def test_an_honest_cohort_is_accepted(cohort):
    validate(cohort, SPEC)


def series(cohort, **changes):
    """The cohort with another `vitals`; functions get the array that was there."""
    vitals = cohort.modalities["vitals"]
    changed = {name: change(getattr(vitals, name)) if callable(change) else change for name, change in changes.items()}
    return replace(cohort, modalities={**cohort.modalities, "vitals": replace(vitals, **changed)})


def marked(array, at, value):
    array = array.copy()
    array[at] = value
    return array


def unobserved(cohort):
    return tuple(np.argwhere(~cohort.modalities["vitals"].observed)[0])


def observed(cohort):
    return tuple(np.argwhere(cohort.modalities["vitals"].observed)[0])


BROKEN = {
    "ids are not unique": lambda c: replace(c, ids=marked(c.ids, 1, c.ids[0])),
    "vitals, labs (labs left out)": lambda c: replace(c, modalities={"vitals": c.modalities["vitals"]}),
    "in their order: vitals, labs": lambda c: replace(c, modalities=dict(reversed(c.modalities.items()))),
    "toy (toy left out)": lambda c: replace(c, targets={}),
    "toy (1 more than were asked for)": lambda c: replace(c, targets={**c.targets, "other": c.targets["toy"]}),
    "toy: the target": lambda c: replace(c, targets={"toy": c.targets["toy"][:-1]}),
    "values of the target are none of 0 to 1": lambda c: replace(c, targets={"toy": c.targets["toy"] + 1}),
    "groups": lambda c: replace(c, groups=c.groups[:-1]),
    "statics": lambda c: replace(c, statics=c.statics[:-1]),
    "statics are": lambda c: replace(c, static_names=("age",)),
    "toy: the oracle": lambda c: replace(c, oracle={"toy": c.targets["toy"]}),
    "vitals: grid": lambda c: series(c, grid=lambda grid: grid[:-1]),
    "vitals: grid (48, 12, 3), observed": lambda c: series(c, observed=lambda observed: observed[..., :-1]),
    "vitals: the grid must be float32": lambda c: series(c, grid=lambda grid: grid.astype(np.float64)),
    "NaN exactly where nothing was observed": lambda c: series(c, grid=lambda g: marked(g, unobserved(c), 0)),
    "vitals: the grid must be": lambda c: series(c, grid=lambda g: marked(g, observed(c), np.inf)),
    "3 channels but 1 units": lambda c: series(c, units=("SD",)),
    "vitals: times": lambda c: series(c, times=lambda times: times[:-1]),
    "vitals: available": lambda c: series(c, available=lambda available: ~available),
    "vitals: filled": lambda c: series(c, filled=lambda filled: ~filled),
    "the offsets of the events": lambda c: series(c, events=lambda e: replace(e, offsets=e.offsets[:-1])),
    "the offsets of the events do not fit": lambda c: series(c, events=lambda e: replace(e, times=e.times[:-1])),
    "vitals: events": lambda c: series(c, events=lambda e: replace(e, values=e.values[:, :-1])),
    "vitals: the times of the events": lambda c: series(c, events=lambda e: replace(e, times=e.times[::-1].copy())),
}


@pytest.mark.parametrize("said", BROKEN)
def test_a_broken_promise_is_refused_with_the_dataset_and_what_is_wrong(cohort, said):
    with pytest.raises(PluginError) as caught:
        validate(BROKEN[said](cohort), SPEC)
    message = str(caught.value)
    assert message.startswith('dataset "toy" (from tests) breaks its contract: ')
    assert said in message


@pytest.mark.parametrize(
    "count",
    [
        3,
        (3, "found"),
        Count(-1, "found"),
        Count(2.0, "found"),
        Count(True, "found"),
        Count(3, "skipped"),
        Count(3, None),
        None,
    ],
)
def test_a_count_that_is_no_number_of_a_kind_is_refused_with_the_kinds(cohort, count):
    with pytest.raises(PluginError) as caught:
        validate(replace(cohort, counts={"rows": Count(3, "found"), "other": count}), SPEC)
    assert all(kind in str(caught.value) for kind in (*COUNT_KINDS, "bench.cohort.Counts"))


def test_counts_that_are_no_table_are_refused_with_the_same_words(cohort):
    with pytest.raises(PluginError, match=r"bench\.cohort\.Counts"):
        validate(replace(cohort, counts=["rows"]), SPEC)


def test_files_that_changed_between_the_plan_and_the_reading_are_noticed_and_nothing_is_stored(tmp_path, monkeypatch):
    spec = Spec(
        "dataset", "toy", "bench_toy.parts:Toy", tasks={"toy": TOY_TASK, PLAIN.name: PLAIN}, modalities=("vitals", "labs"),
        params=ToyParams, files="test_cohort_stage:listed",
    )  # fmt: skip
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "stays.csv").write_text("before")
    planned = manifest(listed(tmp_path / "data", None), tmp_path / "cache")
    (tmp_path / "data" / "stays.csv").write_text("after")
    with pytest.raises(DataError, match="changed since the run began; run the same command again"):
        prepare(spec, {}, setup(tmp_path, planned), "key", Context())
    assert not setup(tmp_path).store.has(artifacts.cohort("key"))
    now = manifest(listed(tmp_path / "data", None), tmp_path / "cache")
    assert len(prepare(spec, {}, setup(tmp_path, now), "key", Context())) == 200


def listed(root, params):
    return [root / "stays.csv"]
