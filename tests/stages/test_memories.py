"""What remembers a call cannot answer its audit from memory, wherever the memory lives; what
only looks like it passes.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench.cohort import Cohort
from bench.components import Context, Fuser, Interrupted
from bench.registry import Registry, Spec
from bench.results.records import Audit
from bench.stages import twin as twins
from bench.stages.audits import ALONE, batch_independent
from bench.stages.imputer_audits import ImputerAudits
from bench.stages.twin import Twin
from bench.testing.subject import completed
from bench.testing.toy import TOY_TASK, toy_cohort
from bench_toy.memories import Copies, Recalls, Remembers
from bench_toy.plugin import PLACES, CopyParams, MemoryParams
from support.project import Project, project_in

COHORT = toy_cohort(n=60, length=4).without_targets()
FILLED = completed(COHORT)
HONEST = ("mutex", "constants")
ONE = ("imputer=mean", "fuser=waits", "seed=1")


def spec_of(kind: str, path: str, **declared: Any) -> Spec:
    registry = Registry()
    getattr(registry, kind)("it", path, **declared)
    return registry.get(kind, "it")


IMPUTER = spec_of("imputer", "bench_toy.memories:Remembers", params=MemoryParams)
FUSER = spec_of("fuser", "bench_toy.memories:Recalls", params=MemoryParams)


def audited(where: str, once: bool = False) -> str:
    """What the audit of an imputer finds."""
    imputer = Remembers(MemoryParams(where=where, once=once))
    imputer.fit(COHORT, COHORT, Context())
    with Twin(imputer, IMPUTER, Context()) as twin:
        stage = imputer.impute(COHORT, 1, Context())
        return ImputerAudits(twin, IMPUTER, COHORT, stage, Context()).run(key=where).independent


def fuser_audited(fuser: Fuser, key: str = "", test: Cohort = FILLED, **asked: Any) -> Audit:
    fuser.fit(test, test, TOY_TASK, Context())
    with Twin(fuser, FUSER, Context()) as twin:
        outputs = fuser.predict(test, Context())
        return batch_independent(twin, test, outputs, Context(), key=key, **asked)


@pytest.fixture
def no_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, and on other systems than Linux."""
    monkeypatch.setattr(twins, "FORKS", False)


@pytest.fixture(autouse=True)
def forget() -> None:
    """Memory of tests before is not the point here: a worker has none of cells before."""
    for memory in (
        vars(sys.modules["bench_toy.memories"])["MODULE"],
        Remembers.SEEN,
        np.__dict__.get("remembered", {}),
    ):
        memory.clear()
    sys.modules["bench_toy.memories"].CLOSURE().clear()
    sys.modules["bench_toy.memories"].cached.cache_clear()


# In one process


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("where", PLACES)
def test_a_memory_is_found_wherever_it_lives(where: str, once: bool) -> None:
    assert "differ by up to" in audited(where, once)
    assert "differ by up to" in fuser_audited(Recalls(MemoryParams(where=where, once=once))).detail


@pytest.mark.parametrize("where", HONEST)
def test_locks_and_constants_are_no_memory(where: str) -> None:
    assert audited(where) == ""
    assert fuser_audited(Recalls(MemoryParams(where=where))).passed is True


@pytest.mark.parametrize("where", [place for place in PLACES if place != "locked"])
def test_it_is_found_in_a_fresh_process_too(where: str, no_fork: None) -> None:
    assert "differ by up to" in audited(where)
    assert "differ by up to" in fuser_audited(Recalls(MemoryParams(where=where))).detail


def test_an_imputer_that_cannot_be_pickled_is_rebuilt_from_its_state(no_fork: None) -> None:
    assert audited("mutex") == ""
    assert "differ by up to" in audited("locked")


@pytest.mark.parametrize("where", ["mutex", "locked"])
def test_where_no_twin_can_be_made_the_audit_does_not_pass_and_says_what_to_do(where: str, no_fork: None) -> None:
    found = fuser_audited(Recalls(MemoryParams(where=where)))
    assert found.passed is False
    assert "no copy of it could be made" in found.detail
    assert "__getstate__" in found.detail


