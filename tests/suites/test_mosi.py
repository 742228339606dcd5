"""The suites mosi and mosei on their generated stand-in: one command, no files, and nobody can
take the table for a real one.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from bench.config.layers import Layers, read, resolve

WORDS = ("data.samples=120", "imputer=locf", "fuser=linear", "controls.imputer=", "audits.cells=", "scenario=mcar")


def published(name: str) -> dict[tuple[str, str], tuple[float, float]]:
    """(method, metric) -> value and deviation, of the suite's reference file."""
    suite = resolve(Layers(*read(name), "paper", {}))
    assert {entry.task for entry in suite.published} == {"sentiment"}
    return {(entry.method, entry.metric): (entry.value, entry.std or 0.0) for entry in suite.published}


def test_published_values_are_those_of_the_table_under_the_convention_of_its_appendix():
    mosi, mosei = published("mosi"), published("mosei")
    assert mosi["TRACE", "mae"] == (0.70, 0.01)
    assert mosi["TFN", "f1_nonpos_pos"] == (0.8070, 0.0018)
    assert mosei["FuseMoE", "acc2_nonpos_pos"] == (0.8610, 0.0019)
    assert mosei["MAG", "corr"] == (0.79, 0.02)
    for table in (mosi, mosei):
        assert len(table) == 20
        assert {metric for _, metric in table} == {"mae", "corr", "acc2_nonpos_pos", "f1_nonpos_pos"}


@pytest.mark.parametrize("name", ["mosi", "mosei"])
def test_the_source_says_which_rows_equal_older_values_of_another_convention(name):
    suite = resolve(Layers(*read(name), "demo", {}))
    of = {entry.method: entry.source for entry in suite.published}
    assert "neg_pos" in of["MulT"]
    assert "neg_pos" in of["TFN"]
    assert "A.1" in of["TRACE"]


@pytest.mark.parametrize("name", ["mosi", "mosei"])
def test_the_paper_profile_has_three_seeds_three_scenarios_and_absolute_losses(name):
    suite = resolve(Layers(*read(name), "paper", {}))
    assert suite.grid.seed == (42, 52, 72)
    assert set(suite.grid.scenario) == {"natural", "mcar", "modality_drop"}
    assert suite.fuser["gru"]["regression_loss"] == "absolute"
    assert suite.fuser["haim"]["embeddings"] == ["text"], "audio of MOSEI has more than 64 channels, and is a series"
    assert suite.grid.split == ("folds",)
    assert msgspec.to_builtins(suite.scenario["mcar"])["rate"] == 0.2


def test_experts_are_balanced_by_entropy_where_each_modality_has_a_router_and_by_variation_where_all_have_one():
    from bench_fusers.fusemoe.plugin import FuseMoEParams, fusemoe_choice

    routers = {}
    for name in ("mosi", "mosei", "mimic48", "physionet48"):
        suite = resolve(Layers(*read(name), "paper", {}))
        params = msgspec.convert(suite.fuser["fusemoe"], FuseMoEParams)
        routers[name] = params.router
        wanted = {"permod": "entropy", "joint": "cv2"}[params.router]
        assert fusemoe_choice(params).expert_balance == wanted, name
    assert routers["mosi"] == "permod"


@pytest.mark.parametrize("name", ["mosi", "mosei"])
def test_the_paper_profile_has_one_draw_of_each_diffusion_imputer(name):
    suite = resolve(Layers(*read(name), "paper", {}))
    assert suite.draws == 1
    assert {"csdi", "trace", "condi"} <= set(suite.grid.imputer)
    assert suite.imputer["trace"]["preset"] == "trace-moe"
    assert suite.imputer["condi"]["profile"] == "paper"
    wide = {suite.imputer[imputer]["widest"] for imputer in ("csdi", "trace", "condi", "csdi-quick")}
    assert wide == {80}, "all complete the same modalities: voice of 74 channels, but no words of 300"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mosi", "mosei"])
def test_the_diffusion_cells_of_the_paper_profile_run(project, name):
    """Their grid, targets and draws, with networks and trainings for seconds."""
    small = {"channels": 8, "heads": 1, "layers": 1, "diffusion_steps": 3, "steps": 2, "bound": 4}
    sizes = [f"imputer.{each}.{key}={value}" for each in ("csdi", "trace", "condi") for key, value in small.items()]
    rest = ("seed=42", "scenario=mcar", "data.samples=60", "fuser=linear", "controls.imputer=", "audits.cells=")
    project.here("run", f"suite={name}", "profile=paper", "imputer=csdi,trace,condi", *rest, *sizes)
    found = {record["coordinates"]["imputer"].partition("(")[0]: record for record in project.records()}
    assert found.keys() == {"csdi", "trace", "condi"}
    for record in found.values():
        assert record["status"] == "ok"
        assert record["costs"]["draws"] == 1
        assert record["costs"]["imputer_parameters"] > 0
        assert {"audio", "vision"} <= record["imputation"].keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mosi", "mosei"])
def test_the_suite_runs_without_files_and_every_table_says_that_its_samples_were_made_up(project, name):
    said = project.here("run", f"suite={name}", *WORDS).stderr
    assert "using a generated cohort" in said
    table = project.page(f"suite={name}")
    assert table.splitlines()[0].endswith("(synthetic cohort)")
    assert "were generated" in table
    assert "| oracle" in table
    assert "Acc-2 neg_pos ↑" in table
    assert "F1 neg_nonneg ↑" in table
    assert "| TRACE" not in table
    assert "not to be set beside ours: ours are of generated patients.** MulT" in table
    (record,) = project.records()
    assert record["scores"]["mae"] > record["oracle"]["mae"]
    assert record["scores"]["acc2_neg_pos"] != record["scores"]["acc2_nonpos_pos"]
    assert record["counts"] == {"train": 71, "valid": 12, "test": 37, "left_out": 0} or name == "mosei"
    assert record["provenance"]["split"] == "split=folds (of the dataset)"


@pytest.mark.slow
def test_a_file_of_ones_own_is_refused_without_a_word_on_terms_then_read_and_not_called_generated(project):
    from support.affect_pickles import aligned, write

    write(project.folder / "D" / "mosi_data.pkl", aligned(dict.fromkeys(("train", "valid", "test"), 12)))
    own = ("data.root=D", "data.fold_sizes=any")
    assert "data.terms=accepted" in project.bench("data", "verify", "mosi", *own, code=3).stderr
    told = json.loads(project.bench("data", "verify", "mosi", *own, "data.terms=accepted", "--json").stdout)
    assert told["synthetic"] is False
    assert told["records"] == 36
    words = [word for word in WORDS if not word.startswith("data.")]
    said = project.bench("run", "suite=mosi", *words, *own, "data.terms=accepted").stderr
    assert "MulT or MultiBench, aligned" in said
    assert "(synthetic" not in project.page("suite=mosi")


@pytest.mark.slow
def test_a_pickle_that_runs_code_fails_with_one_clear_line_and_runs_nothing(project):
    folder = project.folder / "D"
    folder.mkdir()
    mark = Path(project.folder / "ran")
    (folder / "mosi_data.pkl").write_bytes(b"cos\nsystem\n(S'touch " + str(mark).encode() + b"'\ntR.")
    said = project.here("data", "verify", "mosi", "data.root=D", "data.terms=accepted", code=3).stderr
    assert "it names os.system, which reading it would run" in said
    assert not mark.exists()
