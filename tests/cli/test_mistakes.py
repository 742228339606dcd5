"""What the command answers to what is mistyped, missing or too much: one line that says what to
type next.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cli.main import COMMANDS
from bench.config.command import Settings
from bench.config.layers import NO_SUITE, find_suites
from bench.config.request import request
from bench.config.suite import SHORT, Suite
from bench.config.words import WHOLE, in_ranges, parse
from bench.errors import UsageError
from bench.grid.axes import COMPONENTS
from bench.grid.axes import NAMES as AXES
from bench.registry import KINDS, discover
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
        ("run",), ("plan",), ("report",), ("gate",), ("show",), ("check",), ("data", "verify"),
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


REGISTRY = discover()
NAMES = {kind: REGISTRY.names(kind) for kind in (*KINDS, "metric")}
ALL_NAMES = [(kind, name) for kind, names in NAMES.items() for name in names]


def unknown(kind: str, name: str) -> str:
    with pytest.raises(UsageError) as refused:
        REGISTRY.get(kind, name)
    return str(refused.value)


@pytest.mark.parametrize(("kind", "name"), ALL_NAMES)
def test_every_name_is_proposed_in_whatever_case_and_for_its_last_part(kind, name):
    for typed in {name.upper(), name.capitalize()} - set(NAMES[kind]):
        assert f'did you mean "{name}"?' in unknown(kind, typed)
    part = name.rpartition(".")[2]
    if [each.rpartition(".")[2] for each in NAMES[kind]].count(part) == 1 and part != name:
        assert f'did you mean "{name}"?' in unknown(kind, part)


@pytest.mark.parametrize(("kind", "name"), [*ALL_NAMES, ("suite", "physionet48")])
def test_the_name_of_one_kind_given_for_another_is_explained(kind, name):
    for other in NAMES.keys() - {kind}:
        if name not in NAMES[other]:
            for typed in (name, name.upper()):
                assert re.search(rf"\b{re.escape(name)} is an? {kind}\b", unknown(other, typed))
                assert "did you mean" not in unknown(other, typed)
    if name not in find_suites():
        with pytest.raises(UsageError, match=rf"{re.escape(name)} is an? {kind}"):
            request([f"suite={name}"], REGISTRY)


PARAMETERS = sorted(
    {
        (f"{kind}.{spec.name}" if kind in COMPONENTS else "data", name)
        for kind in (*COMPONENTS, "dataset")
        for spec in REGISTRY.specs(kind)
        for name in spec.params.__struct_fields__
    }
)


SETTLED = {*Settings.__struct_fields__, *Suite.__struct_fields__, *AXES, *SHORT}


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([each for each in PARAMETERS if each[1] not in SETTLED]))
def test_every_parameter_typed_by_the_end_of_its_key_is_answered_with_the_whole_key(parameter):
    whose, name = parameter
    method = whose.partition(".")[2]
    words = [f"{whose.partition('.')[0]}={method}"] if method else []
    for typed in {name, f"{method}.{name}"} if method else {name}:
        with pytest.raises(UsageError) as refused:
            request(["suite=physionet48", *words, f"{typed}=7"], REGISTRY)
        assert f'key "{typed}" (from the command line) is only the end of a key' in str(refused.value)
        assert f" {whose}.{name}=7" in str(refused.value)


@pytest.mark.parametrize("kind", COMPONENTS)
def test_a_parameter_of_a_method_that_is_not_in_the_run_is_refused(kind):
    spec = next(
        spec for spec in reversed(REGISTRY.specs(kind)) if "seed" not in spec.name and spec.params.__struct_fields__
    )
    name = spec.params.__struct_fields__[0]
    first = {"scenario": "natural", "imputer": "locf", "fuser": "gbm", "federation": "fedavg"}[kind]
    words = ["suite=physionet48", f"{kind}={first}", f"{kind}.{spec.name}.{name}={getattr(spec.params(), name)}"]
    with pytest.raises(
        UsageError, match=f"has no effect: {re.escape(spec.name)} is not in this run; add it: {kind}={first},"
    ):
        request(words, REGISTRY)


@given(st.lists(st.integers(-5, 30).map(str) | st.sampled_from(["a", "b-1"])))
def test_values_with_ranges_are_read_as_the_same_values(values):
    shown = in_ranges(values)
    assert len(shown) <= len(values)
    assert [text for word in parse([f"seed={','.join(shown)}"]) for text in word.texts] == values
    assert in_ranges(map(str, range(2001))) == ["0..2000"]


def test_a_modality_that_is_taken_for_a_set_is_answered_with_how_to_make_one(bench):
    message = refusal(bench("plan", "suite=physionet48", "modalities=vitals", code=2))
    words = re.search(r"a set of your own: (\S+) (\S+)", message)
    assert words, message
    made = request(["suite=physionet48", *words.groups()], REGISTRY)
    assert made.suite.modalities[made.suite.grid.modalities[0]] == ("vitals",)
