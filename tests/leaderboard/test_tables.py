"""Leaderboards: holes never become averages, every planned cell is shown, the same bytes for the
same results.
"""

from __future__ import annotations

import csv
import io
import json
import random
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench.leaderboard import render, write
from bench.results.collect import stem
from bench.results.coordinates import Method
from bench.results.records import Audit, Comparison, Export, Published, Record, Status
from support.fake_exports import (
    CELL_AUDITS,
    IHM,
    LOS,
    PUBLISHED,
    RELEASE,
    SEEDS,
    alter,
    key_of,
    make_export,
    make_record,
    simulated_export,
)


def markdown(export: Export, wall_costs: bool = True) -> str:
    return render(export, wall_costs)["md"].decode()


def board(export: Export) -> dict:
    return json.loads(render(export)["json"])


def lines(export: Export) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render(export)["csv"].decode())))


def set_status(export: Export, index: int, status: Status, reason: str = "") -> Record:
    """Make one record of the export not ok; returns it."""
    record = msgspec.structs.replace(export.records[index], status=status, reason=reason, scores={}, validation={})
    export.records[index] = record
    return record


def row_of(export: Export, imputer: str, fuser: str) -> dict:
    return next(r for r in board(export)["tables"][0]["rows"] if (r["imputer"], r["fuser"]) == (imputer, fuser))


def test_the_same_records_in_any_order_give_the_same_bytes() -> None:
    export = simulated_export({"mean": 0.9, "locf": 0.4, "csdi": 0.3}, published=PUBLISHED, release=RELEASE)
    rendered = render(export)
    shuffled = list(export.records)
    random.Random(1).shuffle(shuffled)
    assert render(msgspec.structs.replace(export, records=shuffled)) == rendered
    again = [msgspec.structs.replace(r, scores=dict(reversed(r.scores.items()))) for r in shuffled + shuffled]
    assert render(msgspec.structs.replace(export, records=again)) == rendered


def above_costs(export: Export) -> list[str]:
    """The page above the section on costs, without the sentence that says what the winner costs."""
    lines = markdown(export).split("## Costs")[0].splitlines()
    return [line for line in lines if not line.startswith("Costs of the best: ")]


def test_timings_stand_in_the_last_section_and_in_one_line_and_can_be_left_out() -> None:
    first, second = make_export(), make_export()
    for record in second.records:
        alter(
            record, costs={name: value * 1.7 if name != "parameters" else value for name, value in record.costs.items()}
        )
    assert markdown(first) != markdown(second)
    assert above_costs(first) == above_costs(second)
    assert render(first, wall_costs=False) == render(second, wall_costs=False)
    assert "fit_seconds" not in render(first, wall_costs=False)["csv"].decode()
    assert "1,234" in markdown(first).split("## Costs")[1]


def test_a_mean_over_all_planned_seeds_has_its_sample_standard_deviation() -> None:
    export = make_export(["mean"], ["gbm"], quality=lambda i, f, seed: {42: 0.80, 52: 0.82, 72: 0.84}[seed])
    assert "**0.8200 ± 0.0200**" in markdown(export)


def test_one_seed_has_no_standard_deviation() -> None:
    text = markdown(make_export(["mean"], ["gbm"], seeds=[42], quality=lambda i, f, seed: 0.8))
    assert "**0.8000**" in text
    assert "±" not in text.split("## Audits")[0]


@pytest.mark.parametrize("status", ["failed", "timeout", "oom", "skipped", "not-run"])
def test_a_row_with_a_hole_shows_no_mean_has_no_rank_and_says_why(status: Status) -> None:
    export = make_export(["mean", "locf"], ["gbm"])
    set_status(export, 0, status, "it is so")
    row = row_of(export, "mean", "gbm")
    assert (row["rank"], row["scores"], row["validation"]) == (None, {}, {})
    assert row["statuses"] == {"ok": 2, status: 1}
    line = next(x for x in markdown(export).splitlines() if x.startswith("|") and "mean †" in x)
    assert "2 of 3 seeds" in line
    shown = f"1 {status}" if status in ("skipped", "not-run") else f"**1 {status}**"
    assert f"2 ok, {shown} ({status}: it is so)" in line
    assert row_of(export, "locf", "gbm")["rank"] == 1


def test_a_planned_cell_without_a_record_is_shown_as_not_run() -> None:
    export = make_export(["mean", "locf"], ["gbm"])
    planned = len(export.planned)
    del export.records[:3]
    assert "3 not-run" in next(x for x in markdown(export).splitlines() if x.startswith("|") and "mean †" in x)
    assert len(lines(export)) == planned
    assert [line["status"] for line in lines(export)][:4] == ["not-run", "not-run", "not-run", "ok"]


