"""PTB-XL as a cohort: twelve-lead ECGs of 10 s, and the superclasses of their diagnoses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from bench.cohort import Cohort, Counts
from bench.components import Context, Dataset, Interrupted
from bench.errors import DataError
from bench_datasets import regular
from bench_datasets.ptbxl.files import find
from bench_datasets.ptbxl.index import Index, labels_of, merged, read_classes, read_index, single_of
from bench_datasets.ptbxl.params import CHEST, CLASSES, FOLD, LEADS, LIMB, RATE, SAMPLES, SITE, PtbxlParams
from bench_datasets.ptbxl.read import need_wfdb, read_record

PARTS = np.array([0] * 8 + [1, 2], np.int8)
"""The part of folds 1 to 10: train, valid, test."""


class Ptbxl(Dataset[PtbxlParams]):
    """Reads `records100/`; see docs/reference/suites/ptbxl.md for every decision.

    Records in the order of the index, groups are patients. Each lead is a modality of one channel,
    in mV; one bin is one sample of 10 ms, and the origin is the first sample that is taken. The
    split `strat_fold` is the recommended one, the column `site` where the ECG was recorded. There
    are no statics: the tasks are asked of the ECG alone.
    """

    modalities: ClassVar[Mapping[str, tuple[str, ...]]] = {lead: (lead,) for lead in LEADS}

    def prepare(self, root: Path, context: Context) -> Cohort:
        """The cohort. Raises DataError for a table or a record that is missing or damaged, and
        PluginError without wfdb.
        """
        need_wfdb()
        params, counts, files = self.params, Counts(), find(root)
        index = read_index(files.index)
        classes = read_classes(files.statements)
        index, labels = self._chosen(index, labels_of(index, classes, params), counts)
        n, start = len(index), (SAMPLES - params.length) // 2
        grids = {name: np.empty((n, params.length, len(leads)), np.float32) for name, leads in self.modalities.items()}
        places = {name: [LEADS.index(lead) for lead in leads] for name, leads in self.modalities.items()}
        for row, name in enumerate(index.names.tolist()):
            if context.should_stop():
                raise Interrupted
            if row % 2000 == 0:
                context.report(f"reading record {row + 1:,} of {n:,}")
            values = read_record(files.base / name)[start : start + params.length]
            for modality, grid in grids.items():
                grid[row] = values[:, places[modality]]
        missing = sum(int(np.isnan(grid).sum()) for grid in grids.values())
        counts.unusable("samples that the files mark as invalid", missing)
        return Cohort(
            ids=index.ids.astype(str),
            groups=index.patients.astype(str),
            modalities={
                name: regular.series_of(grid, self.modalities[name], ("mV",) * grid.shape[2], RATE)
                for name, grid in grids.items()
            },
            statics=np.zeros((n, 0), np.float32),
            static_names=(),
            targets=self._targets(labels, counts),
            bin_hours=regular.bin_hours(RATE),
            splits={FOLD: PARTS[index.folds - 1]},
            columns={SITE: merged(index.sites, params.merge_sites_below, counts)},
            counts=counts.by_name(),
        )

    def _chosen(self, index: Index, labels: np.ndarray, counts: Counts) -> tuple[Index, np.ndarray]:
        """The records that are read, with their labels."""
        counts.found("records in the index", len(index))
        bare = ~labels.any(axis=1)
        if self.params.unlabelled == "kept":
            counts.found("records without a superclass, kept", bare.sum())
            return index, labels
        counts.left_out("records without a superclass", bare.sum())
        if bare.all():
            raise DataError(
                f"no record has a superclass at data.min_likelihood={self.params.min_likelihood:g}; lower it"
            )
        return index.take(np.flatnonzero(~bare)), labels[~bare]

    def _targets(self, labels: np.ndarray, counts: Counts) -> dict[str, np.ndarray]:
        single = single_of(labels, self.params.single)
        for place, name in enumerate(CLASSES):
            counts.found(f"task diagnoses: {name}", labels[:, place].sum())
            counts.found(f"task diagnosis: {name}", (single == place).sum())
        counts.found("records of several superclasses", (labels.sum(axis=1) > 1).sum())
        counts.left_out("task diagnosis: none or several superclasses, left out", np.isnan(single).sum())
        return {"diagnosis": single, "diagnoses": labels.astype(np.float32)}


class PtbxlLimbChest(Ptbxl):
    """The same with two modalities of six channels: twelve leads are not twelve sensors, since each
    limb lead is a linear function of two others.
    """

    modalities: ClassVar[Mapping[str, tuple[str, ...]]] = {"limb": LIMB, "chest": CHEST}
