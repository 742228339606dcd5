"""Rows of a leaderboard that a person hands in as a folder, and what is checked of them.

- `folder`: the files of a submission, read and written.
- `pinned`: the plugins of its methods by version.
- `planned`: its rows as the suite here plans them.
- `pack`: from a ledger to a folder.
- `checks`: from a folder to a verdict.
- `board`: the leaderboard as it would be.
"""
