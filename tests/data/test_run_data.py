"""`bench run` on PhysioNet files as people have them: damaged ones are answered with one clear
line, nothing is lost.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.data.splits import split
from support.physionet_files import STAYS, outcomes, record, write_set
from support.project import Project

RUN = (
    "run",
    "suite=physionet48",
    "data.sets=a",
    "imputer=mean",
    "fuser=linear",
    "seed=1",
    "controls.imputer=",
    "audits.cells=",
)


def many(n: int = 120) -> dict[str, str]:
    """Invented stays whose heart rate tells the outcome."""
    return {
        str(100 + i): record(
            100 + i, *(f"{h:02d}:10,HR,{70 + 40 * (i % 3 == 0) + h % 5 + i % 7}" for h in range(0, 48, 4))
        )
        for i in range(n)
    }


def deaths(stays: dict[str, str]) -> dict[str, tuple[int, int]]:
    return {key: (5, int((int(key) - 100) % 3 == 0)) for key in stays}


def only_line(run) -> str:
    """The one line that says what was wrong; progress may stand before it, nothing after it."""
    lines = run.stderr.strip().splitlines()
    assert sum(line.startswith("bench:") for line in lines) == 1
    assert lines[-1].startswith("bench:")
    return lines[-1]


def test_files_in_order_run_to_the_end(project: Project):
    write_set(project.folder / "d", many(), "tar.gz", results=deaths(many()))
    project.here(*RUN, "data.root=d")
    assert project.records()[0]["scores"]["auroc"] > 0.9


def test_a_missing_data_root_is_refused_with_the_command_that_fetches(project: Project):
    line = only_line(project.here(*RUN, "data.root=nowhere", code=3))
    assert "nowhere" in line
    assert "bench data fetch physionet2012" in line


def test_a_folder_without_the_files_is_refused(project: Project):
    (project.folder / "empty").mkdir()
    assert "empty" in only_line(project.here(*RUN, "data.root=empty", code=3))


def test_a_truncated_archive_is_refused_and_named(project: Project):
    archive = write_set(project.folder / "d", many(), "tar.gz", results=deaths(many()))
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    line = only_line(project.here(*RUN, "data.root=d", code=3))
    assert "set-a.tar.gz" in line
    assert project.records() == []


def test_garbage_lines_are_counted_and_said_and_the_rest_is_used(project: Project):
    stays = many()
    stays["100"] += "zz:zz,HR,80\n03:00,HR\n04:00,HR,eighty\n"
    write_set(project.folder / "d", stays, "dir", results=deaths(stays))
    run = project.bench(*RUN, "data.root=d")
    assert "warning:" in run.stderr
    assert "100.txt" in run.stderr
    verified = project.bench("data", "verify", "physionet2012", "data.root=d", "data.sets=a").stdout
    assert "120 records" in verified
    assert "skipped" in verified


def test_an_outcomes_file_that_lacks_ids_is_refused(project: Project):
    write_set(project.folder / "d", many(), "dir", results=deaths(many()))
    path = project.folder / "d" / "physionet2012" / "Outcomes-a.txt"
    path.write_text(outcomes({k: v for k, v in deaths(many()).items() if k != "105"}))
    line = only_line(project.here(*RUN, "data.root=d", code=3))
    assert "105" in line
    assert "Outcomes-a.txt" in line


def test_too_few_patients_for_a_part_fail_the_cell_with_the_reason(project: Project):
    write_set(project.folder / "d", STAYS, "dir", results={"11": (5, 0), "12": (5, 1), "13": (5, 0)})
    run = project.here(*RUN, "data.root=d", code=1)
    assert "holds no record" in run.stderr or "class" in run.stderr


def test_a_test_part_without_a_class_fails_the_cell_and_leaves_the_ledger_readable(project: Project):
    stays = many()
    in_test = {key: part == 2 for key, part in zip(stays, split(stays, seed=2012), strict=True)}
    results = {key: (days, died and not in_test[key]) for key, (days, died) in deaths(stays).items()}
    write_set(
        project.folder / "d", stays, "dir", results={key: (days, int(died)) for key, (days, died) in results.items()}
    )
    run = project.here(*RUN, "data.root=d", code=1)
    assert "class" in run.stderr
    assert "1 failed" in project.page("suite=physionet48")
    project.here("plan", "suite=physionet48", "data.root=d", "data.sets=a")


@pytest.mark.slow
def test_real_patients_from_a_suite_file_to_a_leaderboard(project: Project, data_root: Path):
    words = (f"data.root={data_root}", "data.sets=a", "imputer=locf", "fuser=linear", "seed=42")
    project.here("run", "suite=physionet48", *words)
    table = project.page("suite=physionet48")
    assert "mask_only" in table
    best = max(
        r["scores"]["auroc"] for r in project.records() if r["status"] == "ok" and not r["coordinates"].get("audit")
    )
    assert best > 0.78
    assert all(a["passed"] is not False for r in project.records() for a in r["audits"].values())
