"""The 25 phenotypes of the generated cohort: prevalence, what of the latent state drives them, and
their billing codes.

Every code listed under a phenotype belongs to that CCS category and to no other of the 25. For
ICD-9 this holds directly, for ICD-10 by every line of the ICD-10 to ICD-9 equivalence file. The one
exception is named by `also`. The codes of `OTHER_CODES` belong to none of the 25. Order of the
phenotypes: mimic48 protocol, section 8.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phenotype:
    """A CCS category.

    - prevalence: share of admissions. loadings: on the axes.
    - icd9, icd10: code -> title.
    - chronic: the condition stays with a patient from one admission to the next.
    - also: the other category that its ICD-10 codes bring along (I10 has an equivalent in each of
      two categories).
    """

    ccs: int
    name: str
    prevalence: float
    loadings: dict[str, float]
    icd9: dict[str, str]
    icd10: dict[str, str]
    chronic: bool = False
    also: int | None = None


PHENOTYPES: tuple[Phenotype, ...] = (
    Phenotype(
        2,
        "Septicemia",
        0.15,
        {"infection": 1.6, "severity": 0.7, "thorax": 0.3},
        {"0389": "Unspecified septicemia", "99591": "Sepsis", "99592": "Severe sepsis"},
        {"A419": "Sepsis, unspecified organism", "A4151": "Sepsis due to Escherichia coli [E. coli]"},
    ),
    Phenotype(
        49,
        "Diabetes w/o complication",
        0.19,
        {"burden": 0.9, "heart": 0.3},
        {"25000": "Diabetes mellitus without mention of complication, type II", "25001": "Diabetes mellitus, type I"},
        {"E119": "Type 2 diabetes mellitus without complications", "E109": "Type 1 diabetes mellitus, uncomplicated"},
        True,
    ),
    Phenotype(
        50,
        "Diabetes with complications",
        0.10,
        {"burden": 1.3, "kidneys": 0.5, "heart": 0.2},
        {"25040": "Diabetes with renal manifestations, type II", "25060": "Diabetes with neurological manifestations"},
        {"E1122": "Type 2 diabetes mellitus with diabetic chronic kidney disease", "E1140": "Diabetic neuropathy"},
        True,
    ),
    Phenotype(
        53,
        "Disorders of lipid metabolism",
        0.35,
        {"burden": 0.8, "heart": 0.7},
        {"2724": "Other and unspecified hyperlipidemia", "2720": "Pure hypercholesterolemia"},
        {"E785": "Hyperlipidemia, unspecified", "E782": "Mixed hyperlipidemia"},
        True,
    ),
    Phenotype(
        55,
        "Fluid and electrolyte disorders",
        0.38,
        {"kidneys": 1.0, "severity": 0.7, "brain": 0.2},
        {"2761": "Hyposmolality and/or hyponatremia", "2762": "Acidosis", "2767": "Hyperpotassemia"},
        {"E871": "Hypo-osmolality and hyponatremia", "E872": "Acidosis", "E875": "Hyperkalemia"},
    ),
    Phenotype(
        98,
        "Essential hypertension",
        0.42,
        {"burden": 0.4, "circulation": -0.6, "kidneys": -0.4, "heart": 0.3},
        {"4019": "Unspecified essential hypertension", "4011": "Benign essential hypertension"},
        {"I10": "Essential (primary) hypertension"},
        True,
        also=99,
    ),
    Phenotype(
        99,
        "Hypertension with complications",
        0.15,
        {"burden": 0.8, "kidneys": 0.8, "heart": 0.7},
        {"40390": "Hypertensive chronic kidney disease, stage I to IV", "40391": "Hypertensive CKD, stage V"},
        {"I129": "Hypertensive chronic kidney disease", "I110": "Hypertensive heart disease with heart failure"},
        True,
    ),
    Phenotype(
        100,
        "Acute myocardial infarction",
        0.09,
        {"heart": 1.4, "circulation": 0.7},
        {"41071": "Subendocardial infarction, initial episode of care", "41011": "Infarction of anterior wall"},
        {"I214": "Non-ST elevation (NSTEMI) myocardial infarction", "I2109": "STEMI of anterior wall"},
    ),
    Phenotype(
        101,
        "Coronary atherosclerosis",
        0.32,
        {"heart": 1.3, "burden": 0.6},
        {"41401": "Coronary atherosclerosis of native coronary artery", "4139": "Angina pectoris, unspecified"},
        {"I2510": "Atherosclerotic heart disease of native coronary artery", "I209": "Angina pectoris, unspecified"},
        True,
    ),
    Phenotype(
        105,
        "Conduction disorders",
        0.07,
        {"heart": 1.2, "burden": 0.2},
        {"4260": "Atrioventricular block, complete", "4263": "Other left bundle branch block"},
        {"I442": "Atrioventricular block, complete", "I447": "Left bundle-branch block, unspecified"},
    ),
    Phenotype(
        106,
        "Cardiac dysrhythmias",
        0.33,
        {"heart": 1.2, "severity": 0.4, "circulation": 0.3},
        {"42731": "Atrial fibrillation", "4271": "Paroxysmal ventricular tachycardia"},
        {"I4891": "Unspecified atrial fibrillation", "I472": "Ventricular tachycardia"},
    ),
    Phenotype(
        108,
        "Congestive heart failure",
        0.28,
        {"heart": 1.7, "burden": 0.6, "thorax": 0.3},
        {"4280": "Congestive heart failure, unspecified", "42833": "Acute on chronic diastolic heart failure"},
        {"I509": "Heart failure, unspecified", "I5023": "Acute on chronic systolic heart failure"},
        True,
    ),
    Phenotype(
        109,
        "Acute cerebrovascular disease",
        0.10,
        {"brain": 1.8, "circulation": -0.5},
        {"431": "Intracerebral hemorrhage", "43491": "Cerebral artery occlusion with cerebral infarction"},
        {"I619": "Nontraumatic intracerebral hemorrhage", "I639": "Cerebral infarction, unspecified"},
    ),
    Phenotype(
        122,
        "Pneumonia",
        0.15,
        {"thorax": 1.1, "infection": 1.1, "lungs": 0.7},
        {"486": "Pneumonia, organism unspecified", "4829": "Bacterial pneumonia, unspecified"},
        {"J189": "Pneumonia, unspecified organism", "J159": "Unspecified bacterial pneumonia"},
    ),
    Phenotype(
        127,
        "COPD and bronchiectasis",
        0.16,
        {"lungs": 0.7, "burden": 0.7, "thorax": 0.6},
        {"496": "Chronic airway obstruction, not elsewhere classified", "4928": "Other emphysema"},
        {"J449": "Chronic obstructive pulmonary disease, unspecified", "J439": "Emphysema, unspecified"},
        True,
    ),
    Phenotype(
        130,
        "Pleurisy, pneumothorax, collapse",
        0.10,
        {"thorax": 1.9},
        {"5119": "Unspecified pleural effusion", "5180": "Pulmonary collapse"},
        {"J90": "Pleural effusion, not elsewhere classified", "J9811": "Atelectasis"},
    ),
    Phenotype(
        131,
        "Respiratory failure",
        0.22,
        {"lungs": 1.4, "severity": 0.9, "thorax": 0.5},
        {"51881": "Acute respiratory failure", "51884": "Acute and chronic respiratory failure"},
        {"J9601": "Acute respiratory failure with hypoxia", "J9690": "Respiratory failure, unspecified"},
    ),
    Phenotype(
        133,
        "Other lower respiratory disease",
        0.07,
        {"thorax": 1.2, "lungs": 0.5},
        {"51889": "Other diseases of lung", "515": "Postinflammatory pulmonary fibrosis"},
        {"J984": "Other disorders of lung", "J8410": "Pulmonary fibrosis, unspecified"},
    ),
    Phenotype(
        134,
        "Other upper respiratory disease",
        0.04,
        {"lungs": 0.5, "thorax": 0.3},
        {"7847": "Epistaxis", "47874": "Stenosis of larynx"},
        {"R040": "Epistaxis", "J386": "Stenosis of larynx"},
    ),
    Phenotype(
        151,
        "Other liver diseases",
        0.12,
        {"burden": 0.5, "severity": 0.7, "kidneys": 0.5},
        {"5715": "Cirrhosis of liver without mention of alcohol", "5723": "Portal hypertension"},
        {"K7460": "Unspecified cirrhosis of liver", "K766": "Portal hypertension"},
        True,
    ),
    Phenotype(
        153,
        "Gastrointestinal hemorrhage",
        0.07,
        {"circulation": 1.1, "burden": 0.3},
        {"5789": "Hemorrhage of gastrointestinal tract, unspecified", "5781": "Blood in stool"},
        {"K922": "Gastrointestinal hemorrhage, unspecified", "K921": "Melena"},
    ),
    Phenotype(
        157,
        "Acute and unspecified renal failure",
        0.30,
        {"kidneys": 1.8, "severity": 0.6},
        {"5849": "Acute kidney failure, unspecified", "5845": "Acute kidney failure with tubular necrosis"},
        {"N179": "Acute kidney failure, unspecified", "N170": "Acute kidney failure with tubular necrosis"},
    ),
    Phenotype(
        158,
        "Chronic kidney disease",
        0.19,
        {"kidneys": 1.2, "burden": 1.1},
        {"5859": "Chronic kidney disease, unspecified", "5856": "End stage renal disease"},
        {"N189": "Chronic kidney disease, unspecified", "N186": "End stage renal disease"},
        True,
    ),
    Phenotype(
        238,
        "Complications of surgical procedures",
        0.16,
        {"thorax": 0.7, "infection": 0.5, "burden": -0.3},
        {"99859": "Other postoperative infection", "99811": "Hemorrhage complicating a procedure"},
        {"T814XXA": "Infection following a procedure, initial encounter", "K9161": "Intraoperative hemorrhage"},
    ),
    Phenotype(
        249,
        "Shock",
        0.11,
        {"circulation": 1.7, "severity": 1.0, "infection": 0.5, "heart": 0.3},
        {"78551": "Cardiogenic shock", "78559": "Other shock without mention of trauma"},
        {"R570": "Cardiogenic shock", "R571": "Hypovolemic shock"},
    ),
)

OTHER_CODES: dict[int, dict[str, str]] = {
    9: {
        "53081": "Esophageal reflux",
        "2859": "Anemia, unspecified",
        "2851": "Acute posthemorrhagic anemia",
        "2449": "Unspecified acquired hypothyroidism",
        "30000": "Anxiety state, unspecified",
        "3051": "Tobacco use disorder",
        "V5861": "Long-term (current) use of anticoagulants",
        "V667": "Encounter for palliative care",
    },
    10: {
        "K219": "Gastro-esophageal reflux disease without esophagitis",
        "D649": "Anemia, unspecified",
        "D62": "Acute posthemorrhagic anemia",
        "E039": "Hypothyroidism, unspecified",
        "F419": "Anxiety disorder, unspecified",
        "Z87891": "Personal history of nicotine dependence",
        "Z7901": "Long term (current) use of anticoagulants",
        "Z66": "Do not resuscitate",
    },
}
