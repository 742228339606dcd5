"""The doors through which what strangers wrote comes in: for each, files that are as they should
be, mutations of them, and the commands that read them.

A file under a checksum is mutated in its content and sealed again as often as it is mutated as it
lies: whoever knows about checksums makes files too.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from benchmarks.doors import asked, mimic, physionet, pickles, stored
from benchmarks.doors.case import Case

KINDS: dict[str, Callable[[random.Random], Case]] = {
    "suites": asked.suites,
    "words": asked.words,
    "records": stored.records,
    "weights": stored.weights,
    "tuned": asked.tuned,
    "physionet": physionet.physionet,
    "mimic": mimic.mimic,
    "pickles": pickles.pickles,
}
"""What is fuzzed -> how one case of it is made."""
