"""The doors through which what strangers wrote comes in: for each, files that are as they should be, mutations of them, and
the commands that read them.

A file under a checksum is mutated in its content and sealed again as often as it is mutated as it lies: whoever knows about
checksums makes files too.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import io
import json
import pickle
import pickletools
import random
import sys
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
for _place in (CHECKOUT / "tests" / part for part in ("", "support")):
    if str(_place) not in sys.path:
        sys.path.append(str(_place))

from benchmarks.mutations import (  # noqa: E402
    STRANGE,
    STRANGER,
    TOKENS,
    mutated_bytes,
    mutated_rows,
    mutated_tree,
    mutated_word,
)  # fmt: skip


@dataclass
class Case:
    """files: where in the folder of the case -> content; commands: the words of each, done one after another."""

    commands: list[tuple[str, ...]]
    files: dict[str, bytes] = field(default_factory=dict)
    converted_here: bool = False
    """Pickles are converted in this process and not in a child, which takes a second to start."""


# Data of PhysioNet 2012, made up; also what the suites and the words below plan with


def _archive(members: dict[str, bytes], layout: str, chance: random.Random | None = None) -> bytes:
    """An archive, the same bytes every time. chance: with one member that no archive of the release has."""
    odd = chance and chance.randrange(8)
    stream = io.BytesIO()
    if layout == "zip":
        with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            warnings.simplefilter("ignore")  # a name may stand there twice
            for name, content in members.items():
                archive.writestr(zipfile.ZipInfo(name, (2012, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
            if odd and chance:
                archive.writestr(
                    zipfile.ZipInfo(_odd_name(members, chance), (2012, 1, 1, 0, 0, 0)),
                    chance.choice([*members.values(), b"0" * 30_000_000]),
                    zipfile.ZIP_DEFLATED,
                )
        return stream.getvalue()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        if odd and chance:
            info = tarfile.TarInfo(_odd_name(members, chance))
            info.type = chance.choice(
                [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.REGTYPE, tarfile.DIRTYPE]
            )
            info.linkname = chance.choice(["../../../x", "/etc/passwd", *members])
            tar.addfile(info)
    return gzip.compress(stream.getvalue(), mtime=0)


def _odd_name(members: dict[str, bytes], chance: random.Random) -> str:
    return chance.choice(
        [
            "../../../x.txt",
            "/x/21.txt",
            "set-a/" + "9" * 90 + ".txt",
            "set-a/\u0663.txt",
            "set-a/x/../11.txt",
            "21.txt",
            *members,
        ]
    )


def _stays() -> tuple[dict[str, str], str]:
    from support.physionet_files import STAYS, outcomes

    return STAYS, outcomes(dict.fromkeys(STAYS, (5, 0)))


@functools.cache
def stand_in() -> Path:
    """A folder with made-up stays in the layout of PhysioNet 2012, for commands that only need some data."""
    from support.physionet_files import STAYS, write_set

    root = Path(tempfile.mkdtemp(prefix="bench-fuzz-")) / "data"
    write_set(root, STAYS, results=dict.fromkeys(STAYS, (5, 0)))
    return root


def physionet(chance: random.Random) -> Case:
    """Text files of PhysioNet 2012, in a folder, a .tar.gz or a .zip; and the outcomes."""
    stays, results = _stays()
    members = {f"set-a/{name}.txt": text.encode() for name, text in stays.items()}
    layout = chance.choice(["dir", "dir", "tar.gz", "zip"])
    place = "physionet2012"
    others = [*members.values(), results.encode()]
    how = chance.randrange(5)
    raw = outcome = False
    if how == 0:
        outcome = True
    elif how == 1 and layout != "dir":
        raw = True
    for name in chance.sample(sorted(members), 1) if not (outcome or raw) else ():
        if chance.random() < 0.5:
            members[name] = mutated_bytes(members[name], chance, others)
        else:
            members[name] = _table(members[name], chance)
    if outcome:
        results = (_table if chance.random() < 0.6 else lambda b, c: mutated_bytes(b, c, others))(
            results.encode(), chance
        ).decode("latin-1")
    files = {f"{place}/Outcomes-a.txt": results.encode("latin-1")}
    if layout == "dir":
        files |= {f"{place}/{name}": content for name, content in members.items()}
    else:
        whole = _archive(members, layout, chance if raw else None)
        files[f"{place}/set-a.{layout}"] = mutated_bytes(whole, chance) if raw and chance.random() < 0.6 else whole
    return Case([("data", "verify", "physionet2012", "data.root=physionet2012")], files)


def _table(content: bytes, chance: random.Random) -> bytes:
    """A table of text after changes of its fields, rows, columns or names."""
    rows = [line.split(",") for line in content.decode().splitlines()]
    end = chance.choice(["\n", "\n", "\n", "\r\n", "\r"])
    return (end.join(",".join(row) for row in mutated_rows(rows, chance)) + end).encode("utf-8", "surrogatepass")


# Suites, words, tuned parameters


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

    from bench.tuning.file import _entries

    if chance.random() < 0.5:
        return mutated_bytes(content, chance, others)
    while True:
        try:
            text = "\n".join(_entries(mutated_tree(tomllib.loads(content.decode()), chance))) + "\n"
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
"""Words as they should be, of commands that plan a grid; the last three name files that are not there."""

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
    """Words of the command line; more often of `bench plan`, which reads most of them and has the data."""
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
    from support.tuned_files import protocol, tuned_fuser

    registry = discover()
    file = stand_in().parent / "small.toml"
    from support.commanding import SUITE

    file.write_text(SUITE)
    suite = request([f"suite={file}"], registry).suite
    default = tuned.stated(msgspec.structs.asdict(registry.get("fuser", "gru").parameters({})))
    here = {
        "dataset": suite.dataset,
        "data": tuned.stated(msgspec.structs.asdict(registry.get("dataset", suite.dataset).parameters(suite.data))),
        "split": tuned.stated(suite.split.identity()),
        "training": suite.training.shared(),
        "fill_absent": suite.fill_absent,
        "manifest": "",
    }
    whole = tuned.Tuned(command="bench tune", protocol=protocol(**here), fuser={"gru": tuned_fuser(default, hidden=32)})
    return {"format": tuned.FORMAT, **msgspec.json.decode(msgspec.json.encode(whole))}


def tuned(chance: random.Random) -> Case:
    """Files of tuned parameters."""
    import tomllib

    import msgspec

    from bench.grid.identity import digest
    from bench.tuning import file as files

    def sealed(tree: Any) -> bytes:
        """As the harness writes it, where it is a file of tuned parameters; else with a digest that fits."""
        with contextlib.suppress(msgspec.ValidationError, ValueError, OverflowError):
            return files._text(msgspec.convert(tree, files.Tuned)).encode("utf-8", "surrogatepass")
        text = "\n".join(files._entries(tree)) + "\n"
        return f"digest = {json.dumps(digest(tomllib.loads(text)))}\n{text}".encode("utf-8", "surrogatepass")

    content = mutated_bytes(sealed(_tuned()), chance) if chance.random() < 0.3 else b""
    while not content:
        with contextlib.suppress(
            TypeError, ValueError, AttributeError, RecursionError, OverflowError
        ):  # what TOML cannot say
            content = sealed(mutated_tree(_tuned(), chance))
    word = ("plan", "suite=small.toml", f"data.root={stand_in()}", "tuned=tuned.toml")
    return Case([word], {"tuned.toml": content})


# Results and weights


@functools.cache
def _exports() -> list[tuple[bytes, Any]]:
    """Exports, as bytes and as trees without their checksum."""
    from bench.results.export_file import encode_export
    from support.fake_exports import LOS, PUBLISHED, make_export, simulated_export

    made = [
        make_export(("mean", "locf"), ("linear", "gru"), (1, 2), published=PUBLISHED),
        make_export(("mean",), ("linear",), (1, 2), ("natural", "mcar(rate=0.3)"), (LOS,)),
        simulated_export({"a": 1.0, "b": 2.0, "c": 3.0}, n=80),
    ]
    whole = [encode_export(export) for export in made]
    return [(content, {k: v for k, v in json.loads(content).items() if k != "sha256"}) for content in whole]


def sealed_export(tree: Any) -> bytes:
    """An export with its checksum."""
    rest = ",\n".join(f"{json.dumps(key)}: {_json(inner)}" for key, inner in tree.items()) + "\n}\n"
    return b'{\n"sha256": "' + hashlib.sha256(rest.encode()).hexdigest().encode() + b'",\n' + rest.encode()


def records(chance: random.Random) -> Case:
    """Records files, of which tables are made."""
    whole, tree = chance.choice(_exports())
    how = chance.random()
    if how < 0.25:
        content = mutated_bytes(whole, chance, [other for other, _ in _exports()])
    elif how < 0.4:  # the text of a sealed file, whose JSON may then be anything
        body = mutated_bytes(whole.split(b"\n", 2)[2], chance)
        content = b'{\n"sha256": "' + hashlib.sha256(body).hexdigest().encode() + b'",\n' + body
    else:
        tree = mutated_tree(tree, chance)
        content = sealed_export(tree) if isinstance(tree, dict) else _json(tree).encode()
    command = chance.choice([("--html",), ("--json",), ("--print", "--no-costs")])
    asked: list[tuple[str, ...]] = [("report", "from=made.records.json", "to=tables", *command)]
    if chance.random() < 0.05:
        asked.append(("plot", "rates", "from=made.records.json", "to=there.svg"))
    return Case(asked, {"made.records.json": content})


@functools.cache
def _weights() -> bytes:
    from bench.stages import weights as files
    from support.weight_files import STATE, made

    with tempfile.TemporaryDirectory() as place:
        record = made(component="mean", params={})
        files.write(Path(place) / "w.safetensors", STATE, record)
        return (Path(place) / "w.safetensors").read_bytes()


def resealed(content: bytes, change: Callable[[dict[str, Any]], Any]) -> bytes:
    """A file of weights with another header."""
    length = int.from_bytes(content[:8], "little")
    text = _json(change(json.loads(content[8 : 8 + length]))).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def _json(value: Any) -> str:
    """As JSON, also where it is too deep for Python to write."""
    try:
        return json.dumps(value)
    except RecursionError:
        return '{"a":' * 3000 + "1" + "}" * 3000


def with_record(change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], Any]:
    """A change of the record inside the header, with checksums that fit."""

    def changed(header: dict[str, Any]) -> dict[str, Any]:
        about = json.loads(header["__metadata__"]["gapbench"])
        text = _json(change(json.loads(about["metadata"]["weights"])))
        about["metadata"] = {"weights": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}
        return _resigned(header, about)

    return changed


def _resigned(header: dict[str, Any], about: Any) -> dict[str, Any]:
    from bench import arrays

    if isinstance(about, dict):
        with contextlib.suppress(KeyError, RecursionError):
            about["text_sha256"] = arrays._text_digest(about["sha256"], about["metadata"])
    return {**header, "__metadata__": {"gapbench": _json(about)}}


def weights(chance: random.Random) -> Case:
    """Files of weights in the safetensors format, and configurations beside them."""
    whole = _weights()
    how = chance.random()
    if how < 0.3:
        content = mutated_bytes(whole, chance)
    elif how < 0.65:
        content = resealed(whole, with_record(lambda record: mutated_tree(record, chance)))
    elif how < 0.75:
        content = resealed(
            whole,
            lambda header: _resigned(header, mutated_tree(json.loads(header["__metadata__"]["gapbench"]), chance)),
        )
    elif how < 0.95:
        content = resealed(whole, lambda header: mutated_tree(header, chance))
    else:
        content = chance.choice([0, 8, 2**31, 2**63 - 1, 2**64 - 1]).to_bytes(8, "little") + whole[8:]
    files = {"many/strange.safetensors": content, "many/good.safetensors": whole}
    if chance.random() < 0.2:
        beside = _json(
            mutated_tree(json.loads(json.dumps({"a": 1, "component": "around", "list": [1, {"b": None}]})), chance)
        )
        files["many/strange.json"] = mutated_bytes(beside.encode(), chance)
    load = ("weights", "load", "many/strange.safetensors")
    plan = ("plan", "suite=small.toml", f"data.root={stand_in()}", "imputer=mean", "weights=many/strange.safetensors")
    return Case([("weights", "list", "many"), load, *([plan] if chance.random() < 0.3 else [])], files)


# Tables of MIMIC-IV


@functools.cache
def _ward() -> dict[str, bytes]:
    """Tables of a few made-up patients: name -> text."""
    from support.mimic4_tables import ward

    with tempfile.TemporaryDirectory() as place:
        ward(4).write(Path(place), suffix=".csv")
        root = Path(place)
        return {
            path.relative_to(root).as_posix().removesuffix(".csv"): path.read_bytes()
            for path in sorted(root.rglob("*.csv"))
        }


def mimic(chance: random.Random) -> Case:
    """Tables of MIMIC-IV as CSV or gzip, and tables of codes of one's own."""
    tables = _ward()
    others = list(tables.values())
    name = chance.choice(sorted(tables))
    form = {each: ".csv" for each in tables}
    form[name] = chance.choice([".csv", ".csv", ".csv.gz"])
    files = {f"m/{each}.csv": content for each, content in tables.items() if each != name}
    content = tables[name]
    how = chance.random()
    if how < 0.5:
        content = _csv(content, chance)
    elif how < 0.8 or form[name] == ".csv":
        content = mutated_bytes(content, chance, others)
    if form[name] == ".csv.gz":
        content = gzip.compress(content, mtime=0)
        if how >= 0.8:
            content = mutated_bytes(content, chance)
    files[f"m/{name}{form[name]}"] = content
    asked: tuple[str, ...] = ()
    if chance.random() < 0.12:
        own, key, text = chance.choice(CODES)
        files[f"m/{own}"] = mutated_bytes(text, chance)
        files[f"m/{name}{form[name]}"] = gzip.compress(tables[name]) if form[name] == ".csv.gz" else tables[name]
        asked = (f"data.{key}={own}",)
    return Case([("data", "verify", "mimic4", "data.root=m", *asked)], files)


