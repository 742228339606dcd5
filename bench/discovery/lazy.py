"""Lazy paths, `module:attribute`: what a declaration names and what is imported only when it is
needed.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

from bench.discovery.guard import error_line, loading
from bench.errors import PluginError

PATH = re.compile(r"\w+(\.\w+)*:\w+")


def load(path: str, what: str) -> Any:
    """Import what a lazy path names. Raises PluginError, which begins with `what`, with the
    reason.
    """
    module, _, name = path.partition(":")
    try:
        with loading(what):
            return getattr(importlib.import_module(module), name)
    except BaseException as error:
        failed = f"{what} cannot be loaded from {path}"
        raise PluginError(f"{failed}: {error_line(error)}", public=failed) from error
