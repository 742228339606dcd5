"""Radiology reports of the generated cohort, from templates.

The grade of a finding is the number of its cuts below (loadings . z + noise of sd READING). So the
wording of a report carries noisy information on the latent state, mostly on the hidden axes. All
sentences were written for this file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench_datasets.mimic4.generate.state import vector

READING = 0.5
MENTIONED = 0.85  # chance that a report speaks of a finding that its exam can show


@dataclass(frozen=True)
class Finding:
    """Loadings on the axes, ascending cuts, and for each grade (one more than cuts) sentences of
    like meaning.
    """

    loadings: dict[str, float]
    cuts: tuple[float, ...]
    grades: tuple[tuple[str, ...], ...]


FINDINGS: dict[str, Finding] = {
    "effusion": Finding(
        {"thorax": 1.0, "heart": 0.15},
        (0.0, 0.7, 1.4),
        (
            ("The costophrenic angles are sharp.", "Both hemidiaphragms are crisply outlined."),
            ("There is trace blunting of the left costophrenic sulcus.", "A tiny effusion is suspected."),
            ("There is a moderate layering pleural effusion on the right.", "Moderate bilateral pleural effusions."),
            (
                "Large pleural effusions have increased, with compressive change.",
                "There is a massive pleural effusion.",
            ),
        ),
    ),
    "volume": Finding(
        {"thorax": 0.9, "lungs": 0.2},
        (-0.5, 0.5, 1.3),
        (
            ("Lung volumes are normal.", "The lungs are well inflated."),
            ("Lung volumes are low, with bibasilar streaky atelectasis.", "There is linear basilar atelectasis."),
            ("There is subsegmental collapse at the left base.", "Retrocardiac opacity reflects volume loss."),
            ("There is complete collapse of the left lower lobe.", "Lobar collapse with mediastinal shift is present."),
        ),
    ),
    "air": Finding(
        {"thorax": 0.9},
        (1.6,),
        (
            ("No pneumothorax.", "There is no free air in the pleural space."),
            ("An apical pneumothorax is present, a chest tube is in place.", "A small pneumothorax persists."),
        ),
    ),
    "silhouette": Finding(
        {"heart": 1.0},
        (-0.3, 0.6, 1.4),
        (
            ("The cardiac silhouette is normal in size.", "The cardiomediastinal contours are unremarkable."),
            ("The heart is borderline in size.", "The cardiac silhouette is top normal."),
            ("There is mild to moderate cardiomegaly.", "Moderate cardiomegaly is stable."),
            ("Severe cardiomegaly is again seen.", "The cardiac silhouette is markedly enlarged."),
        ),
    ),
    "congestion": Finding(
        {"heart": 0.9, "thorax": 0.25},
        (-0.1, 0.7, 1.5),
        (
            ("The pulmonary vasculature is normal.", "No vascular congestion."),
            ("There is mild vascular engorgement.", "Mild central congestion is noted."),
            ("Interstitial edema with septal lines is present.", "There is moderate interstitial edema."),
            ("Florid alveolar edema in a perihilar distribution.", "Severe pulmonary edema has progressed."),
        ),
    ),
    "consolidation": Finding(
        {"thorax": 0.6, "infection": 0.7},
        (0.5, 1.3),
        (
            ("No focal consolidation.", "The lungs are clear."),
            ("A patchy opacity may represent early infection.", "Patchy infrahilar opacity is new."),
            ("Multifocal consolidation is compatible with pneumonia.", "Dense lobar consolidation is present."),
        ),
    ),
    "tube": Finding(
        {"lungs": 0.8, "severity": 0.5},
        (0.3,),
        (
            ("No support devices are seen.", "A peripheral line is noted."),
            ("The endotracheal tube terminates above the carina.", "Endotracheal and enteric tubes are in position."),
        ),
    ),
    "bones": Finding(
        {"burden": 0.7},
        (0.4,),
        (
            ("The osseous structures are intact.", "No acute fracture."),
            ("Degenerative change of the spine and aortic calcification.", "The aorta is tortuous and calcified."),
        ),
    ),
    "pericardium": Finding(
        {"heart": 0.9},
        (0.8,),
        (
            ("No pericardial effusion.", "The pericardium is normal."),
            ("There is a pericardial effusion and dense coronary calcification.", "The left atrium is dilated."),
        ),
    ),
    "head": Finding(
        {"brain": 1.0},
        (0.8, 1.5),
        (
            ("No acute intracranial abnormality.", "Gray-white differentiation is preserved."),
            ("There is a hypodensity suspicious for infarction.", "A small focus of hemorrhage is seen."),
            ("There is large intraparenchymal hemorrhage with midline shift.", "Diffuse cerebral edema is present."),
        ),
    ),
    "vessels": Finding(
        {"burden": 0.7},
        (0.3,),
        (
            ("The ventricles and sulci are normal for age.", "No chronic change."),
            ("Periventricular hypodensities reflect chronic small vessel disease.", "There is global atrophy."),
        ),
    ),
    "kidney": Finding(
        {"kidneys": 0.9},
        (0.4, 1.3),
        (
            ("The kidneys are normal in size without hydronephrosis.", "Both kidneys are unremarkable."),
            ("The renal cortex is echogenic.", "There is mild cortical thinning."),
            ("The kidneys are small and echogenic, with marked thinning.", "There is bilateral hydronephrosis."),
        ),
    ),
    "abdomen": Finding(
        {"burden": 0.4, "severity": 0.4, "kidneys": 0.3},
        (0.7,),
        (
            ("The liver is homogeneous and there is no ascites.", "No free fluid in the abdomen."),
            ("The liver is nodular, with ascites.", "There is moderate ascites and splenomegaly."),
        ),
    ),
}


@dataclass(frozen=True)
class Exam:
    """Heading, technique, share of all reports, the findings it can show, and the sentence for a
    report in which all are of grade 0.
    """

    heading: str
    technique: str
    share: float
    findings: tuple[str, ...]
    clear: str


_CHEST = ("silhouette", "congestion", "effusion", "volume", "air", "consolidation", "tube", "bones")
EXAMS: tuple[Exam, ...] = (
    Exam("CHEST (PORTABLE AP)", "Portable AP view of the chest", 0.68, _CHEST, "No acute cardiopulmonary process."),
    Exam(
        "CT CHEST W/O CONTRAST",
        "Multidetector helical scanning of the chest",
        0.08,
        (*_CHEST[1:], "pericardium"),
        "No acute intrathoracic process.",
    ),
    Exam("CT HEAD W/O CONTRAST", "Contiguous axial images of the brain", 0.1, ("head", "vessels"), "Normal head CT."),
    Exam(
        "CT ABD & PELVIS WITH CONTRAST",
        "Axial images from the lung bases to the pubic symphysis",
        0.08,
        ("effusion", "silhouette", "abdomen", "kidney", "bones"),
        "No acute abdominal process.",
    ),
    Exam("RENAL U.S.", "Grey scale and Doppler ultrasound", 0.06, ("kidney", "abdomen"), "Normal renal ultrasound."),
)
_SHARES = np.cumsum([exam.share for exam in EXAMS])
_NAMES = list(FINDINGS)
_LOADINGS = np.array([vector(f.loadings) for f in FINDINGS.values()])
_REASONS = ("shortness of breath", "hypoxia", "altered mental status", "fever", "hypotension", "line placement")


def report(rng: np.random.Generator, z: np.ndarray, gender: str) -> str:
    """The text of one report on a patient in state z. What a release would remove is written
    ___.
    """
    draws = rng.random(4 + 2 * len(FINDINGS))
    exam = EXAMS[int(np.searchsorted(_SHARES, draws[0] * _SHARES[-1], side="right"))]
    scores = _LOADINGS @ z + READING * rng.standard_normal(len(FINDINGS))
    findings: list[str] = []
    summary: list[str] = []
    for name in exam.findings:
        index = _NAMES.index(name)
        if draws[4 + index] >= MENTIONED:
            continue
        finding = FINDINGS[name]
        grade = sum(scores[index] > cut for cut in finding.cuts)
        sentences = finding.grades[grade]
        sentence = sentences[int(draws[4 + len(FINDINGS) + index] * len(sentences))]
        findings.append(sentence)
        if grade:
            summary.append(f"{len(summary) + 1}. {sentence}")
    person = "man" if gender == "M" else "woman"
    reason = _REASONS[int(draws[1] * len(_REASONS))]
    compared = "None." if draws[2] < 0.3 else "Prior study from ___."
    return (
        f"EXAMINATION:  {exam.heading}\n\nINDICATION:  ___ year old {person} with {reason}\n\n"
        f"TECHNIQUE:  {exam.technique}\n\nCOMPARISON:  {compared}\n\nFINDINGS: \n\n{' '.join(findings)}\n\n"
        f"IMPRESSION: \n\n" + ("\n".join(summary) or exam.clear) + "\n"
    )
