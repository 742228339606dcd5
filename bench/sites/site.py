"""A site: the one place that sees its records. It answers the questions of a server.

It keeps nothing in memory from question to question, since each may reach a new process. What it
must keep, the arrays of the group local/, lies in its folder.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench import arrays
from bench.cohort import Cohort
from bench.components import Imputer
from bench.errors import BenchError, DataError, UsageError
from bench.federated.client import Client, kept, trained, validated
from bench.federation import Federation
from bench.learner import Arrays, Learner
from bench.metrics.imputation import median
from bench.registry import Registry
from bench.sites import agreement as agreed
from bench.sites.messages import (
    FUSER,
    HELLO,
    IMPUTER,
    SCALING,
    TRAIN,
    VALIDATE,
    Message,
    named,
    order_of,
    packed,
    reply_message,
    under,
    unpacked,
)  # fmt: skip
from bench.stages.imputing import CHUNK, blank
from bench.stages.scale import Scaler
from bench.sums import Summed


class Methods:
    """The methods of an agreement, built from the components of this installation."""

    def __init__(self, agreement: agreed.Agreement, registry: Registry):
        self.agreement, self.registry = agreement, registry
        self.imputer_spec = registry.get("imputer", agreement.imputer.name, "the agreement")

    def imputer(self) -> Imputer[Any]:
        imputer: Imputer[Any] = self.imputer_spec.build(self.agreement.imputer.params)
        return imputer

    def learner(self) -> Learner[Any]:
        """The fuser, which must be a learner."""
        one = self.agreement.fuser
        fuser = self.registry.get("fuser", one.name, "the agreement").build(one.params)
        if not isinstance(fuser, Learner):
            raise UsageError(f"{one.name} cannot be trained by rounds: it is no bench.learner.Learner")
        return fuser

    def federation(self) -> Federation[Any]:
        one = self.agreement.federation
        federation: Federation[Any] = self.registry.get("federation", one.name, "the agreement").build(one.params)
        return federation


class Records:
    """The folder of a site or of a server, opened, and the methods as its records go through them.

    known: the sums of all sites, as messages bring them.
    """

    def __init__(self, folder: Path, registry: Registry):
        self.folder = folder
        self.agreement = agreed.read_agreement(folder)
        self.methods = Methods(self.agreement, registry)
        self.context = self.agreement.context

    def begun(self, known: Arrays) -> Learner[Any]:
        """The learner as built from the sums of all sites."""
        learner = self.methods.learner()
        form = learner.summary(self.part(agreed.FORM, known), self.agreement.task).form
        learner.begin(unpacked(under(FUSER, known), form, self.agreement.task), self.context)
        return learner

    def part(self, name: str, known: Arrays) -> Cohort:
        """The records of a part as a fuser sees them: those whose outcome is known, completed."""
        cohort = self.scaled(name, known)
        tags = self.methods.imputer_spec.tags
        if "hides_values" in tags:
            cohort = blank(cohort)
        completed = self._completed(cohort.without_targets(), known)
        generates = self.agreement.fill_absent and not ({"leaves_nan", "hides_values"} & tags)
        series = {
            modality: replace(each, grid=completed[modality], filled=~each.available & generates)
            for modality, each in cohort.modalities.items()
        }
        return cohort.with_modalities(series).take(np.flatnonzero(self.eligible(cohort)))

    def _completed(self, cohort: Cohort, known: Arrays) -> dict[str, np.ndarray]:
        completed = {name: np.empty(each.grid.shape, np.float32) for name, each in cohort.modalities.items()}
        if not len(cohort):
            return completed
        imputer = self.methods.imputer()
        if isinstance(imputer, Summed):
            form = imputer.summary(self.scaled(agreed.FORM, known).without_targets()).form
            imputer.begin(unpacked(under(IMPUTER, known), form, None), self.context)
        else:
            train, valid = (self.scaled(name, known).without_targets() for name in ("train", "valid"))
            imputer.fit(train, valid, self.context)
        for start in range(0, len(cohort), CHUNK):
            index = np.arange(start, min(start + CHUNK, len(cohort)))
            for name, values in imputer.impute(cohort.take(index), 1, self.context).items():
                completed[name][index] = median(values)
        return completed

    def scaled(self, name: str, known: Arrays) -> Cohort:
        """The records of a part, standardised."""
        scaler = Scaler.of(under("totals", under(SCALING, known)), self.agreement.scaling.cut)
        return scaler.scale(agreed.read_cohort(self.folder, name))

    def eligible(self, cohort: Cohort) -> np.ndarray:
        """Which records have an outcome, bool [n]."""
        target = cohort.targets[self.agreement.task.name]
        known: np.ndarray = ~np.isnan(target.reshape(len(target), -1)).any(axis=1) if len(target) else np.zeros(0, bool)
        return known


class Site(Records):
    """A site, which answers. Raises DataError for a folder that was not prepared."""

    def __init__(self, folder: Path, registry: Registry):
        super().__init__(folder, registry)
        self.share = agreed.read_share(folder)

    def answer(self, number: int, question: Message) -> Message:
        """The answer to a question; where there is none, the reason in one line.

        number: of this site among the sites.
        """
        handlers: dict[str, Callable[[int, Message], Message]] = {
            HELLO: self._hello,
            SCALING: self._scaling,
            IMPUTER: self._imputer_sums,
            FUSER: self._fuser_sums,
            TRAIN: self._train,
            VALIDATE: self._validate,
        }
        try:
            if question.kind not in handlers:
                raise UsageError(f'"{question.kind}" is no question; the server has another version')
            return handlers[question.kind](number, question)
        except BenchError as error:
            return Message(question.kind, about={"error": error.public})
        except Exception as error:  # of a component: its words stay here
            logging.exception("site %d cannot answer", number)
            return Message(question.kind, about={"error": f"{type(error).__name__}; the log of the site says more"})

    def _hello(self, number: int, question: Message) -> Message:
        if self.share.client not in (None, number):
            raise UsageError(
                f"the SuperNode says partition-id={number}, and its folder was prepared as client {self.share.client}"
            )
        return Message(
            HELLO,
            about={
                "agreement": self.agreement.digest,
                "in_words": _json(self.agreement),
                "records": int(self.eligible(agreed.read_cohort(self.folder, "train")).sum()),
            },
        )

    def _scaling(self, number: int, question: Message) -> Message:
        sums = Scaler.sums(agreed.read_cohort(self.folder, "train"))
        return Message(SCALING, packed(unpacked(named("totals", sums), None, None)))

    def _imputer_sums(self, number: int, question: Message) -> Message:
        imputer = self.methods.imputer()
        if not isinstance(imputer, Summed):
            raise UsageError(f"{self.agreement.imputer.name} learns from no sums")
        return Message(IMPUTER, packed(imputer.summary(self.scaled("train", question.arrays).without_targets())))

    def _fuser_sums(self, number: int, question: Message) -> Message:
        sums = self.methods.learner().summary(self.part("train", question.arrays), self.agreement.task)
        return Message(FUSER, packed(sums), {"form": repr(sums.form)})

    def _train(self, number: int, question: Message) -> Message:
        order = order_of(number, question)
        learner, client = self.begun(question.arrays), self._client(question.arrays)
        reply = trained(
            learner, self.methods.federation(), client, order, self.agreement.rounds, self.context,
            self._local(learner, order.before),
        )  # fmt: skip
        if reply.state:
            self._keep(order.before, order.round, reply.state)
        return reply_message(reply)

    def _validate(self, number: int, question: Message) -> Message:
        learner, client = self.begun(question.arrays), self._client(question.arrays)
        state = self._local(learner, int(question.about["before"]))
        sums = validated(learner, client, under("array", question.arrays), self.context, state)
        return Message(VALIDATE, {} if sums is None else named("sum", sums))

    def _client(self, known: Arrays) -> Client:
        return Client(self.part("train", known), self.part("valid", known), self.share.modalities)

    def _local(self, learner: Learner[Any], before: int) -> Arrays:
        """The arrays of the group local/ as the training of a round left them. Raises DataError."""
        first = kept(learner)
        if not first or not before:
            return first
        if not self._file(before).exists():
            raise DataError(f"what this site kept of round {before} is gone; begin again with another folder out")
        try:
            stored, _ = arrays.read(self._file(before), f"{self.agreement.digest} {before}")
        except arrays.Damaged as error:
            what = f"what this site kept of round {before} {error.what}"
            raise DataError(f"{what}; begin again with another folder out") from None
        return {name: np.array(array) for name, array in stored.items()}

    def _keep(self, before: int, round: int, state: Arrays) -> None:
        arrays.write(self._file(round), state, {"key": f"{self.agreement.digest} {round}"})
        for path in self._file(0).parent.glob("*.safetensors"):
            if path.stem.isdigit() and int(path.stem) not in (before, round):
                path.unlink()

    def _file(self, round: int) -> Path:
        return self.folder / agreed.LOCAL / f"{round}.safetensors"


def _json(agreement: agreed.Agreement) -> str:
    return msgspec.json.encode(agreement).decode()
