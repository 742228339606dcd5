"""Names that may become part of a file name: one rule, asked at every door through which a name
comes in.

Of suites, profiles, splits, datasets, tasks, modalities and sets of them, plugin components, and
keys of stored results. Labels, such as `mcar(rate=0.1)`, are no names: no file is called by one.
"""

from __future__ import annotations

import re

from bench.errors import BenchError, UsageError

LONGEST = 64
"""Characters: a digest, and three names with their suffix within the 255 bytes that file systems
accept.
"""

PATTERN = rf"^[A-Za-z0-9][A-Za-z0-9_.+-]{{0,{LONGEST - 1}}}$(?!\n)"
"""As a pattern for a struct's field and for the JSON schema of suite files. `$` alone accepts a
final line break in Python.
"""

RULE = f'a name has 1 to {LONGEST} letters (a to z, A to Z), digits or "_", "-", ".", "+", and begins with a letter or a digit'


def is_name(text: str) -> bool:
    """Whether a text keeps the rule."""
    return re.search(PATTERN, text) is not None


def check(kind: str, name: str, origin: str, error: type[BenchError] = UsageError) -> str:
    """The name, or an error in one line that says what was written, where, and what is accepted.
    kind: "suite", say.
    """
    if not is_name(name):
        raise error(f"{kind} {shown(name)} (from {origin}) is not accepted: {RULE}")
    return name


def shown(name: str) -> str:
    """A text from others within an error: in quotes, one line, without control characters, and not
    long.
    """
    return ascii(name if len(name) <= LONGEST else f"{name[:LONGEST]}...")
