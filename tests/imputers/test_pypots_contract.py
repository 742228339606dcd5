"""PyPOTS' models keep the contract of imputers: the usual ones every promise, the others the form
of what they return.

The whole kit over all models takes several minutes: `python benchmarks/pypots_conformance.py`.
"""

from __future__ import annotations

import pytest

import bench.testing
from bench.registry import Spec, discover
from bench.testing import checks_of
from bench_imputers.pypots.params import installed

if not installed()[0]:  # importing it to see would leave a folder in the home
    pytest.skip("the extra pypots is not installed", allow_module_level=True)

pytestmark = [pytest.mark.slow, pytest.mark.extras]

USUAL = ("saits", "brits", "mrnn", "timesnet", "gpvae", "usgan", "csdi", "transformer", "grud")
MODELS = [spec for spec in discover().specs("imputer") if spec.name.startswith("pypots.")]
COSTLY = "same_in_another_process"  # imports the package again


def name(spec: Spec) -> str:
    return spec.name.removeprefix("pypots.")


@pytest.mark.parametrize("spec", [spec for spec in MODELS if name(spec) in USUAL], ids=name)
def test_the_usual_models_keep_every_promise(spec):
    report = bench.testing.check(spec, only=[check for check in checks_of("imputer") if check != COSTLY])
    assert report.ok, report.to_text()
    assert len(report.of("passed")) >= 18


@pytest.mark.parametrize("spec", [spec for spec in MODELS if name(spec) not in USUAL], ids=name)
def test_the_others_return_what_they_should_and_leave_what_was_observed(spec):
    report = bench.testing.check(
        spec, only=["output_form", "observed_untouched", "other_records_have_no_effect", "one_bin", "no_validation"]
    )
    assert report.ok, report.to_text()


def test_a_fresh_process_gives_the_same_bits():
    report = bench.testing.check("pypots.saits", only=[COSTLY])
    assert report.ok, report.to_text()
