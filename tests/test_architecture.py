"""The rules of the house, read from the sources."""

from __future__ import annotations

import ast
import graphlib
import importlib
import re
import sys
from functools import cache
from pathlib import Path

import msgspec
import pytest

from bench.config.suite import Controls
from bench.federated.own import PLUGIN as FEDERATIONS
from bench.registry import Registry, discover
from support.pages import page

ROOT = Path(__file__).parents[1]
HARNESS = sorted((ROOT / "bench").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))
OTHERS = sorted(path for room in ("tests", "benchmarks") for path in (ROOT / room).rglob("*.py"))
PACKAGES = {path.name for path in (ROOT / "plugins").iterdir() if path.is_dir()}

DOOR = sorted({path.stem for path in (ROOT / "bench").glob("*.py")} - {"__init__", "__main__"} | {"testing"})
"""Modules of `bench` that a plugin may import: all that lies at its root, and the conformance
kit.
"""

EXPORTS = {
    "api": ["Leaderboard", "leaderboard", "plan", "run"],
    "arrays": ["Damaged", "metadata", "npz", "read", "write"],
    "checkpoint": ["Epoch", "State", "load", "save"],
    "clock": ["Clock"],
    "cohort": [
        "COUNT_KINDS", "Cohort", "Count", "CountKind", "Counts", "Events", "Series", "Task", "TaskKind", "bin_events",
        "bins_of",
    ],
    "components": ["Component", "Context", "Dataset", "Fuser", "Imputer", "Interrupted", "NotFitted", "Scenario"],
    "errors": [
        "EXIT_CODES", "BenchError", "DataError", "PluginError", "StorageError", "UsageError", "nearest", "unknown",
    ],
    "federation": ["Federation", "Update", "shares", "weighted_sum"],
    "files": ["content_digest", "read_bytes", "read_toml", "replacing", "storage", "write_bytes", "write_text"],
    "hooks": ["hookimpl"],
    "learner": ["Arrays", "Learner", "Lesson", "Own", "Penalty", "Plan", "Reply"],
    "metric": ["Evaluator", "Metric", "columns", "decisions", "total"],
    "presets": ["Presets"],
    "registry": ["BY_COUNTS", "KINDS", "MARK", "Contents", "Embedder", "NoParams", "Registry", "Spec", "discover"],
    "seeds": ["derive", "generator"],
    "selection": ["Selection", "mean_loss", "require_complete", "selection"],
    "sums": ["Moments", "Summed", "Sums", "condensed", "deviations", "exact", "means", "moments", "product_matrix", "products"],
    "testing": ["TOY_TASK", "Check", "Outcome", "Report", "check", "checks_of", "parametrize", "toy_cohort"],
    "torch_fuser": ["Batch", "EventView", "Inputs", "ModalityView", "TorchFuser"],
    "train_params": [
        "ALWAYS_IN_LABEL", "IN_LABEL", "AboveZero", "NotNegative", "Positive", "Seconds", "Share", "StepParams",
        "Steps", "TorchFuserParams", "TrainParams", "one_budget",
    ],
    "training": ["BatchNorm1d", "TrainResult", "TrainingError", "autocast", "seeded", "train"],
    "workload": ["Effort", "Workload", "effort", "training_seconds"],
}  # fmt: skip
"""What plugins may build on. A name that leaves this list, or enters it, is a change for
everybody who wrote one.
"""

ACROSS = {("bench_fusers", "bench_imputers")}
"""Which of our packages may build on which other: a fuser that completes the series by itself
holds an imputer.
"""

LIGHT = {
    "bench.cohort",
    "bench.hooks",
    "bench.presets",
    "bench.registry",
    "bench.train_params",
    "bench.workload",
    "msgspec",
}
"""All that a module with a hook in it may import, besides the standard library and light modules
of its own package.
"""


@cache
def imports(path: Path) -> list[tuple[str, str]]:
    """(module, name) of every import statement of a file, wherever it stands; the name is empty
    for `import module`.
    """
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            found += [(node.module or "", alias.name) for alias in node.names]
    return found


@cache
def installed() -> Registry:
    return discover()


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_there_is_something_to_read():
    assert len(HARNESS) > 50
    assert {"bench_datasets", "bench_imputers", "bench_federations", "bench_fusers"} <= PACKAGES


