"""The tables of a new suite: made up, so that it runs at once."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterable

RECORDS, HOURS = 80, 12


def tables() -> dict[str, str]:
    """Name of a file -> its text. Every patient has two records; the sicker they are, the higher
    are pulse and lactate.
    """
    draw = random.Random(0)
    rows: list[tuple[object, ...]] = []
    labels: list[tuple[object, ...]] = []
    for number in range(RECORDS):
        sick = draw.random()
        usual = (
            ("pulse", 70 + 50 * sick, 6, 0.6),
            ("temperature", 36.5 + sick, 0.3, 0.3),
            ("lactate", 1 + 4 * sick, 0.5, 0.2),
        )
        for hour in range(HOURS):
            for name, mean, spread, share in usual:
                if draw.random() < share:
                    rows.append((f"r{number}", f"{hour + draw.random():.2f}", name, f"{draw.gauss(mean, spread):.2f}"))
        to = "home" if sick < 0.4 else "ward" if sick < 0.75 else "icu"
        died = int(sick + draw.gauss(0, 0.15) > 0.6)
        labels.append((f"r{number}", f"p{number // 2}", draw.randint(20, 90), died, to, f"{1 + 9 * sick:.1f}"))
    return {
        "measurements.csv": _text(("id", "time", "variable", "value"), rows),
        "labels.csv": _text(("id", "patient", "age", "died", "to", "stay"), labels),
    }


def _text(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([tuple(header), *map(tuple, rows)])
    return text.getvalue()
