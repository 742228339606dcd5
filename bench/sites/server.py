"""The server of a federation whose clients are sites of their own.

How messages get there is the business of a transport: a function that sends each site its question
and comes back with the answers. The rounds are those of `bench.federated.rounds`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench.components import Context
from bench.errors import PluginError, UsageError
from bench.federated import sent
from bench.federated.client import Order, sent_of
from bench.federated.privacy import epsilon
from bench.federated.rounds import serve
from bench.federated.state import State
from bench.learner import Arrays, Reply
from bench.registry import Registry
from bench.results.federated import Trained
from bench.sites import model
from bench.sites.agreement import FORM, Agreement, read_cohort
from bench.sites.messages import (
    FUSER,
    HELLO,
    IMPUTER,
    SCALING,
    VALIDATE,
    Message,
    named,
    order_message,
    packed,
    reply_of,
    scalars,
    under,
    unpacked,
)  # fmt: skip
from bench.sites.site import Records
from bench.stages.scale import Scaler
from bench.sums import Summed, Sums

Post = Callable[[Mapping[int, Message]], Mapping[int, Message]]
"""Called with site -> question; gives site -> answer, of all of them. Raises UsageError for a site
that cannot be reached.
"""

MODEL = "model.safetensors"


class Sites:
    """The clients of a federation at sites; see `bench.federated.rounds.Clients`."""

    def __init__(self, records: Records, numbers: Sequence[int], post: Post):
        self.records, self.numbers, self.post = records, sorted(numbers), post
        self.agreement = records.agreement
        self.known: dict[str, np.ndarray] = {}
        self.groups: dict[str, str] = {}

    def identity(self) -> dict[str, Any]:
        """Site -> its training records. Raises UsageError for a site with another agreement."""
        records = {}
        for site, answer in self._ask(HELLO).items():
            if answer.about.get("agreement") != self.agreement.digest:
                raise UsageError(
                    f"site {site} was prepared for something else: {self._difference(answer)}; prepare it with the same words"
                )
            records[str(site)] = int(answer.about["records"])
        return records

    def summaries(self) -> list[Sums]:
        self._learn(
            SCALING,
            {f"totals/{name}": each for name, each in Scaler.sums(read_cohort(self.records.folder, FORM)).items()},
        )
        imputer = self.records.methods.imputer()
        if isinstance(imputer, Summed):
            empty = self.records.scaled(FORM, self.known).without_targets()
            self._learn(IMPUTER, packed(imputer.summary(empty)))
        learner, task = self.records.methods.learner(), self.agreement.task
        own = learner.summary(self.records.part(FORM, self.known), task)
        answers = self._ask(FUSER, self.known)
        for site, answer in answers.items():
            if answer.about.get("form") != repr(own.form):
                raise UsageError(
                    f"the records of site {site} have another form: {answer.about.get('form')}, not {own.form!r}; "
                    "all sites need the same modalities, channels, bins and statics"
                )
            _alike(site, answer.arrays, packed(own))
        return [unpacked(answer.arrays, own.form, task) for answer in answers.values()]

    def begin(self, total: Sums) -> None:
        self.known |= named(FUSER, packed(total))
        self.groups = self.records.begun(self.known).groups()

    def train(self, orders: Sequence[Order], local: Mapping[int, Arrays]) -> dict[int, Reply]:
        answers = self._send({order.client: order_message(order, self.known) for order in orders})
        sent_arrays = {order.client: order.arrays for order in orders}
        replies = {}
        for site, answer in answers.items():
            try:
                replies[site] = reply_of(answer)
            except (KeyError, TypeError, ValueError) as error:
                raise PluginError(f"site {site} gave no answer that can be merged ({error!r})") from None
            # How many records it has is the site's own to check, and was checked there.
            sent.check(site, replies[site], sent_arrays[site], self.groups, -1, self.agreement.modalities)
        return replies

    def validate(self, arrays: Arrays, before: Mapping[int, int], local: Mapping[int, Arrays]) -> list[Arrays]:
        everything = {**self.known, **named("array", arrays)}
        answers = self._send({
            site: Message(VALIDATE, everything, {"before": before.get(site, 0)}) for site in self.numbers
        })  # fmt: skip
        return [scalars(under("sum", answer.arrays)) for answer in answers.values() if answer.arrays]

    def end(self) -> None:
        return None

    def _learn(self, kind: str, own: Arrays) -> None:
        """Ask all sites for sums, and know their total. own: of no record."""
        answers = self._ask(kind, self.known)
        for site, answer in answers.items():
            _alike(site, answer.arrays, own)
        total = {name: reduce(operator.add, [answer.arrays[name] for answer in answers.values()]) for name in own}
        self.known |= named(kind, total)

    def _ask(self, kind: str, known: Arrays | None = None) -> dict[int, Message]:
        return self._send({site: Message(kind, dict(known or {})) for site in self.numbers})

    def _send(self, questions: Mapping[int, Message]) -> dict[int, Message]:
        """Site -> its answer, in ascending order. Raises UsageError for one that has none."""
        answers = self.post(questions)
        for site in questions:
            if site not in answers:
                raise UsageError(f'site {site} did not answer "{questions[site].kind}"')
            if problem := answers[site].about.get("error"):
                raise UsageError(f'site {site} cannot answer "{questions[site].kind}": {problem}')
        return {site: answers[site] for site in sorted(questions)}

    def _difference(self, answer: Message) -> str:
        try:
            other = msgspec.json.decode(str(answer.about.get("in_words")), type=Agreement)
        except msgspec.MsgspecError:
            return "its version cannot be read here"
        return self.agreement.difference(other)


def serve_sites(
    folder: Path, out: Path, numbers: Sequence[int], post: Post, registry: Registry, report: Callable[[str], None]
) -> State:
    """Run the rounds of an agreement over sites, and write what was learnt to `out`.

    - folder: of the server (`bench.sites.agreement`).
    - out: keeps the state after every round, with which the same call goes on, and at last the
      model.
    - numbers: of the sites.

    Raises UsageError for a site that does not fit or does not answer, and what
    `bench.federated.rounds.serve` raises.
    """
    records = Records(folder, registry)
    agreement, methods = records.agreement, records.methods
    out.mkdir(parents=True, exist_ok=True)
    context = Context(seed=agreement.seed, precision=agreement.precision, scratch=out, report=report)
    learner, sites = methods.learner(), Sites(records, numbers, post)
    state = serve(learner, methods.federation(), sites, agreement.rounds, context, agreement.privacy)
    spent = epsilon(agreement.privacy, len(state.history)) if agreement.privacy.clip else None
    trained = Trained(
        rounds=state.history, best=state.best_round, sums=state.sums, epsilon=spent, delta=agreement.privacy.delta
    )
    model.write(out / MODEL, agreement.digest, trained, sites.known, sent_of(learner))
    return state


def _alike(site: int, answered: Arrays, own: Arrays) -> None:
    """Raise UsageError where sums have other names, shapes or types than those of no record."""
    forms = [{name: (each.dtype.str, each.shape) for name, each in one.items()} for one in (answered, own)]
    if forms[0] != forms[1]:
        name = min(set(forms[0].items()) ^ set(forms[1].items()))[0]
        raise UsageError(
            f"the sums of site {site} have another form: {name} is {forms[0].get(name, 'absent')}, not "
            f"{forms[1].get(name, 'there')}; all sites need the same channels"
        )
