"""A generated folder read as MIMIC-IV: it is known as generated, its oracle counts as content,
and lies where the tables lie.
"""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from bench.data.location import locate
from bench.data.manifest import manifest
from bench.errors import DataError, PluginError
from bench.registry import Registry, Spec
from bench_datasets import plugin
from bench_datasets.mimic4.files import files
from bench_datasets.mimic4.generate.variables import ITEMS
from bench_datasets.mimic4.params import Mimic4Params
from bench_datasets.mimic4.table import VARIABLES
from support.mimic4_tables import edit, prepare


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("pyarrow")
    from bench_datasets.mimic4.generate.generator import generate

    folder = tmp_path_factory.mktemp("made") / "cohort"
    generate(folder, 40, 3, lambda line: None)
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """Below a folder, in one of the usual places."""
    place = tmp_path / "parent" / "mimiciv" / "3.1"
    shutil.copytree(made, place)
    return place


@pytest.fixture
def spec() -> Spec:
    registry = Registry()
    registry.register_plugin("gapbench:datasets", plugin)
    return registry.get("dataset", "mimic4")


def test_a_generated_folder_said_as_data_root_is_called_generated_also_from_above(
    copy: Path, tmp_path: Path, spec: Spec
) -> None:
    for root in (copy, tmp_path / "parent"):
        lines: list[str] = []
        assert locate(spec, Mimic4Params(), str(root), tmp_path / "cache", lines.append).synthetic
        assert any("generated (synthetic) cohort" in line for line in lines)
    (copy / "synthetic.json").unlink()
    assert not locate(spec, Mimic4Params(), str(copy), tmp_path / "cache").synthetic


def test_the_oracle_is_read_beside_the_tables_wherever_data_root_is(made: Path, copy: Path, tmp_path: Path) -> None:
    here, above = prepare(made), prepare(tmp_path / "parent")
    assert here.oracle.keys() == {"ihm48", "los48", "los3", "phe25"}
    assert all(np.array_equal(here.oracle[task], above.oracle[task]) for task in here.oracle)


def test_what_the_oracle_holds_and_whether_it_is_there_is_content(copy: Path, tmp_path: Path) -> None:
    def now() -> str:
        return manifest(files(copy, Mimic4Params()), tmp_path / "cache")

    whole = now()
    oracle = copy / "oracle" / "oracle.parquet"
    oracle.write_bytes(oracle.read_bytes() + b"junk")
    junk = now()
    with pytest.raises(DataError, match=r"oracle\.parquet"):
        prepare(copy)
    oracle.unlink()
    without = now()
    assert prepare(copy).oracle == {}
    (copy / "synthetic.json").unlink()
    assert len({whole, junk, without, now()}) == 4


def test_a_stay_without_an_oracle_is_refused_in_one_line_that_names_no_stay(copy: Path) -> None:
    with gzip.open(copy / "icu" / "chartevents.csv.gz", "rt") as lines:
        header = next(lines).strip().split(",")
        stay = next(lines).split(",")[header.index("stay_id")]
    for name in ("icustays", "chartevents"):
        edit(copy / "icu" / f"{name}.csv.gz", lambda text: text.replace(stay, "93009999"))
    with pytest.raises(DataError) as caught:
        prepare(copy)
    message = str(caught.value)
    assert message.startswith("1 of ")
    assert "oracle.parquet" in message
    assert "generate the folder again, or remove" in message
    assert "93009999" not in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "params", [{"note_encoder": "/nowhere"}, {"cxr": "/nowhere.parquet"}, {"notes": "~/nowhere.csv"}]
)
def test_a_file_that_is_not_there_is_refused_before_anything_is_generated(
    params: dict[str, str], tmp_path: Path, spec: Spec
) -> None:
    typed = Mimic4Params(**params, stays=100)  # type: ignore[arg-type]
    lines: list[str] = []
    with pytest.raises((DataError, PluginError), match=f"data.{next(iter(params))} = .*nowhere"):
        locate(spec, typed, "synthetic", tmp_path / "cache", lines.append)
    assert not any("stays, " in line for line in lines)
    assert list((tmp_path / "cache" / "synthetic").iterdir()) == []


def test_the_generator_reads_no_parameter_but_those_declared(tmp_path: Path, spec: Spec) -> None:
    paths = []
    for params in (Mimic4Params(stays=100), Mimic4Params(stays=100, window_hours=24, notes_kept=1, cxr="ecg.parquet")):
        paths.append(locate(spec, params, "synthetic", tmp_path / "cache", lambda line: None).root)
    assert paths[0] == paths[1]
    made = json.loads((paths[0] / "synthetic.json").read_bytes())
    assert (made["stays"], made["seed"]) == (100, 0)
    assert (
        locate(spec, Mimic4Params(stays=100, generator_seed=1), "synthetic", tmp_path / "cache", lambda line: None).root
        != paths[0]
    )


def test_the_generated_items_have_the_numbers_that_the_reader_knows() -> None:
    known = {each.text: each.item for variable in VARIABLES for each in variable.labels if each.item}
    made = {item.label: item.itemid for item in ITEMS if item.label in known}
    assert made
    assert made == {label: known[label] for label in made}
