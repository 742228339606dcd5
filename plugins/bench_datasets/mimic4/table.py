"""The 30 variables of the mimic48 suite and the 25 phenotypes: one declared table, two maps of it.

`v30-reference` is the published list: every label marked so, values as typed, no range, no
conversion. It inherits what the published numbers inherit: total calcium (mg/dL) and ionised
calcium (mmol/L) share a column, and so do blood and urine-dipstick pH.

`v30-clean` (the default) leaves out ionised calcium and dipstick pH. It adds temperatures in
Fahrenheit as Celsius and turns inspired oxygen typed as a fraction into percent. Then it removes
each value outside the range.

Items are found by their exact label in `d_items`; the item ids here are general knowledge of
MIMIC-IV, used for a warning alone (mimic48 protocol, section 4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Map = Literal["v30-clean", "v30-reference"]
Conversion = Literal["", "fahrenheit", "fraction"]

CONVERSIONS: dict[str, str] = {
    "": "value",
    "fahrenheit": "(value - 32) / 1.8",
    "fraction": "CASE WHEN value <= 1 THEN value * 100 ELSE value END",
}
"""Conversion -> SQL expression of `value`. They are applied by the map v30-clean."""


@dataclass(frozen=True)
class Label:
    """One label of `d_items`. item: its usual id, None where none is known; maps: "both",
    "clean" or "reference".
    """

    text: str
    item: int | None = None
    maps: Literal["both", "clean", "reference"] = "both"
    conversion: Conversion = ""


@dataclass(frozen=True)
class Variable:
    """One channel: name, unit and range after conversion, labels in the order in which they win
    at equal times.
    """

    name: str
    unit: str
    low: float
    high: float
    labels: tuple[Label, ...]


def _one(name: str, unit: str, low: float, high: float, item: int | None, label: str = "") -> Variable:
    return Variable(name, unit, low, high, (Label(label or name, item),))


def _two(name: str, unit: str, low: float, high: float, *labels: tuple[str, int | None]) -> Variable:
    return Variable(name, unit, low, high, tuple(Label(text, item) for text, item in labels))


VARIABLES: tuple[Variable, ...] = (
    _one("Absolute Neutrophil Count", "K/uL", 0, 300, 229355),
    _one("Alkaline Phosphate", "IU/L", 5, 5000, 225612),
    _one("Anion gap", "mEq/L", -10, 60, 227073),
    _one("Bicarbonate", "mEq/L", 2, 60, 227443, "HCO3 (serum)"),
    Variable(
        "Calcium",
        "mg/dL",
        2,
        20,
        (Label("Calcium non-ionized", 225625), Label("Ionized Calcium", 225667, "reference")),
    ),
    _two("Chloride", "mEq/L", 60, 160, ("Chloride (serum)", 220602), ("Chloride (whole blood)", 226536)),
    _two("Creatinine", "mg/dL", 0.05, 30, ("Creatinine (serum)", 220615), ("Creatinine (whole blood)", 229761)),
    _one("Diastolic BP", "mmHg", 10, 200, 220180, "Non Invasive Blood Pressure diastolic"),
    _one("GCS - Eye Opening", "points", 1, 4, 220739),
    _one("GCS - Motor Response", "points", 1, 6, 223901),
    _one("GCS - Verbal Response", "points", 1, 5, 223900),
    _two("Glucose", "mg/dL", 10, 2000, ("Glucose (serum)", 220621), ("Glucose (whole blood)", 226537)),
    _one("Heart Rate", "bpm", 10, 300, 220045),
    _two("Hematocrit", "%", 5, 75, ("Hematocrit (serum)", 220545), ("Hematocrit (whole blood - calc)", 226540)),
    _one("Hemoglobin", "g/dL", 1, 25, 220228),
    Variable("Inspired O2 Fraction", "%", 21, 100, (Label("Inspired O2 Fraction", 223835, "both", "fraction"),)),
    _one("Magnesium", "mg/dL", 0.2, 15, 220635),
    _one("Mean BP", "mmHg", 15, 250, 220181, "Non Invasive Blood Pressure mean"),
    _one("O2 Saturation", "%", 20, 100, 220277, "O2 saturation pulseoxymetry"),
    Variable(
        "PH",
        "pH",
        6.3,
        8.0,
        (
            Label("PH (Arterial)", 223830),
            Label("PH (dipstick)", 220734, "reference"),
            Label("PH (SOFT)", 228243),
            Label("PH (Venous)", 220274),
        ),
    ),
    _one("Platelet Count", "K/uL", 1, 2500, 227457),
    _two("Potassium", "mEq/L", 1, 12, ("Potassium (serum)", 227442), ("Potassium (whole blood)", 227464)),
    _one("Respiratory Rate", "/min", 1, 80, 220210),
    _two("Sodium", "mEq/L", 90, 190, ("Sodium (serum)", 220645), ("Sodium (whole blood)", 226534)),
    _one("Systolic BP", "mmHg", 20, 300, 220179, "Non Invasive Blood Pressure systolic"),
    Variable(
        "Temperature",
        "°C",
        25,
        45,
        (Label("Temperature Celsius", 223762), Label("Temperature Fahrenheit", 223761, "clean", "fahrenheit")),
    ),
    _one("Urea Nitrogen", "mg/dL", 1, 300, 225624, "BUN"),
    _two(
        "Vancomycin",
        "mcg/mL",
        0,
        150,
        ("Vancomycin (Peak)", 227453),
        ("Vancomycin (Random)", 227454),
        ("Vancomycin (Trough)", 227455),
    ),
    _one("WBC", "K/uL", 0, 500, 220546),
    _two("Weight", "kg", 20, 300, ("Daily Weight", 224639), ("Admission Weight (Kg)", 226512)),
)

COLUMNS: dict[str, tuple[str, ...]] = {
    "hosp/patients": ("subject_id", "gender", "anchor_age", "anchor_year"),
    "hosp/admissions": ("hadm_id", "hospital_expire_flag"),
    "hosp/diagnoses_icd": ("hadm_id", "icd_code", "icd_version"),
    "icu/icustays": ("subject_id", "hadm_id", "stay_id", "intime", "outtime", "los"),
    "icu/d_items": ("itemid", "label", "linksto"),
    "icu/chartevents": ("stay_id", "charttime", "itemid", "valuenum"),
    "note/radiology": ("subject_id", "charttime", "storetime", "text"),
}
"""Table -> the columns that are read of it."""

OPTIONAL: dict[str, tuple[str, ...]] = {"icu/icustays": ("first_careunit",)}
"""Table -> the columns that are read where it has them."""

PHENOTYPES: tuple[tuple[int, str], ...] = (
    (2, "Septicemia"),
    (49, "Diabetes without complication"),
    (50, "Diabetes with complications"),
    (53, "Disorders of lipid metabolism"),
    (55, "Fluid and electrolyte disorders"),
    (98, "Essential hypertension"),
    (99, "Hypertension with complications"),
    (100, "Acute myocardial infarction"),
    (101, "Coronary atherosclerosis"),
    (105, "Conduction disorders"),
    (106, "Cardiac dysrhythmias"),
    (108, "Congestive heart failure"),
    (109, "Acute cerebrovascular disease"),
    (122, "Pneumonia"),
    (127, "COPD and bronchiectasis"),
    (130, "Pleurisy, pneumothorax, collapse"),
    (131, "Respiratory failure"),
    (133, "Other lower respiratory disease"),
    (134, "Other upper respiratory disease"),
    (151, "Other liver diseases"),
    (153, "Gastrointestinal hemorrhage"),
    (157, "Acute and unspecified renal failure"),
    (158, "Chronic kidney disease"),
    (238, "Complications of surgical procedures"),
    (249, "Shock"),
)
"""The columns of phe25: CCS category and a short name (mimic48 protocol, section 8)."""


def labels(chosen: Map) -> Iterator[tuple[int, Variable, int, Label]]:
    """The labels a map reads: index of the variable, the variable, rank of the label in it, the
    label.
    """
    other = "reference" if chosen == "v30-clean" else "clean"
    for index, variable in enumerate(VARIABLES):
        for rank, label in enumerate(variable.labels):
            if label.maps != other:
                yield index, variable, rank, label


def units(chosen: Map) -> tuple[str, ...]:
    """The unit of each variable; where the reference mixes two, both."""
    mixed = {"Calcium": "mg/dL or mmol/L", "Inspired O2 Fraction": "% or fraction"}
    return tuple(mixed.get(v.name, v.unit) if chosen == "v30-reference" else v.unit for v in VARIABLES)
