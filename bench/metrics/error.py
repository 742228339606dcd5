"""What is raised where something cannot be scored."""

from __future__ import annotations

from bench.errors import PluginError


class ScoreError(PluginError, ValueError):
    """Predictions or imputed values cannot be scored: shapes that do not fit, numbers that are
    not finite.
    """
