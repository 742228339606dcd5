"""What the rounds of sites left, and how well it predicts the test records of a site."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from bench import arrays
from bench.cohort import Cohort
from bench.components import Fuser
from bench.errors import DataError, UsageError
from bench.learner import Arrays
from bench.metrics.scoring import Scores, load, scores_of
from bench.results.federated import Trained
from bench.sites.messages import named, under
from bench.sites.site import Site

KEY = "model of sites"


def write(path: Path, agreement: str, trained: Trained, known: Arrays, learnt: Arrays) -> None:
    """Write a model whole or not at all.

    - agreement: its digest.
    - known: the sums of all sites.
    - learnt: the arrays of the round that was chosen.
    """
    about = {"key": KEY, "agreement": agreement, "trained": msgspec.json.encode(trained).decode()}
    arrays.write(path, {**known, **named("array", learnt)}, about)


def trained_by(path: Path) -> Trained:
    """How the rounds went. Raises DataError for what is no model."""
    return msgspec.json.decode(_read(path)[1]["trained"], type=Trained)


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays of a model, and what it says of them. A person gives the file, so no message
    asks for its removal. Raises DataError.
    """
    try:
        return arrays.read(path, KEY)
    except arrays.Damaged as error:
        raise DataError(
            f"{path} is no model of a federation: it {error.what}; give the model.safetensors that flwr run wrote"
        ) from None


def predict(site: Site, path: Path) -> tuple[Cohort, np.ndarray]:
    """The test records of a site whose outcome is known, and their predictions, float32 [n,
    outputs]. Raises UsageError for a model of another agreement, DataError for what is no model.
    """
    known, about = _read(path)
    if about["agreement"] != site.agreement.digest:
        raise UsageError(f"{path} was trained under another agreement than {site.folder} was prepared for")
    learner = site.begun(known)
    learner.set(under("array", known))
    assert isinstance(learner, Fuser)
    test = site.part("test", known)
    if not len(test):
        raise DataError(f"{site.folder} has no test record whose outcome is known")
    return test, learner.predict(test.without_targets(), site.context)


def scores(site: Site, path: Path) -> tuple[int, Scores]:
    """The test records of a site, and the metrics of the task over them."""
    test, outputs = predict(site, path)
    task = site.agreement.task
    load(task.metrics)
    return len(test), scores_of(task.metrics, test.targets[task.name], outputs, {"groups": test.groups})
