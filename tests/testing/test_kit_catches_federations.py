"""The conformance kit of federations: an honest one passes every check, and each liar is caught by
the checks it lies to.
"""

from __future__ import annotations

import pytest

from bench.registry import Registry
from bench.testing import Report, check

MERGING = {"nothing_learnt_changes_nothing", "no_client_is_favoured", "arrays_are_apart", "items_count"}
"""What compares a merge with another one."""


def checked(name: str, **declared: dict[str, str]) -> Report:
    registry = Registry()
    registry.federation(name, f"bad_federations:{name}", **declared)
    return check(name, registry)


def test_an_honest_federation_keeps_every_promise() -> None:
    report = checked("HonestFederation")
    assert report.ok, report.to_text()


@pytest.mark.parametrize(
    ("name", "caught_by"),
    [
        ("FavoursTheFirst", {"no_client_is_favoured", "items_count"}),
        ("IgnoresItems", {"items_count"}),
        ("ForgetsItsState", {"state_goes_on"}),
        ("WarmsUpInSecret", {"state_goes_on"}),
        ("SharesItsState", MERGING | {"merges_as_in_a_run", "state_goes_on"}),
        ("KeepsWords", {"state_goes_on"}),
        ("OneMomentum", {"arrays_are_apart"}),
        ("SpoilsBuffers", {"merges_as_in_a_run"}),
        ("WritesToAnswers", MERGING | {"merges"}),
        ("SinglePrecision", {"merges", "nothing_learnt_changes_nothing"}),
        ("AlwaysDecays", {"nothing_learnt_changes_nothing"}),
        ("GuessesAtRandom", MERGING | {"merges_as_in_a_run", "state_goes_on"}),
        ("HoldsBackAtOnce", {"penalty_is_a_number"}),
    ],
)
def test_a_bad_federation_is_caught_by_the_checks_it_lies_to(name: str, caught_by: set[str]) -> None:
    report = checked(name)
    failed = {outcome.name for outcome in report.of("failed")}
    assert failed == caught_by, report.to_text()


def test_a_federation_that_counts_clients_on_purpose_says_so() -> None:
    report = checked("IgnoresItems", expected_failures={"items_count": "every client counts the same"})
    assert report.ok, report.to_text()
    assert [outcome.name for outcome in report.of("expected")] == ["items_count"]
