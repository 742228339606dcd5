"""How numbers, names and tables are written in Markdown, wherever they stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bench.leaderboard.board import PublishedScore, Score
from bench.metrics.sentiment import CONVENTIONS
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
    "acc7": "Acc-7",
    "acc5": "Acc-5",
    **{
        f"{score}_{convention}": f"{name} {convention}"
        for score, name in (("acc2", "Acc-2"), ("f1", "F1"), ("f1_macro", "macro F1"))
        for convention in CONVENTIONS
    },
}
LONGEST_REASON = 160

NOTHING = "–"
UNDEFINED = "NaN"


def metric(name: str) -> str:
    return NAMES[name] if name in NAMES else safe(name.capitalize())


def mean(score: Score | None) -> str:
    if score is None:
        return NOTHING
    return f"{score.mean:.4f}" if score.std is None else f"{score.mean:.4f} ± {score.std:.4f}"


def best_two(scores: Sequence[Score | None], higher: bool, eligible: Sequence[bool] | None = None) -> list[str]:
    """Scores as text, the best bold and the second underlined. Means that print the same are the same.

    Where all but the best are equal there is no second. eligible: which scores may be best or second, all where not said.
    """
    may = [True] * len(scores) if eligible is None else eligible
    known = [f"{score.mean:.4f}" for score, counts in zip(scores, may, strict=True) if score and counts]
    means = sorted(set(known), key=float, reverse=higher)
    second = means[1:2] if len(means) > 2 or len(known) == 2 else []
    marks = dict(zip(means[:1] + second, ("**{}**", "<u>{}</u>"), strict=False))
    return [
        (marks.get(f"{score.mean:.4f}", "{}") if counts else "{}").format(mean(score)) if score else NOTHING
        for score, counts in zip(scores, may, strict=True)
    ]


def label(name: str, control: bool) -> str:
    return f"{safe(name)} †" if control else safe(name)


def safe(text: str) -> str:
    """A stranger's text within a line of Markdown, where it breaks neither the table nor the page."""
    return clean.markdown(text)


def short(reason: str) -> str:
    """A reason on one line; of one that is too long for a table the middle is left out, since what helps stands at its end."""
    said = clean.line(reason)
    if len(said) > LONGEST_REASON:
        front = LONGEST_REASON // 3
        said = f"{said[:front].rstrip()} … {said[front + 3 - LONGEST_REASON :].lstrip()}"
    return safe(said)


def bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def number(value: float | None, digits: int, scale: float = 1.0) -> str:
    return NOTHING if value is None else f"{value * scale:,.{digits}f}"


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def grid(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A pipe table; cells are text already and are not to be taken for numbers.

    The very text that `tabulate` writes (tablefmt "github", no numbers, every sign one column wide), without its search for
    types, which was a third of the time of a leaderboard of thousands of rows.
    """
    rows = [[cell.strip() for cell in row] for row in body]
    widths = [max([len(title) + 2, *map(len, column)]) for title, *column in zip(header, *rows, strict=True)]
    line = "| " + " | ".join(f"{{:<{width}}}" for width in widths) + " |"
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([line.format(*header), rule, *(line.format(*row) for row in rows)])


def or_nothing(value: object) -> str:
    return NOTHING if value is None else str(value)


def words(name: str) -> str:
    """A name of a column, as words."""
    return safe(name.replace("_", " "))


def sources(published: Iterable[PublishedScore]) -> list[str]:
    """The sentence that says where published values are from, source by source; empty where none is named."""
    methods: dict[str, set[str]] = {}
    for value in published:
        if value.source:
            methods.setdefault(value.source, set()).add(value.method)
    named = "; ".join(f"{safe(source)} ({', '.join(map(safe, sorted(methods[source])))})" for source in sorted(methods))
    return [f"Published by others, on their data and split: {named}."] if named else []


def modalities(name: str, nobody: Mapping[str, Sequence[str]]) -> str:
    """A modality set, with the modalities of it that no record has. nobody: set -> those."""
    lacking = nobody.get(name)
    return f"{safe(name)} (nobody has {safe(', '.join(lacking))})" if lacking else safe(name)


def footnotes(published: Iterable[PublishedScore]) -> list[str]:
    """Published values that do not stand beside ours, a sentence for each reason, method by method."""
    found: dict[str, dict[str, list[PublishedScore]]] = {}
    for value in published:
        found.setdefault(value.elsewhere, {}).setdefault(value.method, []).append(value)
    lines = []
    for reason, methods in found.items():
        sources = sorted({value.source for values in methods.values() for value in values if value.source})
        shown = "; ".join(
            f"{safe(method)} " + ", ".join(f"{metric(v.metric)} {mean(Score(v.value, v.std, 1))}" for v in values)
            for method, values in methods.items()
        )
        source = f" ({safe('; '.join(sources))})" if sources else ""
        lines.append(f"**Published, but not to be set beside ours: {safe(reason)}.** {shown}{source}.")
    return lines
