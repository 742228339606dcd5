"""Where the data are: what was generated is known as such wherever it lies, and is generated no
more often than needed.
"""

from __future__ import annotations

import os
import shutil
import sys
import types
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from bench.data.location import Located, check_kept, locate
from bench.data.manifest import manifest
from bench.errors import DataError, PluginError
from bench.files import replacing
from bench.registry import MARK, Registry, Spec, discover


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    size: int = 3
    window: int = 48


def files(root: Path, params: Params) -> list[Path]:
    return sorted(root.glob("**/table*"))


def generate(folder: Path, params: Params, report) -> None:
    folder.mkdir()
    (folder / "table").write_text("x" * params.size)


SPEC = Spec(
    "dataset", "made", "made_up:None_", params=Params, files="made_up:files", generate="made_up:generate",
    generate_params=("size",),
)  # fmt: skip


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = types.ModuleType("made_up")
    module.files, module.generate = files, generate  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "made_up", module)
    monkeypatch.setattr("bench.grid.identity.sources", lambda name: ("source", {}))
    monkeypatch.delenv("BENCH_DATA_ROOT", raising=False)


def found(tmp_path: Path, said: str, *params: int) -> tuple[Located, str]:
    lines: list[str] = []
    located = locate(SPEC, Params(*params), said, tmp_path / "cache", lines.append)
    return located, "\n".join(lines)


def test_a_plan_tells_what_a_run_would_do_with_data_that_are_not_there(tmp_path: Path) -> None:
    """A run downloads where that needs no credentials, and else generates."""
    cache = tmp_path / "cache"
    generated = locate(SPEC, Params(), "", cache, pending=True)
    assert (generated.synthetic, generated.files) == (True, [])
    open_to_all = replace(SPEC, fetch="made_up:fetch")
    assert locate(open_to_all, Params(), "", cache, pending=True) == Located(cache / "data", [], False)
    assert locate(open_to_all, Params(), "synthetic", cache, pending=True).synthetic
    assert locate(replace(open_to_all, fetch_name="a_part"), Params(), "", cache, pending=True).synthetic
    with pytest.raises(DataError, match=r"repeat the words of their run .*; for the last run, give no further words"):
        locate(SPEC, Params(), "", cache)
    assert not cache.exists()


def test_a_generated_folder_is_known_as_such_by_its_place_its_copy_and_its_mark_below(tmp_path: Path) -> None:
    made, lines = found(tmp_path, "synthetic")
    assert made.synthetic
    assert "generated (synthetic) cohort" in lines
    (tmp_path / "moved").mkdir()
    made.root.rename(tmp_path / "moved" / "inner")
    again, lines = found(tmp_path, str(tmp_path / "moved" / "inner"))
    assert again.synthetic
    assert "generated (synthetic) cohort" in lines
    assert locate(SPEC, Params(), str(tmp_path / "moved" / "inner"), tmp_path / "cache").synthetic


def test_data_in_the_cache_that_are_not_what_was_put_there_are_refused_until_they_are_put_there_again(
    tmp_path: Path,
) -> None:
    cache = tmp_path / "cache"

    def used() -> None:
        located, _ = found(tmp_path, "synthetic")
        check_kept(located, manifest(located.files, cache), cache)

    used()
    used()
    table = found(tmp_path, "synthetic")[0].root / "table"
    table.write_text("y")
    with pytest.raises(DataError, match=f"the files in {table.parent} are not what was put there: remove that folder"):
        used()
    shutil.rmtree(table.parent)
    used()
    (kept,) = (cache / "kept").iterdir()
    kept.write_bytes(kept.read_bytes()[:-5])
    used()
    shutil.rmtree(table.parent)
    used()


def test_data_elsewhere_are_their_owners_to_change(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    for content in "xy":
        (tmp_path / "own" / "table").write_text(content)
        located, _ = found(tmp_path, str(tmp_path / "own"))
        check_kept(located, manifest(located.files, tmp_path / "cache"), tmp_path / "cache")


def test_a_mark_among_the_files_of_the_dataset_counts_wherever_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "table").touch()
    monkeypatch.setattr(sys.modules["made_up"], "files", lambda root, params: sorted((root / "deep").iterdir()))
    assert not found(tmp_path, str(tmp_path))[0].synthetic
    (tmp_path / "deep" / MARK).touch()
    assert found(tmp_path, str(tmp_path))[0].synthetic


