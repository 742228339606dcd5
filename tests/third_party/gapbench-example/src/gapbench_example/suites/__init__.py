"""Suites of this package, found through the entry-point group `bench.suites`."""
