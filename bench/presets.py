"""Presets: named sets of values for the parameters of a method that were not given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

import msgspec

__all__ = ["Presets"]

T = TypeVar("T", bound=msgspec.Struct)


class Presets(Mapping[str, T], Generic[T]):
    """The presets of a method: name -> what it decides, a struct of one type for all.

    parameter: the one that names a preset. What else a preset decides and the parameters have as
    well is null by default, and what is given wins.
    """

    def __init__(self, parameter: str, choices: Mapping[str, T]):
        self.parameter = parameter
        self._choices = dict(choices)

    def __getitem__(self, name: str) -> T:
        return self._choices[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._choices)

    def __len__(self) -> int:
        return len(self._choices)

    def over(self, params: msgspec.Struct, **implied: Any) -> T:
        """What these parameters' preset decides, with what was given over it.

        implied: what other parameters imply where it is not given itself; None implies nothing.
        """
        choice = self[getattr(params, self.parameter)]
        overrides = {name: getattr(params, name, None) for name in choice.__struct_fields__}
        values = [(name, value) for table in (implied, overrides) for name, value in table.items() if value is not None]
        return msgspec.structs.replace(choice, **dict(values))
