"""`bench tune`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from bench.cli.grid import carry_out, say_differences, unfinished_code
from bench.cli.main import JSON, answer, components, say

if TYPE_CHECKING:
    from bench.config.command import Request
    from bench.run.execute import Outcome
    from bench.tuning.file import Tuned
    from bench.tuning.search import Ran, TuneRequest


@click.command()
@click.argument(
    "words", nargs=-1, metavar="suite=NAME [kind=imputer] [fuser=NAME,...] [trials=N] [to=FILE] [KEY=VALUE]..."
)
@JSON
def tune(words: tuple[str, ...], as_json: bool) -> None:
    """Choose parameters of fusers, or of imputers, on the validation part, as many trials for each,
    and write them to a file.

    Takes the words of bench run. kind=imputer tunes imputers, by entries that a scenario hid in the
    validation part. The file is
    for: bench run tuned=FILE. The same command goes on after any interruption.
    """
    registry = components()
    from bench.tuning import search as tuning
    from bench.tuning.proposer import version

    ask = tuning.request_of(words, registry)
    version()  # before anything is run: tuning cannot do without it
    from bench.results.records import failed_audits
    from bench.run.prepare import prepare

    prepared = prepare(ask.request, registry, fetch=say)
    tuning.check_hidden(ask, prepared.plan, registry)
    protocol = tuning.protocol_of(ask, prepared.plan, registry)
    known = _known(ask)
    if known:
        tuning.check_same(known, protocol, ask.to)
    _begin(ask)
    outcomes: list[Outcome] = []
    begun = time.monotonic()

    def run(request: Request) -> Ran:
        ready = prepare(_within(request, time.monotonic() - begun), registry, fetch=say)
        outcomes.append(carry_out(ready, remember=False))
        failed = {key: sorted(failed_audits(record)) for key, record in ready.done.items()}
        return tuning.Ran(ready.plan.cells, ready.done, bool(outcomes[-1].unfinished), failed)

    new_methods = tuning.tune(ask, registry, protocol, run, say)
    for name in dict.fromkeys(name for outcome in outcomes for name in outcome.warnings):
        say(f"warning: {name} in the ledger is damaged; it was ignored and its cell run again")
    if new_methods is None:
        say(f"not all trials are done ({outcomes[-1].stopped}); go on with: {ask.request.command()}")
        raise SystemExit(unfinished_code(outcomes[-1]))
    from bench.grid.differences import sentence
    from bench.results.redact import redact_command
    from bench.tuning.file import Tuned, write

    methods = {**(known.method if known else {}), **new_methods}
    tuned = Tuned(
        differs=sentence(ask.request.overrides),
        command=redact_command(ask.request.command(exact=False)),
        protocol=protocol,
        method=dict(sorted(methods.items())),
    )
    write(ask.to, tuned)
    if as_json:
        answer(tuned)
    else:
        _show(tuned, list(new_methods))
    _remark(tuned, list(new_methods))
    say(f"written: {ask.to}; both rows of each: {tuning.run_command(ask)}")
    raise SystemExit(int(any(trial.score is None for method in new_methods.values() for trial in method.trial)))


def _known(ask: TuneRequest) -> Tuned | None:
    from bench.tuning.file import read

    return read(ask.to) if ask.to.exists() else None


def _within(request: Request, gone: float) -> Request:
    """The request with what is left of its budget."""
    import msgspec

    seconds = request.settings.budget_seconds()
    if seconds is None:
        return request
    settings = msgspec.structs.replace(request.settings, budget=f"{max(seconds - gone, 0.0):.3f}")
    return msgspec.structs.replace(request, settings=settings)


def _begin(ask: TuneRequest) -> None:
    """What is tuned on, which the words may not have said."""
    from bench.grid.axes import shown
    from bench.tuning.search import once

    grid = ask.request.suite.grid
    values = {axis: list(map(str, getattr(grid, axis))) for axis in once(ask.kind.name)}
    on = "; ".join(
        f"{axis} {', '.join(each)}" for axis, each in values.items() if any(shown(axis, one) for one in each)
    )
    say(f"tuning {', '.join(getattr(grid, ask.kind.name))}, {ask.trials} trials each, on {on}")
    say_differences(ask.request)


def _show(tuned: Tuned, names: list[str]) -> None:
    from tabulate import tabulate

    def shown(score: float | None) -> str:
        return "-" if score is None else f"{score:.4f}"

    from bench.tuning.kinds import KINDS

    kind = tuned.protocol.kind
    metric = f"{KINDS[kind].described(tuned.protocol.metric)} (validation)"
    rows = []
    for name in names:
        method = tuned.method[name]
        ok = sum(each.score is not None for each in method.trial)
        rows.append(
            [
                name,
                shown(method.default_score),
                shown(method.best_score),
                f"{ok} of {len(method.trial)}",
                method.in_words(),
            ]
        )
    print(tabulate(rows, [kind, f"default {metric}", "best", "trials scored", "chosen"], disable_numparse=True))


def _remark(tuned: Tuned, names: list[str]) -> None:
    """What a person must not miss: trials that are fewer or failed."""
    for name in names:
        method = tuned.method[name]
        if method.note:
            say(f"{name}: {method.note}")
        if len(method.trial) < tuned.protocol.trials and not method.note:
            say(f"{name}: {len(method.trial)} trials are all that its space holds")
        for number, each in enumerate(method.trial):
            if each.score is None:
                say(f"{name}: trial {number} has no score: {each.status} ({each.reason})")
