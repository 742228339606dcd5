"""The metrics that come with the harness, declared as a plugin declares its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.cohort import TaskKind
from bench.discovery.metric import MetricSpec, declared

PLUGIN = "gapbench:metrics"
"""Who declares them."""

CLASSES: tuple[TaskKind, ...] = ("binary", "multilabel", "multiclass")
DECIDED: tuple[TaskKind, ...] = ("binary", "multilabel")
"""The kinds whose decisions are by a threshold."""

VALUES: tuple[TaskKind, ...] = ("binary", "multilabel", "regression")
"""The kinds of which a prediction stands beside each value of the truth."""

_DECLARED: dict[str, dict[str, Any]] = {}


def _metric(name: str, path: str, kinds: tuple[TaskKind, ...], summary: str, **more: Any) -> None:
    _DECLARED[name] = {"path": f"bench.metrics.{path}", "kinds": kinds, "summary": summary, **more}


_metric(
    "auroc", "ranking:AUROC", CLASSES, "area under the ROC curve; macro over labels, one-vs-rest for classes",
    chance=0.5, undefined="one class",
)  # fmt: skip
_metric("auprc", "ranking:AUPRC", CLASSES, "average precision; macro over labels", undefined="no positive")
_metric(
    "auprc_baseline", "ranking:AUPRC_BASELINE", CLASSES,
    "share of positives, the AUPRC of an uninformed prediction; macro over labels or classes",
    higher=None,
)  # fmt: skip
for _percent in (50, 80, 90):
    _metric(
        f"recall_at_precision_{_percent}", f"ranking:RECALL_AT_PRECISION_{_percent}", CLASSES,
        f"largest recall at a precision of {_percent} % or more, 0 where no threshold has that; macro over labels or classes",
     undefined="no positive",
    )  # fmt: skip
_metric(
    "f1", "decided:F1", CLASSES, "F1 of class 1 at threshold 0.5; macro for several classes or labels",
    undefined="no positive",
)  # fmt: skip
_metric(
    "f1_tuned", "decided:F1_TUNED", DECIDED,
    "F1 of class 1 at the threshold with the best F1 on the validation part; macro over labels, each its own",
    undefined="no positive", asks=("validation",),
)  # fmt: skip
_metric(
    "accuracy", "decided:ACCURACY", CLASSES,
    "share of correct decisions at threshold 0.5 or by the largest probability",
)  # fmt: skip
_metric(
    "balanced_accuracy", "decided:BALANCED_ACCURACY", CLASSES,
    "mean of the recalls of the classes at threshold 0.5 or by the largest probability; macro over labels",
    undefined="one class",
)  # fmt: skip
_metric(
    "kappa", "decided:KAPPA", CLASSES, "agreement of decisions and truth beyond chance; macro over labels",
    chance=0.0, undefined="same class",
    paper="Cohen. A coefficient of agreement for nominal scales. Educational and Psychological Measurement 1960",
)  # fmt: skip
_metric(
    "mcc", "decided:MCC", CLASSES,
    "Matthews' correlation of decisions and truth, R_K for several classes; 0 where all decisions are the same; macro over "
    "labels",
    chance=0.0, undefined="same class",
    paper="Gorodkin. Comparing two K-category assignments by a K-category correlation coefficient. Computational Biology and "
    "Chemistry 2004",
)  # fmt: skip
_metric(
    "brier", "losses:BRIER", CLASSES, "mean squared error of the probability; summed over several classes",
    higher=False,
)  # fmt: skip
_metric("mae", "losses:MAE", VALUES, "mean absolute error, over all values of a forecast", higher=False)
_metric("mse", "losses:MSE", VALUES, "mean squared error, over all values of a forecast", higher=False)
_metric("rmse", "losses:RMSE", VALUES, "root mean squared error, over all values of a forecast", higher=False)
_metric(
    "concordance", "concordance:CONCORDANCE", VALUES,
    "how often, of two records whose truths differ, the larger one is predicted larger; mean over the values of a forecast",
    chance=0.5, undefined="constant truth",
    paper="Harrell, Califf, Pryor, Lee, Rosati. Evaluating the yield of medical tests. JAMA 1982",
)  # fmt: skip
_metric(
    "corr", "sentiment:CORR", ("regression",), "Pearson's correlation; NaN where nothing varies",
    chance=0.0, undefined="constant",
)  # fmt: skip
_metric(
    "acc7", "sentiment:ACC7", ("regression",),
    summary="share of equal classes after clipping to [-3, 3] and rounding to whole numbers, a half to the even one",
)  # fmt: skip
_metric(
    "acc5",
    "sentiment:ACC5",
    ("regression",),
    "the same after clipping to [-2, 2]",
)
for _convention, _side in (
    ("neg_pos", "truths of 0 left out"), ("neg_nonneg", "0 counted as positive"), ("nonpos_pos", "0 counted as negative"),
):  # fmt: skip
    _undefined = "all zero" if _convention == "neg_pos" else "no record"
    for _name, _summary in (
        ("acc2", f"share on the right side of 0, {_side}"),
        ("f1", f"F1 of both sides weighted by their true counts, convention {_convention}"),
        ("f1_macro", f"mean F1 of both sides, convention {_convention}"),
    ):
        _metric(
            f"{_name}_{_convention}", f"sentiment:{_name.upper()}_{_convention.upper()}", ("regression",), _summary,
         undefined=_undefined,
        )  # fmt: skip

OWN: Mapping[str, MetricSpec] = {
    name: declared(name, declarations.pop("path"), PLUGIN, declarations)
    for name, declarations in list(_DECLARED.items())
}
"""Name -> metric."""
