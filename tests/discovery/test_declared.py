"""What a plugin declares is accepted or refused at once, in one line; what was accepted can be
used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.cli.describe import _describe
from bench.cohort import Task
from bench.errors import PluginError
from bench.hooks import hookimpl
from bench.metrics import known
from bench.metrics.own import OWN
from bench.presets import Presets
from bench.registry import KINDS, Contents, NoParams, Registry, Spec
from bench.workload import Workload

TASK = Task(name="ihm", kind="binary", metrics=("auroc",))


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    width: int = 3
    note: str = ""


class Preset(msgspec.Struct, frozen=True):
    preset: Literal["small", "large"] = "small"
    width: int | None = None
    depth: int = 1


class Choice(msgspec.Struct, frozen=True):
    width: int = 8


class Deep(msgspec.Struct, frozen=True):
    depth: int = 2


class Open(msgspec.Struct):
    width: int = 3


class Required(msgspec.Struct, frozen=True):
    width: int


class Wrong(msgspec.Struct, frozen=True):
    width: int = "three"  # type: ignore[assignment]


def declare(kind: str = "imputer", name: Any = "it", path: Any = "a.b:C", **declared: Any) -> Spec:
    """One component of a plugin, as its hook declares it."""
    registry = Registry()
    if kind == "dataset":
        declared = {"tasks": (TASK,), "modalities": ("vitals",), **declared}
    getattr(registry, kind)(name, path, **declared)
    return registry.get(kind, name)


def task(**changes: Any) -> dict[str, Any]:
    return {"kind": "dataset", "tasks": (msgspec.structs.replace(TASK, **changes),)}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"name": 5}, "the name of a imputer of bench must be text, got 5"),
    *(({"name": name}, "a name has 1 to 64 letters") for name in ("", "../../x", "a b,c", "x\n", "x" * 65)),
    *(({"path": path}, "module:attribute") for path in (5, "", "a", "a:", ":b", "a b:c", "a:b:c", None)),
    ({"sumary": "x"}, '"sumary" is no declaration; did you mean "summary"'),
    ({"kind_": "x"}, '"kind_" is no declaration'),
    ({"plugin": "gapbench:imputers"}, '"plugin" is no declaration'),
    ({"files": "a:b"}, '"files" is a declaration of datasets alone'),
    ({"notes": {"experts": "count"}}, '"notes" is a declaration of fusers alone'),
    ({"summary": 5}, '"summary" must be text, got 5'),
    ({"version": 2}, '"version" must be text, got 2'),
    ({"tags": "torch"}, "\"tags\" must be a tuple of texts, got 'torch'"),
    ({"tags": ("torhc",)}, 'tag "torhc" is not known .* did you mean "torch"'),
    ({"tags": ("nan_aware",)}, 'the tag "nan_aware" is for a fuser'),
    ({"tags": 5}, '"tags" must be a tuple of texts'),
    ({"randomness": "random"}, '"randomness" must be one of deterministic, seeded, stochastic'),
    *(({"seconds": each}, '"seconds" must be a number from 0') for each in ("fast", math.nan, -1, True, None, math.inf)),
    ({"params": Open}, '"params" must be a frozen msgspec.Struct'),
    ({"params": dict}, '"params" must be a frozen msgspec.Struct'),
    ({"params": Required}, '"params" must have a default for every field'),
    ({"params": Wrong}, '"default.width" = "three" is not accepted'),
    ({"params": Params, "test_params": {"width": "x"}}, '"test_params.width" = "x" is not accepted'),
    ({"params": Params, "test_params": {"widht": 1}}, 'key "test_params.widht" is not known'),
    ({"test_params": [1]}, '"test_params" must be a table'),
    ({"params": Params, "space": {"width": 3}}, '"space" must give a tuple of values for width'),
    ({"params": Params, "space": {"width": ()}}, '"space" must give a tuple of values for width'),
    ({"params": Params, "space": {"width": (1, "x")}}, '"space.width" = "x" is not accepted'),
    ({"params": Params, "space": {"depth": (1,)}}, 'key "space.depth" is not known'),
    ({"params": Preset, "presets": {"small": Choice()}}, '"presets" must be a bench.presets.Presets'),
    ({"params": Preset, "presets": Presets("size", {"small": Choice()})}, 'the default of "size" must be one of the presets'),
    ({"params": Preset, "presets": Presets("preset", {"large": Choice()})}, "must be one of the presets, got 'small'"),
    ({"params": Preset, "presets": Presets("preset", {"small": Choice(), "huge": Choice()})}, '"presets.preset" = "huge" is not'),
    ({"params": Preset, "presets": Presets("preset", {"small": 8})}, "the preset small must be a msgspec.Struct, got 8"),
    ({"params": Preset, "presets": Presets("preset", {"small": Deep()})}, "depth must be null by default"),
    ({"expected_failures": {"one_bin": ""}}, '"expected_failures" must give a reason for one_bin'),
    ({"expected_failures": ["one_bin"]}, '"expected_failures" must be a table'),
    ({"kind": "fuser", "notes": {"experts": "number"}}, "the note 'experts' must be a few plain words"),
    ({"kind": "fuser", "notes": {"experts": ()}}, "the note 'experts' must be a few plain words"),
    ({"kind": "dataset", "tasks": (5,)}, "a task must be a bench.cohort.Task, got 5"),
    ({"kind": "dataset", "tasks": 5}, '"tasks" must be a tuple of bench.cohort.Task'),
    ({"kind": "dataset", "tasks": (TASK, TASK)}, "task ihm is named twice"),
    (task(metrics=()), "task ihm has no metric"),
    (task(metrics=("auroc", "auroc")), "task ihm has a metric twice"),
    (task(metrics="auroc"), "task 'ihm' is not accepted"),
    (task(kind="binry"), "task 'ihm' is not accepted: Invalid enum value 'binry'"),
    (task(outputs=0), "needs outputs=1, got 0"),
    (task(outputs=2), "needs outputs=1, got 2"),
    (task(kind="multiclass", outputs=1), "needs outputs=2 or more, got 1"),
    (task(outputs="1"), "task 'ihm' is not accepted"),
    (task(name=5), "task 5 is not accepted"),
    (task(name="../x"), "a name has 1 to 64 letters"),
    ({"kind": "dataset", "modalities": "vitals"}, '"modalities" must be a tuple of texts'),
    ({"kind": "dataset", "modalities": ("a", "a")}, "modality a is named twice"),
    ({"kind": "dataset", "modalities": (5,)}, '"modalities" must be a tuple of texts, got 5 in it'),
    ({"kind": "dataset", "splits": "fold0"}, '"splits" must be a tuple of texts'),
    ({"kind": "dataset", "files": "nowhere"}, 'the "files" must read module:attribute'),
    ({"contents": "a:b"}, '"contents" is a declaration of datasets alone'),
    ({"kind": "dataset", "contents": 5}, 'the "contents" must read module:attribute'),
    ({"kind": "dataset", "contents": "a:b", "generate": "a:b"}, 'it cannot stand beside "generate" or "fetch"'),
    ({"kind": "dataset", "generated_records": 5}, '"generated_records" must be a function'),
    ({"kind": "dataset", "channels": {"vitals": 5}}, '"channels" must be a function'),
    ({"kind": "dataset", "embed": {"notes": 5}}, '"embed" speaks of notes, which is none of its modalities'),
    ({"kind": "dataset", "embed": {"vitals": 5}}, '"embed" must give an Embedder for vitals'),
    ({"kind": "dataset", "indifferent": ("consent",)}, "indifferent names no parameter: consent"),
    ({"kind": "dataset", "fetch_name": "../x"}, "a name has 1 to 64 letters"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("declared", "why"), REFUSED, ids=lambda each: each if isinstance(each, str) else str(each)[:60]
)
def test_a_declaration_of_the_wrong_kind_is_refused_at_once_with_what_is_accepted(declared, why):
    with pytest.raises(PluginError, match=why) as refused:
        declare(**declared)
    assert len(str(refused.value).splitlines()) == 1


def told(root: Any, params: Any) -> Any:
    """The contents of a dataset whose files hold nothing: what the test asks for."""
    return root


@pytest.mark.parametrize(
    ("contents", "why"),
    [
        (5, '"contents" must give a bench.registry.Contents, got 5'),
        (Contents(tasks=(TASK, TASK)), "task ihm is named twice"),
        (Contents(tasks=(msgspec.structs.replace(TASK, metrics=("auroq",)),)), 'metric "auroq" is not known'),
        (Contents(modalities=("a", "a")), "modality a is named twice"),
        (Contents(modalities=("../x",)), "a name has 1 to 64 letters"),
    ],
)
def test_what_files_say_of_a_dataset_is_checked_as_a_declaration_is(contents: Any, why: str) -> None:
    registry = Registry()
    registry.dataset("it", "a.b:C", tasks=(), modalities=(), contents=f"{__name__}:told")
    with pytest.raises(PluginError, match=why) as refused:
        registry.look_into(registry.get("dataset", "it"), contents, None)
    assert len(str(refused.value).splitlines()) == 1
    assert not registry.get("dataset", "it").tasks


def test_a_registry_has_the_contents_of_the_folder_that_it_looked_into_last() -> None:
    registry = Registry()
    registry.dataset("it", "a.b:C", tasks=(), modalities=(), contents=f"{__name__}:told")
    spec = registry.get("dataset", "it")
    first = Contents((TASK,), ("vitals",), ("fold",), ("site",))
    assert registry.look_into(spec, first, None).seen() == first  # type: ignore[arg-type]
    registry.hold(spec, Contents(modalities=("labs",)))
    assert registry.get("dataset", "it").seen() == Contents(modalities=("labs",))


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.binary(max_size=4), st.builds(object),
    st.sampled_from([NoParams, Params, Open, Required, len, TASK, "a:b", "torch", "seeded", {}, (), [], {"width": (1,)}, int]),
    st.lists(st.text(max_size=3), max_size=2), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip
DECLARATIONS = [name for name in Spec.__dataclass_fields__ if name not in ("kind", "name", "path", "plugin")]


@settings(max_examples=300)
@given(
    st.sampled_from(KINDS),
    st.one_of(ODD, st.just("it")),
    st.dictionaries(st.sampled_from(DECLARATIONS), ODD, max_size=2),
)
@example("imputer", "it", {"seconds": 10**400})
def test_whatever_is_declared_is_refused_in_one_line_or_can_be_used(kind, name, declared):
    try:
        spec = declare(kind, name, **declared)
    except PluginError:
        return
    msgspec.json.encode(_describe(spec))
    spec.parameters(dict(spec.test_params))
    if not callable(spec.seconds):
        assert math.isfinite(spec.expected_seconds({}, Workload(records=1000, channels={"vitals": 10})))


@pytest.mark.parametrize(
    "answer", ["raise ValueError('no')", "raise SystemExit(0)", "'x'", "float('nan')", "-1", "None"]
)
@pytest.mark.parametrize("what", ["seconds", "generated_records", "channels"])
def test_a_function_that_estimates_and_fails_is_named(what, answer):
    def function(*arguments: Any) -> Any:
        if answer.startswith("raise"):
            exec(answer)
        return eval(answer)

    spec = declare("dataset", **{what: function})
    asked: dict[str, Callable[[], Any]] = {
        "seconds": lambda: spec.expected_seconds({}, Workload(records=10, channels={})),
        "generated_records": lambda: spec.expected_records(NoParams()),
        "channels": lambda: spec.expected_channels(NoParams()),
    }
    with pytest.raises(PluginError, match=rf'{what} of dataset "it" \(from bench\)'):
        asked[what]()


@pytest.mark.parametrize("name", OWN)
def test_every_metric_of_the_harness_can_be_loaded(name: str) -> None:
    assert callable(OWN[name].load().score)


def _of_three(params: Any, records: int, draws: int) -> float:
    return 1.0


def _of_any(*given: Any) -> float:
    return 1.0


@pytest.mark.parametrize(("key", "takes"), [("seconds", "(parameters, work)"), ("generated_records", "(parameters)")])
def test_a_function_that_takes_other_arguments_is_refused_with_what_it_must_take(key: str, takes: str) -> None:
    with pytest.raises(PluginError) as refused:
        declare("dataset", **{key: _of_three})
    assert f'"{key}" must be a function of {takes}, got one of (params' in str(refused.value)
    assert declare("dataset", **{key: _of_any})


def _plugin(tasks: Any = None, metric: Any = None, selects_by: Any = ()) -> Any:
    @hookimpl
    def bench_register(registry: Registry) -> None:
        if tasks:
            registry.dataset("theirs", "nowhere:Nothing", tasks=tasks, modalities=("a",))
        if metric is not None:
            registry.metric("mine", "nowhere:mine", kinds=("binary",), **metric)
        if selects_by:
            registry.fuser("chooses", "nowhere:Nothing", selects_by=selects_by)

    return SimpleNamespace(bench_contract=1, bench_register=bench_register)


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        (("aurok",), 'metric "aurok" is not known (from task ihm); did you mean "auroc"?'),
        (("mae", "corr"), 'the metric "corr", which is not for binary tasks'),
        (("f1_tuned",), 'the primary metric "f1_tuned", which takes validation: put another one first'),
        (("auprc_baseline",), "which has no better direction: put another one first"),
    ],
)
def test_a_plugin_with_a_task_whose_metrics_do_not_fit_is_left_out_with_the_reason(metrics: Any, words: str) -> None:
    registry = Registry()
    registry.register_plugin("theirs", _plugin(tasks=[Task("ihm", "binary", metrics)]))
    assert registry.names("dataset") == []
    assert words in registry.broken[0].reason


def test_a_fuser_that_selects_by_a_metric_nobody_has_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry()
    registry.register_plugin("theirs", _plugin(selects_by=("aurok",)))
    assert registry.names("fuser") == []
    assert 'metric "aurok" is not known (from selects_by)' in registry.broken[0].reason


@pytest.mark.parametrize("first", ["metric", "task"])
def test_whichever_of_two_plugins_comes_first_a_task_may_name_a_metric_of_the_other(
    first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = known.metrics()
    plugins = {"metric": _plugin(metric={}), "task": _plugin(tasks=[Task("ihm", "binary", ("mine",))])}
    registry = Registry()
    for name in (first, *plugins.keys() - {first}):
        registry._take(name, lambda name=name: plugins[name])
    registry._settle()
    assert not registry.broken
    assert registry.get("dataset", "theirs").tasks["ihm"].primary == "mine"
    assert known.metric("mine").plugin == "metric"
    known.use(before)
