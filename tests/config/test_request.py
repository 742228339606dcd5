"""The words of a command line, understood: settings, overrides of the suite, and what is refused
and how.
"""

from __future__ import annotations

import types

import pytest

from bench.config.request import request
from bench.errors import UsageError
from bench.registry import Broken
from support.asking import SMALL, Asker


@pytest.fixture
def ask(tmp_path):
    return Asker(tmp_path)


def test_a_suite_alone_is_a_request(ask):
    made = ask.request()
    assert made.suite.grid.seed == (1, 2)
    assert made.settings.profile == "demo"
    assert made.root == ""


def test_no_suite_is_refused_with_what_to_type(ask):
    with pytest.raises(UsageError, match="no suite is named; give for example suite=physionet48"):
        request(["seed=1"], ask.registry)


LAYERED = f"""{SMALL}
[stats]
resamples = 200
seed = 5
[profiles.demo.stats]
resamples = 300
[profiles.paper.stats]
seed = 7
"""


@pytest.mark.parametrize(
    ("words", "resamples", "seed", "alpha"),
    [
        ((), 300, 5, 0.05),
        (("profile=paper",), 200, 7, 0.05),
        (("profile=paper", "stats.seed=9"), 200, 9, 0.05),
        (("stats.resamples=400", "stats.alpha=0.1"), 400, 5, 0.1),
    ],
)
def test_the_command_line_wins_over_the_profile_over_the_file_over_the_default(ask, words, resamples, seed, alpha):
    ask.text = LAYERED
    stats = ask.request(*words).suite.stats
    assert (stats.resamples, stats.seed, stats.alpha) == (resamples, seed, alpha)


def test_a_list_replaces_a_list_of_a_lower_layer(ask):
    assert ask.request("seed=7..9", "imputer=deep", "controls.imputer=hole").suite.grid.seed == (7, 8, 9)
    assert ask.request("imputer=deep").suite.grid.imputer == ("deep",)
    assert ask.request("controls.imputer=").suite.controls.imputer == ()


@pytest.mark.parametrize(
    ("word", "right"),
    [
        ("suit=small", "suite"),
        ("imputr=plain", "imputer"),
        ("worker=2", "workers"),
        ("workers.x=2", "workers"),
        ("dataroot=/x", "data.root"),
        ("stats.resampels=5", "stats.resamples"),
        ("splitt.seed=5", "split"),
        ("split.sed=5", "split.seed"),
        ("grid.seeds=5", "grid.seed"),
        ("imputer.plain.stepz=5", "imputer.plain.steps"),
        ("fuser.flat.rat=5", "fuser.flat.rate"),
        ("scenario.mcar.rte=0.5", "scenario.mcar.rate"),
        ("fuser.flatt.rate=5", "flat"),
        ("data.set=a", "data.sets"),
    ],
)
def test_a_mistyped_key_is_answered_with_the_nearest(ask, word, right):
    message = ask.refusal(word)
    assert "(from the command line)" in message
    assert f'did you mean "{right}"?' in message


@pytest.mark.parametrize(
    ("word", "right"),
    [
        ("imputer=plane", "plain"),
        ("fuser=flt", "flat"),
        ("scenario=mcr", "mcar"),
        ("task=ihn", "ihm"),
        ("modalities=al", "all"),
        ("modalities.bed=vitls", "vitals"),
        ("dataset=mode", "made"),
        ("controls.imputer=plian", "plain"),
        ("profile=dem", "demo"),
    ],
)
def test_a_mistyped_name_is_answered_with_the_nearest(ask, word, right):
    message = ask.refusal(word)
    assert f'"{word.partition("=")[2]}" is not known (from the command line)' in message
    assert f'did you mean "{right}"?' in message


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('imputer = ["plain"]', 'imputer = ["plane"]', 8),
        ('fuser = ["flat"]', 'fuser = ["flt"]', 9),
        ('task = ["ihm"]', 'task = ["ihn"]', 7),
        ('dataset = "made"', 'dataset = "mode"', 4),
        ("cells = []", "cells = []\n[modalities]\nbed = ['vitls']", 19),
        ("cells = []", "cells = []\n[fuser.flat]\nrat = 0.5", 19),
        ("cells = []", "cells = []\n[fuser.flatt]\nrate = 0.5", 18),
        ("cells = []", "cells = []\n[fuser.flat]\nrate = 5", 19),
        ("cells = []", "cells = []\n[imputer.deep]\nsteps = [1, 'x']", 19),
        ("cells = []", "cells = []\n[data]\nset = ['a']", 19),
        ("cells = []", "cells = []\n[data]\nclean = 'maybe'", 19),
    ],
)
def test_what_is_wrong_in_the_file_is_answered_with_its_line_even_where_it_is_not_in_the_grid(ask, old, new, line):
    ask.text = SMALL.replace(old, new)
    assert f"(from small.toml, line {line})" in ask.refusal()


