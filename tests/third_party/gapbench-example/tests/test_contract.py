from collections.abc import Callable

import bench.testing


@bench.testing.parametrize("decay", "centroid", "evenly")
def test_contract(check: Callable[[], None]) -> None:
    check()
