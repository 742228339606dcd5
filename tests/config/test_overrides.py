"""The grammar of the command line: `key=value`, comma = several, `0..4` = a range, quotes keep
commas.
"""

from __future__ import annotations

import contextlib
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.config.words import duration, merge, parse, scalar, size, spoken
from bench.errors import UsageError

KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_\-]{0,8}(\.[A-Za-z0-9_\-]{1,8}){0,3}", fullmatch=True).filter(
    lambda key: key not in ("out", "cache", "suite", "data.root")
)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_characters="\"'", exclude_categories=["Cs", "Cc"]))


def values(text: str) -> tuple:
    return parse([f"key={text}"])[0].values


def refusal(*words: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(words)
    return str(caught.value)


@given(KEYS, st.lists(NUMBERS | st.booleans(), min_size=1))
def test_what_is_written_as_a_list_of_numbers_and_truths_comes_back(key, written):
    word = parse([f"{key}={','.join(str(value) for value in written)}"])[0]
    assert word.key == key
    assert list(word.values) == written
    assert [type(value) for value in word.values] == [type(value) for value in written]


@given(st.lists(TEXTS, min_size=1), st.sampled_from("\"'"))
def test_text_in_quotes_comes_back_as_it_is_with_its_commas(texts, quote):
    assert list(values(",".join(f"{quote}{text}{quote}" for text in texts))) == texts


ONE_QUOTE = st.text(st.characters(exclude_characters='"', exclude_categories=["Cs"]))


@given(KEYS, st.lists(NUMBERS | st.booleans() | TEXTS | ONE_QUOTE))
def test_what_is_spoken_is_what_parse_reads_back_from_a_shell(key, written):
    [text] = shlex.split(spoken(key, written))
    word = parse([text])[0]
    assert (word.key, list(word.values)) == (key, written)
    assert [type(value) for value in word.values] == [type(value) for value in written]


@pytest.mark.parametrize("value", [None, {"a": 1}, [[1]]])
def test_what_no_word_can_say_is_not_spoken(value):
    assert spoken("key", value) == ""


@given(st.integers(-1000, 1000), st.integers(0, 300))
def test_a_range_holds_both_its_ends(first, more):
    assert values(f"{first}..{first + more}") == tuple(range(first, first + more + 1))


@given(TEXTS.filter(lambda text: "," not in text and text.strip() == text and text))
def test_one_piece_of_text_keeps_its_own_spelling_beside_its_typed_value(text):
    word = parse([f"key={text}"])[0]
    if ".." not in text:
        assert word.texts == (text,)
        assert word.values == pytest.approx((scalar(text),), nan_ok=True)


@given(st.lists(st.text(), max_size=3))
def test_any_words_are_understood_or_refused(words):
    with contextlib.suppress(UsageError):
        assert [word.text for word in parse(words)] == words


def test_the_kinds_of_values():
    assert values("true,FALSE,3,-2,0.5,1e-3,locf") == (True, False, 3, -2, 0.5, 1e-3, "locf")


def test_a_quoted_number_truth_or_range_is_text():
    assert values("\"3\",'true','0..4'") == ("3", "true", "0..4")


def test_brackets_keep_their_commas_unless_they_are_not_closed():
    assert values("locf,csdi(eta=0, chunk=8),mcar(rate=0.1)") == ("locf", "csdi(eta=0, chunk=8)", "mcar(rate=0.1)")
    assert values("a(b,c") == ("a(b", "c")
    assert values("a)b,c(") == ("a)b", "c(")


def test_ranges_and_values_mix():
    assert values("7,0..2,9") == (7, 0, 1, 2, 9)


def test_quotes_of_the_other_kind_stand_inside_quotes():
    assert values('"it\'s"') == ("it's",)


def test_nothing_behind_the_sign_is_no_value():
    assert values("") == ()


@pytest.mark.parametrize("key", ["data.root", "out", "cache", "suite"])
def test_folders_and_files_are_never_split_nor_typed(key):
    assert parse([f"{key}=/a, b/007"])[0].values == ("/a, b/007",)


@pytest.mark.parametrize("word", ["physionet48", "=x", "a b=1", "1x=2", "a..b=1", "--cells=1", ".a=1", "a.=1"])
def test_a_word_that_is_not_key_and_value_is_named(word):
    message = refusal("seed=1", word)
    assert f'"{word}"' in message
    assert "key=value" in message


@pytest.mark.parametrize("word", ["seed=1,", "seed=,1", "seed=1,,2", "seed=,"])
def test_an_empty_place_between_commas_is_refused_with_the_word(word):
    assert f'"{word}" (from the command line) has an empty value between commas' in refusal(word)


@pytest.mark.parametrize("word", ['note="a', "note=don't", 'note=a"b"c', "note='a'b"])
def test_a_quote_that_is_open_or_in_the_middle_is_refused_with_the_word(word):
    assert word in refusal(word)


def test_a_range_that_runs_backwards_is_refused_with_the_right_one():
    assert '"4..0" in "seed=4..0" (from the command line) runs backwards; give 0..4' in refusal("seed=4..0")


def test_a_range_without_end_is_refused_before_it_is_made():
    assert "at most 10000" in refusal("seed=0..999999999999")


def test_a_key_said_twice_is_refused_with_both_words():
    assert '"seed=1" and "seed=2"' in refusal("seed=1", "seed=2")


TREES = st.recursive(
    st.integers(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8
).filter(lambda tree: isinstance(tree, dict))


def leaves(tree: dict, path: tuple = ()) -> dict:
    """Path -> value of everything that is no table."""
    found = {}
    for key, value in tree.items():
        found |= leaves(value, (*path, key)) if isinstance(value, dict) else {(*path, key): value}
    return found


@given(TREES, TREES)
def test_all_of_the_upper_layer_holds_and_of_the_lower_one_what_it_leaves_open(base, over):
    merged, upper = leaves(merge(base, over)), leaves(over)
    assert upper.items() <= merged.items()
    assert merged.items() <= {**leaves(base), **upper}.items()
    assert merge(base, {}) == base
    assert merge({}, over) == over
    assert merge(merge(base, over), over) == merge(base, over)


def test_merging_leaves_both_layers_as_they_were():
    base, over = {"grid": {"seed": [1]}}, {"grid": {"task": ["ihm"]}}
    assert merge(base, over) == {"grid": {"seed": [1], "task": ["ihm"]}}
    assert (base, over) == ({"grid": {"seed": [1]}}, {"grid": {"task": ["ihm"]}})


def test_a_list_is_replaced_and_never_extended():
    assert merge({"seed": [1, 2]}, {"seed": [3]}) == {"seed": [3]}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("9m", 540), ("1h30m", 5400), ("1.5h", 5400), ("2d", 172800), ("0.5", 0.5), (90, 90)],
)
def test_durations(text, seconds):
    assert duration(text, "budget") == seconds


