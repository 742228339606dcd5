"""What a federation stores after a round comes back as it was, and nothing else is taken for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from bench.federated.state import FILE, State, load, save
from bench.results.federated import Done

names = st.sampled_from(["shared/w", "mod/ecg/w", "buffer/seen"])
arrays = arrays_of.arrays(
    st.sampled_from([np.float32, np.float64, np.int64]), arrays_of.array_shapes(max_dims=2), elements=st.integers(0, 9)
)
dictionaries = st.dictionaries(names, arrays, max_size=3)
DONE = Done(number=1, chosen=[0, 2], dropped=[2], slow=[], train_loss=0.5, valid_loss=None, steps={"0": 3},
            up={"shared": 8}, down={"shared": 16}, seconds=0.1)  # fmt: skip
states = st.builds(
    State, arrays=dictionaries, best=dictionaries, best_round=st.integers(0, 9), best_loss=st.none() | st.floats(0, 9),
    history=st.just([DONE]), local=st.dictionaries(st.integers(0, 3), dictionaries.filter(bool)),
    personal=st.dictionaries(st.integers(0, 3), dictionaries.filter(bool)), server=dictionaries,
)  # fmt: skip


@given(state=states)
def test_what_is_stored_comes_back(tmp_path_factory: pytest.TempPathFactory, state: State) -> None:
    folder = tmp_path_factory.mktemp("federation")
    save(folder, state, {"seed": 1})
    again = State({})
    assert load(folder, again, {"seed": 1}) == ""
    assert (again.best_round, again.best_loss, again.history) == (state.best_round, state.best_loss, state.history)
    pairs = [(again.arrays, state.arrays), (again.best, state.best), (again.server, state.server)]
    for client in {*state.local, *state.personal, *again.local, *again.personal}:
        pairs.append((again.local.get(client, {}), state.local.get(client, {})))
        pairs.append((again.personal.get(client, {}), state.personal.get(client, {})))
    for one, two in pairs:
        assert one.keys() == two.keys()
        assert all(one[name].dtype == two[name].dtype and np.array_equal(one[name], two[name]) for name in one)


def test_another_federation_and_a_damaged_file_are_not_taken(tmp_path: Path) -> None:
    save(tmp_path, State({"shared/w": np.ones(3)}), {"seed": 1})
    state = State({})
    assert load(tmp_path, state, {"seed": 2}) == "what was stored belongs to another federation"
    content = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert "damaged" in load(tmp_path, state, {"seed": 1})
    assert state == State({})


def test_without_a_folder_nothing_is_stored() -> None:
    save(None, State({}), {})
    assert load(None, State({}), {}) == ""
