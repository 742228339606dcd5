"""A Ray cluster in this process: a task runs, from its first line to its end, when it is waited
for.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

from bench.run import node
from support import inline


class RayError(Exception):
    """As those of Ray, by name."""


class NodeDiedError(RayError):
    pass


class OutOfMemoryError(RayError):
    pass


class TaskCancelledError(RayError):
    pass


class RayTaskError(RayError):
    pass


class WarmInline(inline.Inline):
    """Does the jobs of a node here."""

    registry = inline.installed()
    serve = inline.Inline.run

    def close(self) -> None:
        pass


class Reference:
    """A task that was sent, and what came of it."""

    def __init__(self, run: Callable[[], Any]):
        self.run, self.done, self.content, self.cancelled = run, False, None, False


@dataclass
class FakeRay:
    """nodes: name -> number of cores. meets: called with a node, the label of a task and how often
    it was sent; may raise one of the errors above. placed: (label, node) of each task.
    """

    cores: dict[str, int] = field(default_factory=lambda: {"a": 1, "b": 1})
    gpus: int = 0
    memory: float = 1e9
    meets: Callable[[str, str, int], None] = lambda node, label, times: None
    placed: list[tuple[str, str]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    here: str = ""
    most: int = 0

    @contextlib.contextmanager
    def open(self) -> Iterator[FakeRay]:
        """In the place of the library."""
        ray = ModuleType("ray")
        ray.__spec__ = ModuleSpec("ray", None)
        strategies = SimpleNamespace(NodeAffinitySchedulingStrategy=lambda node_id, soft: node_id)
        errors = {
            each.__name__: each
            for each in (RayError, NodeDiedError, OutOfMemoryError, TaskCancelledError, RayTaskError)
        }
        vars(ray).update(
            is_initialized=lambda: True, put=lambda value: value, remote=self.remote, wait=self.wait, get=self.get,
            cancel=lambda reference, force: setattr(reference, "cancelled", True), nodes=self.nodes,
            cluster_resources=lambda: {"CPU": sum(self.cores.values()), "GPU": self.gpus},
            get_runtime_context=lambda: SimpleNamespace(get_node_id=lambda: self.here, get_job_id=lambda: "01"),
            exceptions=SimpleNamespace(**errors),
        )  # fmt: skip
        modules = {"ray": ray, "ray.util": SimpleNamespace(), "ray.util.scheduling_strategies": strategies}
        with (
            mock.patch.dict(sys.modules, modules),
            mock.patch.multiple(node, Executor=WarmInline, discover=inline.installed, _here=None),
        ):
            yield self

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {"NodeID": name, "Alive": True, "Resources": {"CPU": cores, "GPU": self.gpus, "memory": self.memory}}
            for name, cores in self.cores.items()
        ]

    def remote(self, what: Any) -> Any:
        """A task or an actor, with its options."""
        if isinstance(what, type):
            return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=lambda: _Actor(what())))
        return SimpleNamespace(
            options=lambda **options: SimpleNamespace(remote=lambda *words: self._send(what, options, words))
        )

    def _send(self, task: Callable[..., Any], options: dict[str, Any], words: tuple[Any, ...]) -> Reference:
        self.asked.append(options)
        label = options["name"]

        def run() -> Any:
            self.here = options.get("scheduling_strategy") or [*self.cores][len(self.placed) % len(self.cores)]
            self.placed.append((label, self.here))
            self.meets(self.here, label, sum(name == label for name, _ in self.placed))
            inline.fresh()
            return task(*words)

        return Reference(run)

    def wait(
        self, references: list[Reference], num_returns: int, timeout: float
    ) -> tuple[list[Reference], list[Reference]]:
        self.most = max(self.most, len(references))
        if timeout and not any(reference.done for reference in references):
            first = references[0]
            try:
                first.content = first.run()
            except Exception as error:  # Ray brings it to who asks
                first.content = (
                    error if isinstance(error, RayError) else RayTaskError(f"{type(error).__name__}: {error}")
                )
            first.done = True
        done = [reference for reference in references if reference.done][:num_returns]
        return done, [reference for reference in references if reference not in done]

    @staticmethod
    def get(reference: Any, timeout: float = 0) -> Any:
        if not isinstance(reference, Reference):
            return reference
        if isinstance(reference.content, Exception):
            raise reference.content
        return reference.content


class _Actor:
    def __init__(self, content: Any):
        self.content = content

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=getattr(self.content, name))
