"""A Ray cluster: one task for each job, placed by cores, GPUs and memory.

A node plans the command again (`bench.run.node`) and sends results back; this process alone writes
the ledger. What a lost machine had is repeated once elsewhere. Ray itself repeats nothing.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bench.config.command import Settings
from bench.config.words import ORIGIN, size
from bench.errors import StorageError, UsageError
from bench.execute.api import BUDGET, Aborted, Options, Result, Status, Watch
from bench.execute.executors.local import GRACE
from bench.execute.job import Job, Setup
from bench.execute.queue import Waiting
from bench.files import write_bytes
from bench.results.ledger import Ledger
from bench.stages import artifacts
from bench.stages.order import BY_NAME

TASK = "bench.run.node"
"""The module that does a job on a node; it plans, which executors do not."""

PAUSE = 0.5
"""Seconds between two looks at the tasks."""

LATE = 10.0
"""Seconds beyond the grace of a node after which what was told to stop is ended by force."""

OPTIONS = ("cpus", "gpus", "memory")
"""What a task may ask for, as `ray.OPTION` or `ray.NAME.OPTION`."""


RESOURCES = {"CPU": "num_cpus", "GPU": "num_gpus", "memory": "memory"}
"""What Ray calls a resource of a node -> what it calls the wish of a task."""


class Board:
    """An actor by which tasks and the process that sent them hear of each other."""

    def __init__(self) -> None:
        self.stop = ""
        self.notes: list[tuple[str, str, str]] = []

    def tell(self, job: str, notes: Sequence[tuple[str, str]]) -> str:
        self.notes += [(job, kind, text) for kind, text in notes]
        return self.stop

    def take(self) -> list[tuple[str, str, str]]:
        notes, self.notes = self.notes, []
        return notes

    def end(self, why: str) -> None:
        self.stop = why


def _carry_out(job: Job, order: Any, board: Any) -> tuple[str, Any]:
    """The task: which node did it, and what came of it."""
    import ray

    def tell(notes: Sequence[tuple[str, str]]) -> str:
        try:
            stop: str = ray.get(board.tell.remote(job.id, list(notes)), timeout=LATE)
        except ray.exceptions.RayError:
            return ""
        return stop

    node = ray.get_runtime_context().get_node_id()
    tell([("node", node)])
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "") if job.device == "cuda" else ""
    answer = importlib.import_module(TASK).carry_out(job, order, gpu, tell)
    return node, answer


@dataclass
class Flight:
    """A job that was sent. node: which took it. lost: the node that was lost with it before; "?"
    where that is not known, empty where none was.
    """

    job: Job
    lost: str = ""
    node: str = ""
    host: str = ""
    began: float = 0.0


class Executor:
    """Tasks of a Ray cluster; see `bench.execute.api.Executor`."""

    def __init__(self, options: Options):
        assert options.request is not None
        self.options, self.settings = options, options.request.settings
        self.request = options.request
        self.flying: dict[Any, Flight] = {}
        self.nodes: dict[str, tuple[str, float]] = {}
        self.told = 0.0

    @staticmethod
    def check(settings: Settings) -> None:
        """Raises UsageError where Ray is not installed, and for settings that cannot work."""
        if importlib.util.find_spec("ray") is None:
            raise UsageError("executor=ray needs Ray, which is not installed; type: pip install 'gapbench[ray]'")
        if ":" in settings.device:
            raise UsageError(f'"device" = {settings.device} (from {ORIGIN}): Ray chooses the GPU; give device=cuda')
        for key, value in settings.ray.items():
            option = key.rpartition(".")[2]
            if option not in OPTIONS:
                raise UsageError(f'"ray.{key}" (from {ORIGIN}) is not known; accepted: {", ".join(OPTIONS)}')
            _amount(key, value)

    @staticmethod
    def device(settings: Settings) -> str:
        """The device that keys are made for: the GPUs of a cluster are used where the command says
        so.
        """
        return settings.device if settings.device == "cuda" else "cpu"

    def run(self, jobs: Sequence[Job], setup: Setup, watch: Watch) -> None:
        self.watch, self.setup, self.waiting = watch, setup, Waiting(jobs)
        if not jobs:
            return
        self.order = self._order(setup)
        self.ray, ours = _connected(self.settings.address)
        try:
            self._begin()
            while self.waiting or self.flying:
                self._turn()
        finally:
            for reference in self.flying:
                self.ray.cancel(reference, force=True)
            if ours:
                self.ray.shutdown()  # leaves the cluster, which goes on

    def _order(self, setup: Setup) -> Any:
        planned = Ledger(self.options.out).last(self.request.suite.name)
        assert planned is not None
        return importlib.import_module(TASK).Order(
            words=self.request.words, device=self.device(self.settings), ingredients=planned.ingredients,
            folder=str(Path.cwd()), cache=setup.cache if self.settings.shared or self.settings.cache else "",
        )  # fmt: skip

    def _begin(self) -> None:
        """Say what cluster it is, and make what all tasks need."""
        ray = self.ray
        self.task = ray.remote(_carry_out)
        self.shared = ray.put(self.order)
        self._make_board()
        have = ray.cluster_resources()
        alive = sum(node["Alive"] for node in ray.nodes())
        self.watch.news(
            f"Ray: {alive} node{'s' * (alive != 1)}, {have.get('CPU', 0):g} cores, {have.get('GPU', 0):g} GPUs; job "
            f"{ray.get_runtime_context().get_job_id()}"
        )
        most = {
            name: max((node["Resources"].get(name, 0.0) for node in ray.nodes()), default=0.0) for name in RESOURCES
        }
        for job in self.waiting:
            asks = self._asks(job)
            for name, word in RESOURCES.items():
                if asks.get(word, 0) > most[name]:
                    self.watch.warned(
                        f"{job.label} asks for {asks[word]:g} of {name}, and no node has more than {most[name]:g}: it waits "
                        "until one comes"
                    )
                    return

    def _make_board(self) -> None:
        here = self.ray.get_runtime_context().get_node_id()
        self.board = self.ray.remote(Board).options(num_cpus=0, **self._at(here)).remote()

    def _at(self, node: str) -> dict[str, Any]:
        """The option by which a task is placed on a node, if that is there and has room for it."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node_id=node, soft=True)}

    def _turn(self) -> None:
        ending = self.watch.ending()
        if ending and not self.told:
            self.told = time.monotonic()
            self.board.end.remote(ending)
        if not ending:
            self._hand_out()
        if not self.flying and (ending or not self.waiting.any_ready):
            for job in self.waiting.give_up():
                self._end(Result(job=job, status="not-run", reason=self._why_stopped()))
            return
        flying = list(self.flying)
        if self.ray.wait(flying, num_returns=1, timeout=PAUSE)[0]:
            for reference in self.ray.wait(flying, num_returns=len(flying), timeout=0)[0]:
                self._settle(reference)
        self._hear()
        if self.told and time.monotonic() - self.told > GRACE + LATE:
            for reference in list(self.flying):
                self.ray.cancel(reference, force=True)
                self._not_run(self.flying.pop(reference))
        self.watch.turned()

    def _hand_out(self) -> None:
        """Send jobs: on each kind of slot one more than it has room for, so that none waits for the
        next.
        """
        have = self.ray.cluster_resources()
        slots = {"cuda": int(have.get("GPU", 0)), "cpu": int(have.get("CPU", 0) // self.settings.threads)}
        for kind, number in slots.items():
            most = min(number + 1, self.settings.workers or number + 1)
            while sum(flight.job.device == kind for flight in self.flying.values()) < most:
                job = self.waiting.take(kind, self.watch.fits)
                if job is None:
                    break
                self._send(Flight(job))

    def _send(self, flight: Flight) -> None:
        job = flight.job
        place: dict[str, Any] = {}
        if flight.lost:
            others = [node["NodeID"] for node in self.ray.nodes() if node["Alive"] and node["NodeID"] != flight.lost]
            place = self._at(others[0]) if others else {}
        elif not self.order.cache and (node := self._made_at(job)):
            place = self._at(node)
        task = self.task.options(max_retries=0, name=job.label, **self._asks(job), **place)
        flight.began = time.monotonic()
        self.flying[task.remote(job, self.shared, self.board)] = flight

    def _made_at(self, job: Job) -> str:
        """The node whose own cache holds what a job needs, where making that again elsewhere would
        take longer than the job itself.
        """
        needs = [self.nodes[need] for need in job.needs if need in self.nodes]
        node, seconds = max(needs, key=lambda need: need[1], default=("", 0.0))
        return node if seconds > self.watch.estimate(job) else ""

    def _asks(self, job: Job) -> dict[str, Any]:
        """What a task asks for: the options for all, above them those of its device and of its
        component. A job of the CPU asks for no GPU.
        """
        component = BY_NAME[job.stage].variant(job.cell).name
        amounts: dict[str, float] = {"cpus": float(self.settings.threads), "gpus": 1.0}
        for group in ("", job.device, component):
            for key, value in self.settings.ray.items():
                head, _, option = key.rpartition(".")
                if head == group:
                    amounts[option] = _amount(key, value)
        asks: dict[str, Any] = {"num_cpus": amounts["cpus"]}
        if job.device == "cuda":
            asks["num_gpus"] = amounts["gpus"]
        if "memory" in amounts:
            asks["memory"] = int(amounts["memory"])
        return asks

    def _settle(self, reference: Any) -> None:
        """Pass on what came of a task."""
        errors = self.ray.exceptions
        flight = self.flying.pop(reference)
        try:
            node, answer = self.ray.get(reference)
        except errors.RayTaskError as error:
            raise Aborted(
                f"a node of the Ray cluster cannot do a job: {_last_line(error)}", StorageError.exit_code
            ) from None
        except errors.TaskCancelledError:
            return self._not_run(flight)
        except errors.RayError as error:
            return self._lost(flight, error)
        if answer.result is None:
            raise Aborted(answer.reason, answer.exit_code)
        self.nodes[flight.job.id] = node, answer.result.seconds
        if answer.errors:
            path = self.setup.store.open(artifacts.imputation(flight.job.cell.keys["impute"], "errors.npz"))
            if not path.is_file():
                write_bytes(path, answer.errors)
        result = answer.result
        if result.status == "not-run" and not self.told:
            result = msgspec.structs.replace(result, reason=BUDGET)
        if flight.lost:
            where = {**result.surroundings, "done again": "the machine that had it was lost"}
            result = msgspec.structs.replace(result, surroundings=where)
        self._end(result)

    def _lost(self, flight: Flight, error: Exception) -> None:
        """A machine, or Ray's process on it, is gone: once more elsewhere."""
        if self.told:
            return self._not_run(flight)
        out_of_memory = isinstance(error, self.ray.exceptions.OutOfMemoryError)
        where = flight.host or "its machine"
        if not flight.lost:
            self.watch.news(f"{flight.job.label}: {where} was lost ({type(error).__name__}); once again elsewhere")
            return self._send(Flight(flight.job, lost=flight.node or "?"))
        status: Status = "oom" if out_of_memory else "failed"
        reason = f"its machine was lost twice while it ran ({type(error).__name__})"
        self._end(Result(job=flight.job, status=status, reason=reason, seconds=time.monotonic() - flight.began))

    def _not_run(self, flight: Flight) -> None:
        self._end(Result(job=flight.job, status="not-run", reason=self._why_stopped()))

    def _why_stopped(self) -> str:
        return self.watch.ending() or BUDGET

    def _hear(self) -> None:
        """Pass on what tasks say while they run."""
        flights = {flight.job.id: flight for flight in self.flying.values()}
        try:
            notes = self.ray.get(self.board.take.remote(), timeout=LATE)
        except self.ray.exceptions.RayError:
            return self._make_board()
        for job, kind, text in notes:
            flight = flights.get(job)
            if kind == "warning":
                self.watch.warned(text)
            elif flight and kind == "node":
                flight.node = text
            elif flight and kind == "started":
                flight.host = text
                self.watch.started(flight.job)
            elif flight:
                self.watch.progress(flight.job, text)

    def _end(self, result: Result) -> None:
        for each in self.waiting.settle(result):
            self.watch.finished(each)


def _amount(key: str, value: str) -> float:
    """What `ray.key=value` asks for: bytes of memory, or a number. Raises UsageError."""
    if key.rpartition(".")[2] == "memory":
        return float(size(value, f"ray.{key}"))
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 < number < 1e6:
        raise UsageError(f'"ray.{key}" = {value} (from {ORIGIN}) is not accepted: a number above 0')
    return number


def _connected(address: str) -> tuple[Any, bool]:
    """Ray, connected to a cluster, and whether it was connected here. Raises UsageError where none
    answers.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if ray.is_initialized():
        return ray, False
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if host and port.isdecimal():  # towards a head that is not there Ray waits for minutes
            socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError, AssertionError) as error:
        raise UsageError(
            f"no Ray cluster can be used at address={address} (from {ORIGIN}): {_last_line(error)}; begin one with: ray start "
            "--head, or name another: address=HOST:6379; address=local begins one for this run alone"
        ) from None
    return ray, True


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
