"""Errors and exit codes: one code for one thing, and the manual says which."""

from __future__ import annotations

import re

import pytest

from bench import errors, gate
from bench.errors import EXIT_CODES, BenchError, nearest, unknown
from support.pages import page

MANUAL = page("reference/words.md")


def subclasses(kind):
    return [kind, *(inner for direct in kind.__subclasses__() for inner in subclasses(direct))]


def ours():
    return [kind for kind in subclasses(BenchError) if kind.__module__ == "bench.errors"]


def test_every_kind_of_error_has_an_exit_code_of_its_own():
    codes = [kind.exit_code for kind in ours()]
    assert len(set(codes)) == len(codes) == 5
    assert set(codes) <= EXIT_CODES.keys()


def test_no_exit_code_is_used_for_two_things():
    gates = [code for verdict, code in gate.EXIT_CODE.items() if verdict != "same"]
    codes = [kind.exit_code for kind in ours()]
    assert len({*gates, *codes, 0, 6, 7, 70, 130, 143}) == len(gates) + len(codes) + 6 == len(EXIT_CODES)
    assert len(set(EXIT_CODES.values())) == len(EXIT_CODES)


def test_the_verdicts_of_the_gate_have_the_codes_that_are_documented():
    for verdict, code in gate.EXIT_CODE.items():
        assert verdict.replace("-", " ") in EXIT_CODES[code]


def test_the_manual_lists_the_exit_codes_as_they_are():
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", MANUAL, re.MULTILINE)
    assert {int(code): meaning for code, meaning in rows} == EXIT_CODES


def test_the_page_of_errors_names_every_kind_with_its_code():
    for kind in ours():
        assert re.search(rf"\b{kind.__name__}\s+{kind.exit_code}\b", errors.__doc__)


@pytest.mark.parametrize(
    ("written", "answer"),
    [("locff", 'did you mean "locf"? '), ("mena", 'did you mean "mean"? '), ("xyz", ""), ("", "")],
)
def test_the_nearest_name_is_offered_when_one_is_near(written, answer):
    assert nearest(written, ["locf", "mean", "linear"]) == answer


def test_an_unknown_name_is_answered_with_where_it_was_written_and_what_is_accepted():
    message = str(unknown("imputer", "locff", ["mean", "locf"], "small.toml, line 3"))
    assert (
        message == 'imputer "locff" is not known (from small.toml, line 3); did you mean "locf"? accepted: locf, mean'
    )
