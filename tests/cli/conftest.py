"""The command in this process."""

from __future__ import annotations

import os
import sys

import pytest

from bench.cli.main import main
from support.answers import Said


@pytest.fixture
def bench(monkeypatch, capsys, tmp_path):
    """The command, run in this process in an empty folder; asserts its exit code."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for variable in [name for name in os.environ if name.startswith("BENCH_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))

    def call(*words: str, code: int = 0) -> Said:
        monkeypatch.setattr(sys, "argv", ["bench", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert ended.value.code == code, err
        return Said(out, err)

    return call
