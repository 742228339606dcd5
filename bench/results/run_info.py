"""Which run an export is of, where it is kept as one."""

from __future__ import annotations

import msgspec


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Name, date and code of a run.

    - name: one run of a suite has it, within one folder of results.
    - date: when the run ended, ISO 8601 in UTC (`2026-11-30T14:12:05.250Z`). What is shared holds
      the day alone.
    - version: of gapbench.
    - revision: git revision of the harness, with "+changes" where files differ; empty where it does
      not run from a checkout.
    - checkout: the same of the folder in which the command was typed, where that is another one.
    - status: status -> how many planned cells.
    - shard: which part of the plan it ran (`3/16`); empty for all of it.
    - stopped: why the run ended before all cells had their turn; empty where they had.
    """

    name: str
    date: str
    version: str = ""
    revision: str = ""
    checkout: str = ""
    status: dict[str, int] = {}
    shard: str = ""
    stopped: str = ""

    @property
    def code(self) -> str:
        """The code in short: the checkout that the command was typed in, then the harness in
        brackets; the harness alone, or its version.
        """
        if self.checkout and self.revision:
            return f"{self.checkout} ({self.revision})"
        return self.checkout or self.revision or self.version

    @property
    def day(self) -> str:
        return self.date[:10]

    @property
    def second(self) -> str:
        """The date without fractions of a second."""
        return f"{self.date.partition('.')[0]}Z" if "." in self.date else self.date

    def in_words(self) -> str:
        """The cells by status, which part of the plan they are, and why the run was stopped."""
        cells = ", ".join(f"{count:,} {status}" for status, count in sorted(self.status.items()))
        more = {"shard": self.shard, "stopped": self.stopped}
        return "; ".join([cells, *(f"{what}: {text}" for what, text in more.items() if text)])
