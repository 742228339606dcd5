"""Whatever words and files say, a command ends with one line and an exit code of its own: no
traceback, no file outside.
"""

from __future__ import annotations

import contextlib
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tomli_w
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bench.grid.identity import digest
from bench.results.export_file import encode_export
from bench.stages import weights
from bench.tuning import file as tuned
from benchmarks.doors.asked import COMMANDS
from benchmarks.doors.stored import resealed, sealed_export, with_record
from benchmarks.mutations import ODD, STRANGE, changed, places
from support.commanding import SUITE, Ended, command, folder
from support.fake_exports import make_export
from support.tuned_files import protocol, tuned_method
from support.weight_files import STATE
from support.weight_files import made as weights_record

BRIEF = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def bench(here: Path, *words: str) -> Ended:
    """The command, in this process. Asserts what holds of every command."""
    ended = command(here, *words)
    assert not ended.faults
    assert not ended.outside
    return ended


KEYS = st.sampled_from(
    [
        "suite", "seed", "imputer", "fuser", "task", "scenario", "modalities", "budget", "limits.time", "limits.memory",
        "workers", "threads", "profile", "split", "weights", "tuned", "fuser.gru.hidden", "fuser.gru.learning_rate",
        "stats.resamples", "stats.alpha", "split.fractions", "split.seed", "scaling.winsorise", "draws", "data.sets", "shuffle",
        "device", "data.clean", "training.steps", "hiding.parts", "x", "imputer.locf.x", "a.b.c", "published_file", "dataset",
        "data.root", "out", "cache", "to",
    ]
)  # fmt: skip
VALUES = st.one_of(st.sampled_from(ODD), st.text(max_size=12), st.integers().map(str), st.floats().map(str))
WORD = st.one_of(st.builds(lambda key, value: f"{key}={value}".replace("\0", ""), KEYS, VALUES), st.sampled_from(ODD))


@BRIEF
@given(st.sampled_from(COMMANDS), st.lists(WORD, max_size=3))
@example(("plan", "suite=small.toml", "data.root=x"), ["seed=" + "9" * 5000])
@example(("plan", "suite=small.toml", "data.root=x"), ["seed=" + "9" * 30])
@example(("plan", "suite=small.toml", "data.root=x"), ["limits.memory=" + "9" * 400])
@example(("plan", "suite=small.toml", "data.root=x"), ["limits.time=" + "9" * 400 + "s"])
@example(("plan", "suite=small.toml", "data.root=x"), ["fuser.gru.hidden=1..99999"])
@example(("plan", "suite=small.toml", "data.root=x"), ["seed=0..99999,100000..199999,200000..299999"])
@example(("plan", "suite=small.toml", "data.root=x"), ["stats.resamples=1000000000"])
@example(("plan", "suite=small.toml", "data.root=x"), ["stats.alpha=1e-300"])
@example(("plan",), ["suite=\udcff.toml"])
@example(("show",), ["\udcff"])
@example(("weights", "load"), ["\udcff.safetensors"])
@example(("plan", "suite=small.toml", "data.root=x"), ["fuser.gru.hidden=_", "draws=" + "1" * 5000])
def test_whatever_words_are_written_the_answer_is_a_line(command, words):
    with folder() as here:
        bench(here, *command, *(word for word in words if "data.root=" not in word or command == ()))


