"""What an imputer has learnt, as a file that travels: safetensors, with the record of how it was
made inside.

- FILE.safetensors: the imputer's state and, in its header, a `WeightsRecord` with a checksum; never
  a pickle.
- FILE.json: the same record, for people; never read.

A run that names such a file (`weights=FILE`) loads the state instead of fitting that imputer.
Whatever could make the result something else than it is called is compared first. That is the
imputer, its version and parameters, modalities, channels, units, length, and what values are
divided by. On the same data set it is also which records it was trained on.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import shlex
import shutil
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from bench import arrays
from bench.config.words import spoken
from bench.errors import DataError, PluginError, UsageError
from bench.files import is_file_of, replacing, storage, write_bytes
from bench.text.names import is_name, shown

if TYPE_CHECKING:
    from bench.cohort import Cohort
    from bench.components import Imputer
    from bench.stages.scale import Scaler

FORMAT = 1

TOLERANCE = 0.1
"""How far the mean of a channel may lie off, in its standard deviations, and by what share the
deviation itself may differ. Masks of other seeds move both a little, other wards and units by far
more.
"""

LARGEST = 1e30
"""Of means, scales and amounts in a record: what is larger, or closer to 0 as a scale, was never
measured.
"""

Differ = tuple[str, ...]
"""What may differ all the same: "scaling", "split"."""

DIGITS = 8
"""Of a digest, at least, to find installed weights by."""


class Channels(msgspec.Struct, frozen=True):
    """One modality: its name, channels and units, and mean and standard deviation of each
    channel in recorded units.
    """

    modality: str
    channels: tuple[str, ...]
    units: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]


class WeightsRecord(msgspec.Struct, kw_only=True):
    """How weights were made.

    - component, version, params: the imputer.
    - source, libraries: of its code.
    - data, manifest, split: what of which records it learnt from.
    - scenario: what was hidden meanwhile.
    - modalities, statics (with mean and scale), cut, length, bin_hours: what it may be given.
    - budget: fit_seconds; how long it may train stands in params.
    - scores: on the hidden test entries of its own run.
    - arrays: name -> dtype and shape.
    - by, licence: as given by the person who saved them.
    """

    format: int = FORMAT
    component: str
    version: str
    params: dict[str, Any]
    source: str
    libraries: dict[str, str]
    parameters: int
    suite: str
    dataset: str
    synthetic: bool
    data: dict[str, Any]
    manifest: str
    split: dict[str, Any]
    train_records: int
    scenario: str
    scenario_params: dict[str, Any]
    seed: int
    modalities: list[Channels]
    statics: Channels
    cut: str
    length: int
    bin_hours: float
    budget: dict[str, float]
    device: str
    scores: dict[str, dict[str, float]]
    arrays: dict[str, tuple[str, tuple[int, ...]]]
    gapbench: str
    by: str = ""
    licence: str = ""

    def in_words(self) -> str:
        """In a line, for provenance and lists."""
        by = f" by {self.by}" if self.by else ""
        generated = "generated data of " if self.synthetic else ""
        return (
            f"{self.component}: trained on {generated}{self.dataset} (digest of the data {self.manifest[:12]}, "
            f"suite {self.suite}, {self.scenario}, seed {self.seed}, "
            f"{self.train_records:,} records, {self.budget['fit_seconds']:.0f} s){by}"
        )

    def size(self) -> str:
        """How much was learnt, in words."""
        return f"{sum(math.prod(shape) for _, shape in self.arrays.values()):,} numbers in {len(self.arrays)} arrays"


@dataclass(frozen=True)
class Weights:
    """A file of weights that was read. digest: SHA-256 of the file."""

    path: Path
    digest: str
    record: WeightsRecord
    state: Mapping[str, np.ndarray]

    @property
    def name(self) -> str:
        """What it is called in labels and lists."""
        return self.digest[:DIGITS]


def write(path: Path, state: Mapping[str, np.ndarray], record: WeightsRecord) -> None:
    """Write weights with their record, and the record beside them. Raises UsageError for a name,
    StorageError.

    Neither file is written over another: training that cost hours may exist nowhere else.
    """
    if path.suffix != ".safetensors":
        raise UsageError(f'"to" = "{path}" must end in .safetensors')
    beside = path.with_suffix(".json")
    for there in (path, beside):
        if there.exists():
            raise UsageError(
                f"{there} is there already and was kept; give {shlex.quote(f'to={_free(path)}')}, or move it away"
            )
    record.arrays = described(state)
    text = msgspec.json.encode(record, order="deterministic").decode()
    arrays.write(path, state, {"weights": text, "sha256": hashlib.sha256(text.encode()).hexdigest()})
    write_bytes(beside, msgspec.json.format(text.encode(), indent=1) + b"\n")
    with storage(path):  # the library makes its files private, whatever the umask says
        path.chmod(stat.S_IMODE(beside.stat().st_mode))


def _free(path: Path) -> Path:
    """The first of NAME-2, NAME-3, ... that is not there, nor a record beside it."""
    names = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(name for name in names if not name.exists() and not name.with_suffix(".json").exists())


def described(state: Mapping[str, np.ndarray]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Name -> dtype and shape."""
    return {name: (str(array.dtype), tuple(array.shape)) for name, array in sorted(state.items())}


