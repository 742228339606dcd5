"""The counts of a cohort as plain numbers."""

from __future__ import annotations

from bench.cohort import Cohort, CountKind


def numbers(cohort: Cohort, *kinds: CountKind) -> dict[str, int]:
    """Name -> number of its counts, of these kinds alone where any is named."""
    return {what: count.number for what, count in cohort.counts.items() if not kinds or count.kind in kinds}
