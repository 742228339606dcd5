"""What a table says of its comparisons: who ties with whom, and which differences it could have
found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import NormalDist, median

from bench.results.coordinates import Method, TableKey, table_of
from bench.results.records import Comparison, Statistics


def tie_groups(ranked: Sequence[Method], comparisons: Iterable[Comparison], alpha: float = 0.05) -> list[int]:
    """The tie group of each method of one table, in the order given (best first), counted from 1.

    The best method leads group 1, together with every method that cannot be distinguished from it
    (p_adjusted >= alpha). The best of the rest leads group 2, and so on. So each group is about its
    leader. Two of its members may differ from each other, and a method may stand below one that is
    in a later group if its scores scatter more. A pair without a comparison counts as not
    distinguished.
    """
    apart = {frozenset((c.a, c.b)) for c in comparisons if c.p_adjusted < alpha}
    groups: dict[Method, int] = {}
    for number, leader in enumerate(ranked, 1):
        if leader in groups:
            continue
        number = max(groups.values(), default=0) + 1
        for method in ranked:
            if method not in groups and frozenset((leader, method)) not in apart:
                groups[method] = number
    return [groups[method] for method in ranked]


def resolution_floor(statistics: Statistics, table: TableKey, corrected: bool = False) -> float | None:
    """The true difference of the primary metric between a typical pair that is found with 80 %
    power, two-sided.

    (c + z[0.8]) x the median standard error of the table's differences. Pairs with identical
    predictions (standard error 0) carry no information and are left out. c = z[1 - alpha/2] for one
    comparison fixed beforehand. `corrected`: what is asked of the first of all comparisons. With
    max-T, c is what the largest statistic exceeds with probability alpha where no two methods
    differ. With Holm's procedure it is z at alpha divided by the number of pairs. None when nothing
    was compared.
    """
    errors = [c.standard_error for c in statistics.comparisons if table_of(c.a) == table]
    if not any(errors):
        return None
    normal = NormalDist()
    critical = normal.inv_cdf(1 - statistics.alpha / 2)
    if corrected:
        stored = [t.critical for t in statistics.tables if table_of(t) == table and t.critical is not None]
        by_holm = normal.inv_cdf(1 - statistics.alpha / len(errors) / 2)
        critical = stored[0] if stored and statistics.correction == "maxt" else by_holm
    return (critical + normal.inv_cdf(0.8)) * median(error for error in errors if error > 0)
