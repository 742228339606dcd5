"""Variants: a method with one set of parameters. Lists of values of one parameter are sweeps."""

from __future__ import annotations

import itertools
import typing
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from bench.errors import UsageError
from bench.files import is_path
from bench.identity import digest
from bench.registry import Registry
from bench.train_params import TrainParams
from bench.typed import convert, is_many

if TYPE_CHECKING:
    from bench.request import Request


class Variant(msgspec.Struct, frozen=True):
    """One method with one set of parameters. label: its name, and in brackets what the command line or a sweep set, or
    the parameter's type asks to be shown (`_in_label`).

    weights: digest of the file its state is loaded from, where it is not fitted.
    """

    kind: str
    name: str
    label: str
    params: dict[str, Any]
    control: bool = False
    weights: str = ""

    def loading(self, digest: str) -> Variant:
        """The same, with its state loaded from the weights of that digest; the label says so."""
        return msgspec.structs.replace(self, label=self.labelled(f"weights={digest[:8]}"), weights=digest)

    def labelled(self, word: str) -> str:
        """The label with one more word in its brackets."""
        inside = self.label.partition("(")[2].removesuffix(")")
        return f"{self.name}({', '.join([inside] * bool(inside) + [word])})"


def variants(
    kind: str, names: tuple[str, ...], controls: tuple[str, ...], request: Request, registry: Registry
) -> list[Variant]:
    """The variants of one axis: chosen names first, then the controls not chosen; parameter lists are sweeps.

    The order of sweeps is that of the parameters' names, whatever order they were written in. Raises UsageError, saying
    where it was written, for a parameter that is not known or not accepted, and for a value given twice.
    A fuser that the request gives variants (`Request.given`) has these and no others.
    """
    made = []
    for name in [*names, *(c for c in controls if c not in names)]:
        if kind == "fuser" and name in request.given:
            made += [msgspec.structs.replace(given, control=name in controls) for given in request.given[name]]
            continue
        spec = registry.get(kind, name)
        prefix = f"{kind}.{name}"
        written: Mapping[str, Any] = getattr(request.suite, kind).get(name, {})
        steps = request.suite.training.steps if kind == "fuser" and issubclass(spec.params, TrainParams) else None
        exempt = steps is not None and "steps" in written
        if steps is not None and not exempt:
            written = {**written, "steps": steps}
        types_of = {f.name: f.type for f in msgspec.structs.fields(spec.params)}
        axes = {
            key: written[key] if isinstance(written[key], list) and not is_many(types_of.get(key)) else [written[key]]
            for key in sorted(written)
        }

        def where(dotted: str) -> str:
            known = (origin for key, origin in request.origins.items() if dotted == key or dotted.startswith(f"{key}["))
            return next(known, f"suite {request.suite.name}")

        for key, values in axes.items():
            dotted = f"{prefix}.{key}"
            if not values:
                raise UsageError(f'"{dotted}" is empty (from {where(dotted)}); give it one value or more')
            for value in values:
                if values.count(value) > 1:
                    raise UsageError(f'"{dotted}" names {value} twice (from {where(dotted)}); keep one')
        said = request.said.get(prefix, {})
        wanted = {key: _in_label(type_) for key, type_ in types_of.items()}
        if exempt:
            wanted["steps"] = True
        written_too = [key for key in axes if len(axes[key]) > 1 or key in said or wanted.get(key)]
        shown = sorted({*written_too, *(key for key, word in wanted.items() if word == "always")})
        for combination in itertools.product(*axes.values()):
            params = dict(zip(axes, combination, strict=True))
            typed = msgspec.to_builtins(convert(params, spec.params, prefix, where))
            inside = ", ".join(f"{key}={short(params.get(key, typed[key]), axes.get(key, ()))}" for key in shown)
            label = f"{name}({inside})" if inside else name
            made.append(Variant(kind, name, label, typed, control=name in controls))
    return made


def _in_label(kind: Any) -> bool | str:
    """What a parameter's type says of its place in labels, `msgspec.Meta(extra={"in_label": ...})`.

    True: shown wherever it was written, also in a suite file alone; "always": by default too. Else False.
    """
    metas = [meta for meta in typing.get_args(kind) if isinstance(meta, msgspec.Meta)]
    return next((word for meta in metas if (word := (meta.extra or {}).get("in_label"))), False)


def short(value: Any, among: Sequence[Any] = ()) -> str:
    """A value as it stands in a label: two values that differ never look the same.

    Labels are in tables that are shared, so of an absolute path only what it leads to is shown, with some digits of its
    hash where another one of `among`, the values of the sweep, leads to the same name.
    """
    if isinstance(value, str) and is_path(value):
        name = _leads_to(value)
        same = [v for v in among if isinstance(v, str) and is_path(v) and _leads_to(v) == name]
        return f"{name}#{digest(value)[:6]}" if len(same) > 1 else name
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, list | tuple):
        return "+".join(short(part, value) for part in value)
    return str(value)


def _leads_to(path: str) -> str:
    """The last part of a path of either kind."""
    return ".../" + path.replace("\\", "/").rstrip("/").rpartition("/")[2]
