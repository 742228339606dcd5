"""The sections of a leaderboard, in the order of the page and of the JSON. A new one is a file
beside this and a line here.
"""

from __future__ import annotations

from typing import Any

from bench.leaderboard.board import Section
from bench.leaderboard.sections import (
    agreement,
    attribution,
    audits,
    calibration,
    compared,
    costs,
    curves,
    degradation,
    federations,
    gains,
    head,
    imputation,
    imputer_costs,
    keys,
    marginal,
    patterns,
    provenance,
    reading,
    tables,
    winners,
)

MAIN: tuple[Section[Any], ...] = (head.SECTION, winners.SECTION, head.NOTES, tables.SECTION)

IN_TERMINAL = (*MAIN, keys.SECTION)
"""What a terminal shows."""

SECTIONS: tuple[Section[Any], ...] = (
    *MAIN,
    compared.SECTION,
    federations.SECTION,
    gains.SECTION,
    attribution.SECTION,
    marginal.SECTION,
    degradation.SECTION,
    patterns.SECTION,
    calibration.SECTION,
    imputation.SECTION,
    curves.SECTION,
    agreement.SECTION,
    audits.SECTION,
    reading.SECTION,
    keys.SECTION,
    provenance.SECTION,
    costs.SECTION,
    imputer_costs.SECTION,
)
