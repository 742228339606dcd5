"""Where the files of MIMIC-IV are. Light: looks at names only, opens nothing; only a model of the
hub may be fetched.

Accepted as data.root: the folder that holds `hosp/` and `icu/`, or one above it that holds exactly
one such folder in a usual place (`3.1/`, `mimic4/`, `mimiciv/3.1/`,
`physionet.org/files/mimiciv/3.1/`, `mimic-iv-3.1/`). Where a table is there in several forms
(`FORMS`), the first is read: that is what was published.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import DataError
from bench.registry import MARK
from bench_datasets.mimic4.params import Mimic4Params

TABLES = (
    "hosp/patients",
    "hosp/admissions",
    "hosp/diagnoses_icd",
    "icu/icustays",
    "icu/d_items",
    "icu/chartevents",
)
"""The tables without which there is no cohort."""

CCS = ("hcup_ccs_2015_definitions.yaml", "CCS-SingleDiagnosisGrouper.txt")
GEM = ("icd10cmtoicd9gem.csv",)
ORACLE = "oracle/oracle.parquet"
_HUB = r"[\w-][\w.-]*/[\w-][\w.-]*"

ACCESS = (
    "MIMIC-IV is credentialed: become a credentialed user of PhysioNet, complete the CITI course, sign the data use agreement at "
    "https://physionet.org/content/mimiciv/ and download it with wget as that page says. Its demo of 100 patients is open to "
    "everybody: bench data fetch mimic4-demo data.root=DIR"
)

DEMO = "mimic-iv-demo-2.2"
"""The folder that `bench data fetch mimic4-demo` makes."""

FORMS = (".csv.gz", ".csv", ".parquet")
"""The forms of a table, the one that is read first in front: it is what was published, and has a
checksum.
"""

_PLACES = (
    "[0-9]*",
    "mimic4",
    "mimic4/*",
    "mimiciv",
    "mimiciv/*",
    "mimic-iv*",
    "mimic-iv*/*",
    "physionet.org/files/mimic*/*",
    "files/mimic*/*",
)
_NOTES = (
    (0, "note"),
    (0, "mimic-iv-note*/note"),
    (1, "note"),
    (1, "mimic-iv-note*/note"),
    (1, "mimic-iv-note*/*/note"),
    (2, "mimic-iv-note*/*/note"),
)
"""Where radiology notes lie: so many folders above `hosp/` and `icu/`, then a pattern."""


@dataclass(frozen=True)
class Mimic4Files:
    """What is there. base: the folder of hosp/ and icu/; tables: name -> file; the others None
    where absent.

    model: the files of a local text encoder, part of what decides the content. mark, oracle: of a
    generated cohort only, the second only beside the first.
    """

    base: Path
    tables: dict[str, Path]
    notes: Path | None = None
    cxr: Path | None = None
    ecg: Path | None = None
    ccs: Path | None = None
    gem: Path | None = None
    mark: Path | None = None
    oracle: Path | None = None
    model: list[Path] = field(default_factory=list)


def files(root: Path, params: Mimic4Params) -> list[Path]:
    """The files that decide the cohort's content, in a fixed order. Raises DataError as `find`
    does.
    """
    sources = find(root, params)
    optional = (sources.notes, sources.cxr, sources.ecg, sources.ccs, sources.gem, sources.mark, sources.oracle)
    return [*sources.tables.values(), *(path for path in optional if path), *sources.model]


def find(root: Path, params: Mimic4Params) -> Mimic4Files:
    """The files under `root`.

    Raises DataError, with how to obtain them: when there is no MIMIC-IV at all, a table is missing,
    or a file named in a parameter is not there. The same for another layout (`hosp/` itself,
    MIMIC-IV 1.0 with `core/`, MIMIC-III).
    """
    base = _base(root)
    tables = {name: path for name in TABLES if (path := table(base, name))}
    if missing := [name for name in TABLES if name not in tables]:
        if (base / "core").is_dir():
            raise DataError(
                f"{base} has a folder core/, as MIMIC-IV 1.0 has it (admissions and patients moved to hosp/ in 2.0); "
                f"this dataset reads 2.2 and 3.1; {ACCESS}"
            )
        raise DataError(
            f"{base} lacks {', '.join(missing)} (needed: {', '.join(TABLES)}, each as {_either(FORMS)}); {ACCESS}"
        )
    mark = _beside(base, (MARK,))
    return Mimic4Files(
        base=base,
        tables=tables,
        notes=_named(root, params.notes, "notes") or _notes(base),
        cxr=_named(root, params.cxr, "cxr") or _beside(base, ("cxr.parquet",)),
        ecg=_named(root, params.ecg, "ecg") or _beside(base, ("ecg.parquet",)),
        ccs=_named(root, params.ccs, "ccs") or _beside(base, CCS),
        gem=_named(root, params.gem, "gem") or _beside(base, GEM),
        mark=mark,
        oracle=_beside(base, (ORACLE,)) if mark else None,
        model=_model(root, params.note_encoder),
    )


def check_named(folder: Path, params: Mimic4Params) -> None:
    """Refuse what a parameter names and is not there, before `folder` is generated. Raises
    DataError as `find` does.

    Paths relative to `folder` are left to `find`: they may name what is about to be generated.
    """
    for key in ("notes", "cxr", "ecg", "ccs", "gem"):
        if _absolute(getattr(params, key)):
            _named(folder, getattr(params, key), key)
    encoder = params.note_encoder
    if _absolute(encoder) or re.fullmatch(_HUB, encoder):
        model_folder(folder, encoder)


def table(base: Path, name: str) -> Path | None:
    """The file of a table such as "hosp/patients", or None."""
    for suffix in FORMS:
        path = base / f"{name}{suffix}"
        if path.is_file():
            return path
    return None


def model_folder(root: Path, encoder: str) -> Path:
    """The folder that `note_encoder` names, relative to the root where it is not absolute; else
    that of a model of the hub.

    Raises DataError when it is neither, PluginError where a hub's model needs a package that is not
    installed.
    """
    folder = (root / Path(encoder).expanduser()).absolute()
    if (folder / "config.json").is_file():
        return folder
    if re.fullmatch(_HUB, encoder) and not folder.exists():
        from bench_datasets.mimic4.transformer import hub_folder

        return hub_folder(encoder, "data.note_encoder")
    raise DataError(
        f'data.note_encoder = "{encoder}" is neither "tfidf" nor a folder with a transformer (no config.json in '
        f"{folder}) nor a model of the Hugging Face hub (its id reads OWNER/NAME)"
    )


def _base(root: Path) -> Path:
    bases = (
        [root] if _holds(root) else sorted({place for glob in _PLACES for place in root.glob(glob) if _holds(place)})
    )
    if len(bases) == 1:
        return bases[0]
    if bases:
        raise DataError(
            f"several copies of MIMIC-IV lie under {root}: {', '.join(str(b.relative_to(root)) for b in bases)}; "
            f"give one: data.root={bases[-1]}"
        )
    for name, inside in (("hosp", "patients"), ("icu", "icustays")):
        if table(root, inside):
            raise DataError(f"{root} is the folder {name}/ of MIMIC-IV; name the one above it: data.root={root.parent}")
        if (root / name).is_dir():
            other = "icu" if name == "hosp" else "hosp"
            raise DataError(f"{root} holds {name}/ but no {other}/; both modules of MIMIC-IV are needed; {ACCESS}")
    if table(root, "ADMISSIONS"):
        raise DataError(f"{root} holds MIMIC-III (ADMISSIONS in capitals); this dataset reads MIMIC-IV; {ACCESS}")
    if zips := sorted(path.name for path in root.glob("mimic*.zip")):
        raise DataError(f"{root} holds {zips[0]}, not unpacked; unpack it and name the folder with hosp/ and icu/")
    raise DataError(f"no MIMIC-IV under {root}: looked for folders hosp/ and icu/; {ACCESS}")


def _holds(folder: Path) -> bool:
    return (folder / "hosp").is_dir() and (folder / "icu").is_dir()


def _either(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _named(root: Path, file: str, key: str) -> Path | None:
    if not file:
        return None
    path = root / Path(file).expanduser()
    if not path.is_file():
        raise DataError(f'data.{key} = "{file}" is not a file ({path}); a path is absolute or relative to data.root')
    return path


def _absolute(path: str) -> bool:
    return Path(path).expanduser().is_absolute()


def _beside(base: Path, names: tuple[str, ...]) -> Path | None:
    return next((base / name for name in names if (base / name).is_file()), None)


def _notes(base: Path) -> Path | None:
    for above, pattern in _NOTES:
        start = (base, *base.absolute().parents)[above]
        for folder in sorted(start.glob(pattern), reverse=True):
            if path := table(folder, "radiology"):
                return path
    return None


def _model(root: Path, encoder: str) -> list[Path]:
    if encoder == "tfidf":
        return []
    folder = model_folder(root, encoder)
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