TOML = st.one_of(
    st.sampled_from(
        [
            "x = " + "9" * 5000, "x = 0x" + "f" * 5000, "draws = " + "9" * 30, "x = " + "[" * 3000 + "]" * 3000, "x = 1e999",
            "a." * 3000 + "b = 1", "[" + "a." * 3000 + "b]", "x = {a = " * 3000 + "1" + "}" * 3000, "name = '../../x'",
            "[limits]\nmemory = '" + "9" * 400 + "GiB'", "[limits]\ntime = '" + "9" * 400 + "s'", "title = '\\ud800'",
            "[stats]\nresamples = 1000000000", "[fuser.gru]\nhidden = -9223372036854775808", "[fuser.gru]\nnote = 1979-05-27",
            "published_file = '/etc/passwd'", "published_file = '../../../x'", "[profiles]\ndemo = 3", "[[published]]\nx = 1",
            "[scaling]\nwinsorise = 1e308", "[split]\nfractions = [1e308, 1e308, -1e308]", "[imputer.locf]\nx = nan", "\ufeff",
            "[modalities]\nall = []", "profiles = [1]", "grid = 3", "[fuser.gru]\nhidden = [1, [2, [3]]]", "[fuser]\ngru = 1",
            "[[fuser.gru.also]]\nalso = 3", "data = {root = 3}", "dataset = ''", "summary = '\\u0000'",
        ]
    ),
    st.text(max_size=30),
)  # fmt: skip
BYTES = st.one_of(
    st.builds(lambda extra: (extra + "\n" + SUITE).encode("utf-8", "surrogatepass"), TOML),
    st.builds(lambda extra: (SUITE + "\n" + extra).encode("utf-8", "surrogatepass"), TOML),
    st.builds(
        lambda at, byte: SUITE.encode()[: at % len(SUITE)] + byte + SUITE.encode()[at % len(SUITE) + 1 :],
        st.integers(0, 10_000), st.binary(max_size=2),
    ),
    st.sampled_from(
        [b"\xef\xbb\xbf" + SUITE.encode(), SUITE.encode("utf-16"), b"\xff\xfe", b"", b"\0" * 100,
         SUITE.replace("\n", "\r\n").encode()]
    ),
)  # fmt: skip


@BRIEF
@given(BYTES)
@example(("x = " + "[" * 3000 + "]" * 3000 + "\n" + SUITE).encode())
@example(("draws = " + "9" * 30 + "\n" + SUITE).encode())
@example(("draws = 0x" + "f" * 5000 + "\n" + SUITE).encode())
@example(("draws = " + "9" * 5000 + "\n" + SUITE).encode())
@example(("summary = '" + "x" * 5_000_000 + "'\n" + SUITE).encode())
def test_whatever_a_suite_file_holds_the_answer_is_a_line(content):
    with folder() as here:
        (here / "mine.toml").write_bytes(content)
        bench(here, "plan", "suite=mine.toml", "data.root=x")
        bench(here, "show", "mine.toml")


def test_a_byte_order_mark_is_no_part_of_a_suite():
    with folder() as here:
        shown = bench(here, "show", "small.toml", "--json").out
        (here / "small.toml").write_bytes(b"\xef\xbb\xbf" + SUITE.encode())
        assert bench(here, "show", "small.toml", "--json").out == shown


@BRIEF
@given(st.integers(0, 10**6), st.sampled_from(STRANGE))
def test_whatever_a_file_of_tuned_parameters_holds_the_answer_is_a_line(at, value):
    whole = tuned.Tuned(command="bench tune", protocol=protocol(), method={"flat": tuned_method(rate=0.7)})
    tree = {"format": tuned.FORMAT, **msgspec.json.decode(msgspec.json.encode(whole))}
    everywhere = list(places(tree))[1:]
    tree = changed(tree, everywhere[at % len(everywhere)], value)
    with contextlib.suppress(tomllib.TOMLDecodeError, TypeError), folder() as here:
        text = tomli_w.dumps(tree)
        (here / "tuned.toml").write_text(f"digest = {json.dumps(digest(tomllib.loads(text)))}\n{text}")
        bench(here, "plan", "suite=small.toml", "data.root=x", "tuned=tuned.toml")


def weights_file(path: Path, change: Callable[[dict[str, Any]], Any] = lambda header: header) -> Path:
    """A file of weights whose record and header were changed by somebody who knows about
    checksums.
    """
    weights.write(path, STATE, weights_record())
    path.write_bytes(resealed(path.read_bytes(), change))
    return path


def with_place(at: int, value: Any) -> Any:
    """A change of a place of the record inside, with checksums that fit."""

    def change(record: dict[str, Any]) -> dict[str, Any]:
        everywhere = list(places(record))
        return changed(record, everywhere[at % len(everywhere)], value)

    return with_record(change)


