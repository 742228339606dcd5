"""The file that `bench tune` writes and `bench run tuned=FILE` applies: chosen parameters, and
how they were chosen.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import tomli_w

from bench.config import toml_file
from bench.config.command import Request, Variant
from bench.config.conversion import convert
from bench.errors import UsageError
from bench.files import write_text
from bench.grid.identity import component, digest
from bench.grid.variants import short
from bench.registry import Registry, Spec

FORMAT = 6
HEAD = (
    "# Written by `bench tune`, applied by `bench run tuned=FILE`; see docs/how-to/tune.md. "
    "Scores are of the validation part.\n"
)


class Protocol(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What all methods of a file had in common. modalities, scenario, imputer, seed: what a trial's
    score is the mean over; no imputer where imputers were tuned.

    - kind: of the methods, "fuser" or "imputer".
    - split: its identity.
    - training: what `[training]` sets for that kind.
    - fill_absent, draws: as in the suite.
    - precision: as in the settings of a run.
    - inputs: digest of what the methods were given.
    - optuna: its version.
    """

    kind: Literal["fuser", "imputer"]
    suite: str
    profile: str
    dataset: str
    data: dict[str, Any]
    manifest: str
    split: dict[str, Any]
    training: dict[str, Any]
    fill_absent: bool
    precision: str
    task: str
    modalities: tuple[str, ...]
    scenario: tuple[str, ...]
    imputer: tuple[str, ...]
    seed: tuple[int, ...]
    draws: int
    inputs: str
    metric: str
    higher: bool
    trials: int
    optuna: str


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One trial: what it had of the space, how its cells ended, its mean validation score (None
    unless all are ok).
    """

    values: dict[str, Any]
    status: str
    reason: str = ""
    score: float | None = None
    seconds: float = 0.0


class TunedMethod(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One method.

    - best: number of the chosen trial, 0 = the defaults.
    - default, chosen: all parameters of either trial, those without a value left out.
    - seconds: of fit and prediction (or imputation) over all trials.
    - source: digest of the code that was tuned and of the versions of its libraries; "" in files
      made before it was kept.
    """

    best: int
    default_score: float | None = None
    best_score: float | None = None
    seconds: float
    note: str = ""
    source: str = ""
    default: dict[str, Any]
    chosen: dict[str, Any]
    trial: tuple[Trial, ...]

    def in_words(self) -> str:
        """What was chosen, in words: the parameters that differ from the defaults."""
        changed = {key: value for key, value in self.chosen.items() if self.default.get(key) != value}
        changed |= dict.fromkeys(self.default.keys() - self.chosen.keys())
        return ", ".join(f"{key}={short(value)}" for key, value in sorted(changed.items())) or "the defaults"


