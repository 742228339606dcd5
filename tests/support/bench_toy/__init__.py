"""A plugin for tests: a tiny generated dataset, and methods that misbehave on purpose."""
