"""What was made under keys of before is told apart, never read, and freed on demand; nothing else is."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bench.data import places

NAMES = st.sampled_from(
    [
        "cohorts",
        "masks",
        "imputations",
        "keys-0",
        "keys-1",
        f"keys-{places.LAYOUT}",
        "data",
        "weights",
        "releases",
        "other",
    ]
)
BEFORE = {"cohorts", "masks", "imputations", "keys-0", "keys-1"}


@given(names=st.sets(NAMES))
def test_of_the_folders_of_a_cache_those_of_earlier_keys_are_told_apart(names: set[str], tmp_path_factory) -> None:
    cache = tmp_path_factory.mktemp("cache")
    for name in names:
        (cache / name).mkdir()
    assert {each.name for each in places.earlier(cache)} == names & BEFORE


def test_prune_frees_what_nothing_reads_and_a_run_goes_on_as_before(project) -> None:
    words = (project.suite, "imputer=mean", "fuser=linear")
    project.bench("run", *words)
    cache = project.folder.parent / "cache"
    (cache / "cohorts").mkdir()
    (cache / "cohorts" / "old.safetensors").write_bytes(b"x" * 2**20)
    outside = project.folder / "kept.txt"
    outside.write_text("kept")
    (cache / "cohorts" / "link").symlink_to(outside)
    shown = json.loads(project.bench("cache", "show", "--json").stdout)
    assert shown["earlier"] == ["cohorts"]
    assert "1.0 MiB that nothing reads" in project.bench("doctor", code=None).stdout
    dry = project.bench("cache", "prune", "--dry-run")
    assert "1.0 MiB could be freed" in dry.stdout
    assert (cache / "cohorts" / "old.safetensors").is_file()
    assert "1.0 MiB freed" in project.bench("cache", "prune").stdout
    assert not (cache / "cohorts").exists()
    assert outside.read_text() == "kept"
    assert project.bench("cache", "prune").stdout == "0.0 MiB freed\n"
    again = project.bench("run", *words, "out=other")
    assert "prepare" not in again.stderr


def test_a_cache_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert places.earlier(tmp_path / "nowhere") == []