def test_rows_without_any_result_come_last_after_rows_with_some() -> None:
    export = make_export(["a", "b", "c"], ["gbm"], quality=lambda i, f, s: {"a": 0.9, "b": 0.8, "c": 0.7}[i])
    for index in (0, 1, 2, 3):
        set_status(export, index, "failed", "broken")
    assert [r["imputer"] for r in board(export)["tables"][0]["rows"]] == ["c", "b", "a"]


def test_a_record_of_another_key_is_not_a_result_of_this_plan() -> None:
    export = make_export(["mean"], ["gbm"], audit_cells=False)
    export.records[0] = msgspec.structs.replace(export.records[0], key="of edited sources")
    assert row_of(export, "mean", "gbm")["statuses"] == {"ok": 2, "not-run": 1}
    assert "1 record is of another plan or of edited sources" in markdown(export)


def test_an_ok_cell_whose_score_is_not_a_number_is_a_hole() -> None:
    export = make_export(["mean"], ["gbm"])
    export.records[1].scores["auroc"] = float("nan")
    assert row_of(export, "mean", "gbm")["rank"] is None
    assert "ok, but AUROC is not defined for its predictions" in markdown(export)


def test_the_best_is_bold_and_the_second_underlined_in_the_direction_of_each_metric() -> None:
    values = {"a": 0.9, "b": 0.8, "c": 0.7}
    text = markdown(make_export(values, ["gru"], quality=lambda i, f, s: values[i], tasks=(IHM, LOS)))
    ihm, los = text.split("## los")[0], text.split("## los")[1].split("##")[0]
    assert "**0.9000 ± 0.0000**" in ihm
    assert "<u>0.8000 ± 0.0000</u>" in ihm
    assert "**0.7000 ± 0.0000**" in los
    assert "<u>0.8000 ± 0.0000</u>" in los


def test_means_that_print_the_same_share_their_mark_and_equal_means_their_rank() -> None:
    values = {"a": 0.9, "b": 0.9, "c": 0.8, "d": 0.7}
    export = make_export(values, ["gru"], quality=lambda i, f, s: values[i])
    assert [r["rank"] for r in board(export)["tables"][0]["rows"]] == [1, 1, 3, 4]
    assert markdown(export).count("**0.9000") == 2
    assert markdown(export).count("<u>0.8000") == 1


def test_a_control_that_ties_with_the_winner_is_named() -> None:
    text = markdown(simulated_export({"csdi": 0.3, "mean": 0.35, "bad": 5.0}, control_imputers=["mean"]))
    assert "**1 control ties with the winner** (csdi + gbm): mean + gbm." in text


def test_a_winner_that_is_a_control_is_called_one_and_one_that_beats_them_too() -> None:
    noise = {"csdi": 0.3, "mean": 4.0}
    assert "**The winner is a control**: csdi + gbm." in markdown(simulated_export(noise, control_imputers=["csdi"]))
    assert "No control ties with the winner (csdi + gbm)." in markdown(
        simulated_export(noise, control_imputers=["mean"])
    )
    assert "**No control has a rank" in markdown(simulated_export(noise, control_imputers=[]))


def test_the_only_fuser_of_a_suite_for_imputers_makes_no_row_a_control() -> None:
    export = simulated_export({"csdi": 0.3, "mean": 4.0}, control_imputers=["mean"])
    export.control_fusers = ["gbm"]
    assert "No control ties with the winner (csdi + gbm)." in markdown(export)
    assert not any(row["control_fuser"] for row in board(export)["tables"][0]["rows"])


def test_a_name_that_is_a_control_fuser_is_no_control_imputer() -> None:
    export = make_export(["linear"], ["gru", "linear"])
    assert (row_of(export, "linear", "gru")["control_imputer"], row_of(export, "linear", "gru")["control_fuser"]) == (
        False,
        False,
    )
    assert row_of(export, "linear", "linear")["control_fuser"]


def test_tie_groups_intervals_and_the_resolution_floor_come_from_the_stored_statistics() -> None:
    export = simulated_export({"csdi": 0.3, "twin": 0.35, "bad": 5.0})
    assert export.statistics is not None
    table = board(export)["tables"][0]
    assert [r["tie_group"] for r in table["rows"]] == [1, 1, 2]
    interval = next(i for i in export.statistics.intervals if i.method.imputer == "bad")
    assert table["rows"][2]["interval"] == [interval.low, interval.high]
    assert f"**{table['floor']:.4f}** is found with 80 % power" in markdown(export)
    assert table["floor_corrected"] > table["floor"] > 0


