"""HAIM: every source becomes a vector, the vectors stand side by side, boosted trees classify.

Soenksen et al., npj Digital Medicine 5:149 (2022); features in `haim_features`, trees in
`haim_trees`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np

from bench.cohort import Cohort, Task
from bench.components import Context, Fuser, Interrupted, NotFitted
from bench.errors import UsageError, unknown
from bench.selection import selection
from bench_fusers.haim.features import features
from bench_fusers.haim.plugin import GRIDS, HAIMChoice, HAIMParams, Point, haim_choice
from bench_fusers.haim.trees import Ensemble, grower
from bench_fusers.heads import labels_of, outputs_of

WIDEST = 64
"""A modality of more channels is taken for an embedding, unless `embeddings` says which are."""

FOLDS = 5


class HAIM(Fuser[HAIMParams]):
    """One ensemble per label (one for all classes of multiclass), each tuned by itself. Multiclass
    and regression are extensions.

    grid `published` and `small`: each point gets the mean score of five folds, then the best point
    is grown on the whole training part. Folds are stratified as far as possible, with all records
    of a patient in one fold (the code's own folds part images of one stay). The score is ROC AUC,
    as published; mean absolute error for regression, which was not published.

    grid `validation`: the score on the validation part, by the primary metric of the task, as for
    every other fuser; what was grown stays.

    Where a scored part lacks a class, the log loss of all parts decides instead. Where nothing can
    be scored, the first point of the grid is taken. Ties go to the loss, then to the earlier point.
    A point of fewer trees is the beginning of the one with more: both are scored, one is grown.

    Reads the completed grid, every entry of it. With `raw` it reads observed values alone: with
    `events` each value, else the last of each bin. So no imputed value can reach it. This is
    declared (`reads_imputed`), and the audit of a run tests it. The imputer `none` comes to the
    same. Records with NaN features are never dropped; the code drops them.
    """

    def __init__(self, params: HAIMParams):
        super().__init__(params)
        self._models: list[tuple[Ensemble, Point]] | None = None
        self.names: tuple[str, ...] = ()
        """modality/channel/statistic of each feature, in order"""

    @property
    def reads_imputed(self) -> bool:
        return not self.choice.raw

    @property
    def reads_events(self) -> bool:
        """See `Fuser.reads_events`."""
        return self.choice.raw and self.choice.events

    @property
    def choice(self) -> HAIMChoice:
        """What was given, and what the preset says where nothing was."""
        return haim_choice(self.params)

    @property
    def points(self) -> tuple[Point, ...]:
        """What was chosen, for each label. Raises NotFitted before `fit`."""
        return tuple(point for _, point in self._fitted())

    def fit(self, train: Cohort, valid: Cohort, task: Task, context: Context) -> None:
        """See `Fuser.fit`. Raises UsageError for a regression of several values or a modality that
        is not there, PluginError where XGBoost is missing.
        """
        if task.kind == "regression" and task.outputs > 1:
            raise UsageError(
                f"task {task.name} has {task.outputs} values; haim grows one ensemble per value and takes one value: "
                "choose another fuser (fuser=linear or fuser=gru)"
            )
        self._task = task
        rows, self.names = self._features(train)
        valid_rows = self._features(valid)[0]
        labels = labels_of(task, np.asarray(train.targets[task.name]))
        valid_labels = labels_of(task, np.asarray(valid.targets[task.name]))
        self._models = None
        models = []
        for number, (label, valid_label) in enumerate(zip(labels, valid_labels, strict=True), 1):
            which = f"label {number} of {len(labels)}, " if len(labels) > 1 else ""
            search = _Search(self.params, self._task, context, which)
            if self.params.grid == "validation":
                models.append(search.on_validation(rows, label, valid_rows, valid_label))
            else:
                models.append(search.by_folds(rows, label, train.groups))
        self._models = models

    def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
        models = self._fitted()
        if len(cohort) == 0:
            return np.zeros((0, self._task.outputs), np.float32)
        rows = self._features(cohort)[0]
        outputs = [ensemble.predict(rows, point.trees) for ensemble, point in models]
        return outputs_of(self._task, [ensemble for ensemble, _ in models], outputs)

    def _fitted(self) -> list[tuple[Ensemble, Point]]:
        if self._models is None:
            raise NotFitted("HAIM: fit comes before predict")
        return self._models

    def _features(self, cohort: Cohort) -> tuple[np.ndarray, tuple[str, ...]]:
        p = self.params
        wide = [name for name, series in cohort.modalities.items() if series.grid.shape[2] > WIDEST]
        embeddings = wide if p.embeddings is None else p.embeddings
        for name in embeddings:
            if name not in cohort.modalities:
                raise unknown("modality", name, cohort.modalities, "fuser.haim.embeddings")
        c = self.choice
        return features(
            cohort,
            embeddings=embeddings,
            raw=c.raw,
            events=c.events,
            mode=c.mode,
            counts=c.counts,
            trend_time=p.trend_time,
        )


class _Search:
    """The choice of a point of the grid for one label."""

    def __init__(self, params: HAIMParams, task: Task, context: Context, which: str):
        self.params, self.context, self.which = params, context, which
        self.grid = GRIDS[params.grid]
        self.regression = task.kind == "regression"
        choice = haim_choice(params)
        self.balance = choice.balance_labels if task.kind == "multilabel" else choice.balance
        metric = "mae" if self.regression else "auroc"
        metric = task.primary if params.grid == "validation" else metric
        kind = "binary" if task.kind == "multilabel" else task.kind
        self.task = Task(task.name, kind, (metric,), 1 if kind == "binary" else task.outputs)

    def on_validation(
        self, rows: np.ndarray, label: np.ndarray, valid_rows: np.ndarray, valid_label: np.ndarray
    ) -> tuple[Ensemble, Point]:
        """The ensemble of the best point on the validation part; of the first point where that
        part is empty.
        """
        if len(valid_label) == 0 or self._known(label):
            return self._grown(rows, label, self.grid[0]), self.grid[0]
        kept: dict[Point, Ensemble] = {}
        outputs = {}
        for point, ensemble, predicted in self._scored(rows, label, valid_rows, ""):
            kept[point], outputs[point] = ensemble, [predicted]
        best = self._best(outputs, [valid_label])
        return kept[best], best

    def by_folds(self, rows: np.ndarray, label: np.ndarray, groups: np.ndarray) -> tuple[Ensemble, Point]:
        """The best point of cross-validation, grown on all records."""
        parts = [] if self._known(label) else folds(label, groups, self.regression)
        outputs: dict[Point, list[np.ndarray]] = {point: [] for point in self.grid}
        for number, (kept, held) in enumerate(parts, 1):
            fold = f"fold {number} of {len(parts)}, "
            for point, _, predicted in self._scored(rows[kept], label[kept], rows[held], fold):
                outputs[point].append(predicted)
        best = self._best(outputs, [label[held] for _, held in parts]) if parts else self.grid[0]
        return self._grown(rows, label, best), best

    def _known(self, label: np.ndarray) -> bool:
        """Whether there is nothing to learn: a single class."""
        return not self.regression and len(np.unique(label)) == 1

    def _grown(self, rows: np.ndarray, label: np.ndarray, point: Point) -> Ensemble:
        return grower(self.params.backend, rows, label, self.regression, self.balance)(point)

    def _scored(
        self, rows: np.ndarray, label: np.ndarray, held: np.ndarray, fold: str
    ) -> Iterator[tuple[Point, Ensemble, np.ndarray]]:
        """Every point, what was grown for it and its outputs for the records held out. Raises
        Interrupted.
        """
        grow = grower(self.params.backend, rows, label, self.regression, self.balance)
        longest: dict[tuple[int, float], Point] = {}
        for point in self.grid:
            key = point.depth, point.rate
            longest[key] = max(longest.get(key, point), point, key=lambda p: p.trees)
        for number, most in enumerate(longest.values(), 1):
            if self.context.should_stop():
                raise Interrupted
            self.context.report(f"{self.which}{fold}ensemble {number} of {len(longest)}")
            ensemble = grow(most)
            for point in self.grid:
                if (point.depth, point.rate) == (most.depth, most.rate):
                    predicted = ensemble.predict(held, point.trees)
                    yield point, ensemble, outputs_of(self.task, [ensemble], [predicted])

    def _best(self, outputs: dict[Point, list[np.ndarray]], truths: list[np.ndarray]) -> Point:
        """The point with the best mean score over the parts."""
        chosen = [selection(self.task, truth) for truth in truths]
        measured = all(part is not None and part.name == self.task.primary for part in chosen)

        def rank(point: Point) -> tuple[float, ...]:
            ranks = [
                part.rank(predicted) if measured else (-part.loss(predicted),)
                for part, predicted in zip(chosen, outputs[point], strict=True)
                if part is not None
            ]
            return tuple(float(value) for value in np.mean(ranks, axis=0))

        return max(outputs, key=rank)


def folds(label: np.ndarray, groups: np.ndarray, regression: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    """Indices (learn from, held out) of at most `FOLDS` folds; no group stands on both sides; empty
    for a single group.

    Classes are spread evenly as far as groups allow. There are at most as many folds as groups, and
    as records of the rarest class (but not fewer than two for that reason).
    """
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    number = min(FOLDS, len(np.unique(groups)))
    if not regression:
        number = min(number, max(2, int(np.unique(label, return_counts=True)[1].min())))
    if number < 2:
        return []
    maker = GroupKFold(number) if regression else StratifiedGroupKFold(number)
    with warnings.catch_warnings():
        # A class of one record is reported by the fall-back on the loss.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        return [(kept, held) for kept, held in maker.split(label, label, groups) if len(kept) and len(held)]
