"""What may leave a client: declared arrays alone."""

from __future__ import annotations

import numpy as np
import pytest

from bench.errors import PluginError
from bench.federated.sent import check, undeclared
from bench.learner import Reply

BEFORE = {
    "shared/w": np.zeros((3, 2), np.float32),
    "mod/labs/w": np.zeros(4, np.float32),
    "pair/labs/vitals/w": np.zeros(4, np.float32),
    "buffer/labs/seen": np.zeros(4, np.float32),
    "own/pool": np.zeros((10, 4), np.float32),
    "own/labs/w": np.zeros(4, np.float32),
}
GROUPS = {name: name.rpartition("/")[0] for name in BEFORE} | {"local/state": "local"}
RECORDS = 24


def problem(owned=("labs", "vitals"), **arrays):
    sent = {name.replace("__", "/"): array for name, array in arrays.items()}
    reply = Reply(sent, dict.fromkeys(sent, 5), dict.fromkeys(sent, 1), {}, {})
    return undeclared(reply, BEFORE, GROUPS, RECORDS, owned)


def test_what_was_declared_may_leave():
    assert problem(**{name.replace("/", "__"): array + 1 for name, array in BEFORE.items()}) == ""


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"shared__more": np.zeros(2, np.float32)}, "shared/more was not declared"),
        ({"local__state": np.zeros(2, np.float32)}, "stays at a client"),
        ({"shared__w": np.zeros((3, 2))}, "is float64, and float32 was declared"),
        ({"shared__w": np.zeros((RECORDS, 2), np.float32)}, r"has the shape [24, 2], and [3, 2] was declared"),
        ({"own__pool": np.zeros((RECORDS, 4), np.float32)}, "as long as the client has training records"),
        ({"own__more": np.zeros((RECORDS, 4), np.float32)}, "as long as the client has training records"),
    ],
)
def test_what_was_not_declared_stays(arrays, words):
    assert words in problem(**arrays)


def test_an_array_of_its_own_may_change_its_shape():
    assert problem(own__pool=np.zeros((7, 4), np.float32)) == ""


@pytest.mark.parametrize("name", ["mod/labs/w", "pair/labs/vitals/w", "buffer/labs/seen", "own/labs/w"])
def test_a_client_without_a_modality_answers_nothing_new_of_it(name):
    key = name.replace("/", "__")
    assert problem(("vitals",), **{key: BEFORE[name]}) == ""
    assert "client without the modality labs" in problem(("vitals",), **{key: BEFORE[name] + 1})


def test_a_reply_that_may_not_leave_ends_the_cell():
    reply = Reply({"shared/more": np.zeros(2, np.float32)}, {}, {}, {}, {})
    with pytest.raises(PluginError, match="what client 3 would send breaks the contract of a learner"):
        check(3, reply, BEFORE, GROUPS, RECORDS, ())
