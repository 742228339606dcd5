"""Every error a person can meet, and the exit code each one ends the command with.

    BenchError                 1
    ├── UsageError             2   the command line or a suite file says something that cannot
                                   be understood
    ├── DataError              3   data are missing, incomplete or damaged
    ├── PluginError            4   a component cannot be loaded or breaks its contract
    └── StorageError           5   the ledger or the cache cannot be read or written (busy, full,
                                   read-only)

Exit codes that are outcomes and not errors are listed beside them in `EXIT_CODES`;
`docs/reference/words.md` prints this table and a test compares the two.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from bench.execute.interrupts import STOPPED

__all__ = ["EXIT_CODES", "BenchError", "DataError", "PluginError", "StorageError", "UsageError", "nearest", "unknown"]

EXIT_CODES = {
    0: "done; for `gate`: same",
    1: "the run finished, but some cells failed, timed out or ran out of memory",
    2: "the command line or a suite file cannot be understood",
    3: "data are missing, incomplete or damaged",
    4: "a component cannot be loaded or breaks its contract",
    5: "the ledger or the cache cannot be used: busy, full or read-only",
    6: "the budget, or the queue of a cluster, ended before the grid; the same command goes on",
    7: "`check`, `rerun`, an audit or `ledger merge` found a broken promise, or `verify` refused a submission",
    10: "`gate`: improved",
    11: "`gate`: worse",
    12: "`gate`: inconclusive",
    13: "`gate`, `rerun`: not comparable",
    70: "a fault in bench itself; the message names a log to report it with",
    130: STOPPED,
    143: "stopped by SIGTERM; the same command goes on",
}


class BenchError(Exception):
    """Base of all errors that are printed as one clear line, without a traceback.

    public: what of the message may stand in a record; other than the message where that quotes a
            component.
    """

    exit_code = 1

    def __init__(self, message: str = "", public: str = ""):
        super().__init__(message)
        self.public = public or message


class UsageError(BenchError):
    """A key, a name or a value on the command line or in a suite file is not accepted."""

    exit_code = 2


class DataError(BenchError):
    """Data are missing, incomplete or damaged. The message names the file and says how to obtain
    it.
    """

    exit_code = 3


class PluginError(BenchError):
    """A plugin cannot be loaded, was written for another contract, or a component breaks its
    promises.
    """

    exit_code = 4


class StorageError(BenchError):
    """The ledger or the cache cannot be used. Nothing that was finished is lost."""

    exit_code = 5


ALIKE, SLIP = 0.65, 0.8
"""How alike two names are (difflib's ratio) for the one to be proposed for the other: at all,
and where it can be but a slip.
"""


def nearest(name: str, known: Iterable[str], alike: float = ALIKE) -> str:
    """`did you mean "x"? ` for the known name closest to `name`, or an empty string when none is
    close. Upper and lower case count only between names that are otherwise equal, and what stands
    after the last dot is a name too.
    """
    names: dict[str, list[str]] = {}
    for each in (whole := list(known)):
        names.setdefault(each.casefold(), []).append(each)
    for each in whole:
        names.setdefault(each.rpartition(".")[2].casefold(), [each])
    match = difflib.get_close_matches(name.casefold(), names, n=1, cutoff=alike)
    if not match:
        return ""
    best = max(names[match[0]], key=lambda each: difflib.SequenceMatcher(None, name, each).ratio())
    return f'did you mean "{best}"? '


def unknown(
    kind: str, name: str, known: Iterable[str], origin: str, hint: str = "", alike: float = ALIKE
) -> UsageError:
    """The error for a name that is not known: what was written, where, the nearest name, and
    what to type next.
    """
    known = sorted(known)
    accepted = hint or ("accepted: " + ", ".join(known))
    return UsageError(f'{kind} "{name}" is not known (from {origin}); {nearest(name, known, alike)}{accepted}')