def test_where_the_system_refuses_another_process_by_fork_a_fresh_one_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise BlockingIOError("no more processes")

    with monkeypatch.context() as patch:
        patch.setattr("os.fork", refused)
        fuser = Recalls(MemoryParams(where="constants"))
        fuser.fit(FILLED, FILLED, TOY_TASK, Context())
        twin = Twin(fuser, FUSER, Context())
    with twin:
        assert batch_independent(twin, FILLED, fuser.predict(FILLED, Context()), Context()).passed is True


class Threads(Recalls):
    """Works in no process but the one that fitted it and fresh ones, as libraries with threads
    of their own do.
    """

    def fit(self, train: Cohort, valid: Cohort, task: Any, context: Context) -> None:
        super().fit(train, valid, task, context)
        self.home = threading.get_native_id()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, home=None)

    def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
        if self.home not in (None, threading.get_native_id()):
            self.refuse()
        return super().predict(cohort, context)

    def refuse(self) -> None:
        raise RuntimeError("not after fork")


class Hangs(Threads):
    def refuse(self) -> None:
        threading.Event().wait()


class Dies(Threads):
    def refuse(self) -> None:
        sys.modules["os"]._exit(1)


@pytest.mark.parametrize("kind", [Threads, Hangs, Dies])
def test_what_does_not_work_after_a_fork_is_asked_in_a_fresh_process(
    kind: type[Threads], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twins, "PATIENCE", 1.0)
    assert fuser_audited(kind(MemoryParams(where="constants"))).passed is True
    assert "differ by up to" in fuser_audited(kind(MemoryParams(where="module"))).detail


def test_a_model_of_torch_that_used_all_its_threads_is_asked_after_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenMP of the child would wait for the threads of the parent."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(2)

    class Net(Recalls):
        def fit(self, train: Cohort, valid: Cohort, task: Any, context: Context) -> None:
            super().fit(train, valid, task, context)
            self.layer = torch.nn.Linear(512, 512)
            self.lock = threading.Lock()  # so that nothing but a fork can be asked
            self.layer(torch.randn(4096, 512)).sum().backward()

        def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
            with torch.no_grad():
                self.layer(torch.ones(4096, 512))
            return super().predict(cohort, context)

    try:
        assert fuser_audited(Net(MemoryParams(where="mutex"))).passed is True
    finally:
        torch.set_num_threads(before)


def test_a_twin_leaves_no_process_no_open_file_and_no_word(capfd: pytest.CaptureFixture[str]) -> None:
    class Prints(Recalls):
        def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
            print("out", flush=True)
            return super().predict(cohort, context)

    def held() -> tuple[set[str], int]:
        return set(map(str, Path("/proc/self/fd").iterdir())), len(list(Path("/proc/self/task").iterdir()))

    fuser_audited(Prints(MemoryParams(where="mutex")))
    before = held()
    capfd.readouterr()
    fuser_audited(Prints(MemoryParams(where="mutex")))
    assert held() == before
    assert capfd.readouterr().out == "out\n"
    with Twin(Recalls(MemoryParams()), FUSER, Context()) as twin:
        assert twin._connection is not None
        twin._connection.close()
    assert held() == before


def test_to_be_stopped_and_to_lack_memory_are_said_as_such() -> None:
    class Raises(Recalls):
        def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
            raise self.error

    for error in (Interrupted, MemoryError):
        fuser = Raises(MemoryParams(where="mutex"))
        fuser.error = error  # type: ignore[attr-defined]
        with Twin(fuser, FUSER, Context()) as twin, pytest.raises(error):
            twin.ask(FILLED)


def test_a_twin_asks_whether_to_stop_and_reports_nothing() -> None:
    said: list[str] = []
    context = Context(should_stop=lambda: True, report=said.append)

    class Asks(Recalls):
        def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
            context.report("here")
            if context.should_stop():
                raise Interrupted
            return np.zeros((len(cohort), 1), np.float32)

    with Twin(Asks(MemoryParams(where="mutex")), FUSER, context) as twin, pytest.raises(Interrupted):
        twin.ask(FILLED)
    assert said == []