@pytest.mark.parametrize(
    "word",
    [
        "workers=-1", "workers=two", "threads=0", "device=gpu", "precision=fp16", "shuffle=x", "retry=perhaps", "budget=soon",
        "seed=x", "seed=1.5", "seed=-1", "budget=0", "budget=0s",
        "stats.alpha=2", "draws=0", "limits.time=long", "limits.time=0", "limits.memory=big",
        "limits.memory=0", "split.fractions=1,0,0",
        "fuser.flat.rate=2", "fuser.flat.steps=few", "fuser.flat.layers=1,x", "fuser.flat.on=maybe", "data.clean=maybe",
        "scaling.winsorise=nan", "audits.cells=repeet",
    ],
)  # fmt: skip
def test_a_value_that_is_not_accepted_is_named_with_its_key(ask, word):
    key, _, _ = word.partition("=")
    message = ask.refusal(word)
    assert "(from the command line)" in message
    assert f'"{key}"' in message


def test_a_choice_says_what_is_accepted(ask):
    assert 'did you mean "cpu"? accepted: auto, cpu, cuda' in ask.refusal("device=gpu")


@pytest.mark.parametrize("word", ["device=cpu,cuda", "profile=demo,paper", "stats.seed=1,2", "workers=", "data.clean="])
def test_what_takes_one_value_refuses_several_and_none(ask, word):
    key, _, value = word.partition("=")
    assert f'"{key}" {"takes one value" if value else "is empty"}' in ask.refusal(word)


@pytest.mark.parametrize("word", ["stats=1", "grid=1", "limits=1h"])
def test_a_table_is_not_a_value(ask, word):
    assert "is a table; accepted: " in ask.refusal(word)


@pytest.mark.parametrize("word", ["fuser.flat=1", "stats.seed.more=1"])
def test_a_key_that_stops_early_or_goes_too_deep_is_refused(ask, word):
    assert f'"{word.partition("=")[0]}" (from the command line)' in ask.refusal(word)


@pytest.mark.parametrize("axis", ["task", "modalities", "scenario", "imputer", "fuser", "seed"])
def test_no_axis_may_be_empty(ask, axis):
    assert f'"{axis}" is empty (from the command line)' in ask.refusal(f"{axis}=")


@pytest.mark.parametrize("word", ["imputer=plain,deep,plain", "seed=1,2,1", "seed=0..3,2", "task=ihm,ihm"])
def test_no_name_stands_twice_on_an_axis(ask, word):
    assert "twice (from the command line); keep one" in ask.refusal(word)


@pytest.mark.parametrize("word", ["fuser.flat.rate=0.1,0.2,0.10", "fuser.flat.steps=1,2,1", "modalities.bed=labs,labs"])
def test_no_value_stands_twice_in_a_sweep_or_a_set(ask, word):
    assert "twice (from the command line); keep one" in ask.refusal(word)


def test_an_empty_sweep_or_set_is_refused(ask):
    assert '"fuser.flat.rate" is empty (from the command line)' in ask.refusal("fuser.flat.rate=")
    assert 'modality set "bed" is empty (from the command line)' in ask.refusal("modalities.bed=")


def test_a_comma_list_is_a_sweep_for_one_value_and_one_value_for_a_tuple(ask):
    words = ("fuser=flat,net", "fuser.flat.steps=1,2", "fuser.flat.layers=1,2", "fuser.net.layers=5")
    suite = ask.request(*words).suite
    assert suite.fuser == {"flat": {"steps": [1, 2], "layers": [1, 2]}, "net": {"layers": [5]}}
    assert ask.request("data.sets=a").suite.data == {"sets": ["a"]}


