"""A plugin for measuring: a generated cohort, and a fuser that does next to nothing."""