CODES = [
    ("x.yaml", "ccs", "".join(f'"C{n}": {{id: {n}, codes: ["{n:05d}"]}}\n' for n in range(1, 260)).encode()),
    ("x.txt", "ccs", "".join(f"{n:<4} C{n}\n     {n:05d}\n\n" for n in range(1, 260)).encode()),
    ("x.csv", "gem", b"icd10cm,icd9cm\nA419,0389\nI10,4019\n"),
]


def _csv(content: bytes, chance: random.Random) -> bytes:
    """A table of CSV after changes of its fields, rows, columns or names."""
    import csv

    rows = list(csv.reader(io.StringIO(content.decode(), newline="")))
    stream = io.StringIO(newline="")
    quoting = chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    csv.writer(stream, lineterminator=chance.choice(["\n", "\n", "\r\n"]), quoting=quoting).writerows(
        mutated_rows(rows, chance)
    )
    return stream.getvalue().encode("utf-8", "surrogatepass")


# Pickles of features


@functools.cache
def _contents() -> list[Any]:
    from support import affect_pickles as files

    sizes = {"train": 4, "valid": 2, "test": 2}
    plain = files.aligned(sizes)
    return [plain, files.multibench(), files.mmsa(), files.mmsa(frames=(14, 12))]


def _mutated_arrays(content: Any, chance: random.Random) -> Any:
    """A dictionary of parts of arrays in which some are of another type, shape or value."""
    import numpy as np

    content = {part: dict(arrays) for part, arrays in content.items()}
    for _ in range(chance.choice([1, 1, 2, 3])):
        part = chance.choice(sorted(content))
        if not isinstance(content[part], dict) or not content[part]:
            continue
        key = chance.choice(sorted(content[part]))
        value = content[part][key]
        how = chance.randrange(9)
        if how == 0:
            content[part][key] = chance.choice([*STRANGER, b"x", {1, 2}, (1, (2,)), 1j])
        elif how == 1:
            del content[part][key]
        elif how == 2:
            content[part][chance.choice(["x", "../x", "labels", "id", "a/b", "\0"])] = value
        elif how == 3 and isinstance(value, np.ndarray):
            content[part][key] = (
                value.astype(chance.choice(["O", "U8", "S8", "f2", "f8", "?", "i1", "c8"]), copy=True)
                if value.dtype.kind in "fiu"
                else value[:1]
            )
        elif how == 4 and isinstance(value, np.ndarray):
            shape = chance.choice(
                [value[..., None], value[:0], value[..., :0], value[:1], np.concatenate([value, value]), value.ravel()]
            )
            content[part][key] = shape
        elif how == 5 and isinstance(value, np.ndarray) and value.dtype.kind == "f":
            copy = value.copy()
            copy.reshape(-1)[chance.randrange(max(copy.size, 1)) :: 3] = chance.choice(
                [np.nan, np.inf, -np.inf, 1e30, -9.0, 1e-40]
            )
            content[part][key] = copy
        elif how == 6:
            content[part] = chance.choice(
                [*STRANGE, list(content[part].values()), content[chance.choice(sorted(content))]]
            )
        elif how == 7:
            content[chance.choice(["x", "dev", "train", "../x"])] = content.pop(part)
        elif isinstance(value, list):
            content[part][key] = [*value[1:], chance.choice(STRANGE)]
    return content


