"""What the command answers to what is mistyped, missing or too much: one line that says what to
type next.
"""

from __future__ import annotations

import re

import pytest

from bench.cli.main import COMMANDS
from bench.config.layers import NO_SUITE
from bench.config.words import WHOLE
from support.answers import refusal


@pytest.mark.parametrize(
    ("words", "right"),
    [
        (("runn",), "run"),
        (("lst", "suites"), "list"),
        (("data", "fetsh", "physionet2012"), "fetch"),
        (("baseline", "pn"), "pin"),
        (("help",), "--help"),
        (("version",), "--version"),
        (("data", "help"), "--help"),
        (("new", "plugn", "x"), "plugin"),
        (("plan", "suite=physionet48", "--jsn"), "--json"),
        (("report", "--prnt"), "--print"),
        (("list", "fuzers"), "fusers"),
        (("show", "locff"), "locf"),
        (("show", "physionet84"), "physionet48"),
        (("show", "suite-shema"), "suite-schema"),
        (("data", "verify", "physionet2021"), "physionet2012"),
        (("data", "verify", "physionet2012", "data.set=a"), "data.sets"),
        (("data", "fetch", "physionet2012", "data.rot=x"), "data.root"),
        (("check", "locff"), "locf"),
        (("plan", "suite=physionet84"), "physionet48"),
        (("plan", "suite=physionet48", "imputer=locff"), "locf"),
        (("run", "suite=physionet48", "fuser.gru.hiden=3"), "fuser.gru.hidden"),
        (("report", "suite=physionet48", "sed=1"), "seed"),
    ],
    ids=lambda given: given if isinstance(given, str) else " ".join(given),
)
def test_what_is_mistyped_is_answered_in_one_line_with_the_nearest(bench, words, right):
    assert right in re.search(r"[Dd]id you mean ['\"](.+?)['\"]\?", refusal(bench(*words, code=2)))[1]


@pytest.mark.parametrize(
    "words",
    [
        ("run",), ("plan",), ("report",), ("gate",), ("list",), ("show",), ("check",), ("data", "verify"),
        ("plan", "physionet48"), ("show", "locf", "mean"), ("list", "suites", "--json=1"),
        ("data", "verify", "physionet2012", "data.clean="),
        ("data", "verify", "physionet2012", "data.clean=1,0"),
        ("data", "verify", "physionet2012", "data.sets=d"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_is_missing_or_too_much_is_answered_in_one_line(bench, words):
    refusal(bench(*words, code=2))


@pytest.mark.parametrize("command", ["plan", "run", "report", "gate"])
def test_a_word_with_dashes_is_answered_with_the_word_without(bench, command):
    for typed in ("--suite=physionet48", "--suite"):
        message = refusal(bench(command, typed, code=2))
        assert "No such option '--suite'" in message
        assert f"; words are written without dashes: suite=VALUE; see: bench {command} --help" in message


@pytest.mark.parametrize(
    "command",
    [
        ("run",), ("plan",), ("tune",), ("report",), ("gate",), ("baseline", "pin"), ("baseline", "show"), ("baseline", "diff"),
        ("plot", "imputation"), ("plot", "rates"), ("plot", "parity"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_without_a_suite_the_word_that_is_missing_is_said_and_no_other_command(bench, command):
    message = refusal(bench(*command, code=2))
    assert message == f"bench: {NO_SUITE}"
    assert not any(f"bench {name} " in message for name in COMMANDS if name != "list")


@pytest.mark.parametrize("key", sorted(WHOLE))
def test_a_folder_or_a_file_without_a_name_is_refused(bench, key):
    words = {"suite": "physionet48", key: ""}
    typed = [f"{name}={value}" for name, value in words.items()]
    for command in ("run", "report", "gate"):
        assert f'"{key}" is empty (from the command line)' in refusal(bench(command, *typed, code=2))


@pytest.mark.parametrize("command", ["plan", "report", "gate"])
def test_data_that_are_nowhere_are_said_in_one_line_with_how_to_get_them(bench, command):
    message = refusal(bench(command, "suite=physionet48", "seed=1", code=3))
    assert "give data.root=DIR, set BENCH_DATA_ROOT, or type: bench data fetch physionet2012" in message


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize("said", [True, False], ids=["data.root", "BENCH_DATA_ROOT"])
def test_a_place_of_the_data_that_is_wrong_is_named_and_no_other_is_looked_at(
    bench, monkeypatch, tmp_path, command, said
):
    monkeypatch.setenv("BENCH_DATA_ROOT", str(tmp_path / "nowhere"))
    words = [f"data.root={tmp_path / 'elsewhere'}"] if said else []
    message = refusal(bench(command, "suite=physionet48", *words, code=3))
    key, place = ("data.root", "elsewhere") if said else ("BENCH_DATA_ROOT", "nowhere")
    assert f'{key} = "{tmp_path / place}" is not a folder' in message
