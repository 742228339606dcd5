"""Folders of any name: a run, its plan and its report work in them, or one line says what is not
accepted.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.measured import command
from support.project import SUPPORT

NAMES = {
    "not UTF-8": b"caf\xe9",
    "long": b"x" * 250,
    "a line break": b"a\nb",
    "percent": b"100%d %s",
    "a minus first": b"-lead",
    "a comma and an equals sign": b"a,b=c",
    "quotes": b"q'\"",
    "an escape": b"\x1b[31m",
    "not ASCII": "日本 é".encode(),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "how"),
    [
        *((name, "inside") for name in NAMES),
        *((name, "by words") for name in NAMES),
        ("not UTF-8", "by the environment"),
    ],
)
def test_commands_work_in_a_folder_of_any_name_or_refuse_it_in_one_line(
    tmp_path: Path, toy_plugin: str, name: str, how: str
) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + NAMES[name]))
    folder.mkdir()
    suite = f"suite={SUPPORT / 'toy.toml'}", "task=plain", "workers=1"
    inside = os.fsencode(folder)
    where = [b"out=" + inside + b"/out", b"cache=" + inside + b"/c"] if how == "by words" else [b"out=out"]
    environment = {"PYTHONPATH": toy_plugin}
    if how == "by the environment":
        environment |= {"BENCH_CACHE": str(folder / "c"), "HOME": str(folder), "TMPDIR": str(folder)}
    at = folder if how == "inside" else tmp_path
    for words in (["plan", *suite], ["run", *suite], ["report", *suite, "--print"]):
        said = command(*words, *where, folder=at, **environment)
        assert "Traceback" not in said.err
        if how == "by words" and name == "not UTF-8":
            assert said.code == 2
            assert "is not valid UTF-8; give it in UTF-8, or rename the file" in said.last
        else:
            assert said.code == 0, said.err