class Tuned(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """The whole file. In it stands a digest as well, so that what was edited by hand is not taken
    for what was tuned.

    differs: in what it was tuned otherwise than the suite says (`bench.grid.differences.sentence`);
             empty for nothing.
    """

    format: int = FORMAT
    differs: str = ""
    command: str
    protocol: Protocol
    method: dict[str, TunedMethod]


def stated(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as plain data without those that have no value."""
    plain: dict[str, Any] = _with_values(json.loads(msgspec.json.encode(params)))
    return plain


def write(path: Path, tuned: Tuned) -> None:
    """Write the file whole or not at all. Raises StorageError."""
    write_text(path, _text(tuned))


def _text(tuned: Tuned) -> str:
    """The file, to the last byte: the same for what was read as for what was written."""
    typed = msgspec.convert(msgspec.to_builtins(tuned), Tuned)
    text = tomli_w.dumps(_with_values({"format": FORMAT, **msgspec.to_builtins(typed)}))
    return f'{HEAD}\ndigest = "{digest(tomllib.loads(text))}"\n{text}'


def _with_values(tree: Any) -> Any:
    """Plain data without the keys that have no value: TOML knows none."""
    if isinstance(tree, Mapping):
        return {key: _with_values(value) for key, value in tree.items() if value is not None}
    return [_with_values(value) for value in tree] if isinstance(tree, list | tuple) else tree


def read(path: Path) -> Tuned:
    """The file. Raises UsageError when it is not there, damaged, edited, or written for another
    version.
    """
    again = "make it again with: bench tune"
    try:
        text = toml_file.text_of(path)
        plain = toml_file.parsed(text)
        if plain.get("format") != FORMAT:
            raise UsageError(f"{path} has format {plain.get('format')}, this bench reads format {FORMAT}; {again}")
        written = plain.pop("digest", None)
        content_digest, tuned = digest(plain), msgspec.convert(plain, Tuned)
    except OSError as error:
        raise UsageError(f"the file of tuned parameters {path} cannot be read: {error.strerror}; {again}") from error
    except toml_file.NotToml as error:
        raise UsageError(f"{path} is no file of tuned parameters: it {error}; {again}") from None
    except (ValueError, OverflowError, msgspec.ValidationError) as error:
        raise UsageError(f"{path} is no file of tuned parameters, or is damaged ({error}); {again}") from error
    if written != content_digest or path.read_bytes() != _text(tuned).encode():
        raise UsageError(
            f"{path} is not as bench tune wrote it: it was edited or damaged; {again}, or give parameters of your "
            "own to the run, fuser.NAME.PARAMETER=VALUE, which then stand in the label"
        )
    return tuned


def applied(request: Request, registry: Registry) -> Request:
    """The request with one more row, `NAME(tuned)`, for each of its methods that a file of
    `settings.tuned` holds.

    Raises UsageError where default and tuned would not be a fair comparison, or where two files are
    of one kind; the data are compared once they are there (`check_manifest`).
    """
    before: dict[str, Path] = {}
    for path in request.settings.tuned_files():
        tuned = read(path)
        kind = tuned.protocol.kind
        if kind in before:
            raise UsageError(
                f"{before[kind]} and {path} both hold {kind}s; give one file of each kind: tuned=FUSERS,IMPUTERS"
            )
        before[kind] = path
        request = _applied(request, registry, path, tuned)
    return request


def _applied(request: Request, registry: Registry, path: Path, tuned: Tuned) -> Request:
    suite, protocol = request.suite, tuned.protocol
    kind = protocol.kind
    here = {
        "dataset": suite.dataset,
        "data": stated(msgspec.structs.asdict(registry.get("dataset", suite.dataset).parameters(suite.data))),
        "split": stated(suite.split_identity()),
        "training": suite.training.shared_by(kind),
        "fill_absent": suite.fill_absent,
    }
    for key, value in here.items():
        if value != getattr(protocol, key):
            was = getattr(protocol, key)
            raise UsageError(
                f"{path} was tuned with {key} {json.dumps(was)}, this run has {json.dumps(value)}; tune again for it"
            )
    if request.tuned_on and request.tuned_on != protocol.manifest:
        raise UsageError(
            f"{path} was tuned on other files of {suite.dataset} than the other file; tune both again on these"
        )
    names = list(dict.fromkeys([*getattr(suite.grid, kind), *getattr(suite.controls, kind)]))
    rows_by_name = {name: _row(path, name, tuned, request, registry) for name in names if name in tuned.method}
    if not rows_by_name:
        held = ", ".join(tuned.method) or "nothing"
        raise UsageError(f"{path} holds the {kind}s {held}; none of them is in this run")
    left = [name for name in names if name not in rows_by_name]
    edited = [
        name for name in rows_by_name if tuned.method[name].source not in ("", source_of(registry.get(kind, name)))
    ]
    notes = (*request.notes, note(tuned, [name for name in names if name in rows_by_name], left, edited))
    rows = [row for name in names for row in (*request.of(kind, name), *filter(None, [rows_by_name.get(name)]))]
    return msgspec.structs.replace(request.with_variants(kind, rows), notes=notes, tuned_on=protocol.manifest)


def _row(path: Path, name: str, tuned: Tuned, request: Request, registry: Registry) -> Variant:
    """The further row of a method, with the parameters that were chosen."""
    kind, method = tuned.protocol.kind, tuned.method[name]
    own = request.of(kind, name)
    base = next((variant for variant in own if stated(variant.params) == method.default), None)
    if base is None:
        now = stated(own[0].params)
        key = next(key for key in sorted({*now, *method.default}) if now.get(key) != method.default.get(key))
        raise UsageError(
            f"in {path} {name} was tuned from {key}={method.default.get(key)}, and has {now.get(key)} in this run: the two rows "
            "would differ not only in tuning; tune again, or use the same parameters"
        )
    spec = registry.get(kind, name)
    whole = {name: method.chosen.get(name) for name in spec.params.__struct_fields__}
    params = msgspec.to_builtins(convert(whole, spec.params, f"{kind}.{name}", str(path)))
    return msgspec.structs.replace(base, label=base.labelled("tuned"), params=params)


def source_of(spec: Spec) -> str:
    """What identifies the code of a method and its libraries, to know whether it was edited
    since it was tuned.
    """
    return digest(component(spec))


def note(tuned: Tuned, names: list[str], left: list[str], edited: Sequence[str] = ()) -> str:
    """What a table with tuned rows says of them. left: methods of the run that were not tuned;
    edited: since they were tuned.
    """
    protocol = tuned.protocol
    fusers = protocol.kind == "fuser"
    counts = {name: len(tuned.method[name].trial) for name in names}
    fewer = [f"{name} {count}" for name, count in counts.items() if count < protocol.trials]
    failed = {name: sum(trial.score is None for trial in tuned.method[name].trial) for name in names}
    lost = [f"{name} {count}" for name, count in failed.items() if count]
    over = ", ".join([*protocol.modalities, *protocol.scenario, *protocol.imputer])
    seeds = f"seed{'s' * (len(protocol.seed) > 1)} {', '.join(map(str, protocol.seed))}"
    return (
        f"{'Rows' if fusers else 'Imputers'} called tuned: the best of {protocol.trials} trials of each {protocol.kind} by "
        f"{protocol.metric} {f'of {protocol.task}' if fusers else 'on hidden entries, all modalities together,'} on the "
        f"validation part ({over}; {seeds}), the defaults being one of them. Chosen: "
        + "; ".join(f"{name} {tuned.method[name].in_words()}" for name in names)
        + "."
        + f" Fewer trials, as many as the space holds: {', '.join(fewer)}." * bool(fewer)
        + f" Trials without a score: {', '.join(lost)}." * bool(lost)
        + f" Not tuned: {', '.join(left)}." * bool(left)
        + f" **Edited since they were tuned, or run with other libraries: {', '.join(edited)}.**" * bool(edited)
    )


def check_manifest(request: Request, manifest: str) -> None:
    """Refuse parameters that were tuned on other files of the same dataset: the patients there
    may be test patients here.
    """
    if request.tuned_on and request.tuned_on != manifest:
        raise UsageError(
            f"{request.settings.tuned} was tuned on other files of {request.suite.dataset} (digest {request.tuned_on[:12]}, "
            f"here {manifest[:12]}); tune again on these"
        )