def read(path: Path) -> Weights:
    """Read and check a file. Raises UsageError when it is missing, DataError when it is damaged
    or no file of weights.
    """
    if not path.is_file():
        raise UsageError(f"there are no weights at {path}; see what is installed with: bench weights list")
    again = "get the file again from where it came from"
    try:
        arrays.metadata(path)  # before a file of any size is gone through
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        state, metadata = arrays.read(path)
        text = metadata.get("weights")
    except (arrays.Damaged, RecursionError) as error:
        what = error.what if isinstance(error, arrays.Damaged) else "is not a safetensors file"
        raise DataError(f"{path} {what}; {again}") from None
    if text is None:
        raise DataError(f"{path} holds arrays but no record of weights; make one with: bench weights save")
    if hashlib.sha256(text.encode()).hexdigest() != metadata.get("sha256"):
        raise DataError(f"{path} is damaged: its record does not match its checksum; {again}")
    try:
        version = json.loads(text).get("format")
        if version != FORMAT:
            raise DataError(f"{path} has format {version}, this bench reads format {FORMAT}; upgrade gapbench")
        record = msgspec.json.decode(text, type=WeightsRecord)
        wrong = _wrong(record)
    except (msgspec.MsgspecError, ValueError, AttributeError, RecursionError) as error:
        raise DataError(f"{path} holds a record that cannot be read ({error}); {again}") from None
    if wrong:
        raise DataError(f"{path} holds a record that cannot be: {wrong}; {again}")
    if described(state) != dict(record.arrays):
        raise DataError(f"{path} is damaged: names, types or shapes of its arrays are not those of its record; {again}")
    return Weights(path, digest, record, state)


def _wrong(record: WeightsRecord) -> str:
    """What of a record cannot be, in words; "" for what could have been written."""
    for part in (*record.modalities, record.statics):
        if len({len(part.channels), len(part.units), len(part.mean), len(part.scale)}) > 1:
            return f"{part.modality} has not as many units, means and scales as channels"
        for what, values, least in (("mean of", part.mean, -LARGEST), ("scale of", part.scale, 1 / LARGEST)):
            if strange := [value for value in values if not least <= value <= LARGEST]:
                return f"{part.modality} has a {what} {strange[0]:g}"
    amounts = {
        "length": record.length,
        "bin_hours": record.bin_hours,
        "fit_seconds": record.budget.get("fit_seconds", math.nan),
    }
    amounts |= {"train_records": record.train_records, "parameters": record.parameters}
    for what, amount in amounts.items():
        if not 0 <= amount <= LARGEST:
            return f"{what} is {amount:g}" if math.isfinite(amount) else f"{what} is not said"
    for kind, name in (("component", record.component), ("dataset", record.dataset), ("suite", record.suite)):
        if not is_name(name):
            return f"the {kind} is called {shown(name)}"
    return ""


