"""What is charted in the generated cohort: 30 variables, the items that record them, and the rounds
that write them.

Variables and labels are those of the mimic48 protocol, section 4; item ids too where it names one.
Means and spreads are round numbers of adult intensive care, typed by hand; none was computed from
records.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Variable:
    """One true quantity.

    - mean, sd: of the value, or of its logarithm where `log`.
    - low, high: what a body can show.
    - loadings: on the axes. Their squares sum to less than 1; the rest of the variance is the
      stay's own level (share `level`) and slow fluctuation.
    - tie: name of a level and fluctuation that several variables share in part (a trailing "-":
      with the opposite sign).
    - daily: size of the swing over the 24 hours, in sd.
    """

    name: str
    unit: str
    mean: float
    sd: float
    low: float
    high: float
    loadings: dict[str, float]
    log: bool = False
    level: float = 0.4
    tie: str = ""
    daily: float = 0.0


VARIABLES: tuple[Variable, ...] = (
    Variable("Absolute Neutrophil Count", "K/uL", 2.0, 0.5, 0.1, 120, {"infection": 0.6}, log=True, tie="white"),
    Variable("Alkaline Phosphate", "IU/L", 4.5, 0.55, 10, 3000, {"infection": 0.25, "burden": 0.25}, log=True),
    Variable("Anion gap", "mEq/L", 14, 3.5, 2, 50, {"severity": 0.5, "kidneys": 0.5, "circulation": 0.35}, tie="acid"),
    Variable("Bicarbonate", "mEq/L", 24, 4.5, 4, 55, {"severity": -0.4, "kidneys": -0.4, "lungs": 0.25}, tie="acid-"),
    Variable("Calcium", "mg/dL", 8.4, 0.75, 4, 15, {"severity": -0.35, "kidneys": -0.25}),
    Variable("Chloride", "mEq/L", 104, 6, 70, 140, {"kidneys": 0.2, "brain": 0.1}, tie="salt"),
    Variable("Creatinine", "mg/dL", 0.15, 0.62, 0.2, 20, {"kidneys": 0.9, "burden": 0.35}, log=True, level=0.7),
    Variable("Diastolic BP", "mmHg", 63, 12, 15, 150, {"circulation": -0.6, "severity": -0.25}, tie="pressure"),
    Variable("GCS - Eye Opening", "1-4", 3.5, 1.1, 1, 4, {"brain": -0.8, "severity": -0.4}),
    Variable("GCS - Motor Response", "1-6", 5.5, 1.5, 1, 6, {"brain": -0.8, "severity": -0.4}),
    Variable("GCS - Verbal Response", "1-5", 3.8, 1.8, 1, 5, {"brain": -0.7, "severity": -0.35, "lungs": -0.35}),
    Variable("Glucose", "mg/dL", 4.9, 0.33, 25, 1000, {"burden": 0.55, "severity": 0.25}, log=True),
    Variable(
        "Heart Rate",
        "bpm",
        88,
        17,
        25,
        220,
        {"severity": 0.5, "infection": 0.4, "circulation": 0.4},
        daily=0.15,
    ),
    Variable("Hematocrit", "%", 31, 5.5, 12, 60, {"burden": -0.35, "severity": -0.25}, level=0.6, tie="red"),
    Variable("Hemoglobin", "g/dL", 10.3, 1.85, 4, 20, {"burden": -0.35, "severity": -0.25}, level=0.6, tie="red"),
    Variable("Inspired O2 Fraction", "%", 50, 15, 21, 100, {"lungs": 0.8, "severity": 0.35}),
    Variable("Magnesium", "mg/dL", 2.05, 0.35, 0.8, 6, {"kidneys": 0.3}),
    Variable("Mean BP", "mmHg", 77, 13, 25, 180, {"circulation": -0.65, "severity": -0.25}, tie="pressure"),
    Variable("O2 Saturation", "%", 96.5, 2.4, 60, 100, {"lungs": -0.65, "severity": -0.25}),
    Variable("PH", "-", 7.38, 0.08, 6.8, 7.75, {"severity": -0.5, "lungs": -0.35, "kidneys": -0.3}, tie="acid-"),
    Variable(
        "Platelet Count", "K/uL", 5.27, 0.55, 5, 1500, {"severity": -0.35, "infection": -0.25}, log=True, level=0.7
    ),
    Variable("Potassium", "mEq/L", 4.1, 0.6, 2, 8.5, {"kidneys": 0.5}),
    Variable(
        "Respiratory Rate", "/min", 19.5, 5.2, 5, 55, {"lungs": 0.6, "severity": 0.35, "infection": 0.25}, daily=0.1
    ),
    Variable("Sodium", "mEq/L", 138.5, 5, 112, 170, {"brain": 0.2, "kidneys": -0.2}, level=0.5, tie="salt"),
    Variable("Systolic BP", "mmHg", 120, 20, 45, 240, {"circulation": -0.65, "severity": -0.3}, tie="pressure"),
    Variable("Temperature", "°C", 36.9, 0.65, 31, 41.8, {"infection": 0.7}, daily=0.25),
    Variable("Urea Nitrogen", "mg/dL", 3.1, 0.72, 2, 200, {"kidneys": 0.8, "burden": 0.4}, log=True, level=0.7),
    Variable("Vancomycin", "mcg/mL", 2.75, 0.5, 1, 80, {"kidneys": 0.6}, log=True),
    Variable("WBC", "K/uL", 2.4, 0.5, 0.2, 200, {"infection": 0.6, "severity": 0.3}, log=True, tie="white"),
    Variable("Weight", "kg", 4.38, 0.26, 30, 250, {"burden": 0.35}, log=True, level=0.97),
)


@dataclass(frozen=True)
class Round:
    """An occasion on which several items are written at one time.

    - rate: per hour for an average patient.
    - `sicker`: loadings of the logarithm of the rate, so that sicker means more often.
    - gate: loadings of the log-odds that a stay has such rounds at all; empty: every stay has.
    """

    rate: float
    sicker: dict[str, float] = field(default_factory=dict)
    gate: dict[str, float] = field(default_factory=dict)
    gate_bias: float = 0.0


ROUNDS: dict[str, Round] = {
    "arrival": Round(0.0),  # exactly one, in the first hour
    "bedside": Round(0.5, {"severity": 0.3, "circulation": 0.1}),
    "temperature": Round(0.2, {"infection": 0.2, "severity": 0.1}),
    "neuro": Round(0.16, {"brain": 0.25, "severity": 0.1}),
    "chemistry": Round(0.085, {"severity": 0.25, "kidneys": 0.2}),
    "count": Round(0.065, {"severity": 0.25, "infection": 0.1}),
    "liver": Round(0.025, {"severity": 0.25}),
    "gas": Round(0.05, {"lungs": 0.4, "severity": 0.35}),
    "airway": Round(0.2, {"lungs": 0.2}, {"lungs": 1.2, "severity": 0.8}, -0.2),
    "line": Round(0.6, {"severity": 0.15}, {"circulation": 0.9, "severity": 0.8}, -0.7),
    "drug": Round(0.03, {"infection": 0.2}, {"infection": 1.0}, -0.8),
    "urine": Round(0.012),
    "scale": Round(0.03),
    "nurse": Round(0.25, {"severity": 0.1}),
}


@dataclass(frozen=True)
class Item:
    """A row of d_items that is charted: what it records and how often a round includes it.

    - variable: the true quantity, recorded as value * scale + shift; empty: a distractor with its
      own mean and sd.
    - states: texts. An item with a variable picks by whole number (first = 1); one without picks at
      random and has no number.
    - digits: decimals written.
    """

    itemid: int
    label: str
    round: str
    chance: float
    unit: str = ""
    variable: str = ""
    digits: int = 0
    scale: float = 1.0
    shift: float = 0.0
    mean: float = 0.0
    sd: float = 0.0
    states: tuple[str, ...] = ()
    category: str = "Labs"


_EYES = ("None", "To Pain", "To Speech", "Spontaneously")
_MOTOR = (
    "No response",
    "Abnormal extension",
    "Abnormal Flexion",
    "Flex-withdraws",
    "Localizes Pain",
    "Obeys Commands",
)
_VERBAL = ("No Response", "Incomprehensible sounds", "Inappropriate Words", "Confused", "Oriented")
_REFILL = ("Normal <3 Seconds", "Abnormal >3 Seconds")
_V = "Routine Vital Signs"
_R = "Respiratory"

ITEMS: tuple[Item, ...] = (
    Item(229355, "Absolute Neutrophil Count", "count", 0.15, "K/uL", "Absolute Neutrophil Count", 1),
    Item(225612, "Alkaline Phosphate", "liver", 0.95, "IU/L", "Alkaline Phosphate"),
    Item(227073, "Anion gap", "chemistry", 0.9, "mEq/L", "Anion gap"),
    Item(227443, "HCO3 (serum)", "chemistry", 0.95, "mEq/L", "Bicarbonate"),
    Item(225625, "Calcium non-ionized", "chemistry", 0.8, "mg/dL", "Calcium", 1),
    Item(225667, "Ionized Calcium", "gas", 0.5, "mmol/L", "Calcium", 2, scale=0.135),
    Item(220602, "Chloride (serum)", "chemistry", 0.95, "mEq/L", "Chloride"),
    Item(226536, "Chloride (whole blood)", "gas", 0.3, "mEq/L", "Chloride"),
    Item(220615, "Creatinine (serum)", "chemistry", 0.95, "mg/dL", "Creatinine", 1),
    Item(229761, "Creatinine (whole blood)", "gas", 0.05, "mg/dL", "Creatinine", 1),
    Item(220180, "Non Invasive Blood Pressure diastolic", "bedside", 0.75, "mmHg", "Diastolic BP", category=_V),
    Item(220739, "GCS - Eye Opening", "neuro", 0.97, "", "GCS - Eye Opening", states=_EYES, category="Neurological"),
    Item(
        223901,
        "GCS - Motor Response",
        "neuro",
        0.95,
        "",
        "GCS - Motor Response",
        states=_MOTOR,
        category="Neurological",
    ),
    Item(
        223900,
        "GCS - Verbal Response",
        "neuro",
        0.96,
        "",
        "GCS - Verbal Response",
        states=_VERBAL,
        category="Neurological",
    ),
    Item(220621, "Glucose (serum)", "chemistry", 0.95, "mg/dL", "Glucose"),
    Item(226537, "Glucose (whole blood)", "gas", 0.4, "mg/dL", "Glucose"),
    Item(220045, "Heart Rate", "bedside", 0.97, "bpm", "Heart Rate", category=_V),
    Item(220545, "Hematocrit (serum)", "count", 0.95, "%", "Hematocrit", 1),
    Item(226540, "Hematocrit (whole blood - calc)", "gas", 0.2, "%", "Hematocrit"),
    Item(220228, "Hemoglobin", "count", 0.95, "g/dl", "Hemoglobin", 1),
    Item(223835, "Inspired O2 Fraction", "airway", 0.9, "", "Inspired O2 Fraction", category=_R),
    Item(220635, "Magnesium", "chemistry", 0.8, "mg/dL", "Magnesium", 1),
    Item(220181, "Non Invasive Blood Pressure mean", "bedside", 0.75, "mmHg", "Mean BP", category=_V),
    Item(220277, "O2 saturation pulseoxymetry", "bedside", 0.95, "%", "O2 Saturation", category=_R),
    Item(223830, "PH (Arterial)", "gas", 0.7, "", "PH", 2),
    Item(220274, "PH (Venous)", "gas", 0.25, "", "PH", 2, shift=-0.03),
    Item(220734, "PH (dipstick)", "urine", 0.9, "", "", 1, mean=6.0, sd=0.8),
    Item(228243, "PH (SOFT)", "urine", 0.05, "", "", 1, mean=6.0, sd=0.8),
    Item(227457, "Platelet Count", "count", 0.95, "K/uL", "Platelet Count"),
    Item(227442, "Potassium (serum)", "chemistry", 0.95, "mEq/L", "Potassium", 1),
    Item(227464, "Potassium (whole blood)", "gas", 0.4, "mEq/L", "Potassium", 1),
    Item(220210, "Respiratory Rate", "bedside", 0.96, "insp/min", "Respiratory Rate", category=_R),
    Item(220645, "Sodium (serum)", "chemistry", 0.95, "mEq/L", "Sodium"),
    Item(226534, "Sodium (whole blood)", "gas", 0.3, "mEq/L", "Sodium"),
    Item(220179, "Non Invasive Blood Pressure systolic", "bedside", 0.75, "mmHg", "Systolic BP", category=_V),
    Item(223762, "Temperature Celsius", "temperature", 0.15, "°C", "Temperature", 1, category=_V),
    Item(223761, "Temperature Fahrenheit", "temperature", 0.85, "°F", "Temperature", 1, 1.8, 32, category=_V),
    Item(225624, "BUN", "chemistry", 0.95, "mg/dL", "Urea Nitrogen"),
    Item(227454, "Vancomycin (Random)", "drug", 0.35, "ug/mL", "Vancomycin", 1),
    Item(227455, "Vancomycin (Trough)", "drug", 0.6, "ug/mL", "Vancomycin", 1),
    Item(227453, "Vancomycin (Peak)", "drug", 0.05, "ug/mL", "Vancomycin", 1, 1.5),
    Item(220546, "WBC", "count", 0.95, "K/uL", "WBC", 1),
    Item(224639, "Daily Weight", "scale", 0.9, "kg", "Weight", 1, category="General"),
    Item(226512, "Admission Weight (Kg)", "arrival", 0.95, "kg", "Weight", 1, category="General"),
    # distractors: near to the variables, or of them, but no part of the protocol
    Item(226531, "Admission Weight (lbs.)", "arrival", 0.3, "", "Weight", 1, 2.2046, category="General"),
    Item(226707, "Height", "arrival", 0.5, "Inch", "", 0, mean=67, sd=4, category="General"),
    Item(220050, "Arterial Blood Pressure systolic", "line", 0.97, "mmHg", "Systolic BP", shift=4, category=_V),
    Item(220051, "Arterial Blood Pressure diastolic", "line", 0.97, "mmHg", "Diastolic BP", shift=-3, category=_V),
    Item(220052, "Arterial Blood Pressure mean", "line", 0.97, "mmHg", "Mean BP", category=_V),
    Item(225664, "Glucose finger stick (range 70-100)", "nurse", 0.25, "mg/dL", "Glucose"),
    Item(220048, "Heart Rhythm", "nurse", 0.8, states=("SR (Sinus Rhythm)", "ST (Sinus Tachycardia)"), category=_V),
    Item(220046, "Heart rate Alarm - High", "nurse", 0.3, "bpm", mean=125, sd=8, category="Alarms"),
    Item(220047, "Heart Rate Alarm - Low", "nurse", 0.3, "bpm", mean=55, sd=5, category="Alarms"),
    Item(228096, "Richmond-RAS Scale", "nurse", 0.4, "", mean=-0.6, sd=1.3, category="Neurological"),
    Item(223791, "Pain Level", "nurse", 0.4, "", mean=2, sd=1.5, category="Pain/Sedation"),
    Item(223951, "Capillary Refill R", "nurse", 0.2, states=_REFILL, category="Cardiovascular"),
    Item(224308, "Capillary Refill L", "nurse", 0.2, states=_REFILL, category="Cardiovascular"),
    Item(223834, "O2 Flow", "nurse", 0.2, "L/min", mean=4, sd=2, category=_R),
    Item(223849, "Ventilator Mode", "airway", 0.5, states=("CMV/ASSIST/AutoFlow", "CPAP/PSV", "MMV/PSV"), category=_R),
    Item(220074, "Central Venous Pressure", "line", 0.3, "mmHg", mean=10, sd=4, category="Hemodynamics"),
)
