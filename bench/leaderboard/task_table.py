"""The table of one task, on one modality set, under one scenario."""

from __future__ import annotations

from bench.leaderboard.published import PublishedScore
from bench.leaderboard.rows import Row
from bench.results.coordinates import Repeat, TableKey


class TaskTable(TableKey, kw_only=True, frozen=True):
    """One task on one modality set under one scenario. Rows are in the order they are printed.

    - higher: metric -> larger is better.
    - counts: of the task's records, the same for every cell, or it says so in `notes`.
    - notes: sentences a reader must not miss: controls that tie, why there is no comparison.
    - oracle: metric -> what the best possible prediction scores, where the data were generated and
      it is known.
    - published, elsewhere: values of others that name no row, and those that were not measured on
      these data.
    - floor, floor_corrected: the resolution floor, for one comparison and for the first of all.
    - correction: how p-values are adjusted for their number ("" where nothing is compared).
    """

    summary: str
    primary: str
    metrics: list[str]
    higher: dict[str, bool | None]
    seeds: list[Repeat]
    counts: dict[str, int]
    oracle: dict[str, float]
    rows: list[Row]
    notes: list[str]
    published: list[PublishedScore]
    elsewhere: list[PublishedScore]
    alpha: float | None = None
    correction: str = ""
    comparisons: int = 0
    resamples: int = 0
    floor: float | None = None
    floor_corrected: float | None = None

    @property
    def primary_higher(self) -> bool:
        return bool(self.higher[self.primary])

    @property
    def eligible(self) -> dict[tuple[str, str], Row]:
        """(imputer, fuser) -> the row, of those that may be ranked and compared, in their order."""
        return {row.pair: row for row in self.rows if row.eligible}
