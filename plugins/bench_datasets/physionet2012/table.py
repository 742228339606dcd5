"""The variables of PhysioNet 2012: modality, unit, plausible range, and the unit slips that can be
mended.

One rule for all: a value inside a slip's interval is mended, then a value outside the plausible
range is removed. Values are removed one by one, never the row or the record. A slip is listed only
where one reading is possible: its interval lies outside the plausible range and its mended values
inside. Heights of 5 to 18 cm are feet and inches typed as a decimal number. 5.1 may be 5 ft 1 or
5 ft 10, so they are removed, not mended.

The ranges are those of the mimic48 protocol (section 4) where it lists the variable, except WBC:
leukaemia reaches more. The others are wide enough to keep what intensive care can show: they are
there to remove typing errors, not sick patients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.cohort import Counts


@dataclass(frozen=True)
class Slip:
    """A unit slip: a value v with low <= v <= high means v * scale + shift."""

    reading: str
    low: float
    high: float
    scale: float
    shift: float = 0.0


@dataclass(frozen=True)
class Variable:
    """A variable: name as in the files, modality ("statics" for a descriptor), unit after
    mending, plausible range.
    """

    name: str
    modality: str
    unit: str
    low: float
    high: float
    slips: tuple[Slip, ...] = ()


VARIABLES: tuple[Variable, ...] = (
    Variable("HR", "vitals", "bpm", 10, 300),
    Variable("SysABP", "vitals", "mmHg", 20, 300),
    Variable("DiasABP", "vitals", "mmHg", 10, 200),
    Variable("MAP", "vitals", "mmHg", 15, 250),
    Variable("NISysABP", "vitals", "mmHg", 20, 300),
    Variable("NIDiasABP", "vitals", "mmHg", 10, 200),
    Variable("NIMAP", "vitals", "mmHg", 15, 250),
    Variable("RespRate", "vitals", "breaths/min", 1, 80),
    Variable(
        "Temp",
        "vitals",
        "°C",
        25,
        45,
        (
            Slip("Celsius converted as if Fahrenheit", 0.1, 6, 1.8, 32),
            Slip("Fahrenheit", 77, 113, 1 / 1.8, -32 / 1.8),
            Slip("ten times too large", 250, 450, 0.1),
        ),
    ),
    Variable("GCS", "vitals", "points", 3, 15),
    Variable("Albumin", "labs", "g/dL", 0.5, 7),
    Variable("ALP", "labs", "IU/L", 5, 5000),
    Variable("ALT", "labs", "IU/L", 1, 30000),
    Variable("AST", "labs", "IU/L", 1, 30000),
    Variable("Bilirubin", "labs", "mg/dL", 0.05, 80),
    Variable("BUN", "labs", "mg/dL", 1, 300),
    Variable("Cholesterol", "labs", "mg/dL", 10, 1000),
    Variable("Creatinine", "labs", "mg/dL", 0.05, 30),
    Variable("Glucose", "labs", "mg/dL", 10, 2000),
    Variable("HCO3", "labs", "mmol/L", 2, 60),
    Variable("HCT", "labs", "%", 5, 75),
    Variable("K", "labs", "mEq/L", 1, 12),
    Variable("Lactate", "labs", "mmol/L", 0.1, 40),
    Variable("Mg", "labs", "mmol/L", 0.2, 15),
    Variable("Na", "labs", "mEq/L", 90, 190),
    Variable("Platelets", "labs", "cells/nL", 1, 2500),
    Variable("TroponinI", "labs", "µg/L", 0.01, 500),
    Variable("TroponinT", "labs", "µg/L", 0.01, 100),
    Variable("WBC", "labs", "cells/nL", 0.05, 900, (Slip("cells/µL", 1000, 900_000, 0.001),)),
    Variable("FiO2", "respiratory", "fraction", 0.21, 1, (Slip("percent", 21, 100, 0.01),)),
    Variable("MechVent", "respiratory", "1 = yes", 1, 1),
    Variable("PaCO2", "respiratory", "mmHg", 5, 200),
    Variable("PaO2", "respiratory", "mmHg", 10, 700),
    Variable(
        "pH",
        "respiratory",
        "pH",
        6.3,
        8,
        (Slip("ten times too large", 63, 80, 0.1), Slip("a hundred times too large", 630, 800, 0.01)),
    ),
    Variable("SaO2", "respiratory", "%", 20, 100),
    Variable("Urine", "fluids", "mL", 0, 5000),
    Variable("Weight", "fluids", "kg", 20, 300),
    Variable("Age", "statics", "years", 15, 120),
    Variable("Gender", "statics", "0 female, 1 male", 0, 1),
    Variable(
        "Height",
        "statics",
        "cm",
        120,
        230,
        (
            Slip("metres", 1.2, 2.3, 100),
            Slip("inches", 48, 90, 2.54),
            Slip("centimetres converted as if inches", 305, 584, 1 / 2.54),
        ),
    ),
    Variable("ICUType", "statics", "1 coronary, 2 cardiac surgery, 3 medical, 4 surgical", 1, 4),
)

MODALITIES: tuple[str, ...] = ("vitals", "labs", "respiratory", "fluids")
INDEX: dict[str, int] = {variable.name: index for index, variable in enumerate(VARIABLES)}


def channels(modality: str) -> tuple[int, ...]:
    """Indices into VARIABLES of a modality's channels, in their order."""
    return tuple(index for index, variable in enumerate(VARIABLES) if variable.modality == modality)


def clean(variable: np.ndarray, values: np.ndarray, counts: Counts) -> np.ndarray:
    """Mend and remove by the table.

    variable: int [rows], index into VARIABLES; values: float64 [rows], NaN allowed and kept.
    Returns new values (NaN where removed); how many were mended and removed goes into `counts`, by
    variable.
    """
    values = values.copy()
    for index, declared in enumerate(VARIABLES):
        rows = np.flatnonzero(variable == index)
        recorded = values[rows]
        mended = recorded.copy()
        for slip in declared.slips:
            hit = (recorded >= slip.low) & (recorded <= slip.high)
            mended[hit] = recorded[hit] * slip.scale + slip.shift
            counts.repaired(f"{declared.name}: {slip.reading}, mended", hit.sum())
        outside = (mended < declared.low) | (mended > declared.high)
        mended[outside] = np.nan
        counts.left_out(f"{declared.name}: outside {declared.low:g} to {declared.high:g}, removed", outside.sum())
        values[rows] = mended
    return values
