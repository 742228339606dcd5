"""Completion: what may stand next on a line, by itself and in real shells."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cli.completing import SCRIPTS, answer
from bench.cli.main import COMMANDS, cli
from bench.config.layers import find_suites
from bench.config.request import request
from bench.grid.axes import COMPONENTS
from bench.registry import discover

REGISTRY = discover()


@pytest.fixture(autouse=True, scope="module")
def known():
    """What is installed is looked up once, and not at every line."""
    with mock.patch("bench.registry.discover", return_value=REGISTRY):
        yield


def words(line: str) -> list[str]:
    """The words that are offered for a line."""
    return [row.partition("\t")[0] for row in answer(line, cli).splitlines()]


def test_a_command_is_completed_and_every_one_is_offered():
    assert words("bench ") == sorted(COMMANDS)
    assert words("bench ledger ") == ["merge"]
    assert "--json" in words("bench run --")


def test_suites_and_methods_are_those_that_there_are():
    assert words("bench run suite=") == sorted(f"suite={name}" for name in find_suites())
    for kind in COMPONENTS:
        assert words(f"bench plan {kind}=") == sorted(f"{kind}={name}" for name in REGISTRY.names(kind))


@pytest.mark.parametrize("kind", COMPONENTS)
def test_every_parameter_of_every_method_is_reached_from_its_kind(kind):
    for spec in REGISTRY.specs(kind):
        fields = {f"{kind}.{spec.name}.{name}=" for name in spec.params.__struct_fields__}
        assert {*words(f"bench run {kind}.{spec.name}.")} == fields
        assert not fields or f"{kind}.{spec.name}." in words(f"bench run {kind}.")


def test_a_list_goes_on_behind_its_comma_and_offers_nothing_twice():
    offered = words("bench run imputer=locf,mean,")
    assert "imputer=locf,mean,linear" in offered
    assert not [word for word in offered if word.endswith((",locf", ",mean"))]


def test_values_depend_on_the_suite_that_is_named():
    assert "profile=paper" in words("bench run suite=physionet48 profile=")
    assert "task=ihm48" in words("bench run suite=mimic48 task=")
    assert words("bench run suite=nothing profile=") == []


def test_a_key_that_was_given_is_not_offered_again():
    assert "suite=" in words("bench run s")
    assert "suite=" not in words("bench run suite=mimic48 s")


def test_what_is_offered_for_a_choice_is_accepted():
    for word in words("bench run suite=physionet48 fuser=gru fuser.gru.optimizer="):
        request(["suite=physionet48", "fuser=gru", word], REGISTRY)


@settings(max_examples=40)
@given(st.text(max_size=40))
def test_whatever_is_typed_what_is_offered_begins_as_it_does(text):
    line = f"bench run {text}"
    last = "" if line[-1].isspace() else line.split()[-1]
    assert all(word.startswith(last) or "'" in line or '"' in line or "\\" in line for word in words(line))


@pytest.fixture
def place(tmp_path: Path) -> dict[str, str]:
    """An environment in which `bench` is this one."""
    program = tmp_path / "bin" / "bench"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m bench "$@"\n')
    program.chmod(0o755)
    for shell, script in SCRIPTS.items():
        (tmp_path / shell).write_text(script)
    return {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "TERM": "dumb"}


def needs(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")


@pytest.mark.parametrize(
    ("line", "typed"),
    [
        ("bench run suite=physionet4", ["bench", "run", "suite", "=", "physionet4"]),
        ("bench run suite=", ["bench", "run", "suite", "="]),
        ("bench ru", ["bench", "ru"]),
    ],
)
def test_bash_fills_in_what_is_behind_its_break_of_words(place, line, typed):
    needs("bash")
    quoted = " ".join(f"'{word}'" for word in typed)
    script = (
        f'source "$HOME/bash"; COMP_LINE="{line}"; COMP_POINT=${{#COMP_LINE}}; COMP_WORDS=({quoted}); '
        f'COMP_CWORD={len(typed) - 1}; _bench; printf "%s|" "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run(["bash", "-c", script], env=place, capture_output=True, text=True, check=True)
    head = "" if typed[-1] == "=" else typed[-1]
    filled = {line.removesuffix(head) + reply.strip() for reply in done.stdout.split("|") if reply}
    assert filled == {f"bench run {word}" if "run " in line else f"bench {word}" for word in words(line)}


def test_fish_offers_the_same(place):
    needs("fish")
    script = 'source "$HOME/fish"; complete -C "bench run suite=physionet4"'
    done = subprocess.run(["fish", "-N", "-c", script], env=place, capture_output=True, text=True, check=True)
    assert [row.split("\t")[0] for row in done.stdout.splitlines()] == words("bench run suite=physionet4")


def typed_in(program: list[str], place: dict[str, str], lines: list[str], until: str, seconds: float = 30) -> str:
    """What a terminal shows of a shell in which lines are typed, until a pattern stands there."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(program[0], program, place)
    shown = ""
    try:
        for line in lines:
            os.write(terminal, line.encode())
        end = time.monotonic() + seconds
        while time.monotonic() < end and not re.search(until, shown):
            if select.select([terminal], [], [], 0.2)[0]:
                shown += os.read(terminal, 4096).decode(errors="replace")
    finally:
        os.write(terminal, b"\x03\nexit\n")
        os.close(terminal)
        os.waitpid(pid, 0)
    return shown


def test_zsh_fills_it_in_as_a_person_types(place):
    needs("zsh")
    begin = 'autoload -U compinit; compinit -u -D; source "$HOME/zsh"; PS1="ready> "\n'
    shown = typed_in(["zsh", "-f", "-i"], place, [begin, "bench run suite=physionet4\t"], until="suite=physionet48")
    assert "suite=physionet48" in shown


def test_bash_fills_it_in_as_a_person_types(place):
    needs("bash")
    begin = 'source "$HOME/bash"; PS1="ready> "\n'
    shown = typed_in(
        ["bash", "--norc", "-i"], place, [begin, "bench run suite=physionet4\t"], until="suite=physionet48"
    )
    assert "suite=physionet48" in shown
