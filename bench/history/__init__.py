"""What became of each method over runs, and between which runs it stepped.

- `history(exports, ...)`: the runs, and a line for each quantity of each method.
- `blocks(history)`: the page, for a terminal or as Markdown.
- `compare(first, second, ...)`: two runs, quantity by quantity (`bench.history.compared`).

Runs are read as by the gate (`bench.gate.quantities`), are the same test or not by its rules
(`bench.gate.same_test`), and step by `bench.statistics.steps`.
"""

from bench.history.lines import History, Line, Mark, Point, history
from bench.history.page import blocks

__all__ = ["History", "Line", "Mark", "Point", "blocks", "history"]
