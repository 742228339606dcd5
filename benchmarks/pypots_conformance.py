"""The whole conformance kit over every PyPOTS model (or those named), as a table.

    python benchmarks/pypots_conformance.py [saits brits ...]

A row per model: checks passed, failed, expected to fail and skipped, seconds; below, what failed
and why. Exit code 1 where a check fails that is not declared, or passes although it is declared.
"""

from __future__ import annotations

import argparse
import sys
import time

import bench.testing
from bench.registry import discover

MARKS = {"passed": ".", "failed": "F", "expected": "x", "skipped": "s"}


def main(words: list[str]) -> int:
    specs = {s.name.removeprefix("pypots."): s for s in discover().specs("imputer") if s.name.startswith("pypots.")}
    parser = argparse.ArgumentParser(description="The conformance kit over PyPOTS models, a row per model.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(specs) or 'none installed'}"
    )
    names = parser.parse_args(words).names
    if not specs:
        parser.error("PyPOTS is not installed; install it with: pip install 'gapbench[pypots]'")
    for name in names:
        if name not in specs:
            parser.error(f"{name!r} is no model; accepted: {', '.join(specs)}")
    chosen = [spec for name, spec in specs.items() if not names or name in names]
    width = max(len(spec.name) for spec in chosen)
    broken = []
    for spec in chosen:
        began = time.perf_counter()
        report = bench.testing.check(spec)
        marks = "".join(MARKS[outcome.status] for outcome in report.outcomes)
        slowest = max(report.outcomes, key=lambda outcome: outcome.seconds)
        spent = time.perf_counter() - began
        print(f"{spec.name:<{width}}  {marks}  {spent:6.1f} s  ({slowest.name} {slowest.seconds:.1f} s)", flush=True)
        for outcome in [*report.of("failed"), *report.of("expected")]:
            print(f"{'':<{width}}  {MARKS[outcome.status]} {outcome.name}: {outcome.detail}", flush=True)
        if report.of("failed"):
            broken.append(spec.name)
    told = f"undeclared: {', '.join(broken)}" if broken else "no failure that is not declared"
    print(f"\n{len(chosen)} models; {told}. . passed, x expected failure, s does not apply, F failed")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
