"""Promises of scenarios."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bench import seeds
from bench.cohort import Cohort
from bench.components import Scenario
from bench.stages.hiding import hide
from bench.testing import common  # noqa: F401  the shared promises come first
from bench.testing.checks import promise
from bench.testing.subject import Subject
from bench.testing.toy import toy_cohort
from bench.testing.words import require, require_same, skip

Masks = dict[str, np.ndarray]


def _generators(record: object) -> Callable[[str], np.random.Generator]:
    return lambda name: seeds.generator(0, "mask", "check", record, name)


def _known(cohort: Cohort, record: int) -> Masks:
    """What a scenario is given of one record: read-only masks."""
    known = {name: series.observed[record].copy() for name, series in cohort.modalities.items()}
    for mask in known.values():
        mask.flags.writeable = False
    return known


def _hide(scenario: Scenario[Any], cohort: Cohort, record: int) -> Masks:
    return scenario.hide(_known(cohort, record), _generators(cohort.ids[record]))


def _require_same_masks(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray], what: str) -> None:
    require(set(a) == set(b), f"{what}: modalities {sorted(a)} became {sorted(b)}")
    for name in a:
        require_same(a[name], b[name], f"{what}: the mask of {name}")


def _cohort() -> Cohort:
    return toy_cohort(n=40, length=12)


def _masks(subject: Subject) -> list[Masks]:
    scenario, cohort = subject.built(), _cohort()
    return subject.once("hides", lambda: [_hide(scenario, cohort, record) for record in range(len(cohort))])


@promise("scenario", first=True)
def hides(subject: Subject) -> None:
    """`hide` works on every record, also on one without any observation, and does not write to
    what it is given.
    """
    _masks(subject)


@promise("scenario")
def mask_form(subject: Subject) -> None:
    """A mask is a dict of bool [length, channels], for modalities of the record only."""
    _well_formed(subject)


def _well_formed(subject: Subject) -> list[Masks]:
    """The masks of the toy cohort, found to be masks."""

    def run() -> list[Masks]:
        cohort = _cohort()
        for record, masks in enumerate(masks_of_record):
            known = _known(cohort, record)
            require(isinstance(masks, dict), f"hide returned {type(masks).__name__}, not a dict")
            require(set(masks) <= set(known), f"modalities {sorted(set(masks) - set(known))} are not in the record")
            for name, mask in masks.items():
                require(isinstance(mask, np.ndarray), f"the mask of {name} is a {type(mask).__name__}, not an array")
                form = mask.dtype == np.bool_ and mask.shape == known[name].shape
                require(form, f"the mask of {name} is {mask.dtype} {mask.shape}, not bool {known[name].shape}")
        return masks_of_record

    masks_of_record = _masks(subject)
    return subject.once("mask_form", run)


@promise("scenario")
def decided_by_record(subject: Subject) -> None:
    """What is hidden of a record depends on that record and its generators, not on the records
    before it.
    """
    masks_of_record, scenario, cohort = _well_formed(subject), subject.build(), _cohort()
    for record in reversed(range(len(cohort))):
        _require_same_masks(
            masks_of_record[record], _hide(scenario, cohort, record), "hidden after other records than before"
        )


@promise("scenario")
def reproducible(subject: Subject) -> None:
    """The same generators give the same masks, whatever the global generators hold."""
    _well_formed(subject)
    cohort = _cohort()
    first = [_hide(subject.build(), cohort, record) for record in range(8)]
    np.random.random()  # noqa: NPY002  a scenario that uses the global generator shall find it in another state
    for record in range(8):
        _require_same_masks(first[record], _hide(subject.build(), cohort, record), "hidden twice")


@promise("scenario")
def randomness_is_declared(subject: Subject) -> None:
    """A scenario declared deterministic hides the same whatever the generators; one declared
    seeded does not.
    """
    _well_formed(subject)
    scenario, cohort = subject.build(), _cohort()
    two = [
        [scenario.hide(_known(cohort, record), _generators((seed, record))) for record in range(len(cohort))]
        for seed in (1, 2)
    ]
    same = all(
        a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a) for a, b in zip(*two, strict=True)
    )
    if subject.spec.randomness == "deterministic":
        require(same, "declared deterministic, but two seeds hide different entries")
    else:
        require(not same, f"declared {subject.spec.randomness}, but two seeds hide the same entries")


@promise("scenario")
def cohort_at_once(subject: Subject) -> None:
    """`hide_cohort`, where offered, gives bool [n, length, channels] per modality, always the
    same, in any order of records.
    """
    cohort = _cohort()
    observed = {name: np.asarray(series.observed) for name, series in cohort.modalities.items()}
    ids = cohort.ids.tolist()
    whole = subject.build().hide_cohort(observed, ids)
    if whole is None:
        skip("hides record by record")
    require(isinstance(whole, dict) and set(whole) <= set(observed), "hide_cohort must return a dict of modalities")
    for name, mask in whole.items():
        form = isinstance(mask, np.ndarray) and mask.dtype == np.bool_ and mask.shape == observed[name].shape
        require(form, f"the mask of {name} is not bool {observed[name].shape}")
    deterministic = subject.spec.randomness == "deterministic"
    require(
        deterministic, "hide_cohort is given no generator: declare the scenario deterministic, its seed a parameter"
    )
    np.random.random()  # noqa: NPY002  a scenario that uses the global generator shall find it in another state
    backwards = {name: mask[::-1] for name, mask in observed.items()}
    again = subject.build().hide_cohort(backwards, ids[::-1]) or {}
    _require_same_masks(whole, {name: mask[::-1] for name, mask in again.items()}, "records in the other order")


@promise("scenario")
def share_as_promised(subject: Subject) -> None:
    """Over 400 records the share that is hidden is what `expected` says, as far as chance
    allows.
    """
    _well_formed(subject)
    for seed in (0, 1):
        hide(toy_cohort(n=400, length=24), subject.build(), seed, subject.spec.name)


@promise("scenario")
def one_bin(subject: Subject) -> None:
    """It works on series of one bin and one channel."""
    _well_formed(subject)
    hide(toy_cohort(n=40, length=1, modalities={"only": 1}, rate=0.9), subject.build(), 0, subject.spec.name)