def test_without_statistics_nobody_is_said_to_tie_or_not_to() -> None:
    export = make_export()
    assert "whether a control ties with the winner, are not known" in markdown(export)
    assert {r["tie_group"] for r in board(export)["tables"][0]["rows"]} == {None}


def test_statistics_of_other_cells_than_the_table_are_not_shown() -> None:
    export = simulated_export({"csdi": 0.3, "mean": 0.9})
    late = make_record(msgspec.structs.replace(export.records[0].coordinates, imputer="late"), 0.9)
    more = [make_record(msgspec.structs.replace(late.coordinates, seed=seed), 0.9) for seed in SEEDS]
    export.records += more
    export.planned += [(r.coordinates, r.key) for r in more]
    assert "The stored comparisons are of other cells than this table" in markdown(export)
    assert {r["tie_group"] for r in board(export)["tables"][0]["rows"]} == {None}


def test_scaling_over_everything_parts_spared_by_hiding_and_filled_modalities_are_said_of_every_table() -> None:
    export = make_export()
    plain = markdown(export)
    assert "scaling.over" not in plain
    assert "stay as recorded" not in plain
    assert "fill_absent" not in plain
    made = board(msgspec.structs.replace(export, scaling="everything", hiding="valid and test", fill_absent=True))
    for notes in (made["notes"], *(table["notes"] for table in made["tables"] + made["imputation"])):
        assert any("scaling.over=everything" in note and "test records" in note for note in notes)
        assert any("hidden in valid and test records alone" in note for note in notes)
        assert any("fill_absent" in note for note in notes)


def test_a_published_imputation_score_stands_in_the_table_of_its_scenario_and_in_no_other() -> None:
    export = make_export()
    for record in export.records:
        alter(record, imputation={"all": {"mae": 0.5, "rmse": 0.7, "hidden": 10.0}})
    scenario = board(export)["imputation"][0]["scenario"]
    values = [
        Published("imputation", "locf", "mae", 0.4, scenario=scenario, release=RELEASE),
        Published("imputation", "Model X", "crps", 0.3, scenario="another", release=RELEASE),
    ]
    made = board(msgspec.structs.replace(export, published=values, release=RELEASE))
    assert [(v["method"], v["value"]) for v in made["imputation"][0]["published"]] == [("locf", 0.4)]
    assert not any(table["published"] or any(row["published"] for row in table["rows"]) for table in made["tables"])


def test_published_values_stand_in_a_column_of_their_own() -> None:
    export = make_export(["locf"], ["gbm"], published=PUBLISHED, release=RELEASE)
    header, _, row, foreign = [line for line in markdown(export).splitlines() if line.startswith("|")][:4]
    assert "AUROC (published)" in header
    assert "0.8710 ± 0.0040" in row
    assert [cell.strip() for cell in foreign.split("|")].count("0.8400") == 1
    assert "A. Author 2020, table 2" in markdown(export)
    assert row_of(export, "locf", "gbm")["scores"]["auroc"]["n"] == 3


def test_a_generated_cohort_is_called_synthetic_in_the_title() -> None:
    assert markdown(make_export(synthetic=True)).splitlines()[0] == "# Demonstration (synthetic cohort)"
    assert "synthetic" not in markdown(make_export())


def test_imputation_scores_have_one_row_per_imputer_where_something_was_hidden() -> None:
    export = make_export(["mean", "locf"], ["gbm", "gru"], scenarios=("natural", "mcar(rate=0.1)"))
    [table] = board(export)["imputation"]
    assert (table["scenario"], [r["imputer"] for r in table["rows"]]) == ("mcar(rate=0.1)", ["locf", "mean"])
    text = markdown(export).split("## Imputation")[1]
    assert "10.03 % realised, 10.00 % expected" in text
    assert "all 5,000, labs 2,000, vitals 3,000" in text
    assert "mean †" in text


def test_imputations_that_should_be_equal_and_are_not_are_a_finding() -> None:
    export = make_export(["mean"], ["gbm", "gru"], scenarios=("mcar(rate=0.1)",), audit_cells=False)
    export.records[0].imputation["labs"]["mae"] += 0.1
    assert "**The scores of mean differ between cells that share an imputation.**" in markdown(export)


