"""The conformance kit of metrics: what each check catches, and that a metric which keeps every
promise passes.
"""

from __future__ import annotations

from typing import Any

import pytest

from bench.errors import PluginError
from bench.metrics.own import OWN
from bench.registry import Registry
from bench.testing import check, checks_of


def declared(name: str, **more: Any) -> Registry:
    registry = Registry()
    registry.metric(name, f"support.bad_metrics:{name}", **{"kinds": ("binary",), "higher": False, **more})
    return registry


def failed(name: str, **more: Any) -> dict[str, str]:
    report = check(name, declared(name, **more))
    return {outcome.name: outcome.detail for outcome in report.outcomes if outcome.status == "failed"}


@pytest.mark.parametrize("name", OWN)
def test_every_metric_of_the_harness_keeps_the_contract(name: str) -> None:
    assert check(OWN[name]).ok


def test_a_plain_function_keeps_it_and_so_does_one_that_asks_for_groups_or_statics() -> None:
    assert failed("honest", kinds=("binary", "multilabel", "regression")) == {}
    assert failed("of_patients", higher=True, asks=("groups",)) == {}
    assert failed("gap_of_sexes", higher=None, asks=("statics",)) == {}


@pytest.mark.parametrize(
    ("name", "more", "caught", "words"),
    [
        ("first_record", {"higher": None}, "order_ignored", "in another order"),
        ("forgets_weights", {}, "weights_repeat_records", "with weights and with repeated records"),
        ("honest", {"higher": True}, "direction_as_declared", "perfect predictions score 0"),
        ("honest", {"chance": 0.1}, "chance_as_declared", "declared is 0.1"),
        ("writes", {}, "scores", "read-only"),
        ("texts", {}, "scores", "it gives str"),
        ("fails", {}, "scores", "one of its own"),
        ("nothing", {}, "scores", "the score is NaN"),
        ("not_callable", {}, "loads", "no function and no bench.metric.Metric"),
        ("absent", {}, "loads", "cannot be loaded from support.bad_metrics:absent"),
    ],
)
def test_each_check_catches_what_breaks_its_promise(name: str, more: dict[str, Any], caught: str, words: str) -> None:
    found = failed(name, **more)
    assert words in found[caught], found


def test_every_check_is_tried_above_or_shared_with_other_components() -> None:
    tried = {
        "order_ignored",
        "weights_repeat_records",
        "direction_as_declared",
        "chance_as_declared",
        "scores",
        "loads",
    }
    assert checks_of("metric").keys() - tried == {"sources_followed"}


@pytest.mark.parametrize(
    ("declaration", "words"),
    [
        ({"kinds": ()}, '"kinds" must name the kinds of tasks'),
        ({"kinds": ("binry",)}, "\"kinds\" must be some of binary, multiclass, multilabel, regression, got 'binry'"),
        ({"kinds": 5}, '"kinds" and "asks" must be tuples of texts'),
        ({"higher": "yes"}, '"higher" must be true, false or None'),
        ({"undefined": "never"}, '"undefined" must be one of: no record; no positive'),
        ({"asks": ("ids",)}, '"asks" must be some of groups, statics, validation'),
        ({"chance": float("nan")}, '"chance" must be a finite number or None'),
        ({"summary": 5}, '"summary" must be text, got 5'),
        ({"directon": True}, '"directon" is no declaration'),
    ],
)
def test_a_declaration_that_is_not_accepted_is_refused_with_what_is(declaration: dict[str, Any], words: str) -> None:
    with pytest.raises(PluginError) as refused:
        declared("honest", **declaration)
    assert words in str(refused.value)
    assert 'metric "honest" of bench' in str(refused.value)


def test_a_name_that_is_taken_and_a_path_of_another_form_are_refused() -> None:
    with pytest.raises(PluginError, match='metric "auroc" is declared by bench and already by gapbench:metrics'):
        Registry().metric("auroc", "support.bad_metrics:honest", kinds=("binary",))
    with pytest.raises(PluginError, match="the path must read module:attribute"):
        Registry().metric("mine", "support/bad_metrics.py", kinds=("binary",))
