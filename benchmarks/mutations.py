"""Mutations of what strangers write: bytes, lines, trees of plain values, tables. The same chance
gives the same mutation.

Blind ones (a flipped bit, a cut, a splice) find what parsers do with damage; those that know the
structure (a value of another type, a key that is gone or stands twice) get past the parser, to
whoever believes what it gave.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

HUGE = "9" * 5000
ODD = [
    "", HUGE, "-" + "9" * 25, "1" * 400 + "GiB", "1" * 5000 + "s", "1e308", "1e999", "nan", "-inf", "0x10", "1_0",
    "_", "0..99999999", "0..9999,0..9999", "9" * 30 + ".." + "9" * 31, "1..99999", "\udcff", "é", "a,,b", "'", '"',
    "()", "(((", "../../x", "/proc/self/mem", "~", "x" * 3000, "a=b", "true", "null", "[1]", "{}", "\x1b[2J",
    "1" * 20, "0.0", "-1", "٣", "²", "x.toml", ".", "..", "small.toml", "nowhere.toml", "\ufeff",
]  # fmt: skip
"""Text where a word, a name or a number is expected."""

STRANGE: list[Any] = [
    None, "", "x", "../../x", "a,b", "\x1b[2J", 0, -1, 1, 2**53, 2**63 - 1, 1e308, -1e308, 1e-320, True, [], {}, [[]],
    "9" * 5000,
    [1e308] * 3, {"x": 1e308}, "NaN",
]  # fmt: skip
"""What JSON and TOML can hold and nobody expects."""

STRANGER = [
    *STRANGE, False, 2**63, -(2**63), 10**400, 1e-5, "\0", "\ufeff", "\u202e", "é" * 2000, ["x"] * 3000, "/etc/passwd",
    "CON", "a\nb", {"": {"": {}}}, {"../x": 1}, [None], [{}], [True, 1, "x", 1.5], "1e999", "-0", -0.0, "=1+1",
]  # fmt: skip

TOKENS: list[bytes] = [
    HUGE.encode(), b"-" + b"9" * 25, b"1e308", b"-1e308", b"1e999", b"NaN", b"nan", b"Infinity", b"-inf", b"1e-400",
    b"0x" + b"f" * 300, b"[" * 3000, b"{" * 3000, b'{"a":' * 2000, b"(" * 300, b'"' * 3, b"'''", b'"""', b"\\u0000",
    b"\\ud800", b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"\0" * 100, b"\xed\xa0\x80", b"\xff", b"\xc3",
    b"\xf4\x90\x80\x80", b"../" * 8 + b"x", b"/etc/passwd", b"a" * 100_000, b"\r", b"\r\n", b"\n\n", b"\n" * 5000,
    b",", b"," * 3000, b";", b"\t", b"=", b"#", b"\x1b[2J", b"\x1a", b"\xe2\x80\xae", b"-1", b"0", b"00", b" ",
    b"true", b"null", b"1970-01-01", b"99999-99-99 99:99:99", b"0001-01-01 00:00:00", b"9999-12-31 23:59:59",
    b"25:61", b"12345678901234567890:59", "٣".encode(), "²".encode(), b"%s%n", b"${HOME}", b"$(touch x)",
    b"__class__", b"PK\x03\x04", b"\x1f\x8b\x08", b"PAR1",
]  # fmt: skip
"""Bytes that have broken a parser somewhere."""


def flipped(content: bytes, chance: random.Random) -> bytes:
    """The content with one byte changed."""
    place = chance.randrange(len(content))
    return content[:place] + bytes([content[place] ^ chance.randrange(1, 256)]) + content[place + 1 :]


def _span(content: bytes, chance: random.Random) -> tuple[int, int]:
    """The ends of a part of the content, more often a short one."""
    begin = chance.randrange(len(content) + 1)
    return begin, min(len(content), begin + int(chance.expovariate(1 / chance.choice([2, 20, 300]))))