def test_an_imputer_that_lacks_a_seed_has_no_imputation_mean() -> None:
    export = make_export(["mean", "locf"], ["gbm"], scenarios=("mcar(rate=0.1)",), audit_cells=False)
    set_status(export, 0, "failed")
    alter(export.records[0], imputation={})
    rows = {r["imputer"]: r for r in board(export)["imputation"][0]["rows"]}
    assert (rows["mean"]["scores"], rows["mean"]["seeds_scored"]) == ({}, [52, 72])
    assert rows["locf"]["scores"]["all"]["mae"]["n"] == 3


def test_audits_are_counted_in_the_row_and_failures_are_spelt_out() -> None:
    export = make_export(["mean", "locf"], ["gbm"])
    alter(export.records[1], audits={**CELL_AUDITS, "batch-independent": Audit(False, "largest difference 0.3")})
    for record in export.records[3:6]:
        alter(record, audits={**CELL_AUDITS, "imputed-reaches-fuser": Audit(None, "nothing is imputed")})
    text = markdown(export)
    assert "5/6 **1 failed**" in next(x for x in text.splitlines() if x.startswith("|") and "mean †" in x)
    assert "| 3/3 " in next(x for x in text.splitlines() if x.startswith("|") and "locf" in x)
    assert "batch-independent, mean + gbm, failed: seed 52: largest difference 0.3" in text
    assert "n.a." in text.split("## Audits")[1]


def test_an_audit_cell_without_an_outcome_is_not_a_passed_audit() -> None:
    export = make_export(["mean"], ["gbm"])
    index = next(i for i, r in enumerate(export.records) if r.coordinates.audit == "repeat")
    alter(set_status(export, index, "timeout", "1h"), audits={})
    assert "5/6, 1 not run" in markdown(export)
    assert "repeat-identical, mean + gbm, not run: timeout: 1h" in markdown(export)


def test_the_scores_of_an_audit_cell_are_in_no_mean() -> None:
    with_cells, without = make_export(["mean"], ["gbm"]), make_export(["mean"], ["gbm"], audit_cells=False)
    assert row_of(with_cells, "mean", "gbm")["scores"] == row_of(without, "mean", "gbm")["scores"]


def test_reasons_cannot_break_the_table_or_carry_a_path() -> None:
    export = make_export(["mean"], ["gbm"])
    set_status(export, 0, "failed", "a | b\n<class 'int'> in /home/someone/plugin.py")
    line = next(x for x in markdown(export).splitlines() if x.startswith("|") and "mean †" in x)
    assert "a \\| b &lt;class 'int'> in .../plugin.py" in line
    assert "/home/someone" not in "".join(content.decode() for content in render(export).values())


def test_test_parts_of_several_splits_may_differ_in_size_and_those_of_one_may_not() -> None:
    export = make_export(["mean", "locf"], ["gbm"], [1], splits=["fold0", "fold1"])
    for record in export.records:
        alter(record, counts={**record.counts, "test": 1200 + (record.coordinates.split == "fold1")})
    assert "were not scored on the same records" not in markdown(export)
    alter(export.records[0], counts={**export.records[0].counts, "test": 1199})
    assert "test 1,199 (1 cell); 1,200 (" in markdown(export)


def test_cells_scored_on_different_numbers_of_records_are_noted() -> None:
    export = make_export(["mean"], ["gbm"])
    alter(export.records[0], counts={**export.records[0].counts, "test": 1199})
    assert "**The cells of this table were not scored on the same records**" in markdown(export)


def test_provenance_and_the_redacted_command_stand_at_the_end() -> None:
    export = make_export()
    alter(export.records[0], provenance={**export.records[0].provenance, "host": "node17", "device": "another CPU"})
    text = markdown(export).split("## Where these numbers come from")[1]
    assert "bench run suite=demo data.root=... seed=42,52,72" in text
    assert "d1d1d1" in text
    assert "node17" not in text
    assert "a CPU (32 records); another CPU (1 record)" in text


def test_csv_has_one_line_per_planned_cell_with_every_number_in_full() -> None:
    export = make_export(["mean"], ["gbm"], scenarios=("mcar(rate=0.1)",))
    first = lines(export)[0]
    record = export.records[0]
    assert len(lines(export)) == len(export.planned)
    assert (first["seed"], first["control"], first["key"], first["status"]) == (
        "42",
        "1",
        key_of(record.coordinates),
        "ok",
    )
    assert float(first["test auroc"]) == record.scores["auroc"]
    assert float(first["imputation labs mae"]) == record.imputation["labs"]["mae"]
    assert first["audit scored-once"] == "pass"


