"""Imputers that misbehave wherever the process is not the one that their parameter names."""

from __future__ import annotations

import os

from bad_plugins import Honest

from bench.cohort import Cohort
from bench.components import Context
from bench.registry import NoParams


class Home(NoParams, frozen=True):
    """home: the number of the process in which all is well."""

    home: int = 0


class EndsElsewhere(Honest):
    """Kills the process in which it is fitted."""

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        super().fit(train, valid, context)
        if self.params.home != os.getpid():
            os._exit(9)


class SpeaksElsewhere(EndsElsewhere):
    """Prints there, and raises."""

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        Honest.fit(self, train, valid, context)
        print("0\n0\n0")
        if self.params.home != os.getpid():
            raise ValueError("not here")


class CountsFits(Honest):
    """The first fit of a process is another one than those after it."""

    fits = 0

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        super().fit(train, valid, context)
        if self.params.home != os.getpid():
            CountsFits.fits += 1
            if CountsFits.fits > 1:
                raise ValueError("fitted before")
