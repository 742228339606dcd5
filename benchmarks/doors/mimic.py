"""Tables of MIMIC-IV, made up."""

from __future__ import annotations

import functools
import gzip
import io
import random
import tempfile
from pathlib import Path

from benchmarks.doors.case import Case
from benchmarks.mutations import (
    mutated_bytes,
    mutated_rows,
)


@functools.cache
def _ward() -> dict[str, bytes]:
    """Tables of a few made-up patients: name -> text."""
    from support.mimic4_tables import ward

    with tempfile.TemporaryDirectory() as place:
        ward(4).write(Path(place), suffix=".csv")
        root = Path(place)
        return {
            path.relative_to(root).as_posix().removesuffix(".csv"): path.read_bytes()
            for path in sorted(root.rglob("*.csv"))
        }


def mimic(chance: random.Random) -> Case:
    """Tables of MIMIC-IV as CSV or gzip, and tables of codes of one's own."""
    tables = _ward()
    others = list(tables.values())
    name = chance.choice(sorted(tables))
    form = {each: ".csv" for each in tables}
    form[name] = chance.choice([".csv", ".csv", ".csv.gz"])
    files = {f"m/{each}.csv": content for each, content in tables.items() if each != name}
    content = tables[name]
    how = chance.random()
    if how < 0.5:
        content = _csv(content, chance)
    elif how < 0.8 or form[name] == ".csv":
        content = mutated_bytes(content, chance, others)
    if form[name] == ".csv.gz":
        content = gzip.compress(content, mtime=0)
        if how >= 0.8:
            content = mutated_bytes(content, chance)
    files[f"m/{name}{form[name]}"] = content
    asked: tuple[str, ...] = ()
    if chance.random() < 0.12:
        own, key, text = chance.choice(CODES)
        files[f"m/{own}"] = mutated_bytes(text, chance)
        files[f"m/{name}{form[name]}"] = gzip.compress(tables[name]) if form[name] == ".csv.gz" else tables[name]
        asked = (f"data.{key}={own}",)
    return Case([("data", "verify", "mimic4", "data.root=m", *asked)], files)


CODES = [
    ("x.yaml", "ccs", "".join(f'"C{n}": {{id: {n}, codes: ["{n:05d}"]}}\n' for n in range(1, 260)).encode()),
    ("x.txt", "ccs", "".join(f"{n:<4} C{n}\n     {n:05d}\n\n" for n in range(1, 260)).encode()),
    ("x.csv", "gem", b"icd10cm,icd9cm\nA419,0389\nI10,4019\n"),
]


def _csv(content: bytes, chance: random.Random) -> bytes:
    """A table of CSV after changes of its fields, rows, columns or names."""
    import csv

    rows = list(csv.reader(io.StringIO(content.decode(), newline="")))
    stream = io.StringIO(newline="")
    quoting = chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    csv.writer(stream, lineterminator=chance.choice(["\n", "\n", "\r\n"]), quoting=quoting).writerows(
        mutated_rows(rows, chance)
    )
    return stream.getvalue().encode("utf-8", "surrogatepass")
