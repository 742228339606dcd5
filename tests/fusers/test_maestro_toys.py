"""MAESTRO's modality dropout is what makes it read the modality that is not needed as long as
all are there.
"""

from __future__ import annotations

from bench.components import Context
from bench.metrics.scoring import score
from bench_fusers.maestro.fuser import Maestro
from bench_fusers.maestro.plugin import MaestroParams
from support.missing_toys import TASK, strong_and_hidden

CONTEXT = Context(seed=0)


def auroc_without_the_strong_modality(modality_dropout: float) -> float:
    params = MaestroParams(
        width=16, heads=2, layers=1, batch_size=64, epochs=15, learning_rate=5e-3, modality_dropout=modality_dropout
    )
    fuser = Maestro(params)
    fuser.fit(strong_and_hidden(600, 0, strong=True), strong_and_hidden(200, 1, strong=False), TASK, CONTEXT)
    test = strong_and_hidden(400, 2, strong=False)
    return score(TASK, test.targets["toy"], fuser.predict(test, CONTEXT)).values["auroc"]


def test_trained_on_complete_records_it_reads_the_second_modality_alone_if_modalities_were_dropped() -> None:
    assert auroc_without_the_strong_modality(0.4) > 0.97
    assert auroc_without_the_strong_modality(0.0) < 0.92
