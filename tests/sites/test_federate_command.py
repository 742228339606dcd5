"""`bench federate`: a folder from the words of a run, its scores, what is refused."""

from __future__ import annotations

import json

import pytest

from bench.registry import discover
from bench.sites.agreement import AGREEMENT, read_agreement, read_cohort, read_share
from bench.sites.model import KEY
from bench.sites.server import MODEL, serve_sites
from bench.sites.site import Site

WORDS = {
    "federation": "fedavg", "partition.clients": "3", "imputer": "locf", "fuser": "gru",
    "seed": "1", "rounds.number": "1", "rounds.steps": "1",
}  # fmt: skip


@pytest.fixture
def prepare(project):
    def call(folder, code=0, **words):
        lines = [f"{key}={value}" for key, value in {**WORDS, **words}.items()]
        return project.here("federate", "prepare", f"to={folder}", project.suite, *lines, code=code)

    return call


def test_a_site_is_prepared_by_the_words_of_a_run_and_scored_by_itself(project, prepare, monkeypatch):
    registry = discover()
    folders = [project.folder / f"site{number}" for number in range(3)]
    for number, folder in enumerate(folders):
        done = prepare(folder, client=number)
        assert done.stdout.strip().endswith(str(folder))
        assert "agreement.json and form.safetensors" in done.stderr
        assert read_share(folder).client == number
    agreements = {read_agreement(folder).digest for folder in folders}
    assert len(agreements) == 1
    server = project.folder / "server"
    server.mkdir()
    for name in (AGREEMENT, "form.safetensors"):
        (server / name).write_bytes((folders[1] / name).read_bytes())

    def post(questions):
        return {number: Site(folders[number], registry).answer(number, each) for number, each in questions.items()}

    serve_sites(server, project.folder / "out", range(3), post, registry, print)
    shown = project.here("federate", "score", str(folders[0]), str(project.folder / "out" / MODEL), "--json")
    found = json.loads(shown.stdout)
    assert found["records"] == len(read_cohort(folders[0], "test"))
    assert {*found["scores"], *found["undefined"]} == set(read_agreement(server).task.metrics)
    assert (
        "test records" in project.here("federate", "score", str(folders[0]), str(project.folder / "out" / MODEL)).stdout
    )
    other = prepare(project.folder / "other", client=0, **{"rounds.steps": 2})
    refused = project.here("federate", "score", other.stdout.strip(), str(project.folder / "out" / MODEL), code=2)
    assert "was trained under another agreement" in refused.stderr
    assert KEY in (project.folder / "out" / MODEL).read_bytes()[:4096].decode(errors="replace")


def test_all_records_at_hand_are_of_one_site_unless_a_client_is_chosen(project, prepare):
    prepare(project.folder / "all")
    parts = [read_cohort(project.folder / "all", name) for name in ("train", "valid", "test")]
    prepare(project.folder / "one", client=1)
    assert 0 < len(read_cohort(project.folder / "one", "train")) < len(parts[0])
    assert read_share(project.folder / "all").client is None


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ({"seed": "1,2"}, "these words give 2; give seed=1 or seed=2"),
        (
            {"federation": "fedavg,fedprox", "seed": "1,2"},
            "these words give 4; give federation=fedavg or federation=fedprox, and seed=1 or seed=2",
        ),
        ({"federation": "local"}, "every client of this run trains by itself; add a federation: federation=NAME"),
        ({"client": "first"}, "client=first is no number"),
        ({"client": 3}, "there is no client 3; the partition has 3, from 0"),
        ({"fuser": "gbm"}, "fedavg cannot train fuser gbm"),
        ({"imputer": "median"}, "fedavg cannot train imputer median"),
    ],
)
def test_what_no_site_can_train_is_refused_in_one_line_and_nothing_is_written(project, prepare, words, line):
    refused = prepare(project.folder / "site", 2, **words)
    assert line in refused.stderr
    assert not (project.folder / "site").exists()


def test_a_folder_of_something_else_is_refused_and_stays_and_the_same_again_is_no_fault(project, prepare):
    folder = project.folder / "site"
    prepare(folder, client=1)
    before = contents(folder)
    for words, line in (
        ({"client": 2}, "was prepared for client 1, not for client 2; name another to=DIR"),
        ({}, "was prepared for client 1, not for all clients; name another to=DIR"),
        (
            {"client": 1, "seed": "2"},
            "under another agreement; name another to=DIR, or the same words; seed is 2 here and 1 there",
        ),
    ):
        assert line in prepare(folder, 2, **words).stderr
        assert contents(folder) == before
    prepare(folder, client=1)
    assert contents(folder) == before
    (folder / "letter.txt").write_text("mine")
    assert "holds files of something else, such as letter.txt" in prepare(folder, 2, client=1).stderr
    assert f"to={folder / 'letter.txt'} is a file; name another" in prepare(folder / "letter.txt", 2, client=1).stderr


def test_a_site_that_cannot_validate_or_score_is_warned(project, prepare, monkeypatch):
    from bench.sites import folder

    monkeypatch.setattr(folder, "prepare", lambda *arguments: {"train": 3, "valid": 0, "test": 0})
    said = prepare(project.folder / "small", client=0).stderr
    assert "warning: this site has no validation record, so it is of no help to choose a round" in said
    assert "warning: this site has no test record, so no model can be scored on it" in said


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_file_that_is_no_model_is_named_and_nobody_is_told_to_delete_it(project, prepare):
    prepare(project.folder / "site", client=0)
    (project.folder / "weights.safetensors").write_bytes(b"not one")
    for name, what in (("weights.safetensors", "is not a complete safetensors file"), ("nowhere", "is gone")):
        line = project.here(
            "federate", "score", str(project.folder / "site"), str(project.folder / name), code=3
        ).stderr
        assert f"{name} is no model of a federation: it {what}" in line
        assert "give the model.safetensors that flwr run wrote" in line
        assert "delete" not in line
    (project.folder / "site" / "test.safetensors").write_bytes(b"cut")
    line = project.here("federate", "score", str(project.folder / "site"), "nowhere", code=3).stderr
    assert "no model of a federation" in line


def test_a_folder_must_be_named(project):
    assert '"to" is missing' in project.here("federate", "prepare", project.suite, code=2).stderr
