"""Which modalities a learnt imputer completes itself; light enough for declarations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def target_names(widths: Mapping[str, int], targets: Sequence[str], widest: int) -> tuple[str, ...]:
    """Those named in `targets`, or without any name all of at most `widest` channels; in the
    order of `widths`.
    """
    return tuple(name for name in widths if (name in targets if targets else widths[name] <= widest))


def target_widths(widths: Mapping[str, int], targets: Sequence[str], widest: int) -> list[int]:
    """The channels of each of them; one channel where there is none, as in a plan that will
    fail.
    """
    return [widths[name] for name in target_names(widths, targets, widest)] or [1]
