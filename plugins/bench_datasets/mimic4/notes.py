"""Radiology reports of a stay, and their encoders: TF-IDF and SVD fitted on training notes, or a
transformer.

A report's charttime is the time of the examination; its text exists only from storetime. So by
default a report counts as known at the later of the two (mimic48 protocol, section 3). No text
leaves this module: not in a message, not in a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.cohort import Counts, Series
from bench.components import Context
from bench.errors import PluginError
from bench_datasets.mimic4.files import model_folder
from bench_datasets.mimic4.params import Mimic4Params
from bench_datasets.mimic4.read import TIME, WHOLE, Tables
from bench_datasets.mimic4.series import absent, rows_to_events, to_series
from bench_datasets.mimic4.table import COLUMNS
from bench_datasets.mimic4.transformer import transformer
from bench_datasets.mimic4.warnings import ABSENT, RAGGED, REPORTS, STORELESS, UNREPORTED, WORDLESS

LATE = "notes: reports of a stay, known only after the window, left out"

WORDS = 20_000
"""The most frequent words of the training notes that TF-IDF knows."""


@dataclass(frozen=True)
class Notes:
    """Notes sorted by record and time: record and seconds since intime, int64 [rows]; texts
    [rows].
    """

    record: np.ndarray
    seconds: np.ndarray
    texts: list[str]


def read_notes(tables: Tables, path: Path, params: Mimic4Params, counts: Counts) -> Notes:
    """The last `notes_kept` reports of each stay in the temporary table `kept`.

    A report belongs to a stay when intime <= charttime <= outtime, and is inside the window by the
    clock of the parameters. Every row is kept or counted; most are of no ICU stay. Raises DataError
    for a missing column, one most of which cannot be read, or a damaged file.
    """
    source = tables.table(path, COLUMNS["note/radiology"], prose=True)
    window = params.window_hours * 3600
    known = "greatest(n.chart, coalesce(n.store, n.chart))" if params.note_clock == "store" else "n.chart"
    tables.run(
        f"""
        CREATE TEMP TABLE note AS
        SELECT k.record, n.line, n.ragged, n.subject IS NULL OR n.chart IS NULL AS dateless, n.store IS NULL AS storeless,
               n.subject IS NULL AND n.subject_id IS NOT NULL AS subject_bad,
               n.chart IS NULL AND n.charttime IS NOT NULL AS chart_bad,
               n.store IS NULL AND n.storetime IS NOT NULL AS store_bad, date_diff('second', k.intime, {known}) AS seconds,
               CASE WHEN date_diff('second', k.intime, {known}) < {window} THEN n.text END AS text
        FROM (SELECT whole(subject_id) AS subject, moment(charttime) AS chart, moment(storetime) AS store,
                     row_number() OVER () AS line, * FROM {source}) n
        LEFT JOIN kept k ON n.subject = k.subject_id
        WHERE n.ragged OR n.subject IS NULL OR n.chart IS NULL
              OR (k.record IS NOT NULL AND n.chart >= k.intime AND (k.outtime IS NULL OR n.chart <= k.outtime))
        """,
        path,
    )
    # A row without a subject meets no stay, one without a date or with another width may meet
    # several: once is enough.
    tables.run(
        """
        DELETE FROM note WHERE rowid NOT IN (
            SELECT min(rowid) FROM note GROUP BY line, CASE WHEN NOT ragged AND NOT dateless THEN record END)
        """
    )
    rows = tables.rows_of(path)
    lines, ragged = tables.rows("SELECT count(DISTINCT line), count(*) FILTER (ragged) FROM note")[0]
    tables.square(path, ragged, rows)
    for column, parsed, expected, bad in (
        ("subject_id", "whole(subject_id)", WHOLE, "subject_bad"),
        ("charttime", "moment(charttime)", TIME, "chart_bad"),
        ("storetime", "moment(storetime)", TIME, "store_bad"),
    ):
        numbers = tables.rows(f"SELECT count(*) FILTER ({bad}), count(*) FROM note WHERE NOT ragged")[0]
        tables.legible(path, source, column, parsed, expected, *numbers)
    inside = f"NOT ragged AND NOT dateless AND seconds < {window}"
    dateless = "notes: rows without a readable subject_id or charttime, skipped"
    reasons = [
        (counts.unusable, f"notes: {RAGGED}", "ragged"),
        (counts.unusable, dateless, "NOT ragged AND dateless"),
        (counts.left_out, LATE, f"NOT ragged AND NOT dateless AND seconds >= {window}"),
        (counts.found, REPORTS, inside),
        (counts.left_out, "notes: reports without text, left out", f"{inside} AND text IS NULL"),
    ]
    if params.note_clock == "store":
        reasons.append((counts.repaired, STORELESS, f"{inside} AND storeless"))
    for count, reason, condition in reasons:
        count(reason, tables.number(f"SELECT count(*) FROM note WHERE {condition}"))
    counts.found("notes: rows", rows)
    counts.found("notes: rows of no ICU stay, not read", rows - lines)
    further = tables.number("SELECT count(*) FROM note") - lines
    counts.found("notes: reports of a further stay, counted for each", further)
    usable = tables.number(f"SELECT count(*) FROM note WHERE {inside} AND text IS NOT NULL")
    # By the text where times are equal, so that the order of the rows decides nothing.
    reports = tables.rows(
        f"""
        SELECT record, seconds, text FROM (FROM note WHERE {inside} AND text IS NOT NULL)
        QUALIFY row_number() OVER (PARTITION BY record ORDER BY seconds DESC, text DESC) <= {params.notes_kept}
        ORDER BY record, seconds, text
        """
    )
    tables.run("DROP TABLE note")
    counts.left_out("notes: reports before the last ones of a stay, left out", usable - len(reports))
    counts.found("notes: reports kept", len(reports))
    record, seconds = (np.array([row[i] for row in reports], np.int64) for i in (0, 1))
    return Notes(record, seconds, [row[2] for row in reports])


def note_series(
    tables: Tables,
    path: Path | None,
    root: Path,
    params: Mimic4Params,
    ids: np.ndarray,
    groups: np.ndarray,
    context: Context,
    counts: Counts,
) -> Series:
    """The modality "notes". ids, groups: str [n], of the records in the temporary table `kept`."""
    n, hours = len(groups), params.window_hours
    if path is None:
        counts.left_out(f"notes: {ABSENT}")
        return absent(n, hours)
    context.report(f"reading {path.name}")
    notes = read_notes(tables, path, params, counts)
    if not notes.texts:
        counts.left_out(f"notes: {UNREPORTED}")
        return absent(n, hours)
    context.report(f"encoding {len(notes.texts):,} notes")
    if params.note_encoder == "tfidf":
        values = tfidf(notes.texts, _training(ids, groups, context)[notes.record], params.note_channels)
        if values is None:
            counts.left_out(f"notes: {WORDLESS}")
            return absent(n, hours)
    else:
        values = transformer(notes.texts, model_folder(root, params.note_encoder), context)
    channels = tuple(f"note_{i}" for i in range(values.shape[1]))
    return to_series(rows_to_events(n, notes.record, notes.seconds, values), channels, ("",) * len(channels), hours)


def tfidf(texts: Sequence[str], training: np.ndarray, channels: int) -> np.ndarray | None:
    """Latent semantic vectors, float32 [notes, width], width at most `channels`; None when training
    notes have no word.

    training: bool [notes]. Words, weights and components are learnt from these notes alone; a note
    of another patient changes nothing but its own row.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    taught = [text for text, mine in zip(texts, training, strict=True) if mine]
    words = TfidfVectorizer(
        max_features=WORDS,
        sublinear_tf=True,
        token_pattern=r"(?u)\b[^\W\d_]{2,}\b",
        min_df=2 if len(taught) > 100 else 1,
    )
    try:
        weights = words.fit_transform(taught)
    except ValueError:  # scikit-learn's only complaint about texts: an empty vocabulary
        return None
    if weights.shape[1] == 1:  # of a single word there are no components to find: its weight is the vector
        return np.asarray(words.transform(texts).toarray(), np.float32)
    with np.errstate(invalid="ignore"):  # notes that are all alike have no variance to explain
        svd = TruncatedSVD(n_components=min(channels, *weights.shape), random_state=0).fit(weights)
    return np.asarray(svd.transform(words.transform(texts)), np.float32)


def _training(ids: np.ndarray, groups: np.ndarray, context: Context) -> np.ndarray:
    """Which records are for training, bool [n]."""
    parts = getattr(context, "parts", None)
    if parts is None:
        raise PluginError(
            "the dataset mimic4 fits its note encoder on training patients alone, and this call does not name them "
            "(Context.parts); take the notes away or name a transformer in data.note_encoder"
        )
    training: np.ndarray = np.asarray(parts([str(record) for record in ids], [str(group) for group in groups])) == 0
    return training
