"""The grammar of the command line: `key=value`, comma = several values, `0..4` = a range, dotted
keys.

    imputer=mean,locf            several values of an axis of the grid
    seed=0..4                    0, 1, 2, 3, 4
    imputer.csdi.steps=10,50     a parameter of a method; several values make several rows
    data.root=../data            a folder (never split at commas)
    fuser.gru.note="a, b"        quotes keep commas
    imputer=csdi(eta=0, chunk=8) so do brackets: a label, as tables show it
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from bench.errors import UsageError

ORIGIN = "the command line"
WHOLE = {"data.root", "out", "cache", "shared", "suite", "tuned", "from", "to"}
"""Keys whose value is taken as one piece of text: folders and file names may hold commas."""


class Word(msgspec.Struct, frozen=True):
    """One `key=value` of the command line.

    - values: what stood behind the sign, split and typed.
    - texts: the same as plain text, for fields that hold text, so that budget=90 is "90" there and
      90 elsewhere.
    - text: the whole word.
    """

    key: str
    values: tuple[Any, ...]
    texts: tuple[str, ...]
    text: str


def halves(text: str) -> tuple[str, str, str]:
    """The key of a word, its sign and what stands behind it; both empty where it has no sign."""
    return text.partition("=")


def parse(words: Iterable[str]) -> list[Word]:
    """The words of a command line, in order. UsageError for a word that is not `key=value`, a key
    given twice, or a folder or file without a name.
    """
    parsed: dict[str, Word] = {}
    for text in words:
        check_text(text)
        key, sign, value = halves(text)
        if not sign or not re.fullmatch(r"[A-Za-z_][\w\-]*(\.[\w\-]+)*", key):
            raise UsageError(
                f'"{text}" (from {ORIGIN}) is not of the form key=value; for example: suite=physionet48 seed=42,52'
            )
        if key in parsed:
            raise UsageError(f'"{key}" is given twice (from {ORIGIN}): "{parsed[key].text}" and "{text}"; keep one')
        if key in WHOLE and not value:
            raise UsageError(f'"{key}" is empty (from {ORIGIN}); give it a value or leave it out')
        texts = (value,) if key in WHOLE else tuple(_pieces(value, text))
        values = texts if key in WHOLE else tuple(scalar(piece) for piece in texts)
        parsed[key] = Word(key, values, tuple(_unquoted(piece) for piece in texts) if key not in WHOLE else texts, text)
    return list(parsed.values())


MOST = 10_000
"""Values of one word."""

_DIGITS = re.compile(r"[+-]?\d+(?:_\d+)*")

_PIECE = r"""\s*(?:"[^"]*"|'[^']*')\s*|(?:\([^()"']*\)|[^,"'])*+"""
_QUOTED = re.compile(r""""[^"]*"|'[^']*'""")


def _pieces(value: str, text: str) -> Iterator[str]:
    """What stands between commas, ranges written out, quotes kept."""
    if value == "":
        return
    if not re.fullmatch(rf"(?:{_PIECE})(?:,(?:{_PIECE}))*", value):
        raise UsageError(
            f"{text} (from {ORIGIN}) has an open quote or one in the middle of a value; quote the whole value, "
            """with the other kind if it holds one: key='"a, b","it is"'"""
        )
    count = 0
    for item in re.findall(rf"(?:^|,)({_PIECE})", value):
        item = item.strip()
        span = re.fullmatch(r"(-?\d+)\.\.(-?\d+)", item)
        if item == "":
            raise UsageError(f'"{text}" (from {ORIGIN}) has an empty value between commas')
        if span:
            if not (_fits(span[1]) and _fits(span[2])):
                raise UsageError(
                    f"{_short(item)} (from {ORIGIN}) has a number with too many digits; give for example 0..4"
                )
            first, last = int(span[1]), int(span[2])
            if last < first:
                raise UsageError(f'"{item}" in "{text}" (from {ORIGIN}) runs backwards; give {last}..{first}')
            count += last - first + 1
            _check_count(count, text)
            yield from map(str, range(first, last + 1))
        else:
            count += 1
            _check_count(count, text)
            yield item


def _check_count(count: int, text: str) -> None:
    if count > MOST:
        raise UsageError(f"{_short(text)} (from {ORIGIN}) has {count} values or more; at most {MOST} are accepted")