def _flip_several(content: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    for _ in range(chance.choice([1, 1, 2, 8])):
        content = flipped(content, chance)
    return content


def _cut(content: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    return content[: chance.randrange(len(content))]


def _behead(content: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    return content[chance.randrange(len(content)) :]


def _insert(content: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    place = chance.choice([0, len(content), chance.randrange(len(content) + 1)])
    return content[:place] + chance.choice(TOKENS) + content[place:]


def _replace(content: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    begin, end = _span(content, chance)
    return content[:begin] + chance.choice(TOKENS) + content[end:]


def _remove(content: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    begin, end = _span(content, chance)
    return content[:begin] + content[end:]


def _repeat(content: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    begin, end = _span(content, chance)
    return content[:begin] + content[begin:end] * chance.choice([2, 3, 200]) + content[end:]


def _move(content: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    begin, end = _span(content, chance)
    rest = content[:begin] + content[end:]
    place = chance.randrange(len(rest) + 1)
    return rest[:place] + content[begin:end] + rest[place:]


def _splice(content: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    other = chance.choice(others) if others else content
    return content[: chance.randrange(len(content) + 1)] + other[chance.randrange(len(other) + 1) :]


def _lines(content: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """A line twice, gone, elsewhere, out of another file, or with a token in place of what
    follows its = or comma.
    """
    lines = content.split(b"\n")
    place = chance.randrange(len(lines))
    how = chance.randrange(6)
    if how == 0:
        lines.insert(chance.randrange(len(lines) + 1), lines[place])
    elif how == 1:
        del lines[place]
    elif how == 2:
        lines.insert(chance.randrange(len(lines)), lines.pop(place))
    elif how == 3 and others:
        lines.insert(place, chance.choice(chance.choice(others).split(b"\n")))
    else:
        mark = chance.choice([b"=", b",", b":"])
        parts = lines[place].split(mark)
        parts[chance.randrange(len(parts))] = chance.choice(TOKENS)
        lines[place] = mark.join(parts)
    return b"\n".join(lines)


def _again(content: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """Other forms of the same text, or nearly so."""
    text = content.decode("latin-1")
    form = chance.choice(["utf-16", "utf-32", "utf-8-sig", "\r\n", "\r", "nothing", "upper"])
    if form in ("\r\n", "\r"):
        return content.replace(b"\n", form.encode())
    if form == "nothing":
        return chance.choice([b"", b"\0" * len(content), b"\n", b" " * 100])
    return content.upper() if form == "upper" else text.encode(form)


BLIND: list[Callable[[bytes, random.Random, Sequence[bytes]], bytes]] = [
    _flip_several, _cut, _behead, _insert, _replace, _remove, _repeat, _move, _splice, _lines, _lines, _insert, _again,
]  # fmt: skip


def mutated_bytes(content: bytes, chance: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """The content after one to three blind mutations. others: contents of which a part may be
    taken.
    """
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        if not content:
            return content
        content = chance.choice(BLIND)(content, chance, others)
    return content


# Trees of plain values


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in a tree of plain values."""
    yield path
    for key, inner in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from places(inner, (*path, key))


def changed(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The tree with another value at a place."""
    if not path:
        return value
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[path[0]] = changed(tree[path[0]], path[1:], value)
    return copy


def at(tree: Any, path: tuple[Any, ...]) -> Any:
    """What is at a place."""
    for key in path:
        tree = tree[key]
    return tree


def _nested(depth: int, table: bool) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value} if table else [value]
    return value


def _near(value: Any, chance: random.Random) -> Any:
    """Something that is nearly the value."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return chance.choice(
            [value + 1, -value, value * 2, value / 2, value * 10**6, str(value), float(value), 0, value - 1]
        )
    if isinstance(value, str):
        return chance.choice(
            [value + "x", value[:-1], value * 2, value.upper(), [value], chance.choice(ODD), value + "\0"]
        )
    if isinstance(value, list):
        return chance.choice(
            [value[:-1], value * 2, value[::-1], value[:1] * 500, [*value, None], dict.fromkeys(map(str, value))]
        )
    if isinstance(value, dict):
        return chance.choice(
            [list(value), list(value.values()), {**value, "x": 1}, {**value, "": value}, dict(reversed(value.items()))]
        )
    return chance.choice(STRANGE)


def mutated_tree(tree: Any, chance: random.Random) -> Any:
    """The tree after one to three changes: another value, another type, a key gone, added or
    renamed, two places exchanged.
    """
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        try:
            everywhere = list(places(tree))[1:]
        except RecursionError:  # it is deep enough
            return tree
        if not everywhere:
            return tree
        path = chance.choice(everywhere)
        value, parent = at(tree, path), at(tree, path[:-1])
        how = chance.randrange(8)
        if how <= 1:
            tree = changed(tree, path, chance.choice(STRANGER))
        elif how == 2:
            tree = changed(tree, path, _near(value, chance))
        elif how == 3:
            rest = [v for k, v in enumerate(parent) if k != path[-1]] if isinstance(parent, list) else None
            tree = changed(
                tree, path[:-1], rest if rest is not None else {k: v for k, v in parent.items() if k != path[-1]}
            )
        elif how == 4 and isinstance(parent, dict):
            name = chance.choice([*ODD, *parent, f"{path[-1]}x", "\0"])
            tree = changed(tree, path[:-1], {(name if k == path[-1] else k): v for k, v in parent.items()})
        elif how == 5:
            other = chance.choice(everywhere)
            if other[: len(path)] != path and path[: len(other)] != other:
                there = at(tree, other)
                tree = changed(changed(tree, path, there), other, value)
        elif how == 6:
            tree = changed(tree, path, _nested(chance.choice([1, 30, 90, 900]), chance.random() < 0.5))
        elif isinstance(parent, list):
            tree = changed(
                tree, path[:-1], parent[: path[-1]] + [value] * chance.choice([2, 3, 300]) + parent[path[-1] :]
            )
        else:
            tree = changed(tree, path, [value])
    return tree


# Tables of text


FIELDS = [
    "", " ", "NA", "NULL", "nan", "inf", "-inf", "1e308", "1e999", "-1", "0", "1.0", "1.5", "1,5", "9" * 25, HUGE,
    "x" * 3000, "é", "\0", '"', '""', "'", "a\nb", "a\r\nb", "\ufeff", "٣", "²", "../../x", "=1+1", "true", "0x10",
    "1_0", "1e-400", "12:60", "99:99", "-1:00", "999999:00", "0001-01-01 00:00:00", "9999-12-31 23:59:59",
    "2150-02-30 00:00:00", "2150-01-01", "2150-01-01T06:00:00Z", "1/2/50 6:00", "294247-01-10 04:00:54",
    "290000-01-01 00:00:00", "infinity", "epoch", "9223372036854775807", "-9223372036854775808", "9007199254740993",
    "1e15", "1e18",
]  # fmt: skip
"""Text where a field of a table is."""


def mutated_rows(rows: list[list[str]], chance: random.Random) -> list[list[str]]:
    """A table, its header first, after one to four changes of fields, rows, columns or names."""
    rows = [list(row) for row in rows]
    for _ in range(chance.choice([1, 1, 2, 4])):
        if not rows or not rows[0]:
            return rows
        row, how = chance.randrange(len(rows)), chance.randrange(10)
        column = chance.randrange(len(rows[0]))
        if how <= 2 and rows[row]:
            rows[row][chance.randrange(len(rows[row]))] = chance.choice(FIELDS)
        elif how == 3:  # in a whole column
            field = chance.choice(FIELDS)
            for each in rows[1:]:
                if column < len(each):
                    each[column] = field
        elif how == 4:
            rows.insert(chance.randrange(len(rows) + 1), list(rows[row]))
        elif how == 5:
            del rows[row]
        elif how == 6:  # two columns, or their names alone
            other = chance.randrange(len(rows[0]))
            for each in rows[: chance.choice([1, len(rows)])]:
                if max(column, other) < len(each):
                    each[column], each[other] = each[other], each[column]
        elif how == 7:
            for each in rows[: chance.choice([1, len(rows)])]:
                del each[column : column + 1]
        elif how == 8:
            rows[0][column] = chance.choice([*FIELDS, *rows[0], rows[0][column].upper()])
        elif rows[row]:  # fields moved between rows
            other = chance.randrange(len(rows))
            if column < min(len(rows[row]), len(rows[other])):
                rows[row][column], rows[other][column] = rows[other][column], rows[row][column]
    return rows


# Words of a command line


def mutated_word(word: str, chance: random.Random) -> str:
    """A word `key=value` after a change of its value, its key or its letters. Without NUL, which
    no word can hold.
    """
    key, mark, value = word.partition("=")
    how = chance.randrange(5)
    if how <= 1:
        word = f"{key}={chance.choice(ODD)}"
    elif how == 2:
        word = f"{chance.choice([key + 'x', key[:-1], key.upper(), key + '.x', '.' + key, key * 2])}{mark}{value}"
    elif how == 3:
        word = f"{key}={value},{chance.choice([value, *ODD])}"
    else:
        word = mutated_bytes(word.encode("utf-8", "surrogateescape"), chance).decode("utf-8", "surrogateescape")
    return word.replace("\0", "")[:100_000]
