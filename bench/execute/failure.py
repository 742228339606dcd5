"""How a failure is told: the reason, which stands in records and all that is made of them, and the
words that stay here.

The text of an exception from a component's code may quote whatever the component had in its hands:
an id, a value, a note. So a record holds its type and place alone. The text goes to the terminal
and the log of the machine that has the data anyway. Only the harness's own words on a broken
contract, which quote no data, are a reason as they stand.
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

import bench
from bench.errors import BenchError

HOME = Path(bench.__file__).resolve().parent

LINE, LOG = 500, 100_000
"""Most characters of an exception's text in the terminal, and of a log."""


class Failure(NamedTuple):
    """reason: may be shared. words: what the exception says, for the terminal; log: the
    traceback. Both stay where they are.
    """

    reason: str
    words: str
    log: str


def failure(error: BaseException, component: str = "") -> Failure:
    """What to say of an exception. component: the module of the component that was called, whose
    package is the place.
    """
    words, log = plain(_first_line(error), LINE), plain(_traceback(error), LOG, lines=True)
    if isinstance(error, BenchError) and ours(error):
        public = plain(str(error.public), LINE * 4)
        return Failure(public, "" if public == words else words, log)
    place = _place(error, component.partition(".")[0])
    return Failure(f"{class_of(type(error))}{place}; its text is in the log of the run", words, log)


def ours(error: BaseException) -> bool:
    """Whether the harness itself raised an error of its own, with no code of a component in
    between.
    """
    module = sys.modules.get(str(type(error).__module__))
    known = vars(module).get(type(error).__name__) is type(error) if module else False
    return (
        known and str(type(error).__module__).startswith("bench.") and all(_is_ours(code) for code, _ in _frames(error))
    )


def raised_here(error: BaseException) -> bool:
    """Whether the harness raised it, whatever code called: storage that fails under a component's
    checkpoint, for example.
    """
    frames = list(_frames(error))
    return bool(frames) and _is_ours(frames[-1][0])


def plain(text: str, most: int, lines: bool = False) -> str:
    """Text from a component's code, cut to `most` characters, with an escape for whatever cannot be
    printed or encoded.
    """
    text = str.__str__(text)
    if len(text) > most:
        text = f"{text[: most // 2]} ... {text[-most // 2 :]}"
    return "".join(
        char if char.isprintable() or (lines and char in "\n\t") else char.encode("unicode_escape").decode()
        for char in text
    )


def text_of(value: object, most: int = LINE) -> str:
    """Whatever a component hands over as text, in one line that can be sent and shown."""
    try:
        return plain(str(value), most)
    except Exception:
        return "(a text that cannot be shown)"


def _first_line(error: BaseException) -> str:
    try:
        return (str(error).strip().splitlines() or [""])[0]
    except Exception:
        return "(a text that cannot be shown)"


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception:
        return "(a traceback that cannot be shown)\n"


def _frames(error: BaseException) -> Iterator[tuple[CodeType, int]]:
    for frame, line in traceback.walk_tb(error.__traceback__):
        yield frame.f_code, line


def _is_ours(code: CodeType) -> bool:
    """Code of the harness; `with` of the standard library stands between two lines of it."""
    path = Path(code.co_filename)
    return path.is_relative_to(HOME) or path.name == "contextlib.py"


def class_of(kind: type[BaseException]) -> str:
    """The name of an exception's class, or of the nearest base whose name stands in source:
    others are made at run time.
    """
    return next(cls.__name__ for cls in kind.__mro__ if _is_written(cls))


def _is_written(cls: type[Any]) -> bool:
    module = sys.modules.get(str(cls.__module__))
    if module is None or getattr(module, cls.__name__, None) is not cls or not cls.__name__.isidentifier():
        return False
    file = getattr(module, "__file__", None) or ""
    if not file.endswith(".py"):
        return module.__name__ == "builtins" or bool(file)
    try:
        return bool(re.search(rf"\bclass\s+{cls.__name__}\b", Path(file).read_text("utf-8")))
    except (OSError, ValueError):
        return False


def _place(error: BaseException, package: str) -> str:
    """The innermost line within the component's package, else within any module: the file below
    its package, no folders.
    """
    places = []
    for code, line in _frames(error):
        if name := _module_file(code):
            places.append((name, line))
    own = [place for place in places if package and place[0].split("/")[0] == package]
    innermost = (own or places)[-1:]
    return f" at {innermost[0][0]}, line {innermost[0][1]}" if innermost else ""


def _module_file(code: CodeType) -> str:
    """`package/module.py` of the imported module that holds the code; empty for code that was
    made at run time.
    """
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file == code.co_filename and getattr(module, "__spec__", None) is not None:
            return f"{name.replace('.', '/')}{'/__init__' if Path(file).name == '__init__.py' else ''}.py"
    return ""