@given(st.integers(0, 9), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_a_duration_is_the_sum_of_its_parts(days, hours, minutes, seconds):
    assert (
        duration(f"{days}d{hours}h{minutes}m{seconds}s", "budget")
        == ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    )


@pytest.mark.parametrize("text", ["", "soon", "-5m", "5 m", "5min", "h", "1h 30m", "1e3", "nan"])
def test_what_is_no_duration_is_refused_with_its_key_and_what_is_accepted(text):
    with pytest.raises(UsageError, match=r'"budget" = ".*" \(from here\) is not a duration; accepted: 90s, 9m, 1h30m'):
        duration(text, "budget", "here")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1024", 1024),
        ("1K", 1024),
        ("500MB", 500 * 2**20),
        ("500MiB", 500 * 2**20),
        ("8GiB", 2**33),
        ("1.5g", 3 * 2**29),
        (7, 7),
    ],
)
def test_sizes_are_in_powers_of_1024(text, count):
    assert size(text, "limits.memory") == count


@pytest.mark.parametrize("text", ["", "much", "-1G", "8 XB", "8iG", "nan"])
def test_what_is_no_size_is_refused_with_its_key_and_what_is_accepted(text):
    with pytest.raises(UsageError, match=r'"limits.memory" = ".*" is not a size|"limits.memory" = ".*" \(from here\)'):
        size(text, "limits.memory", "here")
