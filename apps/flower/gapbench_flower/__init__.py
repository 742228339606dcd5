"""Flower as transport between a server and its sites: the only code that knows Flower.

What is computed, and in which order, is the business of `bench.sites` and `bench.federated`.
"""

from __future__ import annotations

import importlib.metadata

WANTED = "1.42."
"""Flower's interface changes from version to version; this one was tested."""

ADVICE = "install it with: pip install 'gapbench[flower]' -c constraints-flower.txt"


def check() -> None:
    """Raise ImportError, with what to type, unless Flower of the right version is there."""
    try:
        version = importlib.metadata.version("flwr")
    except importlib.metadata.PackageNotFoundError:
        raise ImportError(f"Flower is not installed here; {ADVICE}") from None
    if not version.startswith(WANTED):
        raise ImportError(f"Flower {version} is installed here, and {WANTED}* is needed; {ADVICE}")


check()
