"""Suite files: found, read, checked, and laid over one another."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.config import layers
from bench.config.layers import broken_packages, find_suites, read
from bench.config.suite import schema
from bench.config.toml_lines import line_of
from bench.errors import UsageError
from bench.results.records import Published
from support.asking import SMALL, Asker
from support.installing import install
from support.pages import page

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ask(tmp_path):
    return Asker(tmp_path)


def test_the_suites_of_the_harness_are_found_and_can_be_run_in_every_profile():
    for name, path in find_suites().items():
        tree, _ = read(name)
        assert tree["name"] == name
        for profile in {"demo", *tree.get("profiles", {})}:
            layers.resolve(layers.Layers(tree, path, profile, {}))


def test_a_strangers_suites_are_found_and_can_take_no_name_of_ours(tmp_path, monkeypatch):
    package = tmp_path / "strangers_suites"
    package.mkdir()
    (package / "__init__.py").touch()
    for name in ("theirs", "physionet48"):
        (package / f"{name}.toml").write_text(SMALL.replace("small", name))
    monkeypatch.syspath_prepend(install(tmp_path, "strangers", suites={"aa": "strangers_suites"}))
    assert find_suites()["theirs"] == package / "theirs.toml"
    assert find_suites()["physionet48"].parent != package
    assert [line for line in broken_packages() if "strangers_suites: its suite physionet48 is called as" in line]


@pytest.mark.parametrize("code", ["1 / 0", "raise SystemExit(0)", "import sys; sys.exit()"])
def test_a_package_of_suites_that_cannot_be_imported_is_named_when_a_suite_is_missing(tmp_path, monkeypatch, code):
    (tmp_path / "crashing_suites.py").write_text(code)
    monkeypatch.delitem(sys.modules, "crashing_suites", raising=False)
    monkeypatch.syspath_prepend(install(tmp_path, "crashing", suites={"crashing": "crashing_suites"}))
    assert "physionet48" in find_suites()
    with pytest.raises(UsageError, match=r"crashing_suites: (ZeroDivisionError|SystemExit)"):
        read("theirs")


def test_an_unknown_suite_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match=r'suite "physionet84" is not known .* did you mean "physionet48"'):
        read("physionet84")


def test_a_suite_file_that_is_missing_is_named():
    with pytest.raises(UsageError, match=r'suite file "nowhere.toml" \(from the command line\) does not exist'):
        read("nowhere.toml")


@pytest.mark.parametrize("content", [b"name = ", b"[grid\n", b"a = 1\na = 2", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_named_with_what_is_wrong(tmp_path, content):
    file = tmp_path / "bad.toml"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"bad\.toml is not valid TOML: \S"):
        read(str(file))


@pytest.mark.parametrize(
    ("wrong", "right", "line"),
    [
        ("sumary = 'x'", "summary", 6),
        ("[controls]\nimputr = []", "controls.imputer", 7),
        ("[splitt]\nseed = 1", "split", 6),
        ("[split]\nseeed = 1", "split.seed", 7),
        ("[profiles.paper]\ndrawz = 2", "profiles.paper.draws", 7),
        ("[profiles.paper.grid]\nsed = [1]", "profiles.paper.grid.seed", 7),
        ("stats = { resampels = 5 }", "stats.resamples", 6),
        ("[[published]]\ntask = 'ihm'\nmetod = 'x'", "published.method", 8),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_and_its_line(ask, wrong, right, line):
    head, _, rest = SMALL.replace("[controls]\nimputer = []\nfuser = []\n", "").partition("\n[grid]")
    ask.text = f"{head}\n{wrong}\n[grid]{rest}"
    message = ask.refusal()
    assert f"small.toml, line {line})" in message
    assert f'did you mean "{right}"?' in message


@pytest.mark.parametrize("key", ["name", "profiles"])
def test_a_profile_cannot_say_which_suite_it_is(ask, key):
    ask.text += f"\n[profiles.paper]\n{key} = 'other'\n"
    assert f'key "profiles.paper.{key}" is not known' in ask.refusal()


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('title = "A small suite"', "title = 3", "title"),
        ("seed = [1, 2]", "seed = ['x']", "grid.seed[0]"),
        ('task = ["ihm"]', 'task = "ihm"', "grid.task"),
        ("[audits]", "[stats]\nalpha = 2.0\n[audits]", "stats.alpha"),
        ("[audits]", "[split]\nfractions = [0.5, 0.5]\n[audits]", "split.fractions"),
        ("[audits]", "[split]\nfractions = [1.0, 0.0, 0.0]\n[audits]", "split.fractions[0]"),
        ("[audits]", "[scaling]\nwinsorise = inf\n[audits]", "scaling.winsorise"),
        ("[audits]", "[limits]\ntime = 'soon'\n[audits]", "limits.time"),
        ("[audits]", "[limits]\nmemory = 'much'\n[audits]", "limits.memory"),
        ('name = "small"', 'name = "../small"', "name"),
        ("cells = []", "cells = ['repeet']", "audits.cells[0]"),
        ("[audits]", "[imputer]\nplain = 3\n[audits]", "imputer.plain"),
        ("[audits]", "[profiles]\npaper = 3\n[audits]", "profiles"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_key_and_line(ask, old, new, key):
    ask.text = SMALL.replace(old, new)
    message = ask.refusal()
    assert f'"{key}"' in message
    assert re.search(r"small\.toml, line \d+\)", message)


def test_a_value_of_a_profile_is_refused_at_its_own_line(ask):
    ask.text = SMALL + "\n[profiles.paper]\ndraws = 0\n"
    assert "small.toml, line 20)" in ask.refusal("profile=paper")


def test_a_required_key_that_is_missing_is_named(ask):
    ask.text = SMALL.replace('task = ["ihm"]\n', "")
    assert '"grid.task" is required and was not given (from small.toml, line 6)' in ask.refusal()


def test_fractions_that_do_not_sum_to_one_are_refused(ask):
    message = ask.refusal("split.fractions=0.5,0.2,0.2")
    assert '"split.fractions" = [0.5, 0.2, 0.2] must sum to 1 (from the command line)' in message


@given(st.lists(st.sampled_from(["grid", "seed", "fuser", "gru"]), min_size=1, max_size=3, unique=True))
def test_the_line_of_a_key_is_found_however_the_tables_are_written(parts):
    *table, key = parts
    written = f"# {'.'.join(parts)} = 0\n\n" + (f"[{'.'.join(table)}]\n" if table else "") + f"{key} = 1\n"
    assert line_of(written, ".".join(parts)) == len(written.splitlines())
    assert line_of(f"x = 1\n{'.'.join(parts)} = 1\n", ".".join(parts)) == 2
    assert line_of("x = 1\n", ".".join(parts)) == 0


def test_the_same_key_of_another_table_is_not_mistaken():
    text = "[imputer.a]\nsteps = 1\n[fuser.b]\nsteps = 2\n"
    assert line_of(text, "fuser.b.steps") == 4
    assert line_of(text, "fuser.b.stepps") == 3


def test_the_stored_schema_is_the_schema_of_the_structs():
    stored = json.loads((ROOT / "suites" / "schema.json").read_text())
    assert stored == json.loads(msgspec.json.encode(schema())), (
        "write it anew: bench show suite-schema > suites/schema.json"
    )


PAGE = page("reference/suite-files.md")


def test_the_example_in_the_manual_is_a_suite(tmp_path):
    example = re.search(r"```toml\n(name = .*?)```", PAGE, re.DOTALL)[1]
    file = tmp_path / "example.toml"
    file.write_text(example)
    tree, path = read(str(file))
    from bench.config.request import request
    from bench.registry import discover

    for profile in ("demo", *tree["profiles"]):
        made = request([f"suite={path}", f"profile={profile}"], discover())
        assert made.suite.name == "ward48"
    assert made.suite.published == (
        Published("ihm", "Model X", "auroc", 0.86, 0.01, "Author et al. 2020, table 3", release="PhysioNet 2012 set a"),
    )
