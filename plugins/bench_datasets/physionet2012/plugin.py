"""`physionet2012` and `physionet2012_csdi`, declared. Light: nothing here reads data."""

from __future__ import annotations

from bench.cohort import Task
from bench.registry import Registry
from bench_datasets.metrics import CLASSIFICATION
from bench_datasets.physionet2012.csdi_params import FOLDS, Physionet2012CsdiParams
from bench_datasets.physionet2012.params import ICU_TYPE, Physionet2012Params

TASKS = (
    Task("ihm", "binary", CLASSIFICATION, summary="death before leaving the hospital"),
    Task("los", "binary", CLASSIFICATION, summary="leaves the hospital alive 2 to 4 days after admission to the ICU"),
)


def register(registry: Registry) -> None:
    """Declare `physionet2012` and `physionet2012_csdi`."""
    registry.dataset(
        "physionet2012",
        "bench_datasets.physionet2012.dataset:Physionet2012",
        params=Physionet2012Params,
        tasks=TASKS,
        modalities=("vitals", "labs", "respiratory", "fluids"),
        columns=(ICU_TYPE,),
        channels=lambda params: {"vitals": 10, "labs": 19, "respiratory": 6, "fluids": 2},
        files="bench_datasets.physionet2012.files:files",
        release="bench_datasets.physionet2012.release:release",
        fetch="bench_datasets.physionet2012.fetch:fetch",
        seconds=0.4,
        summary="ICU stays of adults, the first 48 hours, 37 variables and 5 statics (12,000 stays in sets a, b and c)",
        paper=(
            "Silva, Moody, Scott, Celi, Mark. Predicting in-hospital mortality of ICU patients: "
            "the PhysioNet/Computing in Cardiology Challenge 2012. Computing in Cardiology 39:245-248, 2012"
        ),
    )
    registry.dataset(
        "physionet2012_csdi",
        "bench_datasets.physionet2012.csdi:Physionet2012Csdi",
        params=Physionet2012CsdiParams,
        tasks=TASKS,
        modalities=("series",),
        channels=lambda params: {"series": 35},
        splits=FOLDS,
        files="bench_datasets.physionet2012.files:files",
        release="bench_datasets.physionet2012.release:release",
        fetch="bench_datasets.physionet2012.fetch:fetch",
        seconds=0.4,
        summary="PhysioNet 2012 in the protocol of the CSDI evaluation: 35 variables in one modality, 48 hours, five folds",
        paper=(
            "Tashiro, Song, Song, Ermon. CSDI: conditional score-based diffusion models for probabilistic time series "
            "imputation. NeurIPS 2021, arXiv 2107.03502"
        ),
    )
