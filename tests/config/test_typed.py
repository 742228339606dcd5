"""Values that a struct does not accept are refused in plain words, whatever its constraint."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from bench.config.conversion import convert, in_words
from bench.errors import UsageError

REFUSED: list[tuple[Any, Any, str]] = [
    (Annotated[float, Meta(gt=0)], 0, "expected a number greater than 0"),
    (Annotated[float, Meta(ge=0.5)], 0.25, "expected a number of at least 0.5"),
    (Annotated[float, Meta(lt=1)], 1, "expected a number less than 1"),
    (Annotated[int, Meta(le=1_000_000)], 1_000_001, "expected a whole number of at most 1000000"),
    (Annotated[int, Meta(ge=1)], 0, "expected a whole number of at least 1"),
    (Annotated[int, Meta(multiple_of=4)], 3, "expected a whole number that is a multiple of 4"),
    (Annotated[str, Meta(min_length=2)], "a", "expected text of at least 2 characters"),
    (Annotated[str, Meta(max_length=2)], "abc", "expected text of at most 2 characters"),
    (Annotated[str, Meta(pattern="^a$")], "b", "expected text of the form ^a$"),
    (Annotated[tuple[int, ...], Meta(min_length=2)], [1], "expected a list of at least 2 entries"),
    (Annotated[list[int], Meta(max_length=1)], [1, 2], "expected a list of at most 1 entries"),
    (tuple[int, int, int], [1, 2], "expected a list of 3 entries, not 2"),
    (Annotated[dict[str, int], Meta(min_length=1)], {}, "expected a table of at least 1 entries"),
    (int, "x", "expected a whole number"),
    (int | None, "x", "expected a whole number or null"),
    (float, [], "expected a number"),
    (bool, "x", "expected true or false"),
    (list[int], 3, "expected a list"),
    (dict[str, int], 3, "expected a table"),
    (str, 3, "expected text"),
]


@pytest.mark.parametrize(("kind", "value", "words"), REFUSED, ids=[words for *_, words in REFUSED])
def test_a_refusal_is_in_words(kind: Any, value: Any, words: str) -> None:
    struct = msgspec.defstruct("Struct", [("x", kind)])
    with pytest.raises(UsageError) as refused:
        convert({"x": value}, struct, "", "the test")
    assert str(refused.value).endswith(f"is not accepted (from the test): {words}")


@pytest.mark.parametrize("text", ["Expected a finite number", "x`y", ""])
def test_other_words_stay_as_they_are(text: str) -> None:
    assert in_words(text) == text
