"""Sleep-EDF, declared. Light: nothing here reads data."""

from __future__ import annotations

from bench.cohort import Task
from bench.registry import Registry
from bench_datasets.sleepedf.params import AGE_BAND, CHANNELS, EPOCH, SleepedfParams


def register(registry: Registry) -> None:
    """Declare `sleepedf`."""
    registry.dataset(
        "sleepedf",
        "bench_datasets.sleepedf.dataset:Sleepedf",
        params=SleepedfParams,
        tasks=(
            Task(
                "stage",
                "multiclass",
                ("f1", "kappa", "accuracy", "balanced_accuracy", "auroc"),
                outputs=5,
                summary="the sleep stage of an epoch of 30 s: W, N1, N2, N3 or REM",
            ),
        ),
        modalities=tuple(CHANNELS),
        channels=lambda params: dict.fromkeys(CHANNELS, 1),
        columns=(AGE_BAND,),
        files="bench_datasets.sleepedf.files:files",
        release="bench_datasets.sleepedf.release:release",
        fetch="bench_datasets.sleepedf.fetch:fetch",
        fetch_name="sleepedf",
        verify="bench_datasets.sleepedf.verify:verify",
        generate="bench_datasets.sleepedf.generate:generate",
        generate_params=("subjects", "minutes", "generator_seed"),
        generated_records=lambda params: (2 * params.subjects - 1) * (params.minutes * 60 // EPOCH - 2),
        seconds=5.0,
        summary="Sleep-EDF Expanded, sleep-cassette: nights of EEG, EOG, respiration and EMG in scored epochs of 30 s",
        paper=(
            "Kemp, Zwinderman, Tuk, Kamphuisen, Oberyé. Analysis of a sleep-dependent neuronal feedback loop: the slow-wave "
            "microcontinuity of the EEG. IEEE Transactions on Biomedical Engineering 47(9):1185-1194, 2000"
        ),
    )
