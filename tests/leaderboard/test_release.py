"""Which release the data are stands in title, record, CSV and JSON; published values stand
beside ours on the same data alone.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cli.plot import _of
from bench.data.release import GENERATED, public, release_of
from bench.leaderboard import render
from bench.registry import BY_COUNTS, Spec, discover
from bench.results.records import Export, Published
from support.fake_exports import alter, make_export
from support.project import Project

RELEASE_NAMES = st.sampled_from(["", "R 1", "R demo 1", "unknown release of r"])
COUNTED = st.sampled_from(["R 1", "R demo 1"]).map(lambda name: name + BY_COUNTS)
DATA = st.dictionaries(st.just("hours"), st.sampled_from([24, 48]))


def rendered(export: Export) -> dict[str, str]:
    return {kind: body.decode() for kind, body in render(export, page=True).items()}


@given(
    ours=RELEASE_NAMES | COUNTED,
    theirs=RELEASE_NAMES,
    data=DATA,
    needed=DATA,
    synthetic=st.booleans(),
    lacking=st.booleans(),
)
def test_a_published_value_stands_beside_ours_where_the_data_are_those_it_was_measured_on_and_nowhere_else(
    ours: str, theirs: str, data: dict, needed: dict, synthetic: bool, lacking: bool
) -> None:
    entries = [
        Published("ihm", "locf + gbm", "auroc", 0.8765, source="A 2020", release=theirs, data=needed),
        Published("ihm", "Model X", "auroc", 0.8764, release=theirs, data=needed),
        Published("imputation", "locf", "mae", 0.8763, release=theirs, data=needed),
    ]
    export = make_export(
        ["locf"], ["gbm"], scenarios=["mcar(rate=0.1)"], release=ours, data=data, synthetic=synthetic, published=entries
    )
    for record in export.records:
        record.counts.update({"without_notes": 1200} if lacking else {})
    pages = rendered(export)
    same = not synthetic and bool(ours) and ours.removesuffix(BY_COUNTS) == theirs and not lacking
    same = same and all(data.get(key) == value for key, value in needed.items())
    lines = [line for line in pages["md"].splitlines() if "0.876" in line]
    assert sum(line.startswith("| ") for line in lines) == (3 if same else 0)
    assert sum("not to be set beside ours" in line for line in lines) == (0 if same else 2)
    assert "(published)" in pages["md"] if same else "(published)" not in pages["md"]
    assert all(value in pages["md"] and value in pages["html"] for value in ("0.8765", "0.8764", "0.8763"))
    board = json.loads(pages["json"])
    for place in (board["tables"][0], board["imputation"][0]):
        assert bool(place["elsewhere"]) is not same
        assert all(value["elsewhere"] for value in place["elsewhere"])


@given(ours=RELEASE_NAMES, synthetic=st.booleans())
def test_the_release_stands_in_every_output(ours: str, synthetic: bool) -> None:
    export = make_export(["locf"], ["gbm"], release=ours, synthetic=synthetic)
    pages, expected = rendered(export), GENERATED if synthetic else ours
    title = f"Demonstration ({expected})" if expected else "Demonstration"
    assert pages["md"].splitlines()[0] == f"# {title}"
    assert f"<title>{title}</title>" in pages["html"]
    assert _of(export) == title
    board = json.loads(pages["json"])
    assert (board["title"], board["release"]) == (title, expected)
    assert {line["release"] for line in csv.DictReader(io.StringIO(pages["csv"]))} == {expected}


def test_a_release_that_some_records_contradict_is_counted_in_the_title() -> None:
    export = make_export(["locf"], ["gbm"], audit_cells=False, release="R 1")
    alter(export.records[0], provenance={**export.records[0].provenance, "release": "R 2"})
    assert rendered(export)["md"].splitlines()[0] == "# Demonstration (R 1, 2 of 3 records)"


def test_cells_that_are_audits_are_not_counted_among_the_records_that_say_so() -> None:
    export = make_export(["locf"], ["gbm"], release="R 1")
    assert any(record.coordinates.audit for record in export.records)
    first = next(record for record in export.records if not record.coordinates.audit)
    alter(first, provenance={**first.provenance, "release": "R 2"})
    scored = sum(not record.coordinates.audit for record in export.records)
    assert rendered(export)["md"].splitlines()[0] == f"# Demonstration (R 1, {scored - 1} of {scored} records)"


def test_a_modality_that_nobody_has_is_named_in_every_row_of_its_set() -> None:
    export = make_export(["locf", "mean"], ["gbm"])
    for record in export.records:
        record.counts.update({"without_notes": 1200})
    pages = rendered(export)
    rows = [line for line in pages["md"].partition("## What the grid")[0].splitlines() if "3 ok" in line]
    assert len(rows) == 2
    assert all("**no record has notes**" in row for row in rows)
    assert json.loads(pages["json"])["nobody"] == {"all": ["notes"]}


def told(root: Path, params: object) -> str:
    (root / "asked").write_text((root / "asked").read_text() + "!" if (root / "asked").exists() else "!")
    return (root / "release").read_text()


def test_a_dataset_is_asked_once_for_the_same_content_and_a_damaged_answer_is_not_believed(tmp_path: Path) -> None:
    spec = Spec("dataset", "made", "", release=f"{__name__}:told")
    (tmp_path / "release").write_text("")
    cache = tmp_path / "cache"

    def ask(manifest: str = "m", synthetic: bool = False) -> str:
        return release_of(spec, spec.parameters({}), tmp_path, synthetic, manifest, cache)

    assert ask() == ask() == "unknown release of made"
    assert (tmp_path / "asked").read_text() == "!"
    (tmp_path / "release").write_text("R 1")
    assert ask("other") == "R 1"
    assert ask(synthetic=True) == GENERATED
    for path in (cache / "releases").iterdir():
        path.write_text(path.read_text().replace("R 1", "R 9"))
    assert ask("other") == "R 1"
    assert release_of(Spec("dataset", "made", ""), spec.parameters({}), tmp_path, False, "m", cache) == ""


def test_every_published_file_says_on_which_data_its_values_were_measured_as_its_dataset_tells_it() -> None:
    from bench.config.request import request

    registry = discover()
    names = {
        "mimic48": "MIMIC-IV 2.2",
        "csdi_healthcare": "PhysioNet 2012 set a",
        "mosi": "CMU-MOSI",
        "mosei": "CMU-MOSEI",
    }
    for name, expected in names.items():
        suite = request([f"suite={name}"], registry).suite
        assert suite.published
        assert {entry.release for entry in suite.published} == {expected}
        fields = {field.name for field in msgspec.structs.fields(registry.get("dataset", suite.dataset).params)}
        assert all(entry.data.keys() <= fields for entry in suite.published)
        assert registry.get("dataset", suite.dataset).release


def test_the_demo_of_mimic_iv_runs_mimic48_and_nobody_can_take_it_for_the_whole(
    project: Project, open_data: Path
) -> None:
    pytest.importorskip("duckdb", reason="the extra clinical is not installed")
    root = open_data / "mimic-iv-demo-2.2"
    words = ("suite=mimic48", f"data.root={root}", "imputer=linear", "fuser=linear", "seed=42", "controls.imputer=mean")
    ran = project.here("run", *words)
    release = "MIMIC-IV demo 2.2 by its counts, but not as published: icu/chartevents"  # they were made anew
    assert f"mimic48 ({release}): " in ran.stdout
    page = project.page("suite=mimic48")
    assert page.splitlines()[0] == f"# MIMIC-IV: the first 48 hours in the ICU ({release})".replace("_", "\\_")
    assert {record["provenance"]["release"] for record in project.records()} == {release}
    (path,) = (project.folder / "results" / "leaderboards").glob("*[0-9a-f].json")
    board = json.loads(path.read_bytes())
    assert board["release"] == release
    assert release in board["title"]
    assert "(published)" not in page
    for table in board["tables"]:
        assert not table["published"]
        assert not any(row["published"] for row in table["rows"])
        assert all(row["nobody"] == ["notes"] * ("notes" in table["modalities"]) for row in table["rows"])
    assert any(table["elsewhere"] for table in board["tables"])
    assert "measured on MIMIC-IV 2.2, ours on MIMIC-IV demo 2.2 by its counts, but not as published" in page


@pytest.mark.parametrize("spec", discover().specs("dataset"), ids=lambda spec: spec.name)
def test_parameters_of_a_dataset_are_the_same_in_a_run_and_in_its_baseline_read_again(spec: Spec) -> None:
    held = public(msgspec.to_builtins(spec.parameters({})))
    assert held == json.loads(json.dumps(held))
    assert public(held) == held
