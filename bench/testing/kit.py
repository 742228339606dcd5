"""Run the conformance checks of a component: as a function, and as a pytest parametrisation."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.discovery.declared import looked_into
from bench.discovery.metric import MetricSpec
from bench.errors import BenchError, PluginError, UsageError, unknown
from bench.registry import Registry, Spec, discover
from bench.testing import common, completions, datasets, federations, fusers, imputers, metrics, scenarios  # noqa: F401  they declare their checks
from bench.testing.checks import CHECKS, Check, Checked
from bench.testing.report import Outcome, Report, Status
from bench.testing.subject import Subject
from bench.testing.words import NotReached, Skip, Violation

if TYPE_CHECKING:
    import pytest


def check(
    component: Spec | MetricSpec | str,
    registry: Registry | None = None,
    only: Iterable[str] | None = None,
    data_root: Path | None = None,
    kind: str | None = None,
) -> Report:
    """Check that a component keeps its contract.

    - component: a spec, or a name looked up in `registry` (default: every installed plugin).
    - only: names of checks; those they build on (constructing, fitting) run as well.
    - data_root: the folder with a dataset's files; without it, checks of a dataset that needs files
      are skipped.
    - kind: needed when components of several kinds share the name.

    Raises UsageError for an unknown component or check, PluginError when `expected_failures` names
    an unknown check.
    """
    spec = _spec(component, registry, kind)
    checks = _checks(spec)
    if only is not None:
        wanted = list(only)
        for name in wanted:
            if name not in checks:
                raise unknown("check", name, checks, f"checks of the {spec.kind} {spec.name}")
        checks = {name: c for name, c in checks.items() if c.first or name in wanted}
    subject = _subject(spec, data_root)
    outcomes = tuple(run_check(c, subject) for c in checks.values())
    return Report(spec.kind, spec.name, spec.plugin, outcomes)


def checks_of(kind: Checked) -> dict[str, Check]:
    """The checks of a kind of component, by name, in the order they run."""
    return CHECKS[kind]


Component = Spec | MetricSpec


def _subject(spec: Component, data_root: Path | None) -> Subject | metrics.MetricSubject:
    if isinstance(spec, MetricSpec):
        return metrics.MetricSubject(spec)
    if spec.contents and data_root:
        spec = looked_into(spec, Path(data_root), spec.parameters(dict(spec.test_params)))
    return Subject(spec, data_root)


def run_check(check: Check, subject: Subject | metrics.MetricSubject) -> Outcome:
    """One check on one component; nothing the component does is raised."""
    began = time.perf_counter()
    status: Status = "passed"
    detail = needed = ""
    try:
        check.run(subject)
    except Skip as skipped:
        status, detail = "skipped", str(skipped)
        needed = skipped.needed if isinstance(skipped, NotReached) else ""
    except Violation as broken:
        status, detail = "failed", str(broken)
    except Exception as error:
        status, detail = "failed", _in_one_line(error)
    reason = subject.spec.expected_failures.get(check.name)
    if reason is not None and status == "failed":
        status, detail = "expected", reason
    elif reason is not None and status == "passed":
        status = "failed"
        detail = f'passes unexpectedly: take it out of expected_failures (the reason given there was "{reason}")'
    return Outcome(check.name, status, check.promise, detail, time.perf_counter() - began, needed)


def parametrize(
    *components: Spec | MetricSpec | str, registry: Registry | None = None, data_root: Path | None = None
) -> Callable[[Callable[..., Any]], pytest.MarkDecorator]:
    """A pytest decorator: one test per component and check.

        @bench.testing.parametrize("mymean", "mycentroid")
        def test_contract(check):
            check()

    components: names (of any kind) or specs; names are looked up in `registry` (default: every
    installed plugin). The test is skipped with the reason where a check does not apply, and an
    expected failure is reported as such. A check that cannot start because the component fails
    earlier fails too, since it may be the only one selected, unless that earlier failure is
    expected.
    """
    import pytest

    if registry is None and not all(isinstance(component, Component) for component in components):
        registry = discover()
    cases = []
    for component in components:
        specs = (
            [component] if isinstance(component, Component) else (registry or Registry()).find(component, "parametrize")
        )
        for spec in specs:
            subject = _subject(spec, data_root)
            for declared in _checks(spec).values():
                cases.append(pytest.param(_Case(declared, subject), id=f"{spec.kind}-{spec.name}-{declared.name}"))
    return pytest.mark.parametrize("check", cases)


class _Case:
    """A check bound to its component; calling it runs it inside a pytest test."""

    def __init__(self, check: Check, subject: Subject | metrics.MetricSubject):
        self.check, self.subject = check, subject

    def __call__(self) -> None:
        import pytest

        outcome = run_check(self.check, self.subject)
        if outcome.status == "failed":
            pytest.fail(f"{outcome.detail}\npromised: {outcome.promise}", pytrace=False)
        if outcome.status == "expected":
            pytest.xfail(outcome.detail)
        if outcome.needed and outcome.needed not in self.subject.spec.expected_failures:
            pytest.fail(outcome.detail, pytrace=False)
        if outcome.status == "skipped":
            pytest.skip(outcome.detail)


def _spec(component: Component | str, registry: Registry | None, kind: str | None) -> Component:
    if isinstance(component, Component):
        return component
    registry = registry or discover()
    if kind is not None:
        if kind not in CHECKS:
            raise unknown("kind", kind, CHECKS, "check")
        return registry.get(kind, component, "check")
    specs = registry.find(component, "check")
    if len(specs) > 1:
        kinds = " and ".join(f"{spec.kind}s" for spec in specs)
        raise UsageError(f'"{component}" is the name of {kinds}; give one: kind="{specs[0].kind}"')
    return specs[0]


def _checks(spec: Component) -> dict[str, Check]:
    checks = checks_of(spec.kind)
    for name in spec.expected_failures:
        if name not in checks:
            error = unknown("check", name, checks, f"expected_failures of {spec.kind} {spec.name}, {spec.plugin}")
            raise PluginError(str(error))
    return checks


def _in_one_line(error: Exception) -> str:
    """An error in one line: the innermost place outside the harness's kit and its message."""
    if isinstance(error, BenchError):
        return f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    kit = str(Path(__file__).parent)
    places = [frame for frame in frames if not frame.filename.startswith(kit)]
    where = f" ({Path(places[-1].filename).name}, line {places[-1].lineno}, in {places[-1].name})" if places else ""
    return f"{type(error).__name__}: {error}{where}"