HOSTILE = [
    # a tuple of two of itself, thirty times: 2**30 when it is shown
    b"\x80\x04)" + b"\x94h\x00" * 0 + b"".join(b"\x94h%c\x86" % k for k in range(30)) + b".",
    b"\x80\x02]" + b"q\x00" + b"h\x00a" * 1 + b".",  # a list inside itself
    b"\x80\x04" + b"(" * 100_000 + b".",
    b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".",
    b"\x80\x04" + b"N" + b"\x85" * 100_000 + b".",
    b"\x80\x02L" + b"9" * 100_000 + b"L\n.",
    b"I" + b"9" * 100_000 + b"\n.",
    b"\x80\x02\x8b" + (200_000).to_bytes(4, "little") + b"\x7f" * 200_000 + b".",
]
"""Pickles of a few bytes that cost whoever reads them much, or end in the middle of what they are."""


def _opcodes(content: bytes, chance: random.Random) -> bytes:
    """The same pickle with steps twice, gone, exchanged, or taken from elsewhere."""
    marks = [place for _, _, place in pickletools.genops(content)]
    steps = [content[begin:end] for begin, end in zip(marks, [*marks[1:], len(content)], strict=True)]
    for _ in range(chance.choice([1, 2, 4])):
        place, other = chance.randrange(len(steps)), chance.randrange(len(steps))
        how = chance.randrange(5)
        if how == 0:
            steps.insert(other, steps[place])
        elif how == 1 and len(steps) > 1:
            del steps[place]
        elif how == 2:
            steps[place], steps[other] = steps[other], steps[place]
        elif how == 3:
            steps.insert(
                place,
                chance.choice(
                    [
                        b"(",
                        b")",
                        b"]",
                        b"}",
                        b"N",
                        b"0",
                        b"2",
                        b"t",
                        b"u",
                        b"b",
                        b"R",
                        b"\x85",
                        b"\x86",
                        b"\x94",
                        b"\x8f",
                        b"K\x01",
                        b".",
                    ]
                ),
            )
        else:
            steps[place] = chance.choice(
                [
                    b"G\x7f\xf8\0\0\0\0\0\0",
                    b"J\xff\xff\xff\x7f",
                    b"\x8a\x09" + b"\xff" * 8 + b"\x7f",
                    b"X\x03\0\0\0\xed\xa0\x80",
                    b"B\0\0\0\x7f",
                ]
            )
    return b"".join(steps)


