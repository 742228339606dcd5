"""The tables of parameters in the manual are those of the code, and every parameter says what it
means.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator

import msgspec
import pytest

from bench.config.command import Settings
from bench.config.suite import Suite, schema
from bench.discovery.parameters import parameters
from bench.registry import KINDS, NoParams, discover
from docs import tables

PAGES = dict(tables.pages())
REGISTRY = discover()


def inside(struct: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    """A struct, those it extends, and those that its fields hold."""
    yield from (
        base
        for base in struct.__mro__
        if issubclass(base, msgspec.Struct) and inspect.get_annotations(base) and base.__module__ != "msgspec"
    )
    for field in msgspec.structs.fields(struct):
        for arm in [field.type, *typing.get_args(field.type)]:
            arm = typing.get_args(arm)[0] if typing.get_args(arm) else arm
            if isinstance(arm, type) and issubclass(arm, msgspec.Struct):
                yield from inside(arm)


STRUCTS = {
    "suites": Suite,
    "settings": Settings,
    **{
        f"{spec.kind} {spec.name}": spec.params
        for kind in KINDS
        for spec in REGISTRY.specs(kind)
        if spec.plugin.startswith("gapbench:") and not spec.name.startswith("pypots.")  # of which `bench show` tells
    },
    **{
        f"embed {spec.name} {modality}": embedder.params
        for spec in REGISTRY.specs("dataset")
        for modality, embedder in spec.embed.items()
    },
}


OF_PYPOTS = tables.NEEDS.keys()
"""Pages whose tables are of the installed PyPOTS too."""


@pytest.mark.parametrize(
    "page",
    [pytest.param(p, marks=[pytest.mark.extras] * (p.name in OF_PYPOTS)) for p in PAGES],
    ids=lambda page: page.name,
)
def test_the_tables_of_a_page_are_those_of_the_code(page):
    assert page.read_text(encoding="utf-8") == PAGES[page], "write it anew: make docs"


@pytest.mark.parametrize("struct", STRUCTS.values(), ids=STRUCTS)
def test_every_parameter_stands_in_a_table_of_the_manual(struct):
    listed = [each for page in PAGES for each in tables.structs(page.read_text(encoding="utf-8"))]
    assert {*inside(struct)} - {NoParams} <= {*listed}


@pytest.mark.parametrize("name", [f"{spec.kind} {spec.name}" for kind in KINDS for spec in REGISTRY.specs(kind)])
def test_every_parameter_of_a_component_says_what_it_means(name):
    assert [p.name for p in parameters(REGISTRY.get(*name.split()).params) if not p.description.endswith(".")] == []


def test_the_schema_of_suites_says_what_every_key_means():
    for struct in schema()["$defs"].values():
        for key, value in struct["properties"].items():
            assert value.get("description", "").endswith("."), f"{struct['title']}.{key}"
