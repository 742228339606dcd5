"""Federations beside the controls: what is lost against one place that holds all records, what is
won over clients that train by themselves, how clients fare, and what was sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from bench.figures.looks import numbered
from bench.figures.shapes import Axis, Chart, Line, Point
from bench.grid.axes import CENTRAL
from bench.leaderboard.blocks import (
    Block,
    Cell,
    Column,
    Figure,
    Heading,
    Notes,
    Number,
    Paragraph,
    Rich,
    Table,
    emphasis,
    strong,
)  # fmt: skip
from bench.leaderboard.board import Board, Section
from bench.leaderboard.rows import Difference, Score, cell, sure, sure_mark
from bench.leaderboard.sections import tables
from bench.leaderboard.task_table import TaskTable
from bench.leaderboard.words import capital, columns, count, directed, metric, percent
from bench.metrics.own import OWN
from bench.metrics.patterns import SMALLEST
from bench.results.coordinates import Coordinates, Method, TableKey, method_of, table_of
from bench.results.federated import Federated, Trained
from bench.results.records import Record, Statistics

PRIVACY = (
    "No record leaves a client. What does leave it, weights and sums, can still tell something of its records: updates "
    "can be inverted, and whether a record was trained on can be guessed."
)
WITHOUT = "No noise was added (no differential privacy)."
SHOWN = 6
"""Lines in one picture."""

RANKING = tuple(f"bench.metrics.{module}:" for module in ("ranking", "concordance"))
"""Where metrics are that look at the order of all predictions together."""


class FederationRow(msgspec.Struct, kw_only=True):
    """A method under one federation.

    - imputer, fuser: without the federation in their labels.
    - score: of pooled predictions, mean over seeds.
    - to_central, to_local: paired differences from the same method under each control; None where
      they are not compared.
    - mean, worst, spread: over seeds, of the clients that have a score: its mean, that of the
      client that is served worst, and the standard deviation.
    - scored, clients: how many clients have a score (the fewest of all seeds), and how many there
      are.
    - rounds, best, steps: means over seeds: how many, which one was kept, optimiser steps of all
      clients.
    - up, down: bytes of a round over all clients, imputer and fuser together.
    - up_by_group: group of arrays (`shared`, `mod`, `pair`, `buffer`, `own`) -> its part of `up`.
    - milliseconds: of a round; None where costs are left out.
    - epsilon, delta: of differential privacy of clients, imputer and fuser together; None without.
      An epsilon of 0 is so much noise that delta alone is enough.
    - validation: round and validation loss, mean over seeds.
    - held: how rounds were held, in words; empty where no round trained the fuser.
    """

    imputer: str
    fuser: str
    federation: str
    score: Score | None
    to_central: Difference | None = None
    to_local: Difference | None = None
    mean: Score | None = None
    worst: Score | None = None
    spread: Score | None = None
    scored: int = 0
    clients: int = 0
    rounds: int = 0
    best: float | None = None
    steps: float | None = None
    up: float | None = None
    down: float | None = None
    up_by_group: dict[str, float] = {}
    milliseconds: float | None = None
    epsilon: float | None = None
    delta: float | None = None
    validation: list[tuple[int, float]] = []
    held: str = ""

    @property
    def name(self) -> str:
        return f"{self.imputer} + {self.fuser}, {self.federation}"


class Federations(TableKey, kw_only=True, frozen=True):
    """All federations of one table. partitions: how clients were drawn, in words; clients: of each,
    who has what.
    """

    metric: str
    higher: bool
    alpha: float | None
    partitions: list[str]
    rows: list[FederationRow]


@dataclass(frozen=True)
class _Row:
    """Where a method stands without its federation, and its ok records."""

    method: Method
    imputer: str
    fuser: str
    federation: str
    records: Sequence[Record]


def aggregate(board: Board) -> list[Federations]:
    """One for each table with a cell that is federated."""
    statistics = board.export.statistics
    federated = []
    for table in board[tables.SECTION]:
        rows = list(_rows(board.methods[table_of(table)]))
        if all(row.federation == CENTRAL for row in rows):
            continue
        kept = [each.federated for row in rows for each in row.records if each.federated]
        higher = table.primary_higher
        shown = [_row(row, rows, table, statistics, board.wall_costs) for row in rows]
        federated.append(
            Federations(
                **msgspec.structs.asdict(table_of(table)),
                metric=table.primary,
                higher=higher,
                alpha=statistics.alpha if statistics else None,
                partitions=list(dict.fromkeys(f"{each.rule} (partition {each.partition[:8]})" for each in kept)),
                rows=shown,
            )
        )
    return federated


def _rows(methods: Mapping[Method, Mapping[Coordinates, Record | None]]) -> Iterable[_Row]:
    for cells in methods.values():
        at = next(iter(cells))
        imputer, fuser = (label.removesuffix(f" · {at.federation}") for label in (at.imputer, at.fuser))
        records = [record for _, record in sorted(cells.items()) if record and record.status == "ok"]
        yield _Row(method_of(at), imputer, fuser, at.federation, records)


def _row(
    row: _Row, rows: Sequence[_Row], table: TaskTable, statistics: Statistics | None, costs: bool
) -> FederationRow:
    kept = [each.federated for each in row.records if each.federated]
    trained = [[part for part in (each.imputer, each.fuser) if part] for each in kept]
    by_rounds = [each.fuser for each in kept if each.fuser]
    scores = [record.scores[table.primary] for record in row.records if table.primary in record.scores]
    done = [one for each in by_rounds for one in each.rounds]
    others = {each.federation: each for each in rows if (each.imputer, each.fuser) == (row.imputer, row.fuser)}
    controls = [others.get(CENTRAL), next((each for each in others.values() if _alone(each)), None)]
    gaps = [_gap(row, control, statistics, table.primary) for control in controls]
    private = [[part for part in parts if part.epsilon is not None] for parts in trained]
    noisy = [parts for parts in private if parts]
    return FederationRow(
        imputer=row.imputer,
        fuser=row.fuser,
        federation=row.federation,
        score=Score.over(scores) if scores else None,
        to_central=gaps[0],
        to_local=gaps[1],
        mean=_over([each.mean for each in kept]),
        worst=_over([each.worst(table.primary_higher) for each in kept]),
        spread=_over([each.spread for each in kept]),
        scored=min((len(each.scores) for each in kept), default=0),
        clients=max((len(each.clients) for each in kept), default=0),
        rounds=max((len(each.rounds) for each in by_rounds), default=0),
        best=_mean([each.best or len(each.rounds) for each in by_rounds]),
        steps=_mean([record.costs["steps"] for record in row.records if "steps" in record.costs]),
        up=_mean([_per_round(parts, "up") for parts in trained if parts]),
        down=_mean([_per_round(parts, "down") for parts in trained if parts]),
        up_by_group=_by_group([parts for parts in trained if parts]),
        milliseconds=_mean([1e3 * one.seconds for one in done]) if costs else None,
        epsilon=max((sum(part.epsilon or 0.0 for part in parts) for parts in noisy), default=None),
        delta=max((sum(part.delta for part in parts) for parts in noisy), default=None),
        validation=_curve(by_rounds),
        held="; ".join(dict.fromkeys(each.in_rounds for each in kept if each.in_rounds)),
    )


def _alone(row: _Row) -> bool:
    """Whether clients trained by themselves: there are clients, and no round trained the fuser."""
    kept: list[Federated] = [each.federated for each in row.records if each.federated]
    return bool(kept) and all(each.fuser is None for each in kept)


def _gap(row: _Row, control: _Row | None, statistics: Statistics | None, name: str) -> Difference | None:
    if control is None or statistics is None or control.method == row.method:
        return None
    pair = {control.method, row.method}
    stored = next((c for c in statistics.comparisons if c.metric == name and {c.a, c.b} == pair), None)
    return Difference.of(stored, row.method) if stored else None


def _per_round(parts: Sequence[Trained], direction: str) -> float:
    sizes: list[dict[str, int]] = [getattr(part, direction) for part in parts]
    return sum(sum(size.values()) / len(part.rounds) for size, part in zip(sizes, parts, strict=True))


def _by_group(trained: Sequence[Sequence[Trained]]) -> dict[str, float]:
    """Group -> bytes that clients sent in a round, mean over seeds."""
    names = sorted({name for parts in trained for part in parts for name in part.up})
    sums = {name: sum(part.up.get(name, 0) / len(part.rounds) for parts in trained for part in parts) for name in names}
    return {name: size / len(trained) for name, size in sums.items()}


def _curve(trained: Sequence[Trained]) -> list[tuple[int, float]]:
    losses: dict[int, list[float]] = {}
    for each in trained:
        for done in each.rounds:
            if done.valid_loss is not None:
                losses.setdefault(done.number, []).append(done.valid_loss)
    return [(number, sum(values) / len(values)) for number, values in sorted(losses.items())]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _over(values: Sequence[float | None]) -> Score | None:
    known = [value for value in values if value is not None]
    return Score.over(known) if known else None


def blocks(board: Board) -> list[Block]:
    return [block for each in board[SECTION] for block in _blocks(each)]


def _blocks(each: Federations) -> list[Block]:
    level = f" with {percent(each.alpha)} intervals" if each.alpha else ""
    about = Rich(
        f"The same methods, trained by clients; {directed(each.metric, each.higher)} of the predictions of all clients together. "
        f"Gaps are paired differences in patients and seeds from the same method under each control{level}; ",
        strong("bold"),
        " where the interval excludes 0 for the better, ",
        emphasis("italic"),
        " for the worse. Mean over clients: of the scores of each client's own test records; worst client: the score of the "
        f"client that is served worst; spread: their standard deviation. All three are of clients with a score: with {SMALLEST} "
        "test records or more, on which the metric is defined. Steps are summed over clients and rounds; MB are those of one "
        "round, of all its clients together.",
    )
    costs = any(row.milliseconds is not None for row in each.rows)
    header = columns("imputer", "fuser", "federation")
    header += [Column(metric(each.metric), each.higher), *columns("minus central", "minus local")]
    header += [Column("mean over clients", each.higher)]
    header += [Column("worst client", each.higher), *columns("spread", "round kept", "steps", "MB up", "MB down")]
    private = any(row.epsilon is not None for row in each.rows)
    header += columns("epsilon") if private else []
    header += columns("ms per round") if costs else []
    body: list[list[Cell]] = [
        [
            row.imputer,
            row.fuser,
            row.federation,
            cell(row.score),
            _difference(row.to_central, each.higher),
            _difference(row.to_local, each.higher),
            cell(row.mean),
            cell(row.worst),
            cell(row.spread),
            f"{row.best:.4g} of {row.rounds}" if row.best is not None else None,
            Number(row.steps, ",.0f") if row.steps is not None else None,
            Number(row.up / 1e6, ".3f") if row.up is not None else None,
            Number(row.down / 1e6, ".3f") if row.down is not None else None,
            *([Number(row.epsilon, ".3g") if row.epsilon is not None else None] if private else []),
            *([Number(row.milliseconds, ".0f") if row.milliseconds is not None else None] if costs else []),
        ]
        for row in each.rows
    ]
    notes = [*(f"{capital(words)}." for words in each.partitions), *_scored(each), *_pooled(each), *_held(each)]
    notes += [*_groups(each), _privacy(each)]
    title = Heading(3, f"{each.title}: federations")
    return [title, Paragraph(about), Table(header, body), Notes(notes), *figure(each)]


def _scored(each: Federations) -> list[str]:
    """How many clients have a score: in one note, or for each row that differs."""
    words = {row.name: f"{row.scored} of {count(row.clients, 'client')}" for row in each.rows if row.clients}
    if len(set(words.values())) < 2:
        return [f"Clients with a score: {text}." for text in set(words.values())]
    return [f"Clients with a score. {'; '.join(f'{name}: {text}' for name, text in words.items())}."]


def _pooled(each: Federations) -> list[str]:
    """What else is in a gap to clients alone, where a metric ranks all predictions together."""
    spec = OWN.get(each.metric)
    alone = [row.federation for row in each.rows if row.clients and not row.held]
    if spec is None or not spec.path.startswith(RANKING) or not alone:
        return []
    return [
        f"{metric(each.metric)} ranks the predictions of all clients together. Where every client trains by itself "
        f"({', '.join(dict.fromkeys(alone))}), these are of several models, whose outputs need not be on one scale: a part of "
        "a gap can come from that alone. In the mean over clients each client's records are ranked by themselves."
    ]


def _held(each: Federations) -> list[str]:
    """How rounds were held: in one note, or for each row that differs."""
    words = {row.name: row.held for row in each.rows if row.held}
    if len(set(words.values())) < 2:
        return [f"{capital(text)}." for text in set(words.values())]
    return [f"Rounds. {'; '.join(f'{name}: {text}' for name, text in words.items())}."]


def _groups(each: Federations) -> list[str]:
    """A note on what was sent, by group of arrays, where any method has several."""
    if all(len(row.up_by_group) < 2 for row in each.rows):
        return []
    words = [
        f"{row.name}: {', '.join(f'{name} {size / 1e6:.3f}' for name, size in row.up_by_group.items())}"
        for row in each.rows
        if row.up_by_group
    ]
    return [f"MB up of a round by group of arrays. {'; '.join(words)}."]


def _privacy(each: Federations) -> str:
    deltas = sorted({row.delta for row in each.rows if row.delta is not None})
    if not deltas:
        return f"{PRIVACY} {WITHOUT}"
    listed = ", ".join(f"{delta:g}" for delta in deltas)
    return (
        f"{PRIVACY} Epsilon bounds this for any one client over all rounds, at delta {listed}. Sums that are sent before the "
        "first round (counts of classes, means and deviations) have no noise and are not in it."
    )


def _difference(gap: Difference | None, higher: bool) -> Cell:
    if gap is None:
        return None
    return Number(gap.mean, "+z.4f", sure_mark(*sure(gap.low, gap.high, higher)), low=gap.low, high=gap.high)


def figure(each: Federations) -> list[Figure]:
    """The validation loss of the first methods over their rounds."""
    known = [row for row in each.rows if len(row.validation) > 1][:SHOWN]
    if not known:
        return []
    lines = [
        Line(
            [
                Point(number, loss, f"{row.name}: {loss:.4f} after round {number}", numbered(k))
                for number, loss in row.validation
            ]
        )
        for k, row in enumerate(known)
    ]
    chart = Chart(lines, Axis("round"), Axis("validation loss"), "Validation loss over the rounds")
    keys = [(row.name, numbered(k)) for k, row in enumerate(known)]
    return [Figure(chart, "Validation loss of all clients over the rounds, mean over seeds.", keys)]


SECTION = Section("federations", aggregate, blocks, chapter="Federated")
