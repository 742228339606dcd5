"""A SuperLink and three SuperNodes on this machine learn what one process learns, bit by bit, and
say in one line what is wrong.

Run by `make test-flower`, in an environment of its own. Without certificates, which is for tests
alone.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace

import msgspec
import numpy as np
import psutil
import pytest

from bench import arrays
from bench.federated.state import FILE
from bench.sites.model import trained_by
from bench.sites.server import MODEL
from bench.testing.toy import toy_cohort
from support.site_folders import COHORT, world

pytest.importorskip("flwr", reason="run by make test-flower")

from support.flower import Flower

pytestmark = [pytest.mark.extras, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return world(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    flower = Flower(tmp_path_factory.mktemp("network"))
    try:
        print(f"SuperLink: {flower.start():.0f} s")
        yield flower
    finally:
        flower.stop()


@pytest.fixture
def run(one, network):
    """Runs the app with SuperNodes of these partition ids and folders: what it printed. The exit
    code is 0 however the run ends.
    """

    def run(*sites, out="out", **config):
        try:
            for partition, folder in sites:
                network.join(partition, folder)
            return network.run(900, folder=str(one.folders[0]), out=str(one.folder / out), **config)
        finally:
            network.leave()

    return run


def refusal(output):
    """The one line that says what is wrong."""
    [line] = re.findall(r"ERROR.* gapbench: (.*)", output)
    return line


def test_sites_behind_a_network_learn_what_one_process_learns_bit_by_bit(one, run):
    began = time.monotonic()
    output = run(*[(site, one.folders[site]) for site in (2, 0, 1)], sites=3)
    print(f"two rounds: {time.monotonic() - began:.0f} s in all")
    assert (one.folder / "out" / MODEL).exists(), output
    here = one.in_process().measures.federated.fuser
    there = trained_by(one.folder / "out" / MODEL)
    print("seconds of the rounds:", [round(done.seconds) for done in there.rounds])
    assert [msgspec.structs.replace(done, seconds=0.0) for done in there.rounds] == [
        msgspec.structs.replace(done, seconds=0.0) for done in here.rounds
    ]
    assert [done.chosen for done in there.rounds] == [done.chosen for done in here.rounds]
    states = [arrays.read(folder / FILE)[0] for folder in (one.folder / "scratch" / "fuse", one.folder / "out")]
    assert states[0].keys() == states[1].keys()
    assert all(np.array_equal(each, states[1][name]) for name, each in states[0].items())


def test_certificates_and_keys_are_accepted_and_a_site_without_a_key_is_not(one, tmp_path):
    flower = Flower(tmp_path)
    try:
        flower.secure(sites=2)
        flower.join(0, one.folders[0], key=0)
        flower.join(1, one.folders[1])
        few = flower.run(600, folder=str(one.folders[0]), out=str(tmp_path / "few"), sites=2, wait=20)
        assert refusal(few).startswith("1 SuperNodes are connected, and sites=2")
        flower.join(1, one.folders[1], key=1)
        output = flower.run(600, folder=str(one.folders[0]), out=str(tmp_path / "out"), sites=2)
    finally:
        flower.stop()
    assert [done.chosen for done in trained_by(tmp_path / "out" / MODEL).rounds] == [[0, 1], [0, 1]], output


def test_fewer_supernodes_than_sites_are_counted(one, run):
    output = run((0, one.folders[0]), (1, one.folders[1]), sites=3, wait=30, out="few")
    assert refusal(output).startswith("2 SuperNodes are connected, and sites=3; start those that lack")


@pytest.mark.parametrize(
    ("partition", "words"),
    [(7, "a SuperNode has partition-id=7; with sites=2 they are 0 to 1"), (0, "two SuperNodes have partition-id=0")],
)
def test_a_supernode_with_a_wrong_partition_id_is_refused(one, run, partition, words):
    output = run((0, one.folders[0]), (partition, one.folders[1]), sites=2, out="wrong")
    assert refusal(output).startswith(words)


def test_a_site_whose_arrays_have_other_shapes_is_refused(one, run, tmp_path):
    other = world(tmp_path, cohort=replace(toy_cohort(n=150, length=7), columns=COHORT.columns))
    output = run((0, one.folders[0]), (1, other.folders[1]), sites=2, out="shapes")
    assert refusal(output).startswith("the records of site 1 have another form: ")


def test_no_process_is_left(network):
    network.stop()
    home = str(network.home)
    left = [each for each in psutil.process_iter(["cmdline"]) if home in " ".join(each.info["cmdline"] or [])]
    assert not left
    assert all(node.poll() is not None for node in [network.superlink, *network.nodes])
