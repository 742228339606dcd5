"""`bench submit` and `bench verify`: rows are handed in as a folder, and what was changed in it is
refused with the reason.
"""

from __future__ import annotations

import hashlib
import math
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.registry import discover
from bench.results.coordinates import Coordinates
from bench.results.export_file import load_export, save_export
from bench.results.predictions import pack, unpack
from bench.results.records import Audit, Export, Record
from bench.submissions import planned, scores
from bench.submissions.folder import Refused, is_of_methods, read
from support.inline import installed
from support.project import Project, project_in

ROW = ("imputer=locf", "fuser=level")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, toy_plugin: str) -> Iterator[Project]:
    """A project whose suite was run for two imputers; the board holds the row of one of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(toy_plugin.split(":")[0])
        project = project_in(tmp_path_factory.mktemp("ran"), toy_plugin).scored_plainly()
        project.here("run", project.suite, "imputer=mean", "fuser=level")
        project.here("report", project.suite, "to=leaderboards")
        project.here("run", project.suite, "imputer=mean,locf", "fuser=level")
        yield project


@pytest.fixture(scope="module")
def packed(ran: Project) -> Path:
    """A submission with predictions. Shared: copy it."""
    ran.here("submit", ran.suite, *ROW, "to=packed", "--predictions")
    return ran.folder / "packed"


@pytest.fixture
def folder(packed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(packed, tmp_path / "copy"))


def verify(ran: Project, folder: Path, *words: str, code: int = 0) -> str:
    return ran.here("verify", str(folder), ran.suite, *words, code=code).stdout


def refusal(ran: Project, folder: Path, *words: str) -> str:
    """The lines with the reasons for which a folder is refused."""
    lines = verify(ran, folder, *words, code=7).splitlines()
    return "\n".join(line for line in lines if line.startswith("REFUSED"))


def reseal(folder: Path, change: Callable[[Export], Export]) -> None:
    """Change the records, and all digests as the change needs them."""
    path = folder / "records.json"
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    save_export(path, change(load_export(path)))
    about = folder / "submission.toml"
    about.write_text(about.read_text().replace(before, hashlib.sha256(path.read_bytes()).hexdigest()))


def first(change: Callable[[Record], Record]) -> Callable[[Export], Export]:
    """A change of the first record alone."""
    return lambda export: msgspec.structs.replace(export, records=[change(export.records[0]), *export.records[1:]])


def without_predictions(folder: Path) -> None:
    shutil.rmtree(folder / "predictions")
    about = folder / "submission.toml"
    about.write_text(about.read_text().partition("[predictions]")[0])


def moved(record: Record) -> Record:
    """The record with another last digit of its score."""
    ((name, score),) = record.scores.items()
    return msgspec.structs.replace(record, scores={name: score + 1e-6})


def test_a_row_is_packed_and_accepted_and_the_board_shows_it_beside_those_there(ran: Project, packed: Path) -> None:
    out = verify(ran, packed, "--rerun")
    assert "REFUSED" not in out
    for what in (
        "files and digests",
        "keys",
        "audits",
        "pairing with the rows of the board",
        "scores from predictions",
    ):
        assert f"ok: {what}" in out
    assert "ok: the first seed of each row, computed again: 1 cells, the same bits" in out
    assert re.search(r"locf +level", out)
    assert re.search(r"mean +level", out)
    about = (packed / "submission.toml").read_text()
    assert 'name = "gapbench"' in about
    assert 'name = "bench-toy", version = "1.0"' in about
    assert str(ran.folder) not in about + (packed / "records.json").read_text()


def test_a_row_without_predictions_says_that_its_numbers_were_not_checked(ran: Project, folder: Path) -> None:
    without_predictions(folder)
    assert "not checked: scores: of 2 cells no predictions are packed" in verify(ran, folder)


def test_one_changed_number_is_refused_by_the_digest(ran: Project, folder: Path) -> None:
    path = folder / "records.json"
    text = path.read_text()
    score = re.search(r'"brier":(0\.\d+)', text)
    assert score
    path.write_text(text.replace(score[1], f"{score[1][:-1]}{(int(score[1][-1]) + 1) % 10}", 1))
    assert "records.json is not what submission.toml says" in refusal(ran, folder)


def test_a_changed_number_with_all_its_digests_is_refused_by_its_predictions(ran: Project, folder: Path) -> None:
    reseal(folder, first(moved))
    assert re.search(
        r"REFUSED: scores from predictions: .* scores brier 0\.\d+, from the predictions", refusal(ran, folder)
    )


def test_a_changed_count_of_positives_is_refused_by_the_predictions(ran: Project, folder: Path) -> None:
    reseal(folder, first(lambda record: msgspec.structs.replace(record, counts={**record.counts, "positives": 7777})))
    assert "counts positives 7777, of the predictions" in refusal(ran, folder)


def test_a_folder_of_boards_that_is_named_and_not_there_is_refused(ran: Project, packed: Path) -> None:
    ended = ran.here("verify", str(packed), "leaderboards=nosuch", code=2)
    assert '"leaderboards" = nosuch' in ended.stderr


def test_the_same_without_predictions_is_refused_by_computing_it_again(ran: Project, folder: Path) -> None:
    without_predictions(folder)
    reseal(folder, first(moved))
    assert "not checked: scores" in verify(ran, folder)
    assert "REFUSED: the first seed of each row, computed again" in refusal(ran, folder, "--rerun")


GROUPS = ("scores", "validation", "oracle")


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_number_is_refused_whatever_digests_say(
    ran: Project, packed: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    records = read(packed).export.records
    place = data.draw(st.sampled_from(range(len(records))))
    group, name = data.draw(st.sampled_from([(g, name) for g in GROUPS for name in getattr(records[place], g)]))
    score = getattr(records[place], group)[name]
    near = st.sampled_from([math.nextafter(score, 1), score + 1e-9, -score])
    other = data.draw(near | st.floats(-1e9, 1e9).filter(lambda value: value != score))

    def change(export: Export) -> Export:
        held = getattr(export.records[place], group)
        export.records[place] = msgspec.structs.replace(export.records[place], **{group: {**held, name: other}})
        return export

    folder = shutil.copytree(packed, tmp_path_factory.mktemp("changed") / "copy")
    reseal(folder, change)
    assert f"{group} {name} {other!r}, from the predictions {score!r}" in refusal(ran, folder)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_arrays_from_anybody_are_scored_or_refused(packed: Path, data: st.DataObject) -> None:
    submission = read(packed)
    record = submission.export.records[0]
    task = installed().get("dataset", "toy").tasks[record.coordinates.task]
    predictions = unpack(submission.predictions[record.key])
    name = data.draw(st.sampled_from(["ids", "groups", "truth", "outputs", "statics", "static_names", "oracle"]))
    shape = data.draw(st.sampled_from([(), (0,), (3,), (len(predictions.ids),), (len(predictions.ids), 1)]))
    kind = data.draw(st.sampled_from(["U3", "f4", "f8", "i8", "?", "c8"]))
    value = data.draw(st.sampled_from([0, 1, -3, 7]))
    content = pack(replace(predictions, **{name: np.full(shape, value).astype(kind)}))
    changed = msgspec.structs.replace(record, predictions=hashlib.sha256(content).hexdigest())
    assert all("\n" not in each for each in scores.differing(changed, content, task))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda record: msgspec.structs.replace(record, key="0" * 64), "keys"),
        (lambda record: msgspec.structs.replace(record, audits={}), "no outcome of scored-once"),
        (
            lambda record: msgspec.structs.replace(record, audits={**record.audits, "batch-independent": Audit(None)}),
            "no outcome of batch-independent",
        ),
        (lambda record: msgspec.structs.replace(record, status="failed"), "failed"),
        (lambda record: msgspec.structs.replace(record, metrics_code="0" * 64), "scored by other code"),
        (
            lambda record: msgspec.structs.replace(record, provenance={**record.provenance, "split": "my own"}),
            "same split",
        ),
        (lambda record: msgspec.structs.replace(record, counts={**record.counts, "test": 1}), "number of test records"),
    ],
)
def test_whatever_decides_a_row_is_checked(ran: Project, folder: Path, change: Callable, reason: str) -> None:
    without_predictions(folder)
    reseal(folder, first(change))
    assert reason in refusal(ran, folder)


def test_a_row_without_one_of_its_seeds_is_refused(ran: Project, folder: Path) -> None:
    without_predictions(folder)
    reseal(folder, lambda export: msgspec.structs.replace(export, records=export.records[1:]))
    assert "seed 1: not run" in refusal(ran, folder)


def test_other_versions_of_a_plugin_are_refused(ran: Project, folder: Path) -> None:
    about = folder / "submission.toml"
    about.write_text(about.read_text().replace('version = "1.0"', 'version = "2.0"'))
    assert "bench-toy 1.0 is installed, the rows were made with bench-toy==2.0" in refusal(ran, folder)


def test_the_plugins_to_install_are_printed_as_pip_reads_them(ran: Project, packed: Path) -> None:
    assert verify(ran, packed, "--requirements") == "bench-toy==1.0\n"


@pytest.mark.parametrize("name", ["setup.py", "predictions/more.npz", "deep/file", "conftest.py"])
def test_foreign_files_are_refused(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("")
    with pytest.raises(Refused, match=r"no (plain )?file of a submission"):
        read(folder)


def test_links_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes((folder / "records.json").read_bytes())
    (folder / "records.json").unlink()
    (folder / "records.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused, match="no plain file"):
        read(folder)


@pytest.mark.parametrize(
    ("line", "hostile"),
    [
        ("suite", 'suite = "../../etc/passwd"'),
        ("suite", 'suite = "/tmp/own.toml"'),
        ("device", 'device = "tpu"'),
        ("records", 'records = "../records.json"'),
        ("format", "format = 99"),
        ("words", 'words = ["data.root=/etc"]'),
        ("words", 'words = ["cache=here"]'),
        ("words", 'words = ["fuser.level.file=/etc/passwd"]'),
        ("suite", 'suite = "plain"\nmore = 1'),
        ("suite", "suite = ["),
        ("plugins", 'plugins = [{ name = "--index-url=https://elsewhere", version = "1" }]'),
        ("plugins", 'plugins = [{ name = "bench-toy", version = "1.0\\n-r /etc/passwd" }]'),
        ("plugins", 'plugins = [{ name = "bench-toy @ https://elsewhere", version = "1" }]'),
        ("predictions", "[predictions]\n\"../../outside\" = \"" + "0" * 64 + '"'),
    ],
)  # fmt: skip
def test_hostile_entries_are_refused_before_anything_else_is_read(folder: Path, line: str, hostile: str) -> None:
    about = folder / "submission.toml"
    pattern = r"^\[predictions\]" if line == "predictions" else rf"^{line} = (\[[^\]]*\]|.*)"
    text, count = re.subn(pattern, lambda _: hostile, about.read_text(), count=1, flags=re.MULTILINE)
    assert count == 1
    about.write_text(text)
    with pytest.raises(Refused):
        read(folder)


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bytes_that_are_no_submission_are_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "submission.toml").write_bytes(content)
    with pytest.raises(Refused) as refused:
        read(tmp_path)
    assert "\n" not in str(refused.value)


@given(st.binary(max_size=200))
def test_predictions_from_anybody_are_read_or_refused(content: bytes) -> None:
    record = Record(
        key="0" * 64,
        coordinates=Coordinates("s", "plain", "m", "s", "i", "f", 1),
        status="ok",
        predictions=hashlib.sha256(content).hexdigest(),
    )
    assert scores.differing(record, content, installed().get("dataset", "toy").tasks["plain"])


def test_an_existing_folder_stays_as_it_is(ran: Project, packed: Path) -> None:
    before = sorted(packed.rglob("*"))
    assert "is there already" in ran.here("submit", ran.suite, *ROW, "to=packed", code=2).stderr
    assert sorted(packed.rglob("*")) == before


def test_what_could_not_be_accepted_is_not_packed_and_the_reason_says_what_to_type(
    ran: Project, tmp_path: Path
) -> None:
    to = f"to={tmp_path / 'new'}"

    def reason(*words: str, out: str) -> str:
        ran.here("run", ran.suite, *ROW, *words, f"out={out}", code=None)
        return ran.here("submit", ran.suite, to, f"out={out}", code=2).stderr

    assert "seed 2 of the suite is left out" in reason("seed=1", out="one-seed")
    assert "differs from the suite: stats.resamples" in reason("stats.resamples=100", out="resampled")
    assert "audits failed" in ran_with_failure(ran, to)
    assert "is not in the run" in ran.here("submit", ran.suite, "imputer=median", to, code=2).stderr
    assert not (tmp_path / "new").exists()


def ran_with_failure(ran: Project, to: str) -> str:
    ran.here("run", ran.suite, "imputer=locf", "fuser=peeks", "out=peeking", code=7)
    return ran.here("submit", ran.suite, to, "out=peeking", code=2).stderr


def test_predictions_of_data_that_are_not_open_are_not_packed(ran: Project, tmp_path: Path) -> None:
    with mock.patch.object(planned, "is_open", return_value=False):
        done = ran.here("submit", ran.suite, *ROW, f"to={tmp_path / 'new'}", "--predictions", code=2)
    assert "leave out --predictions" in done.stderr
    assert not (tmp_path / "new").exists()


def test_open_are_generated_data_and_those_anybody_may_download_whole() -> None:
    registry = discover()
    declared = {
        name: planned.is_open(registry.get("dataset", name), synthetic=False)
        for name in ("mosi", "mimic4", "physionet2012")
    }
    assert declared == {"mosi": False, "mimic4": False, "physionet2012": True}
    assert planned.is_open(registry.get("dataset", "mosi"), synthetic=True)


def test_words_of_a_submission_say_methods_alone() -> None:
    assert all(map(is_of_methods, ["imputer=mean", "seed=1", "fuser.gru.epochs=3", "federation=fedavg"]))
    assert not any(map(is_of_methods, ["data.root=x", "weights=x", "fuser.gru.file=/etc", "imputer.x.y='/etc'"]))


def test_a_row_has_the_seeds_of_the_board(ran: Project, packed: Path, tmp_path: Path) -> None:
    ran.here("run", ran.suite, "imputer=mean", "fuser=level", "seed=1..3", "out=more")
    ran.here("report", ran.suite, "out=more", "to=more-seeds")
    assert "locf x level: the board has seed 3 too" in refusal(ran, packed, "leaderboards=more-seeds")
    ran.here("run", ran.suite, *ROW, "seed=1..3", "out=more")
    ran.here("submit", ran.suite, "out=more", f"to={tmp_path / 'three'}")
    assert "REFUSED" not in verify(ran, tmp_path / "three", "leaderboards=more-seeds")
    assert "the board has no cell of this table and seed" in refusal(ran, tmp_path / "three")
