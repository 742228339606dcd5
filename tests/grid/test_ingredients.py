"""What the keys of a plan are made of, by name: equal ingredients mean equal keys, and what
differs is named.
"""

from __future__ import annotations

import itertools

import pytest

from bench.grid.ingredients import differing, ingredients
from bench.grid.plan import plan
from support.asking import Asker, made_registry

CHANGES = {
    "": "",
    "parameters of fuser flat": "fuser.flat.steps=11",
    "parameters of imputer plain": "imputer.plain.rate=0.5",
    "parameters of dataset made": "data.clean=false",
    "split": "split.seed=9",
    "scaling": "scaling.winsorise=4",
    "draws": "draws=7",
    "absent modalities": "fill_absent=true",
    "threads": "threads=2",
    "precision": "precision=bf16",
    "task los": "task=los",
    "cells": "seed=1,2,3",
    "imputer deep": "imputer=deep",
    "fuser net": "fuser=net",
    "scenario mcar": "scenario=mcar",
}


def looked_at(tmp_path, *words, manifest="m", device="cpu", **changes):
    """The ingredients of a request and the keys of its cells."""
    ask = Asker(tmp_path)
    ask.registry = made_registry(**changes)
    asked = ask.request(*words)
    found = ingredients(asked, ask.registry, manifest, device, False)
    return found, [(cell.coordinates, cell.key) for cell in plan(asked, ask.registry, manifest, device).cells]


def test_plans_with_equal_ingredients_have_equal_keys_and_every_change_of_a_key_is_named(tmp_path):
    every = [looked_at(tmp_path, *words.split()) for words in CHANGES.values()]
    every += [
        looked_at(tmp_path, manifest="n"),
        looked_at(tmp_path, device="cuda"),
        looked_at(tmp_path, flat={"version": "2"}),
        looked_at(tmp_path, flat={"path": "bench_toy.plugin:X"}),
        looked_at(tmp_path, plain={"tags": {"draws"}}),
        looked_at(tmp_path, plain={"randomness": "seeded"}),
    ]
    for (a, keys), (b, others) in itertools.combinations(every, 2):
        assert a != b or keys == others
        assert bool(differing(a, b)) == (a != b)
    assert len({tuple(keys) for _, keys in every}) > len(CHANGES) - 2


@pytest.mark.parametrize(("name", "word"), [(n, w) for n, w in CHANGES.items() if w])
def test_what_differs_is_named(tmp_path, name, word):
    before, after = looked_at(tmp_path)[0], looked_at(tmp_path, word)[0]
    assert any(name in each for each in differing(before, after))


def test_an_edited_source_is_named_by_its_component(tmp_path):
    before, after = looked_at(tmp_path)[0], looked_at(tmp_path, flat={"version": "2"})[0]
    assert differing(before, after) == ["source of fuser flat"]
    assert differing(before, {**before, "library numpy": "0"})[0].startswith("library numpy (")
