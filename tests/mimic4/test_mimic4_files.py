"""Where the files are looked for, which decide the content, what verify says, and what the
plugin declares.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import DataError, UsageError
from bench.metrics.own import OWN
from bench.registry import Registry, Spec
from bench_datasets import plugin
from bench_datasets.mimic4 import table as mimic4_table
from bench_datasets.mimic4.files import files
from bench_datasets.mimic4.params import Mimic4Params
from bench_datasets.mimic4.verify import RELEASES, guess, verify
from support.mimic4_tables import edit, one_stay, prepare, ward
from support.pages import page

MANUAL = page("reference/datasets/mimic4.md")


def refused(root: Path, *words: str) -> None:
    with pytest.raises(DataError) as caught:
        files(root, Mimic4Params())
    for word in words:
        assert word in str(caught.value)


def test_files_are_those_that_decide_the_content_in_a_fixed_order(tmp_path: Path) -> None:
    ward(2).write(tmp_path)
    for name in ("cxr.parquet", "hcup_ccs_2015_definitions.yaml", "hosp/labevents.csv.gz", "README.txt"):
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in files(tmp_path, Mimic4Params())] == [
        "hosp/patients.csv.gz",
        "hosp/admissions.csv.gz",
        "hosp/diagnoses_icd.csv.gz",
        "icu/icustays.csv.gz",
        "icu/d_items.csv.gz",
        "icu/chartevents.csv.gz",
        "note/radiology.csv.gz",
        "cxr.parquet",
        "hcup_ccs_2015_definitions.yaml",
    ]


def test_the_published_archive_is_read_before_an_unpacked_copy(tmp_path: Path) -> None:
    one_stay().write(tmp_path, suffix=".csv")
    one_stay().write(tmp_path)
    assert {path.suffix for path in files(tmp_path, Mimic4Params())} == {".gz"}


@pytest.mark.parametrize(
    "place",
    [
        "3.1",
        "mimiciv/3.1",
        "physionet.org/files/mimiciv/2.2",
        "files/mimiciv/3.1",
        "mimic4",
        "mimic-iv-3.1",
        "physionet.org/files/mimic-iv-demo/2.2",
        "mimic-iv-clinical-database-demo-2.2",
        "mimic-iv-demo-2.2",
    ],
)
def test_usual_folders_are_found(tmp_path: Path, place: str) -> None:
    one_stay().write(tmp_path / place)
    assert len(files(tmp_path, Mimic4Params())) == 6


@pytest.mark.parametrize(
    ("base", "note"),
    [
        ("physionet.org/files/mimiciv/2.2", "physionet.org/files/mimic-iv-note/2.2/note"),
        ("mimic-iv-3.1", "mimic-iv-note-2.2/note"),
        ("mimic4", "mimic4/mimic-iv-note/note"),
        ("mimic4", "note"),
    ],
)
def test_notes_are_found_beside_the_tables(tmp_path: Path, base: str, note: str) -> None:
    tables = one_stay()
    tables.note(2, "Lungs are clear")
    tables.write(tmp_path / base)
    (tmp_path / note).mkdir(parents=True)
    shutil.move(tmp_path / base / "note" / "radiology.csv.gz", tmp_path / note / "radiology.csv.gz")
    assert files(tmp_path, Mimic4Params())[-1] == tmp_path / note / "radiology.csv.gz"


def test_no_data_says_where_it_looked_and_how_to_obtain_it(tmp_path: Path) -> None:
    refused(tmp_path, str(tmp_path), "hosp/ and icu/", "credentialed", "https://physionet.org/content/mimiciv/")


def test_missing_tables_are_named(tmp_path: Path) -> None:
    one_stay().write(tmp_path)
    (tmp_path / "icu/d_items.csv.gz").unlink()
    (tmp_path / "hosp/patients.csv.gz").unlink()
    refused(tmp_path, "lacks hosp/patients, icu/d_items (", ".csv.gz, .csv or .parquet", "credentialed", "mimic4-demo")


@pytest.mark.parametrize("module", ["hosp", "icu"])
def test_a_module_in_place_of_the_whole_is_told(tmp_path: Path, module: str) -> None:
    one_stay().write(tmp_path)
    refused(tmp_path / module, f"is the folder {module}/ of MIMIC-IV", f"data.root={tmp_path}")


@pytest.mark.parametrize(("there", "lacking"), [("hosp", "icu"), ("icu", "hosp")])
def test_one_module_alone_is_told(tmp_path: Path, there: str, lacking: str) -> None:
    one_stay().write(tmp_path)
    shutil.rmtree(tmp_path / lacking)
    refused(tmp_path, f"holds {there}/ but no {lacking}/")


def test_the_layout_of_version_1_is_told(tmp_path: Path) -> None:
    one_stay().write(tmp_path)
    (tmp_path / "core").mkdir()
    for name in ("patients", "admissions"):
        shutil.move(tmp_path / "hosp" / f"{name}.csv.gz", tmp_path / "core" / f"{name}.csv.gz")
    refused(tmp_path, "core/", "MIMIC-IV 1.0", "2.2 and 3.1")


def test_mimic3_and_an_archive_that_is_not_unpacked_are_told(tmp_path: Path) -> None:
    (tmp_path / "mimic-iv-3.1.zip").touch()
    refused(tmp_path, "mimic-iv-3.1.zip, not unpacked")
    (tmp_path / "ADMISSIONS.csv.gz").touch()
    refused(tmp_path, "MIMIC-III")


def test_two_releases_under_one_root_must_be_told_apart(tmp_path: Path) -> None:
    for release in ("2.2", "3.1"):
        one_stay().write(tmp_path / "mimiciv" / release)
    refused(tmp_path, "several copies", "mimiciv/2.2, mimiciv/3.1", "data.root=")
    assert len(files(tmp_path / "mimiciv" / "2.2", Mimic4Params())) == 6


def test_a_folder_with_marks_of_a_pattern_in_its_name_works(tmp_path: Path) -> None:
    assert len(prepare(one_stay().write(tmp_path / "it's [mine] *"))) == 1


def by_item(root: Path) -> dict[str, dict]:
    return {entry["item"]: entry for entry in verify(root, Mimic4Params())}


def test_verify_counts_rows_and_says_what_each_set_of_modalities_needs(tmp_path: Path) -> None:
    report = by_item(ward(3).write(tmp_path))
    assert report["icu/icustays"]["rows"] == 3
    assert report["icu/chartevents"]["rows"] == 18
    assert report["notes"]["rows"] == 3
    assert (report["release"]["status"], report["icu/icustays"]["status"]) == ("unknown", "unknown")
    assert report["suite mimic48, vitals+notes"]["status"] == "ok"
    assert report["suite mimic48, all"]["status"] == "absent"
    assert "data.ecg=FILE" in report["suite mimic48, all"]["detail"]


def test_verify_names_a_missing_column_before_it_says_that_everything_is_there(tmp_path: Path) -> None:
    root = ward(3).write(tmp_path)
    for table, column in (("hosp/patients", "anchor_age"), ("note/radiology", "storetime")):
        path = root / f"{table}.csv.gz"
        before = path.read_bytes()
        edit(path, lambda text, column=column: text.replace(column, "other", 1))  # type: ignore[misc]
        with pytest.raises(DataError, match=f"lacks the column {column}"):
            verify(root, Mimic4Params())
        path.write_bytes(before)


def test_verify_refuses_a_truncated_file(tmp_path: Path) -> None:
    path = ward(40).write(tmp_path) / "icu/chartevents.csv.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="cut short or damaged"):
        verify(tmp_path, Mimic4Params())


def test_the_release_is_told_by_row_counts_then_by_names(tmp_path: Path) -> None:
    assert guess(tmp_path, RELEASES["3.1"]) == ("3.1", "6 of 6 row counts agree")
    assert guess(tmp_path, RELEASES["2.2"] | {"icu/chartevents": 5})[0] == "2.2"
    assert guess(tmp_path / "mimiciv" / "3.1", {})[0] == "3.1"
    assert guess(tmp_path / "mimic-iv-2.2", {})[0] == "2.2"
    assert guess(tmp_path, {})[0] == ""
    (tmp_path / "CHANGELOG.txt").write_text("# MIMIC-IV changes\n\nv3.0\n...")
    assert guess(tmp_path, {})[0] == "3.0"


def test_verify_marks_counts_that_differ_from_the_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = ward(3).write(tmp_path)
    here = {name: entry["rows"] for name, entry in by_item(root).items() if name.startswith(("hosp/", "icu/"))}
    monkeypatch.setitem(RELEASES, "9.9", here | {"icu/chartevents": 19})
    report = by_item(root)
    assert report["release"]["detail"] == "9.9: 5 of 6 row counts agree"
    assert report["icu/icustays"]["status"] == "ok"
    assert (report["icu/chartevents"]["status"], report["icu/chartevents"]["detail"][:13]) == (
        "differs",
        "18 of 19 rows",
    )


@pytest.fixture
def spec() -> Spec:
    registry = Registry()
    registry.register_plugin("gapbench:datasets", plugin)
    assert registry.broken == []
    return registry.get("dataset", "mimic4")


def test_declared_tasks_have_known_metrics_and_the_phenotypes_their_columns(spec: Spec) -> None:
    assert [(task.name, task.kind, task.outputs) for task in spec.tasks.values()] == [
        ("ihm48", "binary", 1),
        ("los48", "binary", 1),
        ("los3", "binary", 1),
        ("phe25", "multilabel", len(mimic4_table.PHENOTYPES)),
    ]
    assert all(set(task.metrics) <= OWN.keys() for task in spec.tasks.values())
    assert "uses_split" in spec.tags
    assert callable(spec.load(spec.files))


def test_parameters_are_typed(spec: Spec) -> None:
    for bad in ({"variables": "v30"}, {"window_hours": 72}, {"note_clock": "later"}, {"notes_kept": 0}):
        with pytest.raises(UsageError):
            spec.parameters(bad)


def test_neither_declaring_nor_finding_files_imports_what_is_heavy() -> None:
    code = (
        "import sys, bench_datasets.plugin, bench_datasets.mimic4.files;"
        "sys.exit(bool({'duckdb', 'pyarrow', 'pandas', 'torch', 'scipy', 'sklearn'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_variables_are_thirty_in_alphabetical_order_and_no_item_has_two_labels() -> None:
    names = [variable.name for variable in mimic4_table.VARIABLES]
    assert len(names) == 30
    assert names == sorted(names)
    items = [label.item for variable in mimic4_table.VARIABLES for label in variable.labels if label.item]
    assert len(items) == len(set(items))


def test_the_maps_differ_in_calcium_dipstick_and_fahrenheit_alone() -> None:
    clean, reference = (
        {label.text for _, _, _, label in mimic4_table.labels(chosen)} for chosen in ("v30-clean", "v30-reference")
    )
    assert clean - reference == {"Temperature Fahrenheit"}
    assert reference - clean == {"Ionized Calcium", "PH (dipstick)"}


def test_the_manual_prints_both_tables() -> None:
    assert variables() in MANUAL
    assert phenotypes() in MANUAL


def variables() -> str:
    """The table of variables."""
    lines = ["| # | variable | unit | range | labels in `d_items`, usual item id |", "| --- | --- | --- | --- | --- |"]
    for index, v in enumerate(mimic4_table.VARIABLES):
        parts = []
        for label in v.labels:
            only = "" if label.maps == "both" else f", v30-{label.maps} only"
            how = {"": "", "fahrenheit": ", °F to °C", "fraction": ", at most 1: × 100"}[label.conversion]
            parts.append(f"{label.text} ({label.item or 'none known'}{only}{how})")
        lines.append(f"| {index} | {v.name} | {v.unit} | {v.low:g} to {v.high:g} | {'; '.join(parts)} |")
    return "\n".join(lines) + "\n"


def phenotypes() -> str:
    """The table of phenotypes."""
    lines = ["| # | phenotype | CCS |", "| --- | --- | --- |"]
    lines += [f"| {index} | {name} | {ccs} |" for index, (ccs, name) in enumerate(mimic4_table.PHENOTYPES)]
    return "\n".join(lines) + "\n"
