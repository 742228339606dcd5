"""One case of the fuzzer: files, and the commands that read them."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
for _place in (CHECKOUT / "tests" / part for part in ("", "support")):
    if str(_place) not in sys.path:
        sys.path.append(str(_place))


@dataclass
class Case:
    """files: where in the folder of the case -> content; commands: the words of each, done one
    after another.
    """

    commands: list[tuple[str, ...]]
    files: dict[str, bytes] = field(default_factory=dict)
    converted_here: bool = False
    """Pickles are converted in this process and not in a child, which takes a second to start."""
