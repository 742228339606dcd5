"""MIMIC-IV as a cohort: every ICU stay with a recorded variable in its first 48 hours, four
modalities, three tasks.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from bench.cohort import Cohort, Counts, Series
from bench.components import Context, Dataset, Interrupted
from bench.errors import DataError
from bench_datasets.mimic4 import table
from bench_datasets.mimic4.codes import read_phenotypes
from bench_datasets.mimic4.embeddings import read_embeddings
from bench_datasets.mimic4.files import find
from bench_datasets.mimic4.notes import note_series
from bench_datasets.mimic4.oracle import read_oracle
from bench_datasets.mimic4.params import CARE_UNIT, Mimic4Params
from bench_datasets.mimic4.read import Tables
from bench_datasets.mimic4.series import to_series
from bench_datasets.mimic4.stays import outcomes, read_stays
from bench_datasets.mimic4.values import read_items, read_values, to_events
from bench_datasets.mimic4.warnings import VALUELESS, warnings

PUBLISHED = {"ihm48": 35_129, "los48": 35_129, "phe25": 73_173}
"""Stays of each task in the published study, MIMIC-IV 2.2 (mimic48 protocol, section 2)."""

_log = logging.getLogger("bench.mimic4")


class Mimic4(Dataset[Mimic4Params]):
    """Reads a folder of MIMIC-IV 2.2 or 3.1; see docs/reference/datasets/mimic4.md for every
    decision.

    Records are ICU stays by ascending stay_id that have a value of the 30 variables in the window;
    groups are patients (subject_id). Time is hours since ICU admission; events at exactly
    `window_hours` are outside. Hourly bins.
    Modalities: vitals, and notes, cxr, ecg, which are there without any observation where their
                file is absent.
    Statics: age in years, male. Targets: ihm48, los48, los3 (NaN for stays of less than 2 days),
             phe25 [n, 25].
    Column: care_unit, the first care unit of the stay, by which records can be divided among
            clients. A patient may have stays in several.
    """

    def prepare(self, root: Path, context: Context) -> Cohort:
        """The cohort. Every row of the tables that is about it is kept or counted in
        `Cohort.counts`; damage is logged too.

        Raises DataError for missing or damaged files, a missing column, a stay that stands twice
        with different content, and when no stay has a value. Raises PluginError when a needed
        package is not installed, or when there are notes but the context does not name the training
        patients.
        """
        params, counts = self.params, Counts()
        files = find(root, params)
        hours = params.window_hours
        with Tables() as tables:
            stays = read_stays(tables, files, counts)
            remarks = read_items(tables, files, params.variables, counts)
            path = files.tables["icu/chartevents"]
            context.report(f"reading {path.name} ({path.stat().st_size / 2**20:,.0f} MiB)")
            readings = read_values(tables, files, hours, counts)
            _go_on(context)
            kept, record = np.unique(readings["record"], return_inverse=True)
            if not len(kept):
                raise DataError(
                    f"{path} holds no value of the 30 variables for the first {hours} hours of any stay in "
                    f"{files.tables['icu/icustays'].name}; are the tables of one release? see: bench data verify mimic4"
                )
            counts.left_out(VALUELESS, len(stays.stay) - len(kept))
            stays, n = stays.take(kept), len(kept)
            tables.put("chosen", old=("INTEGER", kept.tolist()), record=("INTEGER", range(n)))
            tables.run(
                "CREATE TEMP TABLE kept AS SELECT c.record, s.* EXCLUDE (record) FROM stay s JOIN chosen c ON s.record = c.old"
            )
            events = to_events(n, readings | {"record": record}, len(table.VARIABLES))
            del readings, record
            names = tuple(variable.name for variable in table.VARIABLES)
            context.report("reading diagnoses")
            targets = outcomes(stays) | {"phe25": read_phenotypes(tables, files, stays.admission, counts)}
            _go_on(context)
            ids, groups = stays.stay.astype(str), stays.subject.astype(str)
            modalities = {
                "vitals": to_series(events, names, table.units(params.variables), hours),
                "notes": note_series(tables, files.notes, root, params, ids, groups, context, counts),
            }
            for name, prepared in (("cxr", files.cxr), ("ecg", files.ecg)):
                _go_on(context)
                modalities[name] = read_embeddings(tables, prepared, name, n, hours, counts)
            oracle = read_oracle(tables, files.oracle, stays.stay)
        _count_cohort(modalities, targets, counts)
        for line in [*([f"icu/d_items: {'; '.join(remarks)}"] if remarks else []), *warnings(files, counts)]:
            _log.warning("%s", line)
        return Cohort(
            ids=ids,
            groups=groups,
            modalities=modalities,
            statics=np.stack([stays.age, stays.male], axis=1).astype(np.float32),
            static_names=("age", "male"),
            targets=targets,
            oracle=oracle,
            columns={CARE_UNIT: stays.unit},
            counts=counts.by_name(),
        )


def _count_cohort(modalities: dict[str, Series], targets: dict[str, np.ndarray], counts: Counts) -> None:
    for name, series in modalities.items():
        counts.found(f"{name}: stays with an observation", series.available.sum())
    for name, target in targets.items():
        rows = target if target.ndim == 1 else target[:, 0]
        counts.found(f"task {name}: stays", (~np.isnan(rows)).sum())
        if name in PUBLISHED:
            counts.found(f"task {name}: stays in the published cohort (MIMIC-IV 2.2)", PUBLISHED[name])
        if target.ndim == 1:
            counts.found(f"task {name}: positive", (target == 1).sum())


def _go_on(context: Context) -> None:
    if context.should_stop():
        raise Interrupted
