"""Pictures: a method looks the same everywhere, names touch nothing, and both ways to draw show the
same values.
"""

from __future__ import annotations

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from bench.figures.looks import COLOURS, Looks, shortened
from bench.figures.scales import scale
from bench.figures.shapes import Axis, Chart, Heat, Line, Point, Square
from bench.figures.svg import CHARACTER, HEIGHT, LETTERS, WIDTH, svg

names = st.lists(st.text("abcdef", min_size=1, max_size=6), min_size=1, max_size=12, unique=True)
places = st.tuples(st.floats(0, 1), st.floats(0, 1))


@given(imputers=names, fusers=names)
def test_up_to_eight_methods_have_colours_and_shapes_of_their_own(imputers: list[str], fusers: list[str]) -> None:
    imputers, fusers = imputers[:COLOURS], fusers[:COLOURS]
    pairs = list(itertools.product(imputers, fusers))
    looks = Looks(pairs)
    assert len({looks.of(*pair) for pair in pairs}) == len(pairs)
    assert len({looks.imputer(each) for each in imputers}) == len(imputers)
    if len(fusers) > 1:
        for fuser in fusers:
            assert len({looks.of(imputer, fuser).colour for imputer in imputers}) == 1
        for imputer in imputers:
            assert {looks.of(imputer, fuser).shape for fuser in fusers} == {looks.imputer(imputer).shape}


def test_where_there_are_more_labels_than_colours_those_of_one_name_share_one() -> None:
    fusers = [f"f{k}({how})" for k in range(6) for how in ("tuned", "plain")]
    looks = Looks(("mean", fuser) for fuser in fusers)
    by_name = {fuser: looks.of("mean", fuser).colour for fuser in fusers}
    alone = Looks([("mean", "f0(tuned)"), ("mean", "f0(plain)")])
    assert all(by_name[f"f{k}(tuned)"] == by_name[f"f{k}(plain)"] for k in range(6))
    assert len(set(by_name.values())) == 6
    assert len({alone.of("mean", fuser).colour for fuser in alone.fusers}) == 2


def test_a_name_stands_for_a_label_only_where_no_other_has_it() -> None:
    labels = ["csdi(steps=5)", "gbm", "gbm(tuned)", "gru(hidden=3) · fedavg"]
    assert list(shortened(labels).values()) == ["csdi", "gbm", "gbm(tuned)", "gru(hidden=3) · fedavg"]


@given(st.lists(places, min_size=1, max_size=12), st.integers(1, 30))
def test_names_in_a_picture_touch_neither_each_other_nor_its_edge(spots: list[tuple[float, float]], size: int) -> None:
    points = [Point(x, y, "", label="m" * size) for x, y in spots]
    drawn = svg(Chart([Line([point]) for point in points], Axis("x"), Axis("y"), "about"))
    boxes = [
        (float(x), float(y) - LETTERS + 3, float(x) + CHARACTER * size, float(y) + 3)
        for x, y in re.findall(r'class="label" x="([-\d.]+)" y="([-\d.]+)"', drawn)
    ]
    for left, top, right, bottom in boxes:
        assert left >= 0
        assert right <= WIDTH + 0.1
        assert top >= -0.1
        assert bottom <= HEIGHT
    for one, other in itertools.combinations(boxes, 2):
        across = min(one[2], other[2]) - max(one[0], other[0])
        down = min(one[3], other[3]) - max(one[1], other[1])
        assert across <= 0.2 or down <= 0.2


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_every_value_lies_between_the_ends_and_ticks_are_in_their_order(values: list[float]) -> None:
    place, ticks = scale(Axis(""), values, 10.0, 90.0)
    assert all(10 - 1e-6 <= place(value) <= 90 + 1e-6 for value in values)
    at = [place(tick) for tick, _ in ticks]
    assert at == sorted(at)
    assert len({name for _, name in ticks}) == len(ticks)


def test_a_field_of_a_heat_map_has_the_ground_of_its_level_and_an_empty_one_has_none() -> None:
    squares = [Square("a", "", 0.0), Square("b", "", 0.5), Square("c", "", 1.0, strong=True), Square("–", "")]
    drawn = svg(Heat(list("wxyz"), [("row", squares)], "about"))
    assert re.findall(r'class="field (h\S+?)(?: strong)?"', drawn) == ["h0", "h4", "h8", "h-"]
    assert drawn.count(" strong") == 1