@pytest.mark.parametrize(
    ("word", "read"),
    [
        ("budget=90", lambda made: made.settings.budget_seconds() == 90),
        ("limits.time=90", lambda made: made.time_limit() == 90),
        ("limits.memory=1024", lambda made: made.memory_limit() == 1024),
        ("title=2024", lambda made: made.suite.title == "2024"),
        ("fuser.flat.note=007", lambda made: made.suite.fuser["flat"]["note"] == "007"),
        ("fuser.flat.note=true", lambda made: made.suite.fuser["flat"]["note"] == "true"),
        ('fuser.flat.note="a, b"', lambda made: made.suite.fuser["flat"]["note"] == "a, b"),
        ("data.sets=1,2", lambda made: made.suite.data == {"sets": ["1", "2"]}),
        ("data.root=/a,b", lambda made: made.root == "/a,b"),
    ],
)
def test_a_number_where_text_is_wanted_is_text(ask, word, read):
    assert read(ask.request(word))


def test_a_set_of_the_suite_may_take_the_place_of_all(ask):
    assert ask.request("modalities.all=labs").suite.modalities == {"all": ("labs",)}


def test_the_command_is_kept_exactly_and_without_what_changes_no_result(ask):
    made = ask.request(
        "seed=1", "workers=2", "out=/x", "cache=/y", "budget=9m", "shuffle=1", "retry=false", "threads=2"
    )
    assert made.command() == (
        f"bench run suite={ask.file} seed=1 workers=2 out=/x cache=/y budget=9m shuffle=1 retry=false threads=2"
    )
    assert made.command(exact=False) == f"bench run suite={ask.file} seed=1 threads=2"


def test_a_command_with_spaces_and_quotes_can_be_pasted_into_a_shell(ask):
    import shlex

    made = ask.request('fuser.flat.note="a, b"')
    assert shlex.split(made.command())[3] == 'fuser.flat.note="a, b"'


def test_the_cache_is_said_or_taken_from_the_environment_or_the_users_own(ask, monkeypatch, tmp_path):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "environment"))
    assert ask.request(f"cache={tmp_path / 'said'}").settings.cache_folder() == tmp_path / "said"
    assert ask.request().settings.cache_folder() == tmp_path / "environment"
    monkeypatch.delenv("BENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert ask.request().settings.cache_folder() == tmp_path / "xdg" / "gapbench"


def test_a_plugin_that_could_not_be_loaded_is_named_when_its_component_is_asked_for(ask):
    ask.registry.broken.append(Broken("their-package:theirs", "ModuleNotFoundError: No module named 'nowhere'"))
    message = ask.refusal("imputer=theirs")
    assert 'imputer "theirs" is not known' in message
    assert "their-package:theirs: ModuleNotFoundError: No module named 'nowhere'" in message


def test_a_plugin_of_another_contract_is_named_when_its_component_is_asked_for(ask):
    ask.registry.register_plugin("their-package:theirs", types.SimpleNamespace(bench_contract=99))
    assert "their-package:theirs: was written for contract 99; this bench" in ask.refusal("fuser=theirs")


def test_the_split_is_an_axis(ask):
    assert ask.request("split=reference-stay").suite.grid.split == ("reference-stay",)
    assert ask.request("split=patient").suite == ask.request().suite


def test_the_cut_of_standardised_values_is_a_number_or_never(ask):
    assert ask.request("scaling.winsorise=never").suite.scaling.cut == float("inf")
    assert ask.request("scaling.winsorise=5").suite.scaling.cut == 5
    assert "accepted: never, a number above 0" in ask.refusal("scaling.winsorise=0")
    assert 'did you mean "everything"' in ask.refusal("scaling.over=everythin")


def test_a_split_that_is_not_known_said_twice_or_without_a_usable_seed_is_refused(ask):
    assert "accepted: patient, reference-stay" in ask.refusal("split=stay")
    assert '"split" names patient and others' in ask.refusal("split=patient,reference-stay")
    assert "from 0 to 4294967295" in ask.refusal("split=reference-stay", "split.seed=-1")