def pickles(chance: random.Random) -> Case:
    """Pickles of arrays as CMU-MOSI is passed on, and .npz files of one's own."""
    content = chance.choice(_contents())
    protocol = chance.choice([0, 2, 3, 4, 4, 5])
    how = chance.random()
    name = "mosi_data.pkl"
    if how < 0.3:
        whole = mutated_bytes(pickle.dumps(content, protocol), chance)
    elif how < 0.55:
        whole = _opcodes(pickle.dumps(content, protocol), chance)
    elif how < 0.85:
        whole = pickle.dumps(_mutated_arrays(content, chance), protocol)
    elif how < 0.9:
        whole = chance.choice(HOSTILE)
    else:
        name, whole = "mine.npz", _npz(content, chance)
    asked = ("data.file=mine.npz",) if name == "mine.npz" else ()
    word = ("data", "verify", "mosi", "data.root=m", "data.terms=accepted", "data.fold_sizes=any", *asked)
    return Case([word], {f"m/{name}": whole}, converted_here=chance.random() < 0.95)


def _npz(content: Any, chance: random.Random) -> bytes:
    import numpy as np

    mutate = chance.random() < 0.6
    content = _mutated_arrays(content, chance) if mutate else content
    arrays = {}
    for part, fields in content.items():
        for key, value in fields.items() if isinstance(fields, dict) else ():
            made = np.asarray(value) if isinstance(value, np.ndarray) else np.asarray(value, object)
            if not mutate and made.dtype == object:  # as one saves text on purpose
                made = made.astype(str)
            arrays[f"{part}/{key}"] = made
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for key, array in arrays.items():
            inner = io.BytesIO()
            try:
                np.lib.format.write_array(inner, array, allow_pickle=True)
            except (ValueError, TypeError):
                continue
            archive.writestr(zipfile.ZipInfo(f"{key}.npy".replace("\0", "0"), (2012, 1, 1, 0, 0, 0)), inner.getvalue())
    whole = stream.getvalue()
    return whole if mutate else mutated_bytes(whole, chance)


KINDS: dict[str, Callable[[random.Random], Case]] = {
    "suites": suites,
    "words": words,
    "records": records,
    "weights": weights,
    "tuned": tuned,
    "physionet": physionet,
    "mimic": mimic,
    "pickles": pickles,
}
"""What is fuzzed -> how one case of it is made."""

assert TOKENS
