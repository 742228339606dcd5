"""Notes: which are read, when they count as known, and that their encoder sees training patients
alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from bench.cohort import Cohort
from bench.data.splits import split
from bench.errors import DataError, PluginError
from bench_datasets.mimic4.notes import tfidf
from support.counting import numbers
from support.mimic4_tables import everyone_trains, one_stay, prepare, told, ward


def note_times(cohort: Cohort, record: int = 0) -> list[float]:
    events = cohort.modalities["notes"].events
    return [round(float(t), 3) for t in events.times[events.offsets[record] : events.offsets[record + 1]]]


@pytest.mark.parametrize(
    ("charted", "stored", "by_store", "by_chart"),
    [
        (5, 7, [7], [5]),
        (47, 49, [], [47]),  # charted before and stored after the window
        (47, 47.9, [47.9], [47]),
        (-1, 3, [], []),  # examined before the stay, though stored in it
        (5, 4, [5], [5]),
        (48, 48, [], []),
        (73, 74, [], []),  # after the stay
    ],
)
def test_a_report_counts_as_known_when_it_is_stored_or_by_option_when_charted(
    tmp_path: Path, charted: float, stored: float, by_store: list[float], by_chart: list[float]
) -> None:
    tables = one_stay()
    tables.note(charted, "No acute process.", stored=stored)
    tables.write(tmp_path)
    assert note_times(prepare(tmp_path)) == by_store
    assert note_times(prepare(tmp_path, note_clock="chart")) == by_chart


def test_a_report_that_is_stored_after_the_window_is_counted(tmp_path: Path) -> None:
    tables = one_stay()
    tables.note(47, "No acute process.", stored=49)
    counts = numbers(prepare(tables.write(tmp_path)))
    assert counts["notes: reports of a stay, known only after the window, left out"] == 1


def test_the_last_five_reports_are_kept_in_the_order_of_time(tmp_path: Path) -> None:
    tables = one_stay()
    for hour in (9, 1, 2, 8, 3, 7, 4):
        tables.note(hour, f"Report of hour {hour} with words", stored=hour)
    cohort = prepare(tables.write(tmp_path))
    assert note_times(cohort) == [3, 4, 7, 8, 9]
    assert cohort.counts["notes: reports before the last ones of a stay, left out"].number == 2
    assert note_times(prepare(tmp_path, notes_kept=2)) == [8, 9]


def test_reports_with_line_breaks_commas_and_quotes_are_whole(tmp_path: Path) -> None:
    plain, broken = one_stay(), one_stay()
    plain.note(2, "FINDINGS alpha beta gamma delta")
    broken.note(2, 'FINDINGS\r\n\n"alpha", beta,\ngamma "delta"\n')
    first, second = prepare(plain.write(tmp_path / "a")), prepare(broken.write(tmp_path / "b"))
    np.testing.assert_allclose(first.modalities["notes"].grid, second.modalities["notes"].grid, rtol=1e-6)


def test_a_report_belongs_to_the_stay_it_was_made_in_and_to_no_other_patient(tmp_path: Path) -> None:
    tables = one_stay(60)
    tables.patient(2)
    tables.stay(200, 60, subject=2, hadm=20)
    tables.chart(200, 1, "Heart Rate", 90)
    tables.note(2, "Lungs are clear", subject=2)
    cohort = prepare(tables.write(tmp_path))
    assert cohort.modalities["notes"].available.tolist() == [False, True]


def parts_of(*, train: set[str]) -> Callable[[Sequence[str], Sequence[str]], np.ndarray]:
    return lambda ids, groups: np.array([0 if group in train else 2 for group in groups], np.int8)


def test_the_encoder_sees_notes_of_training_patients_only(tmp_path: Path) -> None:
    first, second = ward(), ward()
    for row in second.rows["note/radiology"]:
        if int(str(row[1])) >= 8:  # patients 8 to 11 do not train
            row[7] = "Pneumothorax tension massive tube thoracostomy " * (1 + int(str(row[1])) % 3)
    train = parts_of(train={str(i) for i in range(8)})
    one = prepare(first.write(tmp_path / "a"), train)
    two = prepare(second.write(tmp_path / "b"), train)
    seen, other = one.modalities["notes"], two.modalities["notes"]
    np.testing.assert_array_equal(seen.grid[:8], other.grid[:8])
    assert not np.array_equal(seen.grid[8:], other.grid[8:])
    assert not other.events.values[other.events.records() >= 8].any()  # words that no training note has say nothing


def test_the_encoder_depends_on_who_trains(tmp_path: Path) -> None:
    ward().write(tmp_path)
    one, two = (prepare(tmp_path, parts_of(train={str(i) for i in range(n)})).modalities["notes"] for n in (3, 12))
    assert one.grid.shape != two.grid.shape or not np.array_equal(one.grid, two.grid)


def test_the_harness_split_is_asked_once_for_all_stays_and_their_patients(tmp_path: Path) -> None:
    asked: list[tuple[list[str], list[str]]] = []

    def parts(ids: Sequence[str], groups: Sequence[str]) -> np.ndarray:
        asked.append((list(ids), list(groups)))
        return split(groups, 0)

    cohort = prepare(ward().write(tmp_path), parts)
    assert asked == [(cohort.ids.tolist(), cohort.groups.tolist())]


def test_without_a_split_the_encoder_is_refused_unless_there_are_no_notes(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="training patients"):
        prepare(ward(3).write(tmp_path / "notes"), None)
    assert len(prepare(one_stay().write(tmp_path / "none"), None)) == 1


def test_notes_without_a_word_to_learn_make_the_modality_unavailable(tmp_path: Path) -> None:
    tables = one_stay()
    tables.note(2, "12 34 ___")
    cohort = prepare(tables.write(tmp_path))
    assert not cohort.modalities["notes"].available.any()
    assert cohort.counts["notes: no word in the notes of training patients, modality unavailable"].number == 1


def test_tfidf_has_at_most_the_channels_asked_for_and_repeats_itself() -> None:
    texts = [f"word{'abcdefghij'[i % 10]} common text {'kidney' if i % 3 else 'lung'}" for i in range(30)]
    texts = [text.replace("word", "word ") for text in texts]
    everyone = np.ones(30, bool)
    first = tfidf(texts, everyone, 3)
    assert first is not None
    assert first.shape == (30, 3)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, tfidf(texts, everyone, 3))


def test_an_empty_table_of_notes_is_counted_warned_of_and_the_modality_unavailable(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tables = one_stay()
    tables.rows["note/radiology"] = []
    cohort = prepare(tables.write(tmp_path))
    assert cohort.counts["notes: no report of a stay in the window, modality unavailable"].number == 1
    assert told(caplog.messages, "notes") == ["notes: no report of a stay in the window, modality unavailable"]
    assert cohort.modalities["notes"].channels == ("absent",)
    assert not cohort.modalities["notes"].available.any()


def test_absent_files_are_said_and_the_modalities_stand_there_without_observation(tmp_path: Path) -> None:
    cohort = prepare(one_stay().write(tmp_path))
    for name in ("notes", "cxr", "ecg"):
        assert cohort.counts[f"{name}: file absent, modality unavailable"].number == 1
        series = cohort.modalities[name]
        assert series.grid.shape == (1, 48, 1)
        assert not series.observed.any()
        assert not series.available.any()


def test_a_report_without_a_store_time_is_known_when_charted_and_counted(tmp_path: Path) -> None:
    tables = one_stay()
    tables.note(6, "Lungs are clear")
    tables.rows["note/radiology"][0][6] = None
    cohort = prepare(tables.write(tmp_path))
    assert note_times(cohort) == [6]
    assert cohort.counts["notes: reports without a readable storetime, charttime taken"].number == 1


def test_an_encoder_that_is_no_folder_with_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'"bert" is neither "tfidf" nor a folder'):
        prepare(one_stay().write(tmp_path), everyone_trains, note_encoder="bert")


def test_a_single_word_in_all_notes_is_a_vector_of_one_number():
    made = tfidf(["clear", "clear 1", "edema"], np.array([True, True, False]), 32)
    assert made.shape == (3, 1)
    assert made[:, 0].tolist() == [1, 1, 0]
