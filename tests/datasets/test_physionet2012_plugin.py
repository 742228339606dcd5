"""What the datasets plugin declares, and that declaring it is light."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.cohort import Task
from bench.components import Dataset
from bench.errors import UsageError
from bench.metrics.own import OWN
from bench.registry import Registry, Spec
from bench_datasets import plugin
from bench_datasets.physionet2012 import table as physionet2012_table
from bench_datasets.physionet2012.params import Physionet2012Params


@pytest.fixture
def spec() -> Spec:
    registry = Registry()
    registry.register_plugin("gapbench:datasets", plugin)
    assert registry.broken == []
    return registry.get("dataset", "physionet2012")


def test_every_path_that_is_declared_can_be_loaded(spec: Spec) -> None:
    assert isinstance(spec.build(), Dataset)
    assert callable(spec.load(spec.files))
    assert callable(spec.load(spec.fetch))


def test_the_declared_modalities_are_those_of_the_table(spec: Spec) -> None:
    assert spec.modalities == physionet2012_table.MODALITIES


def test_both_tasks_are_binary_with_known_metrics(spec: Spec) -> None:
    assert list(spec.tasks) == ["ihm", "los"]
    for task in spec.tasks.values():
        assert isinstance(task, Task)
        assert (task.kind, task.outputs, task.primary) == ("binary", 1, "auroc")
        assert set(task.metrics) <= OWN.keys()


def test_a_set_that_does_not_exist_is_a_usage_error(spec: Spec) -> None:
    with pytest.raises(UsageError, match="sets"):
        spec.parameters({"sets": ["d"]})
    assert spec.parameters({"sets": ["b"]}) == Physionet2012Params(sets=("b",))


def test_neither_declaring_nor_finding_files_imports_pandas_or_torch() -> None:
    code = (
        "import sys, bench_datasets.plugin, bench_datasets.physionet2012.files, bench_datasets.physionet2012.fetch;"
        "sys.exit(bool({'pandas', 'torch', 'scipy', 'sklearn'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
