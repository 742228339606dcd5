"""Names of strangers are checked where they come in: none of them leads out of the folder that a
command was told to write in.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.cli.main import main
from bench.cohort import Task
from bench.errors import PluginError, StorageError
from bench.registry import Registry
from bench.results.collect import stem
from bench.results.coordinates import Coordinates
from bench.results.export_file import encode_export
from bench.results.ledger import Ledger
from bench.results.records import Record
from bench.results.sealed import seal
from bench.text.names import LONGEST, is_name
from support.asking import SMALL, made_registry
from support.fake_exports import make_export

HOSTILE = (
    "", ".", "..", "../x", "../../x", "a/../../x", "/tmp/x", "~/x", "a/b", "a\\b", "C:\\x", "x\n", "x\r", "\nx", "x\0", "x y",
    "-x", ".x", "\u202ex", "\ud800", "é", "x" * (LONGEST + 1), "x;y", "*", "a\tb", "CON:", "\x1b[31m",
)  # fmt: skip
GOOD = ("x", "A-1", "physionet48", "vitals+notes", "pypots.saits", "0" * LONGEST, "x" * LONGEST)

hostile = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=12)).filter(lambda name: not is_name(name))


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_name(name: str) -> None:
    assert not is_name(name)


@pytest.mark.parametrize("name", GOOD)
def test_what_is_a_name(name: str) -> None:
    assert is_name(name)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder some levels deep, so that `../..` stays inside what is looked at."""
    with tempfile.TemporaryDirectory() as made, contextlib.chdir(made):
        deep = Path(made) / "a" / "b" / "c"
        deep.mkdir(parents=True)
        with contextlib.chdir(deep):
            yield Path(made)


def refused(*words: str) -> str:
    """The one line of an error with which the command ends."""
    out, err = io.StringIO(), io.StringIO()
    before = sys.argv
    try:
        sys.argv = ["bench", *words]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = before
    assert ended.value.code in (2, 5), err.getvalue()
    assert out.getvalue() == ""
    said = err.getvalue()
    assert said.startswith("bench: ")
    assert said.count("\n") == 1
    assert said.strip().isprintable(), said
    return said


def plain() -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(encode_export(make_export(["mean"], ["gbm"], [1], audit_cells=False)))
    del tree["sha256"]
    return tree


def places(tree: dict[str, Any]) -> dict[str, Any]:
    """Where a records file, a plan or a baseline holds a name: what sets it to another."""
    at, [record] = tree["planned"][0][0], tree["records"]

    def in_(holder: Any, key: Any) -> Any:
        return lambda name: holder.__setitem__(key, name)

    return {
        **{key: in_(tree, key) for key in ("suite", "profile", "dataset")},
        "task": in_(tree["tasks"][0], "name"),
        "modality set": lambda name: tree.__setitem__("modality_sets", {name: ["vitals"]}),
        **{f"planned {key}": in_(at, key) for key in ("suite", "task", "modalities", "split")},
        **{f"recorded {key}": in_(record["coordinates"], key) for key in ("suite", "task", "modalities", "split")},
    }


PLACES = tuple(places(plain()))


def written(tree: dict[str, Any], path: str) -> bytes:
    """As JSON, whole by its checksum where there is one; a lone surrogate escaped, as a
    stranger's file may hold it.
    """
    body = json.dumps(tree).encode()
    return seal(body) if "/plans/" in path else b"{\n" + body[1:]


@settings(max_examples=60, deadline=None)
@example("suite", "../../x")
@example("suite", "x\n")
@example("profile", "/tmp/x")
@example("recorded split", "")
@example("planned split", "../x")
@given(st.sampled_from(PLACES), hostile)
def test_no_name_in_a_records_file_or_a_plan_or_a_baseline_leads_out_of_the_folder(place: str, name: str) -> None:
    tree = plain()
    places(tree)[place](name)
    with folder() as top:
        for path in ("demo.json", "results/ledger/plans/demo.json", "results/baselines/demo.json"):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_bytes(written(tree, path))
        Path("demo.toml").write_text(SMALL.replace('"small"', '"demo"'))
        before = files(top)
        for words in (
            ("report", "from=demo.json", "to=tables"),
            ("report", "from=demo.json"),
            ("report", "suite=demo.toml", "to=tables"),
            ("plot", "rates", "from=demo.json", "to=rates.png"),
            ("plot", "rates", "suite=demo.toml"),
            ("plot", "parity", "suite=demo.toml", "imputer=mean,locf"),
            ("baseline", "pin", "suite=demo.toml"),
            ("gate", "suite=demo.toml"),
        ):
            refused(*words)
            assert files(top) == before, words