@pytest.mark.parametrize("path", HARNESS, ids=name)
def test_the_harness_never_imports_a_plugin(path):
    assert not [module for module, _ in imports(path) if module.partition(".")[0] in PACKAGES]


@pytest.mark.parametrize("path", PLUGINS, ids=name)
def test_a_plugin_imports_only_public_names_of_the_harness_and_nothing_of_other_plugins(path):
    own = path.relative_to(ROOT / "plugins").parts[0]
    for module, attribute in imports(path):
        top, _, rest = module.partition(".")
        assert top not in PACKAGES - {own} or (own, top) in ACROSS, f"imports {module}"
        if top == "bench":
            door = rest or attribute
            assert door in EXPORTS, f"imports {module}, which is not public"
            assert not rest or attribute in EXPORTS[door], f"imports {module}.{attribute}, which is not public"


def test_the_root_of_the_harness_is_the_door_and_says_what_it_exports():
    exported = {module: importlib.import_module(f"bench.{module}").__all__ for module in DOOR}
    assert exported == EXPORTS
    for module, names in exported.items():
        assert all(hasattr(importlib.import_module(f"bench.{module}"), each) for each in names)


def test_the_manual_has_a_reference_of_the_door():
    manual = page("reference/api.md")
    for module, names in EXPORTS.items():
        assert f"| `bench.{module}` | {', '.join(f'`{each}`' for each in names)} |" in manual
        assert f"\n::: bench.{module}\n" in manual


@cache
def modules() -> dict[str, Path]:
    """Dotted name -> file of every module of the harness and its plugins."""
    found = {}
    for path in [*HARNESS, *PLUGINS]:
        base = ROOT / "plugins" if path in PLUGINS else ROOT
        found[".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__")] = path
    return found


def test_no_module_imports_itself_by_way_of_others_wherever_the_import_stands():
    files = modules()
    arrows = {
        module: {
            target
            for imported, attribute in imports(path)
            if (target := f"{imported}.{attribute}" if f"{imported}.{attribute}" in files else imported) in files
        }
        - {module}
        for module, path in files.items()
    }
    assert sum(map(len, arrows.values())) > 500
    graphlib.TopologicalSorter(arrows).prepare()  # CycleError names the circle


@pytest.mark.parametrize("path", [p for p in [*HARNESS, *PLUGINS] if p.name == "plugin.py"], ids=name)
def test_a_module_with_a_hook_in_it_and_what_it_imports_of_its_own_package_is_light(path):
    todo, seen = [path], set()
    while todo:
        seen.add(reading := todo.pop())
        for module, _ in imports(reading):
            top = module.partition(".")[0]
            if top in PACKAGES or module.startswith("bench.scenarios."):
                todo += {modules()[module]} - seen
            else:
                assert module in LIGHT or top in sys.stdlib_module_names, f"{name(reading)} imports {module}"


@pytest.mark.parametrize("path", [*HARNESS, *PLUGINS], ids=name)
def test_nothing_imports_the_command_line_but_itself(path):
    if path.is_relative_to(ROOT / "bench" / "cli") or path == ROOT / "bench/__main__.py":
        return  # what Python runs for the package
    assert not [
        module for module, _ in imports(path) if module == "bench.cli.main" or module.startswith("bench.cli.main.")
    ]
    assert ("bench", "cli") not in imports(path)


ALLOWED = (
    {
        ("bench/config/suite.py", value)
        for field in msgspec.structs.fields(Controls)
        for value in field.default  # the one place where the harness has methods by name: controls of a suite that names none
    }
    | {
        ("bench/errors.py", "nearest"),  # a function's name, in __all__
        ("bench/figures/printed.py", "none"),  # matplotlib's word for text that stays text, in SVG
        ("bench/gate/same_test.py", "none"),  # the word for an absent value in a sentence, not the imputer
    }
)


@pytest.mark.parametrize("path", HARNESS, ids=name)
def test_the_harness_knows_no_method_by_name(path):
    registry = installed()
    kinds = ("imputer", "fuser", "dataset", "federation")
    methods = {spec.name for kind in kinds for spec in registry.specs(kind) if spec.plugin != FEDERATIONS}
    assert {"locf", "gru", "physionet2012"} <= methods
    constants = [
        node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Constant)
    ]
    named = {(name(path), node.value) for node in constants if isinstance(node.value, str) and node.value in methods}
    assert named <= ALLOWED


