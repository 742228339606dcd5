"""Weights through the front door: saved from one run, loaded into another, refused in one line."""

from __future__ import annotations

import json

import pytest

from bench.stages.weights import read
from support.project import SUPPORT, Project


def test_weights_go_from_one_run_into_another_which_trains_nothing(project: Project) -> None:
    suite = f"suite={SUPPORT / 'hidden.toml'}"
    beacon = project.folder / "fits"
    same = ("imputer=around", "scenario=mcar", "scenario.mcar.rate=0.3", "seed=1", f"imputer.around.beacon={beacon}")
    project.here("run", suite, *same)
    assert beacon.read_text() == "fitted\n"
    save = ("weights", "save", suite, "imputer=around", "by=A. Person", "to=w.safetensors")
    assert project.here(*save).stdout == "w.safetensors\n"
    found = read(project.folder / "w.safetensors")
    assert (found.record.scores["all"]["hidden"] > 0, found.record.parameters) == (True, 10)
    assert found.record.licence == "not stated; ask what the terms of toy allow"

    project.here("run", suite, *same, "weights=w.safetensors", "out=second")
    assert beacon.read_text() == "fitted\n"
    [trained] = project.records()
    [loaded] = [json.loads(p.read_bytes())["record"] for p in project.folder.glob("second/ledger/cells/*/*.json")]
    assert loaded["coordinates"]["imputer"].endswith(f", weights={found.name})")
    assert loaded["imputation"] == trained["imputation"]
    assert loaded["predictions"] == trained["predictions"]
    assert loaded["key"] != trained["key"]
    assert loaded["provenance"]["imputer weights"] == f"{found.record.in_words()}, {found.name}"
    project.here("report", suite, "out=second")
    assert "by A. Person" in (project.folder / "second" / "leaderboards" / "hidden.md").read_text()

    refused = project.here("weights", "save", suite, "imputer=around", "to=x.safetensors", "out=second", code=2)
    assert "was not trained in this run but loaded" in refused.stderr

    assert project.here("weights", "load", "w.safetensors").stdout == f"{found.digest}\n"
    assert project.here("weights", "list").stdout.startswith(f"{found.name}  around: trained on generated data of toy")
    assert project.here("weights", "list", ".", "--json").stdout.count(found.digest) == 1
    project.here("run", suite, *same, f"weights={found.name}", "out=second")
    assert beacon.read_text() == "fitted\n"

    project.here("run", suite, "imputer=stateless", "scenario=natural", "seed=1", "out=third")
    stateless = project.here("weights", "save", suite, "imputer=stateless", "to=x.safetensors", "out=third", code=2)
    assert "stateless learns nothing that could be saved" in stateless.stderr

    other = project.here("run", suite, *same, "weights=w.safetensors", "split.seed=5", code=2)
    assert "give weights.differ=split" in other.stderr
    missing = project.here("run", suite, "imputer=mean", "weights=w.safetensors", code=2)
    assert "holds weights of around, which is not in this run; give imputer=around" in missing.stderr


@pytest.mark.slow
def test_a_shipped_imputer_is_loaded_into_the_run_it_came_from(project: Project) -> None:
    suite = f"suite={SUPPORT / 'hidden.toml'}"
    small = {"steps": 2, "channels": 8, "layers": 1, "solver_steps": 2}
    tiny = [f"imputer.csdi-quick.{key}={value}" for key, value in small.items()]
    same = (suite, "imputer=csdi-quick", "scenario=mcar", "scenario.mcar.rate=0.3", "seed=1", *tiny)
    project.here("run", *same)
    save = ("weights", "save", suite, "imputer=csdi-quick", "to=w.safetensors")
    assert "csdi-quick: " in project.here(*save).stderr
    before = (project.folder / "w.safetensors").read_bytes()
    again = project.here(*save, code=2)
    assert again.stderr == (
        "bench: w.safetensors is there already and was kept; give to=w-2.safetensors, or move it away\n"
    )
    assert (project.folder / "w.safetensors").read_bytes() == before

    project.here("run", *same, "weights=w.safetensors", "out=second")
    [trained] = project.records()
    [loaded] = [json.loads(p.read_bytes())["record"] for p in project.folder.glob("second/ledger/cells/*/*.json")]
    assert loaded["coordinates"]["imputer"].endswith(f"weights={read(project.folder / 'w.safetensors').name})")
    assert (loaded["status"], loaded["imputation"]) == ("ok", trained["imputation"])

    other = ("imputer.csdi-quick.targets=vitals", "weights=w.safetensors", "out=second")
    refused = project.here("run", *same, *other, code=2).stderr
    assert "trained with targets=, the run has targets=vitals; give imputer.csdi-quick.targets=\n" in refused
    advice = refused.rpartition("give ")[2].strip()
    project.here("run", *same, advice, "weights=w.safetensors", "out=third")