# How many records


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1, 0.3])
def test_a_neighbours_row_is_found_as_often_as_the_share_of_records_says(share: float) -> None:
    """Of n records asked again, 1 - (1 - share)^n of the samples hold an affected one."""
    n, tries = 20, 40
    test = completed(toy_cohort(n=400, length=2).without_targets())
    fuser = Copies(CopyParams(share=share))
    fuser.fit(test, test, TOY_TASK, Context())
    outputs = fuser.predict(test, Context())
    affected = (outputs != super(Copies, fuser).predict(test, Context())).any(axis=1).mean()
    direct = SimpleNamespace(ask=lambda part: (fuser.predict(part, Context()), ""), seconds=0.0)
    pace = {"seconds": 400 / n, "limit": 2.0}  # as many in company as fit into half of the limit, and no more calls
    found = [
        batch_independent(direct, test, outputs, Context(), key=str(i), **pace).passed is False for i in range(tries)
    ]
    expected = 1 - (1 - affected) ** n
    assert np.mean(found) >= expected - 3 * np.sqrt(expected * (1 - expected) / tries) - 0.02


def test_all_of_a_few_records_are_asked_again_in_other_company() -> None:
    seen: list[np.ndarray] = []

    def ask(part: Cohort) -> tuple[np.ndarray, str]:
        seen.append(part.ids)
        return np.zeros((len(part), 1), np.float32), ""

    for n in range(1, 80):
        seen.clear()
        test = FILLED.take(np.arange(n)) if n <= len(FILLED) else completed(toy_cohort(n=n, length=2))
        found = batch_independent(SimpleNamespace(ask=ask), test, np.zeros((n, 1), np.float32), Context(), key=str(n))
        assert found.passed is True
        company = [ids for ids in seen if len(ids) > 1]
        assert {*np.concatenate(company or [np.array([])]).tolist()} >= {*test.ids.tolist()} or n < 4
        assert len(seen[0]) == 1
        assert all(len(set(ids.tolist())) == len(ids) for ids in seen)
        assert sum(len(ids) == 1 for ids in seen) <= ALONE + 1


# In a run and in `bench check`


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, toy_plugin: str) -> Project:
    """Every place and both honest ones, each in two variants, so that the second cell of a
    worker finds what the first left.
    """
    project = project_in(tmp_path_factory.mktemp("memories"), toy_plugin)
    places = ",".join([*(place for place in PLACES if place != "library"), *HONEST])
    words = [
        f"{kind}.{name}.{key}"
        for kind, name in (("imputer", "remembers"), ("fuser", "recalls"))
        for key in (f"where={places}", "variant=1,2", "once=true")
    ]
    each = ("run", project.suite, "seed=1", "workers=1")
    project.bench(*each, "imputer=remembers", "fuser=waits", *words[:3], code=7)
    project.bench(*each, "imputer=mean", "fuser=recalls", *words[3:], "out=two", code=7)
    return project


@pytest.mark.parametrize(
    ("kind", "name", "audit", "out"),
    [("imputer", "remembers", "imputer-independent", "results"), ("fuser", "recalls", "batch-independent", "two")],
)
def test_a_run_finds_every_memory_in_every_cell_and_accuses_nobody_else(
    run: Project, kind: str, name: str, audit: str, out: str
) -> None:
    records = [
        json.loads(path.read_bytes())["record"] for path in sorted(run.folder.glob(f"{out}/ledger/cells/*/*.json"))
    ]
    assert len(records) == 2 * (len(PLACES) - 1 + len(HONEST))
    for record in records:
        label = record["coordinates"][kind]
        assert record["audits"][audit]["passed"] is any(honest in label for honest in HONEST), label


@pytest.mark.parametrize("where", [*PLACES, *HONEST])
@pytest.mark.parametrize(
    ("kind", "name", "check"),
    [("imputer", "remembers", "imputer_independent"), ("fuser", "recalls", "batch_independent")],
)
def test_bench_check_says_the_same(project: Project, kind: str, name: str, check: str, where: str) -> None:
    code = 0 if where in HONEST else 7
    done = project.bench("check", name, f"{kind}.{name}.where={where}", "--only", check, code=code)
    line = next(line for line in done.stdout.splitlines() if line.split()[:1] == [check])
    assert ("FAILED" in line) == (where not in HONEST)


def test_a_neighbours_row_in_some_places_is_found_by_a_run_and_by_bench_check(project: Project) -> None:
    done = project.bench("run", project.suite, "seed=1", "imputer=mean", "fuser=copies", code=7)
    assert "audit failed: copies: batch-independent" in done.stderr
    done = project.bench("check", "copies", "--only", "batch_independent", code=7)
    assert "FAILED" in done.stdout