def quoted(name: str) -> str:
    """As TOML writes it; JSON's escapes of surrogates are none of TOML's."""
    return json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")


@settings(max_examples=20, deadline=None)
@example("profile", "../../x")
@example("name", "x\n")
@given(st.sampled_from(["name", "profile", "modality set", "split", "dataset"]), hostile)
def test_no_name_in_a_suite_file_leads_out_of_the_folder(place: str, name: str) -> None:
    name = name.encode("utf-8", "ignore").decode()
    if is_name(name):
        return
    text = (
        SMALL.replace('dataset = "made"', 'dataset = "physionet2012"').replace("plain", "mean").replace("flat", "gru")
    )
    said = {
        "name": text.replace('"small"', quoted(name)),
        "profile": f"{text}\n[profiles.{quoted(name)}]\ntitle = 'x'\n",
        "modality set": f'{text}\n[modalities]\n{quoted(name)} = ["vitals"]\n',
        "split": text.replace("[grid]", f"[grid]\nsplit = [{quoted(name)}]"),
        "dataset": text.replace('"physionet2012"', quoted(name)),
    }
    with folder() as top:
        Path("s.toml").write_text(said[place])
        before = files(top)
        profile = [f"profile={name}"] if place == "profile" and name and "\0" not in name else []
        for words in (
            ("plan", "suite=s.toml", "cache=kept", *profile),
            ("run", "suite=s.toml", "data.root=synthetic", "cache=kept", *profile),
            ("report", "suite=s.toml", "device=cpu", "cache=kept", *profile),
            ("baseline", "pin", "suite=s.toml", "device=cpu", "cache=kept", *profile),
        ):
            refused(*words)
            assert files(top) == before, words


@pytest.mark.parametrize("name", ["../x", "x\n", "", "a/b"])
def test_no_name_that_a_plugin_declares_may_lead_anywhere(name: str) -> None:
    for declare in (
        lambda registry: registry.imputer(name, "m:A"),
        lambda registry: registry.dataset(name, "m:A", tasks=[], modalities=()),
        lambda registry: registry.dataset("d", "m:A", tasks=[Task(name, "binary", ("auroc",))], modalities=()),
        lambda registry: registry.dataset("d", "m:A", tasks=[], modalities=(name,)),
        lambda registry: registry.dataset("d", "m:A", tasks=[], modalities=(), splits=(name,)),
    ):
        with pytest.raises(PluginError, match="is not accepted: a name has 1 to 64 letters"):
            declare(Registry())
    assert made_registry().names("imputer")


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "x\n", ""])
def test_no_key_or_digest_in_a_stored_record_leads_out_of_the_ledger(tmp_path: Path, name: str) -> None:
    """A record may say any key; its file must have the same one. Nothing is read, made or
    removed elsewhere.
    """
    at = Coordinates("demo", "ihm", "all", "natural", "mean", "gbm", 1)
    ledger = Ledger(tmp_path / "a" / "b")
    victim = tmp_path / "x.npz"
    victim.write_bytes(b"precious")
    record = Record(key=name, coordinates=at, status="ok", predictions="0" * 64, imputation_errors=name)
    for use in (ledger.write, ledger.predictions, ledger.lacks):
        with pytest.raises(StorageError, match="is not accepted: a name has"):
            use(record)
    assert ledger.errors(record) is None
    with pytest.raises(StorageError, match="is not accepted"):
        ledger.keep_errors(name, victim)
    good = msgspec.structs.replace(record, key="0" * 64)
    ledger.write(good)
    path = ledger.folder / "cells" / "00" / f"{'0' * 64}.json"
    path.rename(path.with_name(f"{'1' * 64}.json"))
    assert Ledger(tmp_path / "a" / "b").load() == {}
    assert victim.read_bytes() == b"precious"


def test_the_file_name_of_a_table_is_made_of_names_alone() -> None:
    with pytest.raises(Exception, match=r"profile .* is not accepted: a name has 1 to 64 letters"):
        stem(make_export(profile="../x"))
