"""An overridden suite never looks like the suite: what differs stands in the first lines of
every output, and is compared.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.cli.plot import _of
from bench.config.conversion import types_of
from bench.config.layers import find_suites
from bench.config.request import request
from bench.config.suite import Suite
from bench.config.words import merge
from bench.gate import gate
from bench.gate.report import to_junit, to_markdown
from bench.grid.differences import SHOWN, SILENT, deciding, sentence, suffix
from bench.grid.federated import OF_CLIENTS
from bench.leaderboard import load_export, render, save_export
from bench.registry import discover
from bench.results.collect import stem
from bench.results.records import Override
from bench.results.redact import redact
from bench.tuning.file import read
from bench_federations.params import FedProxParams
from support.asking import Asker
from support.fake_exports import make_export
from support.project import Project
from support.suite_edits import EDITS, NAMED, UNNAMED, WORDS

SUITE = """
name = "small"
title = "A small suite"
dataset = "made"

[modalities]
bedside = ["vitals"]

[grid]
task = ["ihm"]
imputer = ["plain"]
fuser = ["flat"]
seed = [1, 2]

[controls]
imputer = ["hole"]
fuser = ["tree"]

[partition]
clients = 2

[profiles.paper]
draws = 3
"""


@pytest.fixture
def ask(tmp_path: Path) -> Asker:
    asker = Asker(tmp_path)
    asker.text = SUITE
    asker.registry.dataset("other", "bench_toy.parts:Toy", tasks=asker.registry.get("dataset", "made").tasks.values(),
                           modalities=("vitals", "labs"), columns=("ward",))  # fmt: skip
    asker.registry.federation("near", "bench_federations.averaging:FedProx", params=FedProxParams)
    (tmp_path / "values.toml").write_text("published = []")
    return asker


def keys(struct: type[msgspec.Struct], prefix: str = "") -> Iterator[str]:
    """Every key of the schema, dotted; of a table with free names the table alone."""
    for name, kind in types_of(struct).items():
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield from keys(kind, f"{prefix}{name}.")
        else:
            yield prefix + name


def shown(key: str) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in SHOWN)


def test_every_key_of_the_schema_is_compared_or_it_is_written_down_why_not() -> None:
    assert {key for key in keys(Suite) if not shown(key)} == WORDS.keys()
    known = {key for key in keys(Suite)} | {field.name for field in msgspec.structs.fields(Suite)}
    assert SHOWN.keys() <= known
    assert all(SHOWN.values())


PRIVATE = ["privacy.clip=0.5", "rounds.select=last"]
READ_BESIDE = {
    "privacy.clip": ["rounds.select=last"],
    "privacy.noise": PRIVATE,
    "privacy.delta": PRIVATE,
    "partition.alpha": ["partition.by=dirichlet"],
    "partition.task": ["partition.by=dirichlet"],
    "partition.unknown": ["dataset=other", "partition.by=ward", "partition.clients=null"],
}
"""Key -> the words without which it would change nothing."""


@pytest.mark.parametrize("key", WORDS)
def test_a_key_that_the_command_line_sets_to_something_else_is_named_and_no_other(ask: Asker, key: str) -> None:
    beside = ["federation=near"] * (key.partition(".")[0] in OF_CLIENTS)  # who else would read it
    beside += READ_BESIDE.get(key, [])
    named = {override.key for override in ask.request(WORDS[key], *beside).overrides}
    others = {word.partition("=")[0] for word in READ_BESIDE.get(key, [])}
    inside = {
        **{other: {other, *others} for other in READ_BESIDE},
        "partition.unknown": {"partition.unknown", *others, "data.clean", "data.sets"},
        "dataset": {"dataset", "data.clean", "data.sets"},
        "data": {"data.clean"},
        "modalities": {"modalities.bedside"},
    }
    assert named == inside.get(key, {key})


def test_what_the_suite_or_its_profile_says_already_is_no_difference(ask: Asker) -> None:
    for words in ((), ("draws=1",), ("split.seed=0", "seed=1,2", "data.clean=true"), ("profile=paper", "draws=3")):
        assert ask.request(*words).overrides == (), words
    assert ask.request("profile=paper", "draws=1").overrides == (Override("draws", "1", "3"),)


def test_what_stands_in_labels_and_titles_of_tables_is_not_said_again(ask: Asker) -> None:
    words = ("imputer=deep", "fuser.net.rate=0.5", "fuser=net", "task=los", "limits.time=2h", "modalities=bedside")
    assert ask.request(*words).overrides == ()


def test_a_suite_that_leaves_a_needed_key_to_the_command_line_is_completed_by_it(ask: Asker) -> None:
    ask.text = SUITE.replace("seed = [1, 2]\n", "")
    assert ask.request("seed=4").overrides == ()
    assert [o.key for o in ask.request("seed=4", "draws=2").overrides] == ["draws"]


def test_values_are_in_words_and_of_a_path_only_what_it_leads_to(ask: Asker) -> None:
    (override,) = ask.request("controls.imputer=").overrides
    assert override == Override("controls.imputer", "nothing", "hole")
    (override,) = ask.request("title=/home/me/x").overrides
    assert override.value == ".../x"
    assert sentence((override,)) == "differs from the suite: title = .../x (suite: A small suite)"


def test_a_control_whose_parameters_were_set_is_still_called_one(ask: Asker, tmp_path: Path) -> None:
    from bench.run.export import planned_export
    from bench.run.prepare import prepare

    words = ("fuser.tree.rate=0.5", "imputer.hole.steps=3", f"cache={tmp_path}/c", f"out={tmp_path}/o")
    export = planned_export(prepare(ask.request(*words), ask.registry))
    assert export.control_fusers == ["tree(rate=0.5)"]
    assert export.control_imputers == ["hole(steps=3)"]


def edited(keys: Iterable[str]) -> str:
    """The suite below with those keys set: those of its own lines in place, others in front of
    its tables.
    """
    tree = tomllib.loads(SUITE)
    for key in keys:
        tree = merge(tree, tomllib.loads(EDITS[key]))
    return dumped(tree)


def dumped(tree: dict) -> str:
    return "".join(f"{key} = {inlined(value)}\n" for key, value in tree.items())


def inlined(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {inlined(each)}" for key, each in value.items()) + "}"
    return f"[{', '.join(map(inlined, value))}]" if isinstance(value, list) else json.dumps(value)


@pytest.fixture
def shipped(ask: Asker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asker:
    """An installed suite; the suite that is asked for is a file outside of the same name."""
    path = tmp_path / "installed" / "small.toml"
    path.parent.mkdir()
    path.write_text(SUITE)
    monkeypatch.setattr("bench.config.layers.find_suites", lambda: {"small": path})
    monkeypatch.setattr("bench.grid.differences.find_suites", lambda: {"small": path})
    return ask


def named_of(keys: Iterable[str]) -> set[str]:
    return set().union(*(NAMED.get(key, {key}) for key in keys if key not in UNNAMED))


def test_every_key_of_a_suite_file_is_edited_here() -> None:
    assert EDITS.keys() == {key for key in keys(Suite)} - {"name", "profiles"}
    assert all(key in SILENT or key.split(".")[0] in SILENT for key in UNNAMED)


@pytest.mark.parametrize("key", EDITS)
def test_what_an_edited_copy_says_otherwise_than_the_installed_suite_is_named_and_nothing_else(
    shipped: Asker, key: str
) -> None:
    shipped.text = edited([key])
    found = shipped.request().overrides
    assert {override.key for override in found} == named_of([key])
    assert all(override.shipped == "small" for override in found)


def agrees(chosen: set[str]) -> bool:
    """Whether a suite may hold these edits together: of steps and seconds it gives one, and with
    privacy no round is chosen by validation.
    """
    if {"privacy.clip", "grid.federation"} <= chosen and "rounds.select" not in chosen:
        return False
    return not any({f"{table}.steps", f"{table}.seconds"} <= chosen for table in ("training", "training.imputer"))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.sampled_from(sorted(EDITS.keys() - {"dataset", "weights.files"}))).filter(agrees))
def test_several_edits_are_all_named(shipped: Asker, chosen: set[str]) -> None:
    shipped.text = edited(chosen)
    assert {override.key for override in shipped.request().overrides} == named_of(chosen)


def test_a_copy_that_says_the_same_is_the_suite_whatever_its_words(shipped: Asker) -> None:
    same = ("", "# a comment\n", "draws = 1\n", "published_file = 'values.toml'\n")
    for text in (*(words + SUITE for words in same), SUITE + "[fuser.tree]\nrate = 0.1\n", edited([])):
        shipped.text = text
        assert shipped.request().overrides == (), text
        assert [o.shipped for o in shipped.request("draws=4").overrides] == [""]


@pytest.mark.parametrize("name", sorted(find_suites()))
def test_a_copied_file_of_an_installed_suite_is_that_suite(tmp_path: Path, name: str) -> None:
    shutil.copytree(find_suites()[name].parent, tmp_path / "copied", ignore=shutil.ignore_patterns("*.py*"))
    registry, file = discover(), tmp_path / "copied" / f"{name}.toml"
    for profile in ("demo", "paper"):
        assert request([f"suite={file}", f"profile={profile}"], registry).overrides == ()
    file.write_text(re.sub(r'^title = ".*"$', 'title = "Another"', file.read_text(), flags=re.M))
    assert [(o.key, o.shipped) for o in request([f"suite={file}"], registry).overrides] == [("title", name)]


def test_an_edited_copy_is_compared_with_the_installed_suite_words_of_the_command_included(shipped: Asker) -> None:
    shipped.text = edited(["split.seed"])
    line = "differs from the shipped suite small: split.seed = 99 (shipped: 0)"
    assert sentence(shipped.request().overrides) == line
    assert sentence(shipped.request("imputer=deep", "fuser.flat.rate=0.5", "limits.time=1m").overrides) == line
    assert (
        sentence(shipped.request("draws=2", "split.seed=5").overrides)
        == "differs from the shipped suite small: draws = 2 (shipped: 1); split.seed = 5 (shipped: 0)"
    )
    assert shipped.request("split.seed=0").overrides == (Override("split.seed", "0", "99"),)


def test_a_profile_that_the_installed_suite_lacks_is_named(shipped: Asker) -> None:
    shipped.text = SUITE + "[profiles.quick]\ndraws = 2\n"
    assert shipped.request().overrides == ()
    assert [o.key for o in shipped.request("profile=quick").overrides] == ["profile", "draws"]
    shipped.text = SUITE.replace("draws = 3", "draws = 5")
    assert shipped.request().overrides == ()
    assert shipped.request("profile=paper").overrides == (Override("draws", "5", "3", "small"),)


NAMES = st.sampled_from(sorted(WORDS))
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
OVERRIDES = st.lists(
    st.builds(Override, NAMES, TEXTS, TEXTS, st.sampled_from(["", "suite"])),
    min_size=1,
    max_size=3,
    unique_by=lambda override: override.key,
)
WHOLE = make_export(["mean", "locf"], ["linear", "gbm"], scenarios=["mcar(rate=0.1)"])


@settings(deadline=None, max_examples=40)
@given(OVERRIDES)
def test_every_output_says_in_its_first_lines_what_differs(overrides: list[Override]) -> None:
    export = msgspec.structs.replace(WHOLE, overrides=overrides)
    rendered = {kind: body.decode() for kind, body in render(redact(export), page=True).items()}
    lines = list(csv.DictReader(io.StringIO(rendered["csv"], newline="")))
    assert {line["differs"] for line in lines} == {lines[0]["differs"]}
    head = {"md": rendered["md"][: rendered["md"].index("## ")], "html": rendered["html"].partition("<h2")[0]}
    for output in (head["md"].lower(), head["html"].lower(), lines[0]["differs"], _of(export)):
        assert "differs from the s" in output
        assert all(override.key in output for override in overrides)
    assert json.loads(rendered["json"])["overrides"] == [msgspec.to_builtins(o) for o in overrides]
    assert rendered["json"].index('"overrides"') < rendered["json"].index('"tables"')


@settings(deadline=None, max_examples=40)
@given(OVERRIDES)
def test_another_table_than_the_suite_s_has_a_file_of_its_own_and_is_not_compared_with_it(
    overrides: list[Override],
) -> None:
    export = msgspec.structs.replace(WHOLE, overrides=overrides)
    own = bool(deciding(overrides))
    assert (stem(export) == stem(WHOLE)) is not own
    assert stem(export) == stem(msgspec.structs.replace(export, records=[]))
    for baseline, new in ((WHOLE, export), (export, WHOLE)):
        report = gate(baseline, new)
        assert (report.verdict == "not-comparable") is own
        if own:
            assert all(deciding(overrides)[0].key in judged.reason for judged in report.judgements)
            assert "differs from the s" in to_markdown(report)
            assert b"differs from the s" in to_junit(report)
    assert gate(export, export).verdict == "same"


def test_seeds_are_named_but_the_gate_compares_other_seeds_and_the_file_is_the_suite_s() -> None:
    seeds = [Override("grid.seed", "1", "1, 2")]
    assert sentence(seeds)
    assert suffix(seeds) == ""
    assert gate(WHOLE, msgspec.structs.replace(WHOLE, overrides=seeds)).verdict == "same"


def test_an_export_from_before_is_read_as_one_that_differs_in_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.records.json"
    save_export(path, WHOLE)
    plain = {key: value for key, value in json.loads(path.read_bytes()).items() if key not in ("sha256", "overrides")}
    path.write_text("{\n" + json.dumps(plain)[1:])
    assert load_export(path).overrides == []


def test_commands_say_it_before_and_after_and_write_files_of_their_own(project: Project) -> None:
    words = (project.suite, "split.seed=99", "seed=1", "imputer=mean", "fuser=linear")
    said = "differs from the suite: grid.seed = 1 (suite: 1, 2); split.seed = 99 (suite: 0)"
    planned = project.here("plan", *words).stdout.splitlines()
    assert planned[1] == said
    assert [o["key"] for o in json.loads(project.here("plan", *words, "--json").stdout)["overrides"]] == [
        "grid.seed",
        "split.seed",
    ]
    ran = project.here("run", *words)
    assert said in ran.stderr
    assert ran.stdout.splitlines()[1] == said
    assert [o["value"] for o in json.loads(project.here("run", *words, "--json").stdout)["overrides"]] == ["1", "99"]
    printed = project.page(project.suite).splitlines()
    assert printed[2] == f"**{said[0].upper()}{said[1:]}.**"
    tables = project.folder / "results" / "leaderboards"
    (records,) = tables.glob("*.records.json")
    assert records.name.startswith("toy-differs-")
    assert [o.key for o in load_export(records).overrides] == ["grid.seed", "split.seed"]
    project.here("run", project.suite, "imputer=mean", "fuser=linear")
    project.here("report", project.suite)
    assert (tables / "toy.md").exists()
    assert records.exists()


def test_a_tuned_file_says_it_too_and_is_still_read(project: Project) -> None:
    pytest.importorskip("optuna", reason="the extra tune is not installed")
    words = (project.suite, "imputer=mean", "seed=1", "fuser=linear", "trials=2")
    project.here("tune", *words, "stats.resamples=100")
    (path,) = (project.folder / "results" / "tuned").glob("toy-differs-*.toml")
    assert (
        read(path).differs == "differs from the suite: grid.seed = 1 (suite: 1, 2); stats.resamples = 100 (suite: 200)"
    )
    assert "differs" in "".join(path.read_text().splitlines(keepends=True)[:5])
