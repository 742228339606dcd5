"""What was edited since a run: its words planned again with code, suite file, libraries and data
as they are now.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Set
from pathlib import Path

import msgspec

from bench.config.command import Request
from bench.config.request import request as read_request
from bench.config.words import without
from bench.data.location import locate
from bench.data.manifest import manifest
from bench.errors import BenchError, DataError
from bench.execute import device
from bench.grid.axes import COMPONENTS
from bench.grid.ingredients import DATA, DEVICE, differing, ingredients
from bench.grid.plan import plan
from bench.registry import Registry
from bench.results.coordinates import Coordinates
from bench.results.ledger import Ledger
from bench.results.records import Export
from bench.run.export import described
from bench.stages.weights import wanted


def words_of(planned: Export, suite: str, out: str, cache: str = "", root: str = "") -> list[str]:
    """The words of a run, for the same suite (a name or a file), ledger and cache. root: where
    the data lie now.
    """
    words = without(shlex.split(planned.command)[2:], ("suite", "data.root") if root else ("suite",))
    words += [f"data.root={root}"] * bool(root)
    return [f"suite={suite}", *words, f"out={out}", *([f"cache={cache}"] if cache else [])]


def since(
    planned: Export, suite: str, out: str, registry: Registry, cache: str = "", say: Callable[[str], None] = print
) -> Export:
    """A run's plan as the code is now. `edited` names the keys of cells whose result was made
    before an edit, `edits` says what changed.

    A cell that was run again since, under any words, has its new key and is not edited. Where none
    is edited, the suite is described as its file is now. Else it is described by what the run was
    asked for, whose results some still are. Where the run cannot be planned any more (a
    method that is gone, a word that is refused), all of its cells are edited. Where only the data
    say what their tasks are, and are not here, nothing is known of an edit, which `say` hears.
    """
    try:
        try:
            request = read_request(words_of(planned, suite, out, cache), registry)
        except DataError as error:
            say(f"warning: the data of the run are not here, so whether anything was edited is not known: {error}")
            return planned
        files = wanted(request.suite.weights.files, request.settings.cache_folder())
        request = request.loading({name: weights.digest for name, weights in files.items()})
        now = _now(request, planned, registry, say)
        about = described(request, registry.get("dataset", request.suite.dataset), registry.metrics)
        if now == planned.ingredients:
            return msgspec.structs.replace(planned, **about)
        keys = {cell.coordinates: cell.key for cell in plan(request, registry, now[DATA], now[DEVICE]).cells}
    except BenchError as error:
        every = [key for _, key in planned.planned]
        return msgspec.structs.replace(planned, edited=every, edits=[f"the run cannot be planned any more: {error}"])
    changed = {at: keys.get(at, "") for at, key in planned.planned if keys.get(at) != key}
    more = len(keys.keys() - {at for at, _ in planned.planned})
    anew = Ledger(Path(out).expanduser()).load(key for key in changed.values() if key)
    edits = differing(planned.ingredients, now) if planned.ingredients else _by_label(planned, set(changed))
    edited = [key for at, key in planned.planned if at in changed and changed[at] not in anew]
    return msgspec.structs.replace(
        planned,
        planned=[(at, changed[at] if changed.get(at) in anew else key) for at, key in planned.planned],
        edited=edited,
        edits=[*(edits if edited else []), *([f"the suite has {more} more cells"] if more else [])],
        **({} if edited else about),
    )


def _now(request: Request, planned: Export, registry: Registry, say: Callable[[str], None]) -> dict[str, str]:
    """The ingredients as they are now, on the device of the run."""
    dataset = registry.get("dataset", request.suite.dataset)
    params = dataset.parameters(request.suite.data, f"suite {request.suite.name}")
    cache = request.settings.cache_folder()
    digest = dataset.version
    if dataset.files:
        try:
            files = locate(dataset, params, request.root, cache, pending=True).files
        except DataError:
            files = []
        if not files:
            say("warning: the data of the run are not here, so whether they were changed is not known")
        digest = manifest(files, cache) if files else planned.ingredients.get(DATA, "")
    on = planned.ingredients.get(DEVICE) or device.resolve(request.settings.device)
    return ingredients(request, registry, digest, on, planned.synthetic)


def _by_label(planned: Export, changed: Set[Coordinates]) -> list[str]:
    """The methods all of whose cells changed, of a run that did not note its ingredients."""
    methods = []
    for kind in COMPONENTS:
        labels = dict.fromkeys(str(getattr(at, kind)) for at, _ in planned.planned)
        whole = [
            label for label in labels if all(at in changed for at, _ in planned.planned if getattr(at, kind) == label)
        ]
        methods += [f"{kind} {label}" for label in whole if len(whole) < len(labels)]
    return methods or ["what all cells share"] * bool(changed)