def check_text(text: str) -> None:
    """Raises UsageError for a word that is not valid UTF-8: it could neither be kept nor shown."""
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise UsageError(
            f"{ascii(text)[:200]} (from {ORIGIN}) is not valid UTF-8; give it in UTF-8, or rename the file"
        )


def _fits(digits: str) -> bool:
    """Whether a whole number has 64 bits at most, as every file and array wants it."""
    return len(digits) <= 30 and -(2**63) <= int(digits) < 2**63


def _short(text: str) -> str:
    return f'"{text}"' if len(text) <= 60 else f'"{text[:57]}..."'


def _unquoted(item: str) -> str:
    return item[1:-1] if _QUOTED.fullmatch(item) else item


def scalar(item: str) -> Any:
    """A typed value: true, false, an integer, a float, or text (quotes removed)."""
    if _QUOTED.fullmatch(item):
        return item[1:-1]
    if item.lower() in ("true", "false"):
        return item.lower() == "true"
    if _DIGITS.fullmatch(item.strip()):
        return int(item) if _fits(item.strip()) else item  # what wants a number says what is accepted
    for kind in (int, float):
        try:
            return kind(item)
        except ValueError:
            continue
    return item


def typed(key: str) -> str:
    """A key of a suite as a word has it: an axis without its table, a list as one word."""
    return re.sub(r"\[\d+\]", "", key).removeprefix("grid.")


def in_ranges(values: Iterable[str]) -> list[str]:
    """The values, four whole numbers in a row or more as one range: what `parse` makes of it are
    the same values.
    """
    spans: list[list[str]] = []
    for value in values:
        whole = _DIGITS.fullmatch(value)
        if whole and spans and _DIGITS.fullmatch(spans[-1][-1]) and int(value) == int(spans[-1][-1]) + 1:
            spans[-1].append(value)
        else:
            spans.append([value])
    return [text for span in spans for text in ([f"{span[0]}..{span[-1]}"] if len(span) > 3 else span)]


def without(words: Iterable[str], keys: Collection[str]) -> list[str]:
    """Words of a command line but for those of some keys, and of what stands in their tables."""
    return [word for word in words if not {key := halves(word)[0], key.partition(".")[0]} & {*keys}]


def spoken(key: str, value: Any) -> str:
    """The word that gives `key` this value, quoted for a shell: what `parse` reads back. Empty
    where no word does: for None, a table, or a list in a list.
    """
    values = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(one, bool | int | float | str) for one in values):
        return ""
    return shlex.quote(f"{key}={','.join(map(_spoken, values))}")


def _spoken(value: Any) -> str:
    if not isinstance(value, str):
        return repr(value).lower()
    try:
        plain = "(" not in value and [scalar(piece) for piece in _pieces(value, value)] == [value]
    except UsageError:
        plain = False
    quote = "'" if '"' in value else '"'
    return value if plain else f"{quote}{value}{quote}"


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `over` laid on top: tables are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(value, Mapping) and isinstance(below, Mapping) else value
    return merged


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZES = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


LONGEST_DAYS = 10_000
LONGEST = LONGEST_DAYS * 86400.0


def duration(text: str | float, key: str, origin: str = ORIGIN) -> float:
    """Seconds of `90`, `90s`, `9m`, `1h30m`, `2d`. UsageError otherwise."""
    written = str(text).strip()
    seconds = math.nan
    if re.fullmatch(r"\d+(\.\d+)?", written):
        seconds = float(written)
    elif re.fullmatch(r"(\d+(\.\d+)?[smhd])+", written):
        seconds = sum(float(n) * _UNITS[unit] for n, _, unit in re.findall(r"(\d+(\.\d+)?)([smhd])", written))
    if not seconds <= LONGEST:
        raise UsageError(
            f'"{key}" = {_short(written)} (from {origin}) is not a duration; accepted: 90s, 9m, 1h30m, up to {LONGEST_DAYS}d'
        )
    return seconds


def size(text: str | int, key: str, origin: str = ORIGIN) -> int:
    """Bytes of `8GiB`, `500MB`, `1024`. UsageError otherwise. Units are powers of 1024."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", str(text).strip(), re.IGNORECASE)
    size = float(match[1]) * _SIZES[match[2].upper()] if match else math.nan
    if not size < 2**63:
        raise UsageError(f'"{key}" = {_short(str(text))} (from {origin}) is not a size; accepted: 8GiB, 500MiB')
    return int(size)