def folder(cache: Path) -> Path:
    """Where installed weights lie."""
    return cache / "weights"


def installed(cache: Path, digest: str) -> Path:
    """Where the weights of a digest lie once they are installed."""
    return folder(cache) / f"{digest}.safetensors"


def install(weights: Weights, cache: Path) -> Path:
    """Put weights that were read where workers look for them. Raises StorageError."""
    path = installed(cache, weights.digest)
    if not is_file_of(path, weights.digest):
        with replacing(path) as temporary:
            shutil.copyfile(weights.path, temporary)
    return path


def find(name: str, cache: Path) -> Weights:
    """Weights by file, or by the beginning of the digest of installed ones (`DIGITS` or more)."""
    path = Path(name).expanduser()
    if not path.is_file() and name and set(name) <= set("0123456789abcdef"):
        if len(name) < DIGITS:
            raise UsageError(
                f'"{name}" is no file of weights, and too short for a digest: write its first {DIGITS} digits or more '
                "(they are in: bench weights list)"
            )
        fitting = sorted(folder(cache).glob(f"{name}*.safetensors"))
        if len(fitting) > 1:
            raise UsageError(f'"{name}" begins the digest of {len(fitting)} installed weights; give more digits')
        path = fitting[0] if fitting else path
        if fitting and not is_file_of(path, path.stem):
            raise DataError(f"{path} was changed since it was installed; remove it and install the file again")
    return read(path)


def wanted(names: Sequence[str], cache: Path) -> dict[str, Weights]:
    """Imputer -> its weights, installed. UsageError when two files are of one imputer."""
    weights: dict[str, Weights] = {}
    for name in names:
        one = find(name, cache)
        if other := weights.get(one.record.component):
            raise UsageError(
                f"{other.path} and {one.path} are both weights of {one.record.component}; name one of them"
            )
        install(one, cache)
        weights[one.record.component] = one
    return weights


def check_plan(
    weights: Weights,
    imputer: tuple[str, Iterable[Mapping[str, Any]]],
    modalities: Mapping[str, Sequence[str]],
    data: tuple[str, Mapping[str, Any], str, Mapping[str, Any]],
    differ: Differ,
) -> None:
    """Refuse, before anything is run, what the plan alone tells. Raises UsageError.

    imputer: version and the parameters of each of its variants; modalities: name -> members of each
             modality set of the run;
    data: dataset, its parameters, manifest and the split's identity.
    """
    record, who = weights.record, f"weights {weights.path} ({weights.record.component})"
    trained = _plain(record.params)
    version, variants = imputer
    if record.version != version:
        raise UsageError(f"{who} were made by its version {record.version}, installed is {version}; train it again")
    for params in variants:
        here = _plain(params)
        if other := sorted(key for key in {*here, *trained} if here.get(key) != trained.get(key)):
            raise UsageError(f"{who} were trained with {_differs(record.component, other[0], trained, here)}")
    names = [part.modality for part in record.modalities]
    for name, members in modalities.items():
        if list(members) != names:
            raise UsageError(
                f"{who} are for the modalities {', '.join(names)} in this order; modality set {name} has {', '.join(members)}"
            )
    dataset, params, manifest, split = data
    same = _plain([params, manifest, split]) == _plain([record.data, record.manifest, record.split])
    if dataset == record.dataset and not same and "split" not in differ:
        raise UsageError(
            f"{who} were trained on {dataset} with other files or another split: their training records may be test records "
            "here; if you know that they are not, give weights.differ=split"
        )


def _plain(values: Any) -> Any:
    """Values as they come back from a file, where tuples are lists, so that the two can be
    compared.
    """
    return msgspec.json.decode(msgspec.json.encode(values))


