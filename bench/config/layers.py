"""From suite files to suites: found by name, read, and laid over each other. Suites of other
packages are found through the entry-point group `bench.suites`.
"""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from bench.config import toml_file
from bench.config.conversion import convert, types_of
from bench.config.suite import REFERENCE_STAY, RULES, Suite
from bench.config.toml_lines import line_of
from bench.config.words import ORIGIN, merge
from bench.discovery import owned
from bench.discovery.guard import error_line, loading
from bench.errors import UsageError, unknown
from bench.results.records import Published
from bench.text import names

PROFILE = "demo"
"""The profile that is taken where none is named; a suite need not have it."""

NO_SUITE = "no suite is named; give for example suite=physionet48 (see all with: bench list suites)"

FIXED = ("name", "profiles")
"""Keys that neither a profile nor the command line may set: they say which suite it is."""


def find_suites() -> dict[str, Path]:
    """Name -> file of every installed suite: the stems of `*.toml` in the packages under
    `bench.suites`.

    The suites that come with the harness are found first: no other package can take their names.
    """
    return _packages()[0]


def broken_packages() -> list[str]:
    """Packages of suites that cannot be imported, and suites whose name is taken, each with its
    reason.
    """
    return _packages()[1]


def _packages() -> tuple[dict[str, Path], list[str]]:
    entries = owned.installed("bench.suites")
    files_by_name: dict[str, Path] = {}
    broken = [f"{package}: {reason}" for package, reason in entries.refused]
    for entry in (*entries.ours, *entries.others):
        try:
            with loading(f"suites of {owned.label(entry)}"):
                if entry in entries.ours:
                    owned.load(entry)
                folder = Path(str(importlib.resources.files(entry.value)))
                files = sorted(folder.glob("*.toml"))
        except BaseException as error:
            broken.append(f"{entry.value}: {error_line(error)}")
            continue
        for file in files:
            if files_by_name.setdefault(file.stem, file) != file:
                broken.append(
                    f"{entry.value}: its suite {file.stem} is called as the one in {files_by_name[file.stem].parent}"
                )
    return files_by_name, broken


def read(name: str, origin: str = ORIGIN) -> tuple[dict[str, Any], Path]:
    """The plain tree of a suite, by name or by path to a .toml file, and where it stands."""
    if name.endswith(".toml"):
        path = Path(name).expanduser()
        if not path.is_file():
            raise UsageError(f'suite file "{name}" (from {origin}) does not exist')
    else:
        suites = find_suites()
        if name not in suites:
            broken = broken_packages()
            note = f" (packages of suites that cannot be imported: {'; '.join(broken)})" if broken else ""
            raise unknown("suite", name, suites, origin, f"see all with: bench list suites{note}")
        path = suites[name]
    try:
        return toml_file.parsed(toml_file.text_of(path)), path
    except toml_file.NotToml as error:
        raise UsageError(f"suite file {path} {error}") from None
    except OSError as error:
        raise UsageError(f"suite file {path} cannot be read: {error.strerror}") from error


def name_of(suite: str) -> str:
    """The name of a suite given by name or by file."""
    tree, path = read(suite)
    return names.check("suite", str(tree.get("name", suite)), str(path))


class Layers:
    """The layers a suite is made of, lowest first, and where each key of the result was written."""

    def __init__(self, tree: Mapping[str, Any], path: Path, profile: str, overrides: Mapping[str, Any]):
        self.path, self.file, self.profile = path, path.name, profile
        self.text = toml_file.text_of(path)
        profiles = tree.get("profiles", {})
        if not isinstance(profiles, Mapping) or not all(isinstance(layer, Mapping) for layer in profiles.values()):
            raise UsageError(f'"profiles" must hold tables, [profiles.NAME] (from {self._place("profiles")})')
        if profile not in profiles and profile != PROFILE:
            raise unknown("profile", profile, {*profiles, PROFILE}, ORIGIN)
        self.layers = [dict(tree), profiles.get(profile, {}), dict(overrides)]

    def whole(self) -> dict[str, Any]:
        """All layers merged, the last one on top."""
        whole: dict[str, Any] = {}
        for layer in self.layers:
            whole = merge(whole, layer)
        return whole

    def check_keys(self) -> None:
        """Refuse an unknown key of any layer, and a name that is none, profiles not chosen
        included, with its place.
        """
        for name in self.layers[0].get("profiles", {}):
            names.check("profile", name, self._place(f"profiles.{name}"))
        for layer in (*self.layers, *self.layers[0].get("profiles", {}).values()):
            sets = layer.get("modalities", {})
            for name in sets if isinstance(sets, Mapping) else ():
                names.check("modality set", name, self.where(f"modalities.{name}"))
        for layer, origin in ((self.layers[0], ""), (self.layers[2], ORIGIN)):
            for dotted, known in _unknown_keys(layer, Suite, ""):
                raise unknown("key", dotted, known, origin or self._place(dotted))

    def where(self, dotted: str) -> str:
        """Where the value of a key comes from: the command line, or a file with its line."""
        steps = re.findall(r"[^.\[\]]+", dotted)
        if _holds(self.layers[2], steps):
            return ORIGIN
        if _holds(self.layers[1], steps):
            return self._place(f"profiles.{self.profile}.{dotted}")
        return self._place(dotted)

    def _place(self, dotted: str) -> str:
        line = line_of(self.text, dotted)
        return f"{self.file}, line {line}" if line else self.file


