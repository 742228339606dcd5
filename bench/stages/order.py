"""All stages, in the order in which a cell goes through them. The last one makes its record."""

from __future__ import annotations

from bench.stages.cohort import Cohort
from bench.stages.fuse import Fuse
from bench.stages.hide import Hide
from bench.stages.impute import Impute
from bench.stages.stage import Stage

STAGES: tuple[Stage, ...] = (Cohort(), Hide(), Impute(), Fuse())
LAST = STAGES[-1]
BY_NAME = {stage.name: stage for stage in STAGES}
