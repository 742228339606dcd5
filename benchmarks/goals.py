"""Measures the numbers of docs/explanation/design.md, "Numbers to reach", and prints each beside
its goal.

    python benchmarks/goals.py            about three minutes
    python benchmarks/goals.py --quick    a few seconds: tiny sizes, one repetition; tries the
                                          script, not the harness
    python benchmarks/goals.py --only help,plan --json

Real data are looked for in BENCH_DATA_ROOT, else in ../shared/data beside the checkout; rows that
need them say so where there are none. Exit code 0 whether goals are met or not; 1 when something
cannot be measured.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def main() -> int:
    import argparse
    import json
    from collections.abc import Callable, Iterator
    from dataclasses import asdict

    from benchmarks import commands, data, determinism, federation, machines, overhead, tables
    from benchmarks.measuring import CannotMeasure, Row, Workplace, table

    parts: dict[str, Callable[[Workplace], Iterator[Row]]] = {
        "help": commands.help_,
        "typo": commands.typos,
        "plan": commands.plan,
        "cached": commands.cached,
        "overhead": overhead.per_cell,
        "imputers": overhead.imputers,
        "loop": overhead.loop,
        "rounds": federation.rounds,
        "merging": federation.merging,
        "jobs": machines.jobs,
        "collect": machines.collect,
        "leaderboard": tables.leaderboard,
        "compared": tables.compared,
        "data": data.parse_and_reload,
        "determinism": determinism.same_bytes,
    }
    parser = argparse.ArgumentParser(description="Measure the harness and print each number beside its goal.")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--quick", action="store_true", help="tiny sizes and one repetition")
    parser.add_argument("--only", default="", help=f"some of: {','.join(parts)}")
    asked = parser.parse_args()
    names = asked.only.split(",") if asked.only else list(parts)
    if strange := set(names) - parts.keys():
        parser.error(f"--only knows {', '.join(parts)}; not {', '.join(sorted(strange))}")
    rows: list[Row] = []
    with Workplace(asked.quick) as place:
        for name in names:
            try:
                for row in parts[name](place):
                    rows.append(row)
                    print(row.line(), file=sys.stderr, flush=True)
            except CannotMeasure as error:
                print(f"cannot measure {name}: {error}", file=sys.stderr)
                return 1
    print(json.dumps([asdict(row) | {"ok": row.ok} for row in rows], indent=2) if asked.json else table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
