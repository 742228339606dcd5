"""The committed leaderboards: made from the records beside them, byte for byte, with nothing of
a patient or a machine.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from bench.config.layers import Layers, resolve
from bench.config.layers import read as suite_file
from bench.leaderboard import load_export, render
from bench.registry import discover
from bench.tuning.file import read
from bench.tuning.search import best_of
from bench_imputers.diffusion.denoiser import Shape
from bench_imputers.diffusion.trace import Trace
from bench_imputers.diffusion.trace_params import TraceParams

FOLDER = Path(__file__).resolve().parents[2] / "leaderboards"
EXPORTS = sorted(FOLDER.glob("*.records.json"))
TUNED = sorted(FOLDER.glob("*.toml"))


def test_there_is_one():
    assert EXPORTS


@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: path.name)
def test_a_table_is_what_its_records_render_to(path):
    for kind, content in render(load_export(path)).items():
        assert path.with_name(path.name.replace("records.json", kind)).read_bytes() == content


@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: path.name)
def test_it_says_how_it_was_made_and_names_no_machine_and_no_patient(path):
    export = load_export(path)
    assert export.command.startswith("bench run suite=")
    assert all(record.provenance["manifest"] and record.provenance["device"] for record in export.records)
    text = path.read_text()
    assert re.search(r'["= ](/|~|[A-Z]:)[\w.]', text) is None, "an absolute path"
    assert '"ids"' not in text
    assert {"outputs", "truth"}.isdisjoint(json.loads(text)["records"][0])


@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: path.name)
def test_every_planned_cell_has_its_record_and_every_audit_that_applies_passed(path):
    export = load_export(path)
    assert {key for _, key in export.planned} == {record.key for record in export.records}
    assert all(audit.passed is not False for record in export.records for audit in record.audits.values())


@pytest.mark.parametrize("path", TUNED, ids=lambda path: path.name)
def test_tuned_parameters_are_as_bench_tune_wrote_them_and_every_fuser_had_its_trials(path):
    tuned = read(path)
    assert f"to=leaderboards/{path.name}" in tuned.command.split()
    assert re.search(r'["= ](/|~|[A-Z]:)[\w.]', path.read_text()) is None, "an absolute path"
    for name, fuser in tuned.method.items():
        space = discover().get("fuser", name).space
        held = math.prod(len({*values, fuser.default.get(parameter)}) for parameter, values in space.items())
        assert len(fuser.trial) == min(tuned.protocol.trials, held), name
        assert fuser.best == best_of(fuser.trial, tuned.protocol.higher), name


def test_rows_of_trace_made_before_its_presets_were_renamed_say_which_network_they_are():
    """Told by the number of their parameters: 30 channels of 50 steps beside two conditions of
    16 numbers.
    """
    export = load_export(FOLDER / "trace_motivational-sizes.records.json")
    recorded = {r.costs["imputer_parameters"] for r in export.records if r.coordinates.imputer.startswith("trace(")}
    shape = Shape(30, 50, {"series": 30}, {"c_low": 16, "c_high": 16}, tuple(map(float, range(50))))
    suite = resolve(Layers(*suite_file("trace_motivational"), "demo", {})).imputer["trace"]

    def parameters(**chosen: Any) -> int:
        params = {key: value for key, value in suite.items() if key != "targets"} | chosen
        return sum(weight.numel() for weight in Trace(TraceParams(**params)).build(shape).parameters())

    told = any("trace(expert_width=256, preset=trace-pool)" in note for note in export.notes)
    assert recorded == {parameters(preset="trace-pool", expert_width=256) if told else parameters()}
