"""Single damaged bytes: of every kind of file under results and the cache, is the damage noticed,
and mended or named?

    python benchmarks/damage.py                 # 200 random bytes of each kind
    python benchmarks/damage.py --bytes 20 --only record,plan

A toy suite is run once, with imputations in several draws, hidden entries, generated data, loaded
weights, a report, a pinned baseline. For each trial one byte of one file becomes another one, its
size and its time of change as before, in a copy of both folders. Then happens what a person would
do: report, run, run again where the first said so, report. A trial ends as one of OUTCOMES; a
traceback ends the script.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT / "tests"), str(CHECKOUT / "tests" / "support")]

from bench.cli.weights import _learnt  # noqa: E402
from bench.errors import BenchError  # noqa: E402
from bench.gate.baselines import pin  # noqa: E402
from bench.leaderboard import load_export, render, save_export  # noqa: E402
from bench.results.collect import collect  # noqa: E402
from bench.results.ledger import Ledger  # noqa: E402
from bench.results.redact import redact  # noqa: E402
from bench.run.export import planned_export  # noqa: E402
from bench.run.last_run import LastRun  # noqa: E402
from bench.run.prepare import Prepared  # noqa: E402
from bench.run.schedule import setup_of  # noqa: E402
from bench.stages.weights import write as write_weights  # noqa: E402
from bench.tuning.file import Protocol, Trial, Tuned, TunedMethod  # noqa: E402
from bench.tuning.file import read as read_tuned  # noqa: E402
from bench.tuning.file import write as write_tuned  # noqa: E402
from support import inline  # noqa: E402

OUTCOMES = {
    "mended": "noticed and made again, or read from where it is intact; the tables are those of before",
    "named": "refused with the file or folder and what to do; nothing was believed",
    "unread": "not noticed, and nothing of it was shown",
    "believed": "other tables without a word",
}

KINDS = {
    "record": "results/ledger/cells/*/*.json",
    "predictions": "results/ledger/cells/*/*.npz",
    "errors": "results/ledger/errors/*/*.npz",
    "plan": "results/ledger/plans/*.json",
    "scores": "results/ledger/scores/*.json",
    "statistics": "results/ledger/statistics/*.json",
    "export": "results/leaderboards/*.records.json",
    "baseline": "results/baselines/*.json",
    "tuned": "results/tuned/*.toml",
    "cohort": "cache/keys-*/cohorts/*.safetensors",
    "mask": "cache/keys-*/masks/*.safetensors",
    "imputation": "cache/keys-*/imputations/*/completed.safetensors",
    "draws": "cache/keys-*/imputations/*/draws.safetensors",
    "state": "cache/keys-*/imputations/*/state.safetensors",
    "cached errors": "cache/keys-*/imputations/*/errors.npz",
    "weights": "cache/weights/*.safetensors",
    "generated data": "cache/synthetic/*/records.json",
    "digest of data": "cache/kept/*.json",
}
"""Every kind of file that is read again, and where it lies. Logs, the lock and the tables
themselves are for people.
"""

SUITE = (
    inline.SUITE.replace('dataset = "toy"', 'dataset = "filed"')
    .replace('imputer = ["around"]', 'imputer = ["around", "locf"]')
    .replace("seed = [1]", "seed = [1, 2]")
    .replace("[stats]", '[stats]\nmetrics = ["kappa"]')
)


@dataclass
class Stage:
    """A folder with everything of a run."""

    folder: Path
    registry: inline.Registry = field(default_factory=inline.registry)

    @property
    def weights(self) -> Path:
        return self.folder / "around.safetensors"

    @property
    def loading(self) -> tuple[str, ...]:
        """The words of the run that loads them."""
        return f"weights={self.weights}", "weights.differ=scaling"

    def prepared(self, *words: str) -> Prepared:
        return inline.prepared(self.folder, self.registry, *words, suite=SUITE)

    def make(self) -> None:
        """Run, save and load weights, report, pin, tune."""
        first = self.prepared()
        inline.run(first)
        cell = next(cell for cell in first.plan.cells if cell.imputer.name == "around")
        write_weights(
            self.weights, *_learnt(cell, LastRun(first, setup_of(first), planned_export(first)), self.registry)
        )
        inline.run(self.prepared(*self.loading))
        inline.run(first)
        export = collect(planned_export(first), first.ledger)
        save_export(self.folder / "results/leaderboards/inline.records.json", redact(export))
        pin(export, self.folder / "results/baselines/inline.json")
        write_tuned(self.folder / "results/tuned/inline.toml", _tuned())

    def tables(self, said: list[str]) -> dict[str, bytes]:
        """The tables of the last run, as `bench report` makes them; what it says on the way."""
        ledger = Ledger(self.folder / "results")
        planned = ledger.last("inline")
        assert planned is not None
        export = collect(planned, ledger, said.append)
        said += [f"{name} in the ledger is damaged" for name in ledger.damaged]
        return render(export, wall_costs=False)

    def finish(self, said: list[str], *words: str) -> None:
        """The run, as `bench run` does it."""
        outcome = inline.run(self.prepared(*words))
        assert not outcome.bad, outcome
        said += outcome.warnings


def _tuned() -> Tuned:
    trial = Trial(values={"seconds": 0.25}, status="ok", score=0.8125, seconds=1.5)
    fuser = TunedMethod(best=0, seconds=1.5, default={"seconds": 0.25}, chosen={"seconds": 0.25}, trial=(trial,))
    protocol = Protocol(
        kind="fuser", suite="inline", profile="demo", dataset="filed", data={}, manifest="m", split={}, training={},
        fill_absent=False, precision="fp32", task="toy", modalities=("all",), scenario=("mcar",), imputer=("around",),
        seed=(1,), draws=1, inputs="i", metric="auroc", higher=True, trials=1, optuna="4",
    )  # fmt: skip
    return Tuned(command="bench tune", protocol=protocol, method={"waits": fuser})


READERS: dict[str, Callable[[Path], object]] = {
    "export": load_export,
    "baseline": load_export,
    "tuned": read_tuned,
}
"""Of files that only their own command reads."""


def damaged(content: bytes, chance: random.Random) -> bytes:
    """The content with one byte changed."""
    place = chance.randrange(len(content))
    return content[:place] + bytes([content[place] ^ chance.randrange(1, 256)]) + content[place + 1 :]


def trial(stage: Stage, kind: str, path: Path, tables: dict[str, bytes], chance: random.Random) -> str:
    """Damage a byte of the file and do what a person would; how it ended."""
    broken, times = damaged(path.read_bytes(), chance), path.stat()
    path.write_bytes(broken)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    inline.fresh()
    if kind in READERS:
        return (_tries(lambda: READERS[kind](path)) and "named") or "unread"
    said: list[str] = []
    if kind == "state":
        said += _tries(lambda: _weights_again(stage, path.parent.name))
    else:
        shown: list[dict[str, bytes]] = []
        refused = _tries(lambda: shown.append(stage.tables(said)))
        said += refused
        if shown and shown[0] != tables and not said:
            return "believed"
    if kind in ("draws", "imputation", "cached errors", "cohort", "mask"):  # nothing reads them until a cell needs them
        shutil.rmtree(stage.folder / "results" / "ledger" / "cells")
    for words in (stage.loading, ()):
        for _ in range(4):
            refused = _tries(partial(stage.finish, said, *words))
            said += refused
            if not refused:
                break
            _obey(refused[0])
        else:
            return "named"
    rest: list[str] = []
    inline.fresh()
    if stage.tables(rest) != tables:
        return "believed"
    if rest:
        return "named"
    changed = not path.exists() or path.read_bytes() != broken
    return "mended" if changed or said else "unread"


def _tries(what: Callable[[], object]) -> list[str]:
    """What it was refused with, if it was."""
    try:
        what()
    except BenchError as error:
        return [str(error)]
    return []


def _obey(refusal: str) -> None:
    """Remove what a refusal says to remove."""
    named = re.search(r"the files in (\S+) are not what was put there: remove that folder", refusal)
    if named:
        shutil.rmtree(named[1])


def _weights_again(stage: Stage, key: str) -> None:
    """Save what that imputation learnt, as `bench weights save` does."""
    made = stage.prepared()
    cell = next(cell for cell in made.plan.cells if cell.keys["impute"] == key)
    _learnt(cell, LastRun(made, setup_of(made), planned_export(made)), stage.registry)


def trials(count: int, only: tuple[str, ...] = (), seed: int = 0) -> Iterator[tuple[str, Counter[str]]]:
    """Kind -> how many damages ended how."""
    with tempfile.TemporaryDirectory() as temporary:
        pristine = Path(temporary) / "pristine"
        stage = Stage(Path(temporary) / "here")
        stage.folder.mkdir()
        stage.make()
        inline.fresh()
        tables = stage.tables([])
        shutil.copytree(stage.folder, pristine)
        for kind, pattern in KINDS.items():
            if only and kind not in only:
                continue
            chance = random.Random(f"{seed} {kind}")
            files = sorted(path.relative_to(stage.folder) for path in stage.folder.glob(pattern))
            if kind == "state":  # that of loaded weights is the file of weights
                trained = {cell.keys["impute"] for cell in stage.prepared().plan.cells}
                files = [path for path in files if path.parent.name in trained]
            assert files, f"no file of the kind {kind}: {pattern}"
            ends: Counter[str] = Counter()
            for _ in range(count):
                path = stage.folder / chance.choice(files)
                ends[trial(stage, kind, path, tables, chance)] += 1
                shutil.rmtree(stage.folder)
                shutil.copytree(pristine, stage.folder)
            yield kind, ends


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=int, default=200, help="damages of each kind of file")
    parser.add_argument("--only", type=lambda text: tuple(text.split(",")), default=(), help="kinds of files")
    parser.add_argument("--seed", type=int, default=0)
    said = parser.parse_args()
    print(f"| kind of file | damages | {' | '.join(OUTCOMES)} |\n|---|---|{'---|' * len(OUTCOMES)}")
    missed = 0
    for kind, ends in trials(said.bytes, said.only, said.seed):
        print(f"| {kind} | {sum(ends.values())} | {' | '.join(str(ends[end]) for end in OUTCOMES)} |", flush=True)
        missed += ends["believed"] + ends["unread"]
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
