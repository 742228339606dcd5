"""The suites of TRACE's two ablations: their rows are those of the figures, and they run without any file."""

from __future__ import annotations

import json

import pytest

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
    plan = json.loads(project.bench("plan", f"suite={name}", "--json", "controls.imputer=", *words).stdout)
    return list(dict.fromkeys(cell["coordinates"]["imputer"] for cell in plan["plan"]))


@pytest.mark.parametrize("profile", ["demo", "paper"])
def test_conditioning_has_naive_filling_and_the_five_variants(project, profile):
    found = rows(project, "ablation_conditioning", f"profile={profile}")
    assert [row for row in found if not row.startswith("trace")] == ["locf", "nearest"]
    variants = [row.partition("variant=")[2].rstrip(")") for row in found if row.startswith("trace")]
    assert variants == ["full", "no-moe", "fixed-weight", "uni", "unconditional"]


@pytest.mark.parametrize(("profile", "wide"), [("demo", 80), ("paper", 6160)])
def test_the_sweep_over_experts_has_no_pool_and_one_as_wide_as_five_beside_it(project, profile, wide):
    found = [row for row in rows(project, "ablation_experts", f"profile={profile}") if row.startswith("trace")]
    swept = [row for row in found if "expert_width" not in row]
    counts = [int(row.partition("experts=")[2].partition(",")[0]) for row in swept]
    assert counts == [0, 2, 3, 5, 7, 9, 11]
    (control,) = set(found) - set(swept)
    assert f"expert_width={wide}, experts=1," in control


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "words", "shown"),
    [
        ("ablation_conditioning", ("imputer=locf,trace", "imputer.trace.variant=full,unconditional"), "variant=full"),
        ("ablation_experts", ("imputer=trace", "imputer.trace.experts=2"), "experts=1"),
    ],
)
def test_a_few_rows_run_and_the_table_says_whose_cohort_it_is(project, name, words, shown):
    project.bench("run", f"suite={name}", *words, *SMALL)
    table = project.bench("report", f"suite={name}", "--print").stdout
    assert table.splitlines()[0].endswith("(synthetic cohort)")
    assert shown in table
    assert "AUROC (validation)" in table
    assert "MAE" in table
