"""Imputation scores over several splits of one suite, as papers report them: mean and standard deviation over the folds.

    bench run suite=csdi_healthcare split=fold0 && bench report suite=csdi_healthcare        # and so on to fold4
    python benchmarks/folds.py results/leaderboards/csdi_healthcare-fold*.records.json

One export is one fold. A row is printed for what every export has; it says of how many folds, and a mean of fewer than the
suite has is no published figure. Seeds of a fold are averaged before folds are. Exit code 2 for exports that do not fit.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.errors import BenchError, UsageError
from bench.results.export_file import load_export
from bench.results.records import IMPUTATION, IMPUTATION_METRICS, Export

Key = tuple[str, str, str, str]
"""Modality set, scenario, imputer, metric."""


def scores(export: Export) -> dict[Key, float]:
    """The means over seeds of an export's imputation scores, over all entries; only what every planned seed has."""
    planned = {(at.modalities, at.scenario, at.imputer): set[int]() for at, _ in export.planned if not at.audit}
    for at, _ in export.planned:
        if not at.audit:
            planned[at.modalities, at.scenario, at.imputer].add(at.seed)
    found: dict[Key, dict[int, float]] = {}
    for record in export.records:
        at = record.coordinates
        for metric, value in record.imputation.get("all", {}).items():
            if metric in IMPUTATION_METRICS and not at.audit:
                found.setdefault((at.modalities, at.scenario, at.imputer, metric), {})[at.seed] = value
    return {key: statistics.fmean(each.values()) for key, each in found.items() if set(each) == planned.get(key[:3])}


def table(exports: list[Export]) -> str:
    """Markdown: a row per modality set, scenario and imputer, a column per metric, published values beside ours."""
    folds = [export.split for export in exports]
    if len({(export.suite, export.profile) for export in exports}) > 1 or len(set(folds)) < len(folds):
        raise UsageError(f"the exports must be one suite and profile with a split each, got splits {', '.join(folds)}")
    each = [scores(export) for export in exports]
    common = [key for key in each[0] if all(key in other for other in each)]
    published = {(p.scenario, p.method, p.metric): p.value for p in exports[0].published if p.task == IMPUTATION}
    metrics = [metric for metric in IMPUTATION_METRICS if any(key[3] == metric for key in common)]
    lines = [f"{exports[0].suite}: mean ± sd over {len(folds)} folds ({', '.join(folds)})", ""]
    header = ["modalities", "scenario", "imputer", *metrics, *(f"{metric} (published)" for metric in metrics)]
    lines += [f"| {' | '.join(header)} |", "|" + " --- |" * len(header)]
    for modalities, scenario, imputer in dict.fromkeys(key[:3] for key in common):
        cells = []
        for metric in metrics:
            values = [other[modalities, scenario, imputer, metric] for other in each]
            spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
            cells.append(f"{statistics.fmean(values):.4f}{spread}")
        named = [published.get((scenario, imputer, metric)) for metric in metrics]
        cells += ["" if value is None else f"{value:g}" for value in named]
        lines.append(f"| {' | '.join([modalities, scenario, imputer, *cells])} |")
    rows = {(scenario, imputer) for _, scenario, imputer, _ in common}
    for scenario, method in dict.fromkeys((scenario, method) for scenario, method, _ in published):
        if (scenario, method) not in rows:
            named = [published.get((scenario, method, metric)) for metric in metrics]
            cells = [""] * len(metrics) + ["" if value is None else f"{value:g}" for value in named]
            lines.append(f"| {' | '.join(['', scenario, method, *cells])} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Mean and standard deviation of imputation scores over folds.")
    parser.add_argument("exports", nargs="+", type=Path, help="NAME.records.json of each fold")
    try:
        print(table([load_export(path) for path in parser.parse_args().exports]))
    except BenchError as error:
        print(f"folds: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