def with_header(at: int, value: Any) -> Any:
    """A change of the header of the arrays."""

    def change(header: dict[str, Any]) -> dict[str, Any]:
        everywhere = [place for place in places(header) if "__metadata__" not in place]
        return changed(header, everywhere[at % len(everywhere)], value)

    return change


@BRIEF
@given(st.sampled_from([with_place, with_header]), st.integers(0, 10**6), st.sampled_from(STRANGE))
def test_whatever_a_file_of_weights_holds_the_answer_is_a_line_and_its_neighbours_are_listed(change, at, value):
    with folder() as here:
        (here / "many").mkdir()
        weights_file(here / "many" / "good.safetensors")
        weights_file(here / "many" / "strange.safetensors", change(at, value))
        (here / "many" / "gone.safetensors").symlink_to("nowhere")
        (here / "many" / "folder.safetensors").mkdir()
        listed = bench(here, "weights", "list", "many")
        assert listed.code == 0
        assert "good.safetensors" in listed.out
        bench(here, "weights", "list", "many", "--json")
        bench(here, "weights", "load", "many/strange.safetensors")


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        (("modalities", 0, "scale", 0), 0.0, "a scale of 0"), (("modalities", 0, "scale", 0), -1.0, "a scale of -1"),
        (("modalities", 0, "mean", 0), 1e308, "a mean of 1e+308"), (("statics", "units"), [], "not as many units"),
        (("budget",), {}, "fit_seconds is not said"), (("component",), "../../x", "the component is called"),
    ],
)  # fmt: skip
def test_a_record_of_weights_that_cannot_be_is_refused_with_what_is_wrong(field, value, why):
    def change(header: dict[str, Any]) -> dict[str, Any]:
        record = json.loads(json.loads(header["__metadata__"]["gapbench"])["metadata"]["weights"])
        return with_place(list(places(record)).index(field), value)(header)

    with folder() as here:
        weights_file(here / "w.safetensors", change)
        assert why in bench(here, "weights", "load", "w.safetensors").err


def test_offsets_that_are_text_break_no_list():
    with folder() as here:
        weights_file(
            here / "a.safetensors", lambda header: {**header, "steps": {**header["steps"], "data_offsets": ["0", "8"]}}
        )
        weights_file(here / "b.safetensors")
        listed = bench(here, "weights", "list", ".")
        assert (
            "a.safetensors is not a complete safetensors file (offsets and shapes must be whole numbers)" in listed.err
        )
        assert "b.safetensors" in listed.out


@BRIEF
@given(st.integers(0, 10**6), st.sampled_from(STRANGE))
@example(10, 1e308)
def test_whatever_a_file_of_records_holds_the_answer_is_a_line(at, value):
    tree = json.loads(encode_export(make_export(seeds=(1, 2))))
    tree.pop("sha256")
    everywhere = list(places(tree))[1:]
    tree = changed(tree, everywhere[at % len(everywhere)], value)
    with folder() as here:
        (here / "made.records.json").write_bytes(sealed_export(tree))
        bench(here, "report", "from=made.records.json", "to=tables", "--html")


def test_scores_that_are_too_large_to_reckon_with_are_refused():
    export = make_export(seeds=(1, 2))
    for record in export.records:
        record.scores.update(dict.fromkeys(record.scores, 1e308))
    with folder() as here:
        (here / "made.records.json").write_bytes(encode_export(export))
        assert "the number 1e+308" in bench(here, "report", "from=made.records.json", "to=tables", "--html").err


@pytest.mark.parametrize(
    "words",
    [("show", "\udcff"), ("plan", "suite=small.toml", "out=\udcff"), ("weights", "load", "\udcff"), ("\udcff",)],
)
def test_a_word_that_is_no_utf_8_is_refused_as_that(words):
    with folder() as here:
        assert "is not valid UTF-8" in bench(here, *words).err
