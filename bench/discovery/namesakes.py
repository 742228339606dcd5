"""What else bears a name that is not known: a component of another kind, or a suite."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.discovery.spec import KINDS


def namesakes(names_of: Callable[[str], Sequence[str]], kind: str, name: str) -> str:
    """What else than a `kind` bears that name, in whatever case, as the beginning of a hint;
    empty where nothing does. A suite counts too. names_of: kind -> its names.
    """
    from bench.config.layers import find_suites

    if any(known.casefold() == name.casefold() for known in names_of(kind)):
        return ""
    kinds = {other: names_of(other) for other in (*KINDS, "metric")} | {"suite": list(find_suites())}
    bearing = [
        f"{known} is {'an' if other[0] in 'aeiou' else 'a'} {other}"
        for other, names in kinds.items()
        if other != kind
        for known in names
        if known.casefold() == name.casefold()
    ]
    return f"{' and '.join(bearing)}; " if bearing else ""
