"""What is asked for: suites, words of the command line, files of tuned parameters."""

from __future__ import annotations

import contextlib
import functools
import json
import random
from typing import Any

from benchmarks.doors.case import CHECKOUT, Case
from benchmarks.doors.physionet import stand_in
from benchmarks.mutations import (
    mutated_bytes,
    mutated_tree,
    mutated_word,
)


@functools.cache
def _suites() -> list[bytes]:
    from support.commanding import SUITE

    shown = [path.read_bytes() for path in sorted((CHECKOUT / "suites").glob("*.toml"))]
    return [SUITE.encode(), SUITE.encode() + MORE.encode(), *shown]


MORE = """
[profiles.paper]
draws = 5
[fuser.gru]
hidden = [32, 64]
learning_rate = 1e-3
[scenario.mcar]
rate = [0.1, 0.3]
[data]
sets = ["a"]
[split]
fractions = [0.7, 0.15, 0.15]
seed = 3
[limits]
time = "4m"
memory = "2GiB"
[training]
steps = 100
[scaling]
winsorise = 4.0
[[published]]
task = "ihm"
method = "x"
metric = "auroc"
value = 0.8
source = "y"
"""


def suites(chance: random.Random) -> Case:
    """Suite files, and the files of published values that they name."""
    known = _suites()
    content = chance.choice([known[0], known[0], known[1], *known[1:]])
    words = ("profile=paper",) if b"[profiles.paper]" in content and chance.random() < 0.3 else ()
    files = dict(_published())
    if b"published_file" in content and chance.random() < 0.4:
        name = chance.choice(sorted(files))
        files[name] = _toml(files[name], chance, [*files.values()])
        content = content.replace(b"published_file", f'published_file = "{name}" #'.encode(), 1)
    else:
        content = _toml(content, chance, [known[0], known[1]])
    plan = ("plan", "suite=mine.toml", f"data.root={stand_in()}", *words)
    return Case([plan, ("show", "mine.toml")], {"mine.toml": content, **files})


@functools.cache
def _published() -> dict[str, bytes]:
    return {
        f"published/{path.name}": path.read_bytes() for path in sorted((CHECKOUT / "suites/published").glob("*.toml"))
    }