def resolve(layers: Layers) -> Suite:
    """The typed suite: file, then profile, then the command line.

    Raises UsageError naming the key, the file with its line or the command line, and the nearest
    accepted key.
    """
    layers.check_keys()
    suite = convert(layers.whole(), Suite, "", layers.where)
    if abs(sum(suite.split.fractions) - 1) > 1e-9:
        raise UsageError(
            f'"split.fractions" = {list(suite.split.fractions)} must sum to 1 (from {layers.where("split.fractions")})'
        )
    splits = suite.splits()
    rules = [name for name in splits if name in RULES]
    if rules and len(splits) > 1:
        raise UsageError(
            f'"split" names {rules[0]} and others (from {layers.where("grid.split")}); a table is over splits that the dataset '
            f"carries, or made by one rule: run {rules[0]} by itself"
        )
    if REFERENCE_STAY in splits and not 0 <= suite.split.seed < 2**32:
        raise UsageError(
            f'"split.seed" = {suite.split.seed} (from {layers.where("split.seed")}) is not accepted with '
            f"{splits[REFERENCE_STAY].label}; give a number from 0 to 4294967295"
        )
    if suite.published_file:
        kept = (*suite.published, *_read_published(layers.path.parent / suite.published_file))
        return msgspec.structs.replace(suite, published=kept)
    return suite


class _PublishedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """release, data: of all entries that say no other. notes: of all entries, before their own."""

    published: tuple[Published, ...]
    release: str = ""
    data: dict[str, Any] = {}
    notes: tuple[str, ...] = ()


def _read_published(path: Path) -> tuple[Published, ...]:
    """The entries of a reference file: a TOML file of `[[published]]` tables, and what they were
    all measured on.
    """
    try:
        file = convert(toml_file.parsed(toml_file.text_of(path)), _PublishedFile, "", path.name)
    except toml_file.NotToml as error:
        raise UsageError(f"the file of published values {path} {error}") from None
    except OSError as error:
        raise UsageError(f"the file of published values {path} cannot be read: {error.strerror}") from error
    return tuple(
        msgspec.structs.replace(
            entry,
            release=entry.release or file.release,
            data=entry.data or file.data,
            notes=(*file.notes, *entry.notes),
        )
        for entry in file.published
    )


def _unknown_keys(layer: Mapping[str, Any], struct: type, prefix: str, but: tuple[str, ...] = ()) -> Iterator[Any]:
    fields = {name: kind for name, kind in types_of(struct).items() if name not in but}
    for key, value in layer.items():
        kind: Any = fields.get(key)
        if key not in fields:
            yield prefix + key, [prefix + name for name in fields]
        elif isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(value, Mapping):
            yield from _unknown_keys(value, kind, f"{prefix}{key}.")
        elif prefix + key == "profiles":
            for name, fragment in value.items():
                yield from _unknown_keys(fragment, Suite, f"profiles.{name}.", FIXED)
        elif key == "published" and isinstance(value, list):
            for entry in value:
                if isinstance(entry, Mapping):
                    yield from _unknown_keys(entry, Published, f"{prefix}{key}.")


def _holds(layer: Any, steps: list[str]) -> bool:
    """Whether a layer sets the key, or a list that holds it. Names of methods may hold dots
    ("pypots.saits").
    """
    if not steps or isinstance(layer, list):
        return True
    if not isinstance(layer, Mapping):
        return False
    cuts = range(1, len(steps) + 1)
    return any((name := ".".join(steps[:cut])) in layer and _holds(layer[name], steps[cut:]) for cut in cuts)