def test_an_export_without_any_record_still_shows_its_plan() -> None:
    export = make_export(["mean"], ["gbm"], records=[])
    assert "nothing is ranked" in markdown(export)
    assert "3 not-run" in markdown(export)


def test_the_three_files_are_written_beside_each_other(tmp_path: Path) -> None:
    rendered = render(make_export(["mean"], ["gbm"]))
    paths = write(tmp_path, "demo", rendered)
    assert [path.name for path in paths] == ["demo.md", "demo.csv", "demo.json"]
    assert [path.read_bytes() for path in paths] == list(rendered.values())


def test_rendering_and_gating_import_nothing_heavy() -> None:
    code = (
        "import sys, bench.leaderboard, bench.gate, bench.gate.report; "
        "print([m for m in ('torch', 'scipy', 'sklearn', 'pandas') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_oracle_of_generated_data_tops_the_table_without_a_rank_and_rows_show_their_regret() -> None:
    export = make_export(["mean"], ["gbm"])
    for record in export.records:
        alter(record, oracle={name: 0.95 for name in record.scores})
    table = [line for line in markdown(export).splitlines() if line.startswith("|")]
    header, first, second = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in (table[0], table[2], table[3])
    )
    assert first[header.index("imputer")] == "oracle"
    assert first[header.index("rank")] == ""
    mean = row_of(export, "mean", "gbm")["scores"]["auroc"]["mean"]
    assert float(second[header.index("regret")]) == pytest.approx(0.95 - mean, abs=6e-5)


def test_real_data_have_no_oracle_and_no_regret() -> None:
    assert "oracle" not in markdown(make_export(["mean"], ["gbm"])).split("## How")[0]


def test_what_more_modalities_add_is_a_table_of_paired_differences() -> None:
    export = simulated_export({"weak": 3.0, "strong": 0.1})
    relabel = {"weak": "vitals", "strong": "vitals+notes"}
    method = {name: Method("ihm", label, "natural", "locf", "gbm") for name, label in relabel.items()}
    moved = [
        msgspec.structs.replace(
            r,
            coordinates=msgspec.structs.replace(
                r.coordinates, modalities=relabel[r.coordinates.imputer], imputer="locf"
            ),
        )
        for r in export.records
    ]
    pair = Comparison(method["strong"], method["weak"], "auroc", 0.1, 0.06, 0.14, 0.02, 0.001, 0.002)
    statistics = msgspec.structs.replace(export.statistics, gains=[pair])
    export = msgspec.structs.replace(
        export, records=moved, planned=[(r.coordinates, r.key) for r in moved], statistics=statistics
    )
    text = render(export)["md"].decode()
    assert "## What more modalities add: ihm · natural" in text
    assert "| locf      | gbm     | **+0.1000** (+0.0600 to +0.1400; p 0.002) |" in text
    assert "the interval excludes 0 for the better in 1, for the worse in 0 of 1 method; adjusted p" in text


def test_a_split_by_record_is_in_the_title_under_every_table_and_in_the_name_of_the_file() -> None:
    export = make_export(["mean"], ["gbm"], scenarios=("natural", "mcar"), tasks=(IHM, LOS), splits=["reference-stay"])
    for record in export.records:
        alter(record, counts={**record.counts, "patients_on_both_sides": 1234})
        alter(
            record,
            provenance={
                **record.provenance,
                "split": "split=reference-stay (by record: patients on both sides), seed 7",
            },
        )
    text = markdown(export)
    assert text.splitlines()[0] == "# Demonstration, split=reference-stay"
    sections = text.split("## Audits")[0].split("\n## ")[1:]
    for place in ("ihm · all · natural", "ihm · all · mcar", "los · all · natural", "los · all · mcar"):
        section = next(section for section in sections if section.startswith(place))
        assert "split=reference-stay: split by record" in section
        assert "1,234 patients stand on both sides" in section
    hidden = next(section for section in sections if section.startswith("Imputation of hidden entries"))
    assert "split=reference-stay" in hidden
    assert json.loads(render(export)["json"])["title"].endswith("split=reference-stay")
    assert lines(export)[0]["records patients_on_both_sides"] == "1234"
    assert stem(export) == "demo-reference-stay"


def test_a_split_by_patient_is_not_remarked_upon() -> None:
    assert "split=" not in markdown(make_export())
    assert stem(make_export()) == "demo"
