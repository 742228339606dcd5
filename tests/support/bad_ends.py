"""An imputer that ends its process, wherever that is not the one named by a variable."""

from __future__ import annotations

import os

from bad_plugins import Honest

from bench.cohort import Cohort
from bench.components import Context


class EndsElsewhere(Honest):
    """Kills the process in which it is fitted."""

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        super().fit(train, valid, context)
        if os.environ["LIVES_IN"] != str(os.getpid()):
            os._exit(9)


class SpeaksElsewhere(EndsElsewhere):
    """Prints there, and raises."""

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        Honest.fit(self, train, valid, context)
        print("0\n0\n0")
        if os.environ["LIVES_IN"] != str(os.getpid()):
            raise ValueError("not here")


class CountsFits(Honest):
    """The first fit of a process is another one than those after it."""

    fits = 0

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        super().fit(train, valid, context)
        if os.environ["LIVES_IN"] != str(os.getpid()):
            CountsFits.fits += 1
            if CountsFits.fits > 1:
                raise ValueError("fitted before")
