"""The stages of a run on a toy cohort, one by one, without the command and without workers."""

from __future__ import annotations

from pathlib import Path

from bench.cohort import Cohort
from bench.config.request import request
from bench.execute.job import Setup
from bench.grid.plan import Plan, plan
from bench.registry import Registry, discover
from bench.stages import artifacts
from bench.stages.preparing import save
from bench.testing import TOY_TASK


def prepared(
    folder: Path, suite: str, cohort: Cohort, *words: str, columns: tuple[str, ...] = ()
) -> tuple[Plan, Setup, Registry]:
    """The plan of a suite (its text) with these words, what its workers must know, and a cache
    that holds the cohort.
    """
    registry = discover()
    registry.dataset("toy", "nowhere:Toy", tasks=[TOY_TASK], modalities=("vitals", "labs"), splits=tuple(cohort.splits),
                     columns=columns)  # fmt: skip
    file = folder / "suite.toml"
    file.write_text(suite)
    asked = request([f"suite={file}", *words], registry)
    planned = plan(asked, registry, "toy", "cpu")
    said = {name: getattr(asked.suite, name) for name in Setup.__struct_fields__ if hasattr(asked.suite, name)}
    setup = Setup(**said, root="", cache=str(folder / "cache"), precision="fp32", threads=1)
    save(setup.store.open(artifacts.cohort(planned.cells[0].keys["cohort"])), cohort)
    return planned, setup, registry
