"""How metrics, counts and reasons are called in sentences and tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bench.leaderboard.blocks import Column
from bench.text import clean

NAMES = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "f1": "F1",
    "f1_tuned": "F1 tuned",
    "mae": "MAE",
    "mse": "MSE",
    "rmse": "RMSE",
    "crps": "CRPS",
    "coverage50": "coverage 50 %",
    "coverage90": "coverage 90 %",
    "corr": "Corr",
    "auprc_baseline": "AUPRC baseline",
    **{f"recall_at_precision_{percent}": f"Recall at precision {percent} %" for percent in (50, 80, 90)},
    "kappa": "Cohen's kappa",
    "mcc": "MCC",
    "acc7": "Acc-7",
    "acc5": "Acc-5",
    **{
        f"{score}_{convention}": f"{name} {convention}"
        for score, name in (("acc2", "Acc-2"), ("f1", "F1"), ("f1_macro", "macro F1"))
        for convention in ("neg_pos", "neg_nonneg", "nonpos_pos")
    },
}
LONGEST_REASON = 160


def metric(name: str) -> str:
    """How a metric is called: one that is not listed by its name."""
    return NAMES.get(name) or name.replace("_", " ").capitalize()


def directed(name: str, higher: bool | None) -> str:
    """A metric with the arrow that points to where it is better."""
    return " ".join(filter(None, [metric(name), arrow(higher)]))


def arrow(higher: bool | None) -> str:
    return {True: "↑", False: "↓", None: ""}[higher]


def columns(*names: str) -> list[Column]:
    return [Column(name) for name in names]


def percent(alpha: float) -> str:
    """The level of an interval."""
    return f"{100 * (1 - alpha):g} %"


CORRECTIONS = {"maxt": "step-down max-T", "holm": "Holm's procedure"}
"""How p-values are adjusted for the number of comparisons."""


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def spaced(name: str) -> str:
    """A name of a column, as words."""
    return name.replace("_", " ")


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def short(reason: str) -> str:
    """A reason on one line; of one that is too long for a table, words in the middle are left out,
    since what helps stands at its end.
    """
    text = clean.line(reason)
    if len(text) > LONGEST_REASON:
        front = LONGEST_REASON // 3
        begin, end = text[:front], text[front + 3 - LONGEST_REASON :]
        begin = begin if text[front] == " " else begin.rpartition(" ")[0] or begin
        end = end if text[front + 2 - LONGEST_REASON] == " " else end.partition(" ")[2] or end
        text = f"{begin.rstrip()} … {end.lstrip()}"
    return text


def some(names: Sequence[str], limit: int) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def modality_set(name: str, nobody: Mapping[str, Collection[str]]) -> str:
    """A modality set, with the modalities of it that no record has. `nobody`: set -> those."""
    lacking = nobody.get(name)
    return f"{name} (no record has {', '.join(lacking)})" if lacking else name