@pytest.mark.parametrize(
    "path",
    [*HARNESS, *PLUGINS, *(path for room in ("tests", "benchmarks") for path in sorted((ROOT / room).rglob("*.py")))],
    ids=name,
)
def test_no_room_is_too_large(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 450


@pytest.mark.parametrize("path", [*HARNESS, *PLUGINS], ids=name)
def test_every_room_says_what_it_is_for(path):
    if path.read_text(encoding="utf-8").strip():
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_every_component_we_declare_lies_in_a_room_for_its_kind():
    registry = installed()
    for kind in ("dataset", "scenario", "imputer", "fuser"):
        room = "bench.scenarios" if kind == "scenario" else f"bench_{kind}s"
        ours = [spec for spec in registry.specs(kind) if spec.plugin.startswith("gapbench:")]
        assert ours
        assert {spec.path.split(".")[0] + ".scenarios" * (kind == "scenario") for spec in ours} == {room}


PROSE = [
    path
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "leaderboards/notes/*.md",
        "bench/**/*.py",
        "plugins/**/*.py",
        "benchmarks/*.py",
        "suites/**/*.toml",
    )
    for path in sorted(ROOT.glob(pattern))
    if path.name != "CHANGELOG.md"  # which says what is no more
]
FILE = re.compile(
    r"(?<!\]\()(?<![\w/.<-])((?:bench|plugins|tests|benchmarks|suites|docs)/[\w/.-]+\.(?:py|toml|md|json))"
)
NAME = re.compile(r"`((?:bench|bench_datasets|bench_federations|bench_fusers|bench_imputers)(?:\.\w+)+)")
ELSEWHERE = {"tests/test_contract.py", "bench.suites"}
"""A test of a plugin's own, and the group of entry points for suites."""


@pytest.mark.parametrize("path", PROSE, ids=name)
def test_files_and_modules_that_prose_names_exist(path):
    text, files = path.read_text(encoding="utf-8"), modules()
    missing = [file for file in FILE.findall(text) if "NAME" not in file and not (ROOT / file).exists()]
    for dotted in NAME.findall(text):
        parts = dotted.split(".")
        known = next((".".join(parts[:n]) for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in files), "")
        rest = dotted.removeprefix(known).split(".")
        if known == "bench" or (len(rest) > 1 and rest[1] not in files[known].read_text(encoding="utf-8")):
            missing.append(dotted)
    assert not set(missing) - ELSEWHERE


@pytest.mark.parametrize(
    "path", [path for path in HARNESS if path.parts[-2] in {"leaderboard", "sections", "statistics", "gate"}], ids=name
)
def test_what_a_table_is_about_is_spelt_out_in_the_records_alone(path):
    """So that a new axis of tables is a change of `TableKey` and of nothing else."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Tuple | ast.List):
            spelt = {each.attr for each in node.elts if isinstance(each, ast.Attribute)}
            assert not {"modalities", "scenario"} <= spelt, f"{path}:{node.lineno}"


def test_words_of_a_command_line_are_taken_apart_in_one_place():
    apart = re.compile(r'\.(r?partition|r?split|find|index)\("="')
    rooms = ("cli", "config", "run", "tuning", "gate", "grid", "results")
    found = {
        path.name for room in rooms for path in (ROOT / "bench" / room).glob("*.py") if apart.search(path.read_text())
    }
    assert found == {"words.py"}


VAGUE = {"said", "found", "made", "told", "asked", "given"}
"""They say where a value came from. A name says what the value is: `record`, `overrides`,
`suite`.
"""


def vague(source: str) -> list[str]:
    """Variables and arguments of a source whose name is in `VAGUE`, with their lines."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.append((node.lineno, node.id))
        elif isinstance(node, ast.arg):
            names.append((node.lineno, node.arg))
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.append((node.lineno, node.name))
    return [f"line {line}: {name}" for line, name in sorted(names) if name in VAGUE]


@pytest.mark.parametrize(
    "source",
    ["made = 1", "def f(*, told): ...", "def f(**asked): ...", "[0 for found in x]", "(said := 1)", "given: int"],
)
def test_a_variable_or_argument_that_does_not_say_what_it_holds_is_seen(source):
    assert len(vague(source)) == 1


@pytest.mark.parametrize("path", HARNESS + PLUGINS, ids=name)
def test_variables_and_arguments_say_what_they_hold(path):
    assert not vague(path.read_text("utf-8"))
