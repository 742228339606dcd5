"""What the command answers a person, in this process."""

from __future__ import annotations

import json
from typing import Any


class Said:
    """What a command printed."""

    def __init__(self, out: str, err: str):
        self.out, self.err = out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def refusal(said: Said) -> str:
    """The one line of an error."""
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("bench: ")
    return said.err.strip()
