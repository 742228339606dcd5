"""Words of commands that are not requests: a fixed set of keys, each with one value or several."""

from __future__ import annotations


def values_by_key(words: tuple[str, ...], single: tuple[str, ...], many: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The values by key. UsageError for a key that is not accepted, an empty value, or several
    where one is taken.
    """
    from bench.config.words import ORIGIN, parse
    from bench.errors import UsageError, unknown

    words_by_key = {word.key: word for word in parse(words)}
    for key, word in words_by_key.items():
        if key not in (*single, *many):
            raise unknown("key", key, (*single, *many), ORIGIN)
        if not word.texts or word.texts == ("",):
            raise UsageError(f'"{key}" is empty (from {ORIGIN}); give it a value or leave it out')
        if key in single and len(word.texts) > 1:
            raise UsageError(
                f'"{key}" takes one value (from {ORIGIN}): "{word.text}"; put a value with commas in quotes'
            )
    return {key: word.texts for key, word in words_by_key.items()}
