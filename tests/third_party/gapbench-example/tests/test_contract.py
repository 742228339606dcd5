import bench.testing


@bench.testing.parametrize("decay", "centroid")
def test_contract(check):
    check()
