"""What was made under keys that are no longer used is found, never read, and freed on demand;
nothing else is.
"""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bench.data import places

KEY = "0" * 63 + "a"
NOW = f"keys-{places.LAYOUT}"
CONTENT = st.sampled_from(["", KEY, f"{KEY}.safetensors", ".tmp-12", "mine.csv", "cohorts"])
FOLDERS = st.sampled_from(
    ["cohorts", "masks", "imputations", "keys-1", "keys-1/cohorts", NOW, f"{NOW}/masks", "keys-9", "data"]
)


@given(folders=st.dictionaries(FOLDERS, CONTENT))
def test_only_folders_that_hold_nothing_but_stages_of_earlier_keys_are_of_before(folders, tmp_path_factory) -> None:
    cache = tmp_path_factory.mktemp("cache")
    for folder, content in folders.items():
        (cache / folder / content).mkdir(parents=True, exist_ok=True)
    for found in places.earlier(cache):
        assert found.name in {"cohorts", "masks", "imputations", "keys-1"}
        lowest = [path.name for path in found.rglob("*") if path.parent.name in {"cohorts", "masks", "imputations"}]
        assert all(name[:64] == KEY or name.startswith(".tmp-") for name in lowest)
    for kind in ("cohorts", "masks", "imputations"):
        if folders.get(kind) in ("", KEY, f"{KEY}.safetensors"):
            assert cache / kind in places.earlier(cache)


def test_a_link_is_not_of_before(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "cohorts").symlink_to(tmp_path / "elsewhere")
    assert places.earlier(tmp_path) == []


def test_prune_frees_what_nothing_reads_and_a_run_goes_on_as_before(project) -> None:
    words = (project.suite, "imputer=mean", "fuser=linear")
    project.here("run", *words)
    cache = project.folder.parent / "cache"
    (cache / "cohorts").mkdir()
    (cache / "cohorts" / f"{KEY}.safetensors").write_bytes(b"x" * 2**20)
    outside = project.folder / "kept.txt"
    outside.write_text("kept")
    (cache / "cohorts" / ".tmp-link").symlink_to(outside)
    shown = json.loads(project.here("cache", "show", "--json").stdout)
    assert shown["earlier"] == ["cohorts"]
    assert "1.0 MiB that nothing reads" in project.here("doctor", code=None).stdout
    dry = project.here("cache", "prune", "--dry-run")
    assert "1.0 MiB could be freed" in dry.stdout
    assert (cache / "cohorts" / f"{KEY}.safetensors").is_file()
    assert "1.0 MiB freed" in project.here("cache", "prune").stdout
    assert not (cache / "cohorts").exists()
    assert outside.read_text() == "kept"
    assert project.here("cache", "prune").stdout == "0.0 MiB freed\n"
    again = project.here("run", *words, "out=other")
    assert "prepare" not in again.stderr


def test_a_cache_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert places.earlier(tmp_path / "nowhere") == []
