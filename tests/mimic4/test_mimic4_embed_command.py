"""The command `bench data embed`: from raw files to a modality of the dataset, its refusals, and
kill -9 halfway.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.cli.main import main
from support.asking import SUPPORT
from support.mimic4_tables import ward
from support.project import Project, interrupt
from support.raw_signals import ecgs, rows_of, script, stays, xrays

pytest.importorskip("PIL", reason="pip install 'gapbench[signals]'")
pytest.importorskip("wfdb", reason="pip install 'gapbench[signals]'")

Bench = Callable[..., tuple[str, str]]
CXR = ("data", "embed", "mimic4", "modality=cxr", "from=x", "to=cxr.parquet")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Bench:
    """The command, run in this process in an empty folder; what it printed on stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(SUPPORT))
    for variable in [name for name in os.environ if name.startswith("BENCH_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))

    def call(*words: str, code: int = 0) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["bench", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert ended.value.code == code, err
        return out, err

    return call


def test_raw_files_become_modalities_that_the_dataset_has(bench: Bench, tmp_path: Path) -> None:
    from tiny_models import Average

    stays(tmp_path / "mimic")
    xrays(tmp_path / "x", [255, 255, 0], hours=(1, 2, 90))
    ecgs(tmp_path / "e", np.ones((5000, 12)))
    script(tmp_path / "cxr.pt", Average(), (1, 1, 8, 8))
    script(tmp_path / "ecg.pt", Average(), (1, 12, 64))
    out, err = bench(*CXR[:5], "to=mimic/cxr.parquet", "model=cxr.pt", "data.root=mimic", "device=cpu")
    assert out.splitlines()[0] == str(tmp_path / "mimic" / "cxr.parquet")
    assert "2 vectors of 1 numbers, 0 files could not be embedded" in out
    assert "embedding what was recorded in a stay of" in err
    said, _ = bench(
        "data", "embed", "mimic4", "modality=ecg", "from=e", "to=mimic/ecg.parquet", "model=ecg.pt", "batch=8", "--json"
    )
    assert {name: json.loads(said)[name] for name in ("made", "rows", "width")} == {
        "made": True,
        "rows": 1,
        "width": 12,
    }
    verified = json.loads(bench("data", "verify", "mimic4", "data.root=mimic", "--json")[0])
    assert {name: verified["modalities"][name]["records with any"] for name in ("cxr", "ecg")} == {"cxr": 1, "ecg": 1}
    assert len(verified["modalities"]["ecg"]["channels"]) == 12
    detail = next(entry["detail"] for entry in verified["found"] if entry["item"] == "cxr")
    assert "made with the model cxr.pt, sha256" in detail


def test_verify_tells_labels_from_records_and_what_is_there_from_what_was_left_out(
    bench: Bench, tmp_path: Path
) -> None:
    tables = ward()
    tables.chart(5000, 1, "Heart Rate", 999)
    tables.diagnosis(1000, "4019")
    tables.write(tmp_path / "mimic")
    lines = bench("data", "verify", "mimic4", "data.root=mimic")[0].splitlines()
    assert "  task phe25: 12 records with a known outcome, 13 positive labels over 25 labels, 1.08 a record" in lines
    assert "  task ihm48: 11 records with a known outcome, 3 positive" in lines
    there = lines.index("  also counted:")
    left_out = lines[lines.index("  left out or repaired:") + 1 : there]
    assert "           1  Heart Rate: outside 10 to 300, removed" in left_out
    assert not any("kept" in line or "published" in line or "with an observation" in line for line in left_out)
    assert "          72  icu/chartevents: values kept" in lines[there:]


def test_arguments_of_the_models_maker_are_dotted_keys(bench: Bench, tmp_path: Path) -> None:
    xrays(tmp_path / "x", [255])
    bench(*CXR, "model=tiny_models:Scaled", "options.start=0.125")
    assert rows_of(tmp_path / "cxr.parquet")[0][2] == [128, 0]


def test_the_environment_variable_restricts_as_data_root_does(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_DATA_ROOT", str(stays(tmp_path / "mimic")))
    xrays(tmp_path / "x", [255, 0], hours=(1, 90))
    assert "1 vectors" in bench(*CXR, "model=tiny_models:average")[0]


def test_said_twice_it_is_made_once(bench: Bench, tmp_path: Path) -> None:
    xrays(tmp_path / "x", [255])
    bench(*CXR, "model=tiny_models:average")
    assert "it was there already" in bench(*CXR, "model=tiny_models:average")[1]
    assert "is there already and was made differently" in bench(*CXR, "model=tiny_models:Scaled", code=2)[1]


REFUSED = [
    (("mimic4",), 2, '"modality" is required and was not given (from the command line); accepted: cxr, ecg'),
    (("mimic4", "modality=cxr", "to=o"), 2, '"from" is required'),
    (("mimic4", "modality=cxr", "from=x"), 2, '"to" is required'),
    (("mimic4", "modality=cxr", "from=x", "to=o"), 2, '"model" is required'),
    (("mimic4", "modality=crx", "from=x", "to=o", "model=m"), 2, 'did you mean "cxr"'),
    (("mimic4", "modality=cxr", "from=x", "to=o", "modle=m"), 2, 'did you mean "model"'),
    (("mimic4", "modality=cxr", "from=x", "to=o", "model=m", "leads=I"), 2, 'key "leads" is not known'),
    (("mimic4", "modality=cxr", "from=x", "to=o", "model=m", "options=3"), 2, 'key "options" is not known'),
    (("mimic4", "modality=cxr", "from=x", "to=o", "model=m", "batch=0"), 2, '"batch" = 0 is not accepted'),
    (("mimic4", "modality=cxr", "from=x", "to=o", "model=m", "data.rot=y"), 2, 'did you mean "data.root"'),
    (("mimic4", "modality=cxr", "from=x", "to=o", "model=m", "data.root=nowhere"), 3, "is not a folder"),
    (("mimic4", "modality=cxr", "from=x", "to=o", "model=m", "device=gpu"), 2, '"device" = "gpu" is not accepted'),
    (("mimic4", "modality=cxr", "from=x", "to=o", "model=m.pt"), 2, '"m.pt" is not a file'),
    (
        ("mimic4", "modality=cxr", "from=x", "to=o", "model=tiny_models:average"),
        3,
        "no mimic-cxr-2.0.0-metadata.csv.gz",
    ),
    (("physionet2012", "modality=cxr"), 3, "has nothing to embed"),
    (("mimic5", "modality=cxr"), 2, 'did you mean "mimic4"'),
]


@pytest.mark.parametrize(("words", "code", "said"), REFUSED, ids=[" ".join(words) for words, _, _ in REFUSED])
def test_what_cannot_be_done_is_one_clear_line(bench: Bench, words: tuple[str, ...], code: int, said: str) -> None:
    out, err = bench("data", "embed", *words, code=code)
    assert out == ""
    assert said in err.strip().splitlines()[-1]
    assert sum(line.startswith("bench:") for line in err.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_killed_command_goes_on_and_gives_the_same_bytes(project: Project, number: int, code: int) -> None:
    xrays(project.folder / "x", [10, 20, 30, 40, 50, 60])
    words = (*CXR[:-1], "model=tiny_models:Slow", "batch=1", "part=2", "device=cpu")
    project.environment["TINY_MODEL_SECONDS"] = (
        "2"  # the four other images then take longer than a busy machine to interrupt
    )
    process = project.start(*words, "to=cxr.parquet")
    project.wait_for(project.folder / ".cxr.parquet.parts" / "000000.parquet")
    _, err = interrupt(process, number)
    del project.environment["TINY_MODEL_SECONDS"]
    assert process.returncode == code
    assert "Traceback" not in err
    assert not (project.folder / "cxr.parquet").exists()
    again = project.here(*words, "to=cxr.parquet")
    assert "of 6 images were done before" in again.stderr
    project.here(*words, "to=whole.parquet")
    assert (project.folder / "cxr.parquet").read_bytes() == (project.folder / "whole.parquet").read_bytes()
    assert sorted(path.name for path in project.folder.iterdir()) == ["cxr.parquet", "whole.parquet", "x"]
