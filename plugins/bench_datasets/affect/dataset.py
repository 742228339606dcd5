"""CMU-MOSI and CMU-MOSEI as cohorts: spoken segments with words, voice and face, and their
sentiment.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from bench.arrays import npz
from bench.cohort import Cohort, Counts
from bench.components import Context, Dataset, Interrupted
from bench.errors import DataError
from bench_datasets.affect.files import AffectFiles, find
from bench_datasets.affect.params import FOLDS, MosiParams
from bench_datasets.affect.read import MODALITIES, PARTS, Samples, read
from bench_datasets.affect.series import ranges, series_of

_log = logging.getLogger("bench.affect")


class Mosi(Dataset[MosiParams]):
    """Reads a file of MulT, MultiBench or MMSA, or an .npz of one's own; see
    docs/reference/suites/mosi.md for every decision.

    Records are segments in the order of the file (train, valid, test), groups are videos, the split
    `folds` is the file's own. Times are steps, not hours: word indices of aligned files, places in
    the segment of others. Nothing is dropped: a segment without text stays, where published loaders
    delete it.
    """

    dataset = "mosi"

    def prepare(self, root: Path, context: Context) -> Cohort:
        """The cohort. Raises DataError for a file that is refused, and where `terms` is not said
        for files of others.
        """
        params, counts = self.params, Counts()
        files = find(self.dataset, root, params)
        check_terms(files, params)
        samples = read(self.dataset, files, params, context.report, counts)
        for line in remarks(files, samples):
            _log.warning("%s", line)
        if samples.approximate:
            counts.found("samples whose text is aligned approximately", len(samples.ids))
        bins = samples.values["text"].shape[1] if samples.aligned else params.bins
        spans = ranges(samples, counts)
        modalities = {}
        for name in MODALITIES:
            if context.should_stop():
                raise Interrupted
            modalities[name] = series_of(name, samples, spans[name], bins, params.zero_rows, counts)
        n = len(samples.ids)
        return Cohort(
            ids=samples.ids,
            groups=samples.videos,
            modalities=modalities,
            statics=np.zeros((n, 0), np.float32),
            static_names=(),
            targets={"sentiment": samples.labels},
            splits={FOLDS: samples.part},
            oracle=_oracle(files, n),
            counts=counts.by_name(),
        )


class Mosei(Mosi):
    """The same of CMU-MOSEI."""

    dataset = "mosei"


def check_terms(files: AffectFiles, params: MosiParams) -> None:
    """Raises DataError where a person has not said that they follow the terms; generated and own
    files need no word.
    """
    if params.terms or files.mark or files.features.suffix == ".npz":
        return
    raise DataError(
        f"{files.features} was made from recordings of people and passed on for research. Read the current terms of who gave "
        "it to you (docs/reference/suites/mosi.md). If you follow them, type: data.terms=accepted"
    )


def remarks(files: AffectFiles, samples: Samples) -> list[str]:
    """What a person who runs a suite must know of the file."""
    lines = []
    if not files.mark:
        lines.append(
            f"{files.features.name}: {samples.kind}; features: {samples.pipeline}; scores on others cannot be compared"
        )
    if samples.approximate:
        lines.append(
            f"{files.features.name}: alignment = approximate: pauses were left out of its text alone, and a long segment keeps "
            "its first words beside its last rows of audio and vision"
        )
    return lines


def _oracle(files: AffectFiles, n: int) -> dict[str, np.ndarray]:
    if not files.oracle:
        return {}
    with npz(files.oracle, files.oracle.stat().st_size) as stored:  # which is not compressed
        known = np.concatenate([stored[part] for part in PARTS]).astype(np.float32)
    if known.shape != (n,):
        raise DataError(f"{files.oracle} has {known.shape} predictions for {n} samples; remove the generated folder")
    return {"sentiment": known[:, None]}