def _toml(content: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """A TOML text after changes of its bytes, or of what it says."""
    import tomllib

    import tomli_w

    if chance.random() < 0.5:
        return mutated_bytes(content, chance, others)
    while True:
        try:
            text = tomli_w.dumps(mutated_tree(tomllib.loads(content.decode()), chance))
            return text.encode("utf-8", "surrogatepass")
        except (TypeError, ValueError, AttributeError, RecursionError):  # what TOML cannot say
            continue


GRID = [
    "seed=1,2", "seed=0..4", "imputer=mean,locf", "fuser=gru,linear", "task=ihm", "scenario=natural,mcar",
    "scenario.mcar.rate=0.1,0.3", "modalities=all", "budget=9m", "limits.time=4m", "limits.memory=2GiB", "workers=2",
    "threads=1", "profile=demo", "split.seed=3", "split.fractions=0.7,0.15,0.15", "fuser.gru.hidden=32,64",
    "fuser.gru.learning_rate=1e-3", "fuser.gru.dropout=0.1,0.2", "stats.resamples=100", "stats.alpha=0.05", "draws=3",
    "data.sets=a", "data.clean=true", "shuffle=true", "device=cpu", "precision=fp32", "training.steps=100",
    "controls.imputer=", "audits.cells=", "out=results", "cache=cache", "retry=false", "fill_absent=true",
    "imputer=csdi-quick", "imputer.csdi-quick.steps=5", "title=x", "weights=x.safetensors", "tuned=x.toml",
    "published_file=x.toml",
]  # fmt: skip
"""Words as they should be, of commands that plan a grid; the last three name files that are not
there.
"""

OTHERS = [
    "to=there", "from=x.json", "metric=auroc", "model=x", "modality=notes", "trials=3", "data.file=x.pkl",
    "data.fold_sizes=any", "data.terms=accepted", "data.notes=x.csv", "data.sets=a,b", "data.root=x",
    "suite=small.toml", "suite=physionet48", "cache=cache", "out=results", "imputer=mean,locf",
]  # fmt: skip
"""Words of the other commands."""

COMMANDS: list[tuple[str, ...]] = [
    ("plan", "suite=small.toml", "data.root=x"), ("run", "suite=small.toml", "data.root=x"),
    ("report", "suite=small.toml"), ("tune", "suite=small.toml", "data.root=x"), ("show",), ("check",),
    ("data", "verify", "physionet2012"), ("list",), ("weights", "list"), ("weights", "load"), ("weights", "save"),
    ("gate",), ("baseline", "pin"), ("plot", "parity"), ("plot", "imputation"), ("data", "embed", "mimic4"),
    ("plan",), (),
]  # fmt: skip
"""Commands that end soon: of those that would run cells, the data are missing."""

NAMES = [
    "gru",
    "locf",
    "physionet48",
    "mimic4",
    "suites",
    "imputers",
    "--json",
    "--html",
    "--help",
    "--print",
    "-x",
    "small.toml",
    "x",
    "list",
    "--",
]


def words(chance: random.Random) -> Case:
    """Words of the command line; more often of `bench plan`, which reads most of them and has
    the data.
    """
    with_data = ("plan", "suite=small.toml", f"data.root={stand_in()}")
    chosen = with_data if chance.random() < 0.6 else chance.choice(COMMANDS)
    known = GRID if chosen[:1] in (("plan",), ("run",), ("tune",)) else [*OTHERS, *NAMES]
    more = []
    for _ in range(chance.choice([1, 1, 2, 3])):
        word = chance.choice(known if chance.random() < 0.9 else [*GRID, *OTHERS, *NAMES])
        more.append(mutated_word(word, chance) if chance.random() < 0.75 else word)
    if chosen[:1] in (("check",), ("run",), ("tune",)):  # what would take hours if the words allowed it
        more = [word for word in more if word not in NAMES and not word.startswith(("data.root", "dataset"))]
    return Case([(*chosen, *more)])


@functools.cache
def _tuned() -> dict[str, Any]:
    """A file of tuned parameters that the small suite accepts, as a tree."""
    import msgspec

    from bench.config.request import request
    from bench.registry import discover
    from bench.tuning import file as tuned
    from support.tuned_files import protocol, tuned_method

    registry = discover()
    file = stand_in().parent / "small.toml"
    from support.commanding import SUITE

    file.write_text(SUITE)
    suite = request([f"suite={file}"], registry).suite
    default = tuned.stated(msgspec.structs.asdict(registry.get("fuser", "gru").parameters({})))
    here = {
        "dataset": suite.dataset,
        "data": tuned.stated(msgspec.structs.asdict(registry.get("dataset", suite.dataset).parameters(suite.data))),
        "split": tuned.stated(suite.split_identity()),
        "training": suite.training.shared(),
        "fill_absent": suite.fill_absent,
        "manifest": "",
    }
    whole = tuned.Tuned(
        command="bench tune", protocol=protocol(**here), method={"gru": tuned_method(default, hidden=32)}
    )
    return {"format": tuned.FORMAT, **msgspec.json.decode(msgspec.json.encode(whole))}


def tuned(chance: random.Random) -> Case:
    """Files of tuned parameters."""
    import tomllib

    import msgspec
    import tomli_w

    from bench.grid.identity import digest
    from bench.tuning import file as files

    def sealed(tree: Any) -> bytes:
        """As the harness writes it, where it is a file of tuned parameters; else with a digest
        that fits.
        """
        with contextlib.suppress(msgspec.ValidationError, ValueError, OverflowError):
            return files._text(msgspec.convert(tree, files.Tuned)).encode("utf-8", "surrogatepass")
        text = tomli_w.dumps(tree)
        return f"digest = {json.dumps(digest(tomllib.loads(text)))}\n{text}".encode("utf-8", "surrogatepass")

    content = mutated_bytes(sealed(_tuned()), chance) if chance.random() < 0.3 else b""
    while not content:
        with contextlib.suppress(
            TypeError, ValueError, AttributeError, RecursionError, OverflowError
        ):  # what TOML cannot say
            content = sealed(mutated_tree(_tuned(), chance))
    word = ("plan", "suite=small.toml", f"data.root={stand_in()}", "tuned=tuned.toml")
    return Case([word], {"tuned.toml": content})
