"""Raw tables of MIMIC-IV's schema with as many rows in chartevents as are to be timed; all
generated.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

SEED = 0
OTHER_ITEMS = 2_000
FIRST_OTHER = 240_000
"""Item ids of the other items: none of the generator is among them, and no map of the variables
has their labels.
"""

CHART, COUNTED = "icu/chartevents.csv.gz", "rows.txt"

_BLOCK = 8 * 2**20
"""Bytes of chartevents that are in memory at once."""


@dataclass(frozen=True)
class Tables:
    """What to make.

    stays: ICU stays. density: how often the chart is written, as the generator has it. others: rows
    of other items that are added per row, on average; 0 leaves the generator's files as they are.
    """

    stays: int
    density: float
    others: float = 0.0

    @property
    def name(self) -> str:
        from bench_datasets.mimic4.generate.generator import VERSION

        return f"mimic4-v{VERSION}-{self.stays}-stays-density-{self.density:g}-others-{self.others:g}"


def make(tables: Tables, folder: Path, report: Callable[[str], None]) -> Path:
    """The folder of those tables inside `folder`; made where it is not there yet, whole or not at
    all.

    Raises StorageError if it cannot be written.
    """
    from bench.files import replacing
    from bench_datasets.mimic4.generate.generator import generate

    root = folder / tables.name
    if not root.is_dir():
        report(f"making {root}")
        with replacing(root) as temporary:
            generate(temporary, tables.stays, SEED, lambda text: None, density=tables.density)
            if tables.others:
                _add_items(temporary / "icu" / "d_items.csv.gz")
                _add_rows(temporary / CHART, tables.others)
            (temporary / COUNTED).write_text(f"{_lines(temporary / CHART) - 1}\n")
    return root


def rows(root: Path) -> int:
    """Rows of chartevents in a folder of `make`; counted once, when it was made."""
    return int((root / COUNTED).read_text())


def _lines(path: Path) -> int:
    with gzip.open(path) as stream:
        return sum(block.count(b"\n") for block in iter(lambda: stream.read(2**20), b""))


def _add_items(path: Path) -> None:
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        lines = [stream.read()]
    for number in range(OTHER_ITEMS):
        lines.append(f"{FIRST_OTHER + number},Other item {number},Other item {number},chartevents,Other,,Numeric,,\n")
    with _writing(path) as stream:
        stream.write("".join(lines).encode())


def _add_rows(path: Path, others: float) -> None:
    """Behind every row, rows of other items of the same stay and time. The rows that were there
    keep text and order.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv

    with gzip.open(path, "rt", encoding="utf-8") as stream:
        names = stream.readline().strip().split(",")
    rng = np.random.default_rng(SEED)
    grown = path.with_name(f"{path.name}.grown")
    reading = pyarrow.csv.open_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(block_size=_BLOCK),
        convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    )
    schema = pa.schema([(name, pa.string()) for name in names])
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
    with _writing(grown) as stream:
        stream.write((",".join(names) + "\n").encode())
        with pyarrow.csv.CSVWriter(stream, schema, write_options=options) as writer:
            for batch in reading:
                writer.write_batch(_grown(batch, others, rng))
    grown.replace(path)


def _grown(batch: pa.RecordBatch, others: float, rng: Any) -> pa.RecordBatch:
    """The rows of a batch with others behind each; a third of the other items has words in place
    of numbers.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as compute

    times = 1 + np.floor(others + rng.random(batch.num_rows)).astype(np.int64)
    grown = batch.take(pa.array(np.repeat(np.arange(batch.num_rows), times)))
    other = np.ones(grown.num_rows, bool)
    other[np.cumsum(times) - times] = False
    item = rng.integers(OTHER_ITEMS, size=grown.num_rows)
    spoken = item % 3 == 0
    numbers = pa.array([f"{number / 10:g}" for number in range(2_000)])
    number = numbers.take(pa.array(rng.integers(len(numbers), size=grown.num_rows)))
    word = pa.array(["Yes", "No", "Not applicable", "WNL", "Right", "Left"]).take(pa.array(item % 6))
    filled = {
        "itemid": pa.array([str(FIRST_OTHER + number) for number in range(OTHER_ITEMS)]).take(pa.array(item)),
        "value": compute.if_else(pa.array(spoken), word, number),
        "valuenum": compute.if_else(pa.array(spoken), pa.array([""] * len(spoken)), number),
        "valueuom": pa.array([""] * len(spoken)),
    }
    columns = [
        compute.if_else(pa.array(other), filled[name], column) if name in filled else column
        for name, column in zip(grown.schema.names, grown.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, names=grown.schema.names)


def _writing(path: Path) -> gzip.GzipFile:
    """Equal content gives equal bytes: no time in the header."""
    return gzip.GzipFile(path, "wb", compresslevel=1, mtime=0)