def test_real_files_are_not_called_generated(tmp_path: Path) -> None:
    (tmp_path / "table").touch()
    located, lines = found(tmp_path, str(tmp_path))
    assert not located.synthetic
    assert lines == ""


def test_only_what_the_generator_reads_makes_another_folder(tmp_path: Path) -> None:
    first, told = found(tmp_path, "synthetic", 3, 48)
    other_window, told_again = found(tmp_path, "synthetic", 3, 24)
    assert (other_window.root, "generating" in told, "generating" in told_again) == (first.root, True, False)
    assert found(tmp_path, "synthetic", 4, 48)[0].root != first.root


def test_a_parameter_of_the_generator_said_with_files_that_are_there_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "table").touch()
    (warning,) = found(tmp_path, str(tmp_path), 5)[1].splitlines()
    assert warning.startswith("warning: data.size has no effect")
    assert "data.root=synthetic" in warning
    assert found(tmp_path, str(tmp_path), 3, 24)[1] == ""
    assert "no effect" not in found(tmp_path, "synthetic", 5)[1]


def test_what_a_killed_generator_left_goes_with_the_next_one_and_a_living_one_is_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "cache" / "synthetic"
    (place / ".tmp-dead" / "made-1").mkdir(parents=True)
    with replacing(place / "alive") as temporary:
        temporary.mkdir()
        for leftover in (place / ".tmp-dead", temporary.parent):
            os.utime(leftover, (0, 0))
        found(tmp_path, "synthetic")
        assert [path.name for path in place.glob(".tmp-*")] == [temporary.parent.name]
        assert temporary.is_dir()
    assert (place / "alive").is_dir()


def test_parameters_of_a_generator_that_the_dataset_does_not_have_break_the_plugin() -> None:
    with pytest.raises(PluginError, match="generate_params names no parameter: sise"):
        Registry().dataset("made", "made_up:Made", tasks=(), modalities=(), params=Params, generate_params=("sise",))


def test_whoever_asks_what_is_there_gets_nothing_made_or_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fetched: list[Path] = []
    monkeypatch.setattr(
        sys.modules["made_up"], "fetch", lambda root, params, report: fetched.append(root), raising=False
    )
    for spec in (
        SPEC,
        replace(SPEC, fetch="made_up:fetch"),
        replace(SPEC, fetch="made_up:fetch", fetch_name="made-part"),
    ):
        with pytest.raises(DataError, match=r"no data for made: give data\.root=DIR, .* data\.root=synthetic"):
            locate(spec, Params(), "", tmp_path / "cache", lambda line: None, only_there=True)
    assert fetched == []
    assert not (tmp_path / "cache" / "synthetic").exists()


def test_a_part_that_is_open_to_everybody_is_fetched_only_when_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = replace(SPEC, fetch="made_up:none", fetch_name="made-part")
    located = locate(spec, Params(), "", tmp_path / "cache", lambda line: None)
    assert located.synthetic
    with pytest.raises(DataError, match="bench data fetch made-part"):
        locate(spec, Params(), str(tmp_path / "nowhere"), tmp_path / "cache")


@pytest.mark.parametrize("name", [spec.name for spec in discover().specs("dataset") if spec.files])
@pytest.mark.parametrize("typed", [True, False], ids=["data.root", "BENCH_DATA_ROOT"])
def test_a_folder_without_the_data_is_refused_with_who_named_it_and_the_generated_cohort_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, typed: bool
) -> None:
    spec, empty = discover().get("dataset", name), tmp_path / "empty"
    empty.mkdir()
    if not typed:
        monkeypatch.setenv("BENCH_DATA_ROOT", str(empty))
    with pytest.raises(DataError) as refused:
        locate(spec, spec.parameters({}), str(empty) if typed else "", tmp_path / "cache", lambda line: None)
    message = str(refused.value)
    assert f"under data.root={empty}" not in message
    assert (f'the folder is that of BENCH_DATA_ROOT = "{empty}"; or unset BENCH_DATA_ROOT' in message) is not typed
    assert ("use a generated cohort: data.root=synthetic" in message) is bool(spec.generate)
    assert not (tmp_path / "cache").exists()
