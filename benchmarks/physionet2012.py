"""How long the 8,000 stays of PhysioNet 2012 take to read, beside the goal.

python benchmarks/physionet2012.py [DIR]     DIR holds physionet2012/; else BENCH_DATA_ROOT, else ../shared/data
"""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path

GOAL_SECONDS = 20.0


def main() -> int:
    root = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("BENCH_DATA_ROOT")
    folder = Path(root) if root else Path(__file__).resolve().parents[2] / "shared" / "data"
    wall = time.perf_counter()
    from bench.components import Context
    from bench_datasets.physionet2012 import Physionet2012
    from bench_datasets.plugin import Physionet2012Params

    imported = time.perf_counter() - wall
    wall, cpu = time.perf_counter(), time.process_time()
    cohort = Physionet2012(Physionet2012Params()).prepare(folder, Context())
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"{len(cohort):,} stays, {cohort.counts['lines after the headers']:,} lines read from {folder}")
    print(f"imports {imported:.2f} s, parse {wall:.2f} s ({cpu:.2f} s CPU), peak memory {peak / 1e6:,.0f} MB")
    goal = GOAL_SECONDS * len(cohort) / 8000
    print(f"goal: {goal:.0f} s for {len(cohort):,} stays: {'met' if wall <= goal else 'NOT met'}")
    return int(wall > goal)


if __name__ == "__main__":
    sys.exit(main())
