"""`bench baseline` and `bench gate`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bench.cli import LazyGroup, answer

WORDS = click.argument("words", nargs=-1, metavar="suite=NAME [out=DIR] [KEY=VALUE]...")
FILE = click.option(
    "--baseline", "file", type=click.Path(path_type=Path), help="Baseline file (OUT/baselines/SUITE.json)."
)


@click.group(cls=LazyGroup)
def baseline() -> None:
    """Pin a run as the baseline of a suite."""


baseline.lazy = {"pin": ("bench.cli.gating:pin", "Store the last run of a suite, or the cells further words select.")}


def _file(file: Path | None, words: tuple[str, ...], suite: str) -> Path:
    out = next((word.partition("=")[2] for word in words if word.startswith("out=")), "results")
    return file or Path(out).expanduser() / "baselines" / f"{suite}.json"


@click.command()
@WORDS
@FILE
def pin(words: tuple[str, ...], file: Path | None) -> None:
    """Store a run as the baseline: scores and comparisons, no predictions, nothing that names a patient."""
    from bench import gate
    from bench.cli.report import export_of

    export, _ = export_of(words)
    path = _file(file, words, export.suite)
    gate.pin(export, path)
    print(path)


@click.command("gate")
@WORDS
@FILE
@click.option(
    "--alpha", type=float, default=0.05, show_default=True, help="How often an unchanged method may be called worse."
)
@click.option("--tolerance", type=float, default=0.0, show_default=True, help="Differences up to this never matter.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Write the report as Markdown.")
@click.option("--junit", type=click.Path(path_type=Path), help="Write the report as JUnit XML.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def gate(
    words: tuple[str, ...],
    file: Path | None,
    alpha: float,
    tolerance: float,
    markdown: Path | None,
    junit: Path | None,
    as_json: bool,
) -> None:
    """Compare a run with the baseline. Exit code: 0 same, 10 improved, 11 worse, 12 inconclusive, 13 not comparable."""
    from bench.cli.report import export_of
    from bench.errors import StorageError
    from bench.files import write_bytes, write_text
    from bench.gate import gate as judge
    from bench.gate_report import to_junit, to_markdown
    from bench.leaderboard import load_export

    export, _ = export_of(words)
    path = _file(file, words, export.suite)
    if not path.is_file():
        raise StorageError(f"there is no baseline at {path}; make one with: bench baseline pin suite={export.suite}")
    report = judge(load_export(path), export, alpha=alpha, tolerance=tolerance)
    if markdown:
        write_text(markdown, to_markdown(report))
    if junit:
        write_bytes(junit, to_junit(report))
    if as_json:
        answer(report)
    else:
        print(to_markdown(report))
    sys.exit(report.exit_code)