def _differs(component: str, key: str, there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """That a parameter differs, and what to say."""
    whole = f"imputer.{component}.{key}"
    if key not in there or key not in here:
        return f"other parameters than there are now ({key}); train it again"
    if there[key] is None:
        advice = f"leave {whole} out"
    else:
        advice = (
            f"give {spoken(whole, there[key])}" if spoken(whole, there[key]) else f"set {whole} so in the suite file"
        )
    known, ours = (spoken(key, values[key]) or f"{key}={values[key]}" for values in (there, here))
    return f"{known}, the run has {ours}; {advice}"


def check_cohort(record: WeightsRecord, seen: Cohort, scaler: Scaler, differ: Differ) -> None:
    """Refuse what only the prepared data tell: channels, units, length, scaling. Raises UsageError.

    seen: the cohort an imputer would get, of the modality set. scaler: what its values were
          standardised with.
    """
    who = f"the weights of {record.component} do not fit: "
    here = channels_of(seen, scaler)
    for known, ours in zip([*record.modalities, record.statics], here, strict=True):
        for what, one, two in (("channels", known.channels, ours.channels), ("units", known.units, ours.units)):
            if one != two:
                pairs = zip(one, two, strict=False)
                other = next((pair for pair in pairs if pair[0] != pair[1]), (len(one), len(two)))
                raise UsageError(
                    f'{who}{what} of {known.modality} differ: they were trained on "{other[0]}", here is "{other[1]}"'
                )
    if (record.length, record.bin_hours) != (seen.length, seen.bin_hours):
        raise UsageError(
            f"{who}they were trained on {record.length} bins of {record.bin_hours:g} h, here are {seen.length} of "
            f"{seen.bin_hours:g} h"
        )
    if "scaling" in differ:
        return
    if record.cut != cut_of(scaler):
        raise UsageError(f"{who}values were cut at {record.cut} standard deviations, here at {cut_of(scaler)}")
    for known, ours in zip([*record.modalities, record.statics], here, strict=True):
        off, channel, there, now = _furthest(known, ours)
        if off > TOLERANCE:
            raise UsageError(
                f"{who}{known.modality} {channel} is scaled by mean {there[0]:.4g} and deviation {there[1]:.4g} there, by "
                f"{now[0]:.4g} and {now[1]:.4g} here (more than {TOLERANCE:g} apart); to use them all the same give "
                "weights.differ=scaling"
            )


def _furthest(known: Channels, ours: Channels) -> tuple[float, str, tuple[float, float], tuple[float, float]]:
    """How far apart two scalings are at most, and the channel, mean and scale there and here."""
    worst = (0.0, "", (0.0, 1.0), (0.0, 1.0))
    for channel, m, s, n, t in zip(known.channels, known.mean, known.scale, ours.mean, ours.scale, strict=True):
        worst = max(worst, (max(abs(m - n) / s, abs(t / s - 1)), channel, (m, s), (n, t)))
    return worst


def channels_of(seen: Cohort, scaler: Scaler) -> list[Channels]:
    """The modalities of a cohort in their order, then the statics, each with its scaling."""
    parts = [
        (name, series.channels, series.units, scaler.state[f"series.{name}"])
        for name, series in seen.modalities.items()
    ]
    names = tuple(seen.static_names)
    parts.append(("statics", names, ("",) * len(names), scaler.state["statics"]))
    return [Channels(name, labels, units, *map(tuple, state.tolist())) for name, labels, units, state in parts]


def cut_of(scaler: Scaler) -> str:
    """At how many standard deviations values are cut."""
    return f"{float(scaler.state['winsor'][0]):g}"


def load_into(imputer: Imputer[Any], path: Path, seen: Cohort, scaler: Scaler, differ: Differ) -> None:
    """Give an imputer what it learnt elsewhere, instead of a fit. Raises UsageError, DataError,
    PluginError.
    """
    weights = read(path)
    check_cohort(weights.record, seen, scaler, differ)
    try:
        imputer.load_state_dict(weights.state)
    except Exception as error:
        what = f"imputer {weights.record.component} does not take the weights {weights.name}"
        raise PluginError(f"{what}: {type(error).__name__}: {error}", public=what) from error
