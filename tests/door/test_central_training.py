"""Central training, of every torch method: the same weights and predictions, bit for bit, as
those that are stored.
"""

from __future__ import annotations

import pytest

from support.central_training import cases, machine, stored, trained

STORED = stored()


def test_every_torch_method_is_stored() -> None:
    assert STORED["trainings"].keys() == cases().keys()


@pytest.mark.parametrize("case", cases())
def test_central_training_gives_the_stored_bits(case: str) -> None:
    if (here := machine()) != STORED["machine"]:
        pytest.skip(f"bits depend on versions and processor: stored with {STORED['machine']}, here {here}")
    assert trained(*cases()[case]) == STORED["trainings"][case]
