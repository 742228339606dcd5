"""The suites of TRACE's two ablations: their rows are those of the figures, and they run without
any file.
"""

from __future__ import annotations

import json

import pytest

from bench.config.layers import Layers, read, resolve
from bench_imputers.diffusion.trace_params import TRACE_PRESETS

pytest.importorskip("duckdb", reason="the extra clinical is not installed")

SMALL = (
    "data.root=synthetic",
    "data.stays=150",
    "scenario=mcar",
    "controls.imputer=",
    "controls.fuser=",
    "audits.cells=",
    "draws=1",
    "imputer.trace.steps=3",
    "training.epochs=1",
)


def rows(project, name: str, *words: str) -> list[str]:
    plan = json.loads(project.here("plan", f"suite={name}", "--json", "controls.imputer=", *words).stdout)
    return list(dict.fromkeys(cell["coordinates"]["imputer"] for cell in plan["plan"]))


@pytest.mark.parametrize("profile", ["demo", "paper"])
def test_conditioning_has_naive_filling_the_five_variants_and_a_single_expert(project, profile):
    found = rows(project, "ablation_conditioning", f"profile={profile}")
    assert [row for row in found if not row.startswith("trace")] == ["locf", "nearest"]
    *variants, single = [row for row in found if row.startswith("trace")]
    assert [row.partition("variant=")[2].rstrip(")") for row in variants] == [
        "full", "no-moe", "fixed-weight", "uni", "unconditional",
    ]  # fmt: skip
    assert "experts=1," in single
    assert "expert_width" not in single


@pytest.mark.parametrize(("profile", "preset"), [("demo", "trace-small"), ("paper", "trace-moe")])
def test_the_sweep_over_experts_has_none_and_one_as_wide_as_five_beside_it(project, profile, preset):
    found = [row for row in rows(project, "ablation_experts", f"profile={profile}") if row.startswith("trace")]
    assert all(f"preset={preset}" in row for row in found)
    *swept, none, wide = found
    counts = [int(row.partition("experts=")[2].partition(",")[0]) for row in swept]
    assert counts == [2, 3, 5, 7, 9, 11]
    assert "variant=no-moe" in none
    assert f"expert_width={5 * TRACE_PRESETS[preset].expert_width}, experts=1," in wide


@pytest.mark.parametrize(
    "name", ["ablation_conditioning", "ablation_experts", "mimic48", "mosi", "mosei", "physionet48"]
)
def test_trace_is_the_mixture_of_experts_in_every_paper_profile_and_a_narrow_one_in_every_demo(name):
    for profile, preset in (("demo", "trace-small"), ("paper", "trace-moe")):
        chosen = resolve(Layers(*read(name), profile, {})).imputer.get("trace")
        assert chosen is None or chosen["preset"] == preset


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "words", "shown"),
    [
        ("ablation_conditioning", ("imputer=locf,trace", "imputer.trace.variant=full,unconditional"), "variant=full"),
        ("ablation_experts", ("imputer=trace", "imputer.trace.experts=2"), "experts=1"),
    ],
)
def test_a_few_rows_run_and_the_table_says_whose_cohort_it_is(project, name, words, shown):
    project.here("run", f"suite={name}", *words, *SMALL)
    table = project.page(f"suite={name}")
    assert table.splitlines()[0].endswith("(synthetic cohort)")
    assert shown in table
    assert "AUROC (validation)" in table
    assert "MAE" in table
