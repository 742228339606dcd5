"""Imputers that do not stop when they are told to, or do not go on where they were."""

from __future__ import annotations

from bad_plugins import Honest

from bench.cohort import Cohort
from bench.components import Context, Interrupted


class IgnoresStop(Honest):
    """Asks whether to stop and goes on whatever the answer."""

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        for _ in range(4):
            context.should_stop()
        super().fit(train, valid, context)


class GoesOnElsewhere(Honest):
    """Stops as told, and counts the steps done before the interruption twice when it goes on."""

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        super().fit(train, valid, context)
        place = context.scratch / "steps" if context.scratch else None
        done = int(place.read_text()) if place and place.is_file() else 0
        for step in range(4):
            if context.should_stop() and place:
                place.write_text(str(step))
                raise Interrupted
            done += 1
        self.means = {name: mean * done for name, mean in (self.means or {}).items()}
