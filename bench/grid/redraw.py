"""Whether a scenario gives training records a new mask at each epoch: one whose parameter `redraw`
is `epoch`, whatever its name.
"""

from __future__ import annotations

from bench.config.command import Variant


def redraws(scenario: Variant) -> bool:
    return bool(scenario.params.get("redraw") == "epoch")
