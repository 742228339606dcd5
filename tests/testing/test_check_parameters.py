"""`bench check NAME KIND.NAME.PARAMETER=VALUE`: the contract is kept with other parameters than
those for tests, too.
"""

from __future__ import annotations

import json

import pytest


@pytest.mark.parametrize(
    "words", [("mag_late", "front=utde"), ("mag_late", "front=grid"), ("mists", "branches=regular")]
)
def test_a_component_is_checked_with_the_parameters_that_are_given_over_those_for_tests(project, words):
    name, given = words
    done = project.here("check", name, f"fuser.{name}.{given}", "--only", "events_as_declared", "--json")
    (report,) = json.loads(done.stdout)
    assert report["name"] == f"{name}({given})"
    assert report["ok"]
    assert {outcome["name"]: outcome["status"] for outcome in report["checks"]}["events_as_declared"] == "passed"


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("mag_late", "fuser.mag_late.frond=utde"), "fuser.mag_late.front"),
        (("mag_late", "fuser.mag_late.front=utd"), "grid, utde"),
        (("mag_late", "fuser.mag_late.front=utde", "fuser.mag_late.read=observed"), "read=observed has no meaning"),
        (("mag_late", "fuser.gru.hidden=8"), "accepted: fuser.mag_late.PARAMETER=VALUE, data.root=DIR"),
        (("mag_late", "data.rot=x"), "accepted: fuser.mag_late.PARAMETER=VALUE, data.root=DIR"),
        (("fuser.gru.hidden=8",), "no component is named"),
    ],
)
def test_what_is_of_no_component_or_not_accepted_is_refused_in_one_line(project, words, answer):
    (line,) = project.here("check", *words, code=2).stderr.strip().splitlines()
    assert answer in line
