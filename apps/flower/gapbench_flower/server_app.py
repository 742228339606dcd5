"""The side of the server: finds out which SuperNode is which site, then has the rounds run with
Flower as transport.

Flower's own strategies are not used: they choose clients by an order that changes from run to
run, and add up answers in the order in which they come.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from logging import ERROR, INFO
from pathlib import Path
from typing import Any

import torch
from flwr.app import Context, Message
from flwr.common.logger import log
from flwr.serverapp import Grid, ServerApp

from bench.errors import BenchError, UsageError
from bench.registry import discover
from bench.sites import messages
from bench.sites.agreement import read_agreement
from bench.sites.server import MODEL, serve_sites
from gapbench_flower.records import message_of, record_of

KINDS = {messages.TRAIN: "train", messages.VALIDATE: "evaluate"}
"""Which of Flower's kinds of messages a question is; else a query."""

PAUSE = 0.5
"""Seconds between two looks at which SuperNodes are connected."""


def main(grid: Grid, context: Context) -> None:
    """Run a federation. Raises BenchError, with one line, where it cannot be run."""
    try:
        _main(grid, context.run_config)
    except BenchError as error:
        log(ERROR, "gapbench: %s", error)
        raise


def _main(grid: Grid, config: Mapping[str, Any]) -> None:
    for key in ("folder", "out", "sites"):
        if not config[key]:
            raise UsageError(f"{key} is not said; give: flwr run ... --run-config '{key}=...'")
    folder, out, number = Path(config["folder"]), Path(config["out"]), int(config["sites"])
    torch.set_num_threads(read_agreement(folder).threads)
    nodes = _nodes(grid, number, float(config["wait"]), float(config["timeout"]))

    def post(questions: Mapping[int, messages.Message]) -> dict[int, messages.Message]:
        by_node = {nodes[site]: question for site, question in questions.items()}
        sites = {node: site for site, node in nodes.items()}
        answers = _asked(grid, by_node, float(config["timeout"]), {node: f"site {sites[node]}" for node in by_node})
        return {sites[node]: answer for node, answer in answers.items()}

    serve_sites(folder, out, range(number), post, discover(), lambda text: log(INFO, "gapbench: %s", text))
    log(INFO, "gapbench: the model is in %s", out / MODEL)


def _nodes(grid: Grid, number: int, wait: float, timeout: float) -> dict[int, int]:
    """Site -> its node. Raises UsageError where they are not the sites 0 to number - 1."""
    until = time.monotonic() + wait
    while len(nodes := sorted(grid.get_node_ids())) < number and time.monotonic() < until:
        time.sleep(PAUSE)
    if len(nodes) != number:
        raise UsageError(
            f"{len(nodes)} SuperNodes are connected, and sites={number}; start those that lack, "
            f"or give another sites or wait={wait:g} (seconds)"
        )
    question = messages.Message("number")
    answers = _asked(grid, dict.fromkeys(nodes, question), timeout, {node: "a SuperNode" for node in nodes})
    sites: dict[int, int] = {}
    for node, answer in answers.items():
        if problem := answer.about.get("error"):
            raise UsageError(f"a SuperNode cannot take part: {problem}")
        site = int(answer.about["number"])
        if site not in range(number):
            raise UsageError(f"a SuperNode has partition-id={site}; with sites={number} they are 0 to {number - 1}")
        if site in sites:
            raise UsageError(f"two SuperNodes have partition-id={site}; give each its own, 0 to {number - 1}")
        sites[site] = node
    return sites


def _asked(
    grid: Grid, questions: Mapping[int, messages.Message], timeout: float, names: Mapping[int, str]
) -> dict[int, messages.Message]:
    """Node -> its answer. Raises UsageError for one that fails or does not answer in time."""
    sent = [
        Message(record_of(question), dst_node_id=node, message_type=KINDS.get(question.kind, "query"))
        for node, question in questions.items()
    ]
    answers = {}
    for reply in grid.send_and_receive(sent, timeout=timeout):
        node = reply.metadata.src_node_id
        if reply.has_error():
            raise UsageError(f"{names[node]} failed (Flower's code {reply.error.code}); its log says more")
        try:
            answers[node] = message_of(reply.content)
        except ValueError as error:
            raise UsageError(f"{names[node]} answered what cannot be read ({error})") from None
    for node in questions:
        if node not in answers:
            raise UsageError(
                f'{names[node]} did not answer "{questions[node].kind}" within {timeout:g} s; see its log, or give '
                "a longer timeout; the same command goes on after the last round"
            )
    return answers


app = ServerApp()
app.main()(main)
