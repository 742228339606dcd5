"""What stages leave for each other: artifacts, by name, whole or not at all.

A name is `kind/KEY`, with a suffix for a file: `cohorts/KEY.safetensors`, `imputations/KEY`. Stages
never ask for a path of one
machine: they ask the store, which may bring the artifact here first.
"""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from pathlib import Path

from bench import arrays
from bench.data.places import keyed
from bench.files import replacing


class Store:
    """Artifacts as files and folders below a cache folder."""

    def __init__(self, cache: Path):
        self.cache = cache

    def has(self, name: str) -> bool:
        """Whether it is there: a folder, or a file of arrays that is whole."""
        path = self.open(name)
        return path.is_dir() or arrays.is_complete(path)

    def open(self, name: str) -> Path:
        """Where it can be read. It need not be there."""
        kind, _, rest = name.partition("/")
        return keyed(self.cache, kind) / rest

    def put(self, name: str) -> AbstractContextManager[Path]:
        """A path to write it to; it is there, whole, when the context ends without an exception.
        Raises StorageError.
        """
        return replacing(self.open(name))

    def remove(self, name: str) -> None:
        """Remove what lies under a name, whatever it is."""
        path = self.open(name)
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