def test_missing_and_damaged_files_end_with_the_codes_of_wrong_words_and_of_data(project: Project) -> None:
    suite = f"suite={SUPPORT / 'hidden.toml'}"
    (project.folder / "cut.safetensors").write_bytes(b"cut short")
    for file, code, said in (("gone", 2, "there are no weights at"), ("cut", 3, "get the file again")):
        for words in (("weights", "load", f"{file}.safetensors"), ("run", suite, f"weights={file}.safetensors")):
            assert said in project.here(*words, code=code).stderr
    assert "first 8 digits or more" in project.here("run", suite, "weights=1a2b", code=2).stderr


@pytest.mark.parametrize("control", ["none", "mask_only"])
def test_a_control_that_fills_in_nothing_has_no_weights_to_save(project: Project, control: str) -> None:
    suite = f"suite={SUPPORT / 'hidden.toml'}"
    project.here("run", suite, f"imputer={control}", "scenario=natural", "seed=1", "fuser=gbm", "fuser.gbm.trees=2")
    done = project.here("weights", "save", suite, f"imputer={control}", "to=x.safetensors", code=2)
    assert f"{control} is a control that fills in nothing: it has no weights to save" in done.stderr
    assert not list(project.folder.glob("x.*"))


def test_weights_that_do_not_fit_the_data_fail_their_cells_with_the_reason(imputed: Project) -> None:
    imputed.here("weights", "save", imputed.suite, "imputer=around", "scenario=natural", "seed=1", "to=n.safetensors")
    words = ("imputer=around,mean", "scenario=natural", "seed=1", "weights=n.safetensors")
    other = ("split.seed=3", "weights.differ=split", "out=other")
    imputed.here("run", imputed.suite, *words, *other, code=1)
    found = [json.loads(p.read_bytes())["record"] for p in imputed.folder.glob("other/ledger/cells/*/*.json")]
    states = {r["coordinates"]["imputer"].partition("(")[0]: (r["status"], r["reason"]) for r in found}
    assert states["mean"][0] == "ok"
    assert states["around"][0] == "failed"
    assert "to use them all the same give weights.differ=scaling" in states["around"][1]
    imputed.bench("run", imputed.suite, *words, "split.seed=3", "weights.differ=split,scaling", "out=other")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("save", "imputer=around", "to=a.safetensors"), 2, "scenario natural, mcar(rate=0.1), mcar(rate=0.5)"),
        (
            ("save", "imputer=around", "scenario=natural", "to=a.safetensors"),
            2,
            "seed 1, 2; give one of them: seed=...",
        ),
        (("save", "imputer=around", "scenario=natural", "seed=1"), 2, '"to" is missing'),
        (("save", "imputer=around", "scenario=natural", "seed=1", "to=a.pt"), 2, "must end in .safetensors"),
        (("save", "imputer=arround", "to=a.safetensors"), 2, 'did you mean "around"'),
        (("load", "nothing.safetensors"), 2, "there are no weights at nothing.safetensors"),
        (("list", "nowhere"), 2, "there is no folder nowhere"),
    ],
)
def test_what_cannot_be_saved_or_loaded_is_one_line(
    imputed: Project, words: tuple[str, ...], code: int, said: str
) -> None:
    suite = (imputed.suite,) if words[0] == "save" else ()
    done = imputed.here("weights", words[0], *suite, *words[1:], code=code)
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
