"""The open demo of MIMIC-IV: read as it is published, saved anew, and fetched; what it holds was
counted without this reader.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.cohort import Cohort
from bench.errors import DataError
from bench_datasets import physionet_download
from bench_datasets.mimic4.fetch import FILES, fetch
from bench_datasets.mimic4.files import DEMO, TABLES, files
from bench_datasets.mimic4.params import Mimic4Params
from bench_datasets.mimic4.verify import verify
from support.cohort_digest import cohort_digest
from support.counting import numbers
from support.mimic4_tables import one_stay, prepare
from support.saved_anew import save_anew


@pytest.fixture(scope="module")
def demo(open_data: Path) -> Path:
    """The folder of the demo."""
    return open_data / DEMO


@pytest.fixture(scope="module")
def read(demo: Path) -> Cohort:
    return prepare(demo)


def test_the_demo_holds_what_was_counted_without_this_reader(read: Cohort) -> None:
    counts = numbers(read)
    assert len(read) == counts["icu/icustays: stays"] == 140
    assert counts["icu/chartevents: rows"] == 668_862
    assert counts["icu/chartevents: rows of the variables"] == 96_952
    assert counts["icu/chartevents: values kept"] == 44_732
    assert counts["icu/chartevents: rows before ICU admission, outside the window"] == 517
    assert counts["icu/chartevents: rows 48 hours or more after ICU admission, outside the window"] == 51_675
    assert counts["icu/chartevents: values repeating a time and variable, one kept"] == 6
    removed = {name: count for name, count in counts.items() if name.endswith(", removed")}
    assert removed == {
        "Respiratory Rate: outside 1 to 80, removed": 21,
        "Inspired O2 Fraction: outside 21 to 100, removed": 1,
    }
    assert counts["GCS - Verbal Response: values of patients with a tube (No Response-ETT, stored as 1), kept"] == 515
    assert counts["icu/chartevents: values charted after the stay's outtime, kept"] == 14


def test_the_demo_has_the_labels_and_cells_that_were_counted(read: Cohort) -> None:
    ihm, los, phe = (read.targets[name] for name in ("ihm48", "los48", "phe25"))
    assert (int((~np.isnan(ihm)).sum()), int(np.nansum(ihm))) == (74, 12)
    assert int(np.nansum(los)) == 31
    assert (int((~np.isnan(read.targets["los3"])).sum()), int(np.nansum(read.targets["los3"]))) == (74, 55)
    assert int(phe.sum()) == 795
    assert int(read.modalities["vitals"].observed.sum()) == 39_775


def test_the_demo_has_the_care_units_that_its_table_names(demo: Path, read: Cohort) -> None:
    stays = pd.read_csv(demo / "icu" / "icustays.csv.gz").set_index("stay_id")
    assert read.columns["care_unit"].tolist() == stays.first_careunit[[int(name) for name in read.ids]].tolist()
    assert "icu/icustays: stays without the name of a first care unit" not in numbers(read)
    assert int((stays.los > 3).sum()) == 55, "stays of more than 3 days, all of which last 2"


def test_every_row_of_the_demo_is_kept_or_counted(demo: Path, read: Cohort) -> None:
    from test_mimic4_transformations import check_accounts

    check_accounts(demo, {"notes: rows": 0, **numbers(read)}, tables=TABLES)


def test_verify_knows_the_demo(demo: Path) -> None:
    entries = {entry["item"]: entry for entry in verify(demo, Mimic4Params())}
    assert entries["release"]["detail"] == "demo 2.2: 6 of 6 row counts agree"
    assert all(entries[name]["status"] == "ok" for name in TABLES)


@pytest.mark.parametrize(
    "way",
    ["pandas with its index", "whole numbers as floats", "R", "rows and columns in another order", "DuckDB as Parquet",
     "a mark, quotes, Windows", "Parquet with floats"],
)  # fmt: skip
def test_the_demo_saved_anew_gives_the_same_cohort(demo: Path, read: Cohort, tmp_path: Path, way: str) -> None:
    assert cohort_digest(prepare(save_anew(demo, tmp_path / "anew", way, list(TABLES)))) == cohort_digest(read)


@pytest.mark.parametrize("machine", [{"TZ": "Asia/Kolkata", "LC_ALL": "de_DE.UTF-8"}, {"TZ": "America/New_York"}])
def test_the_demo_is_the_same_on_another_machine(demo: Path, read: Cohort, machine: dict[str, str]) -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]; from pathlib import Path; from support.cohort_digest import cohort_digest;"
        "from support.mimic4_tables import prepare; print(cohort_digest(prepare(Path(sys.argv[1]))))"
    )
    folders = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "support")]
    done = subprocess.run(
        [sys.executable, "-c", code, str(demo), *folders],
        env=os.environ | machine,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[-1] == cohort_digest(read)


class Server(ThreadingHTTPServer):
    """Serves `contents`, by path."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.contents = contents


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        content = self.server.contents.get(self.path.removeprefix("/demo/"))
        if content is None:
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A mirror of a demo of one stay."""
    root = one_stay().write(tmp_path / "published")
    for name in ("LICENSE.txt", "README.txt"):
        (root / name).write_text(name)
    contents = {name: (root / name).read_bytes() for name in FILES}
    sums = "".join(f"{hashlib.sha256(content).hexdigest()} {name}\n" for name, content in contents.items())
    server = Server({**contents, "SHA256SUMS.txt": sums.encode()})
    monkeypatch.setenv("BENCH_MIMIC4_DEMO_URL", f"http://127.0.0.1:{server.server_address[1]}/demo")
    monkeypatch.setattr(physionet_download, "PAUSE", 0.0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_demo_is_fetched_with_its_licence_and_read_from_there(server: Server, tmp_path: Path) -> None:
    said: list[str] = []
    fetch(tmp_path / "here", Mimic4Params(), said.append)
    assert {
        path.relative_to(tmp_path / "here" / DEMO).as_posix() for path in files(tmp_path / "here", Mimic4Params())
    } == {f"{name}.csv.gz" for name in TABLES}
    assert (tmp_path / "here" / DEMO / "LICENSE.txt").is_file()
    assert len(prepare(tmp_path / "here")) == 1
    said.clear()
    fetch(tmp_path / "here", Mimic4Params(), said.append)
    assert sum("is there already, checksum right" in line for line in said) == len(FILES)


def test_a_demo_that_arrives_damaged_is_removed_and_said(server: Server, tmp_path: Path) -> None:
    server.contents["icu/chartevents.csv.gz"] += b"x"
    with pytest.raises(DataError, match=r"arrived damaged .* BENCH_MIMIC4_DEMO_URL"):
        fetch(tmp_path / "here", Mimic4Params(), lambda line: None)
    assert not (tmp_path / "here" / DEMO / "icu/chartevents.csv.gz").exists()


def bench(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *words],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_fetches_the_demo_by_its_name(server: Server, tmp_path: Path) -> None:
    done = bench("data", "fetch", "mimic4-demo", f"data.root={tmp_path / 'here'}")
    assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / "here"))
    assert len(files(tmp_path / "here", Mimic4Params())) == len(TABLES)


def test_asking_for_the_whole_release_names_the_demo(tmp_path: Path) -> None:
    done = bench("data", "fetch", "mimic4", f"data.root={tmp_path}")
    assert done.returncode != 0
    assert "bench data fetch mimic4-demo" in done.stderr
    assert "did you mean" in bench("data", "fetch", "mimic4-dem").stderr


def test_whoever_lacks_the_data_is_told_of_the_demo(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"credentialed .*bench data fetch mimic4-demo"):
        files(tmp_path, Mimic4Params())
