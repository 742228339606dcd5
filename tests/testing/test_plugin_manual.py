"""The pages on plugins cannot fall behind: their headings are the live signatures, their lists are
complete, their examples run.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import pytest

import bench
from bench.components import Dataset, Fuser, Imputer, Scenario
from bench.discovery.spec import TAGS
from bench.federation import Federation
from bench.registry import Hooks, Registry, Spec
from bench.testing import check, checks_of
from support.pages import page

MANUAL = page("how-to/write-a-plugin.md") + page("reference/plugin-contract.md")
HEADINGS = set(re.findall(r"^### (.*)$", MANUAL, re.MULTILINE))


def _signature(prefix: str, function: object) -> str:
    """How a method is called, as the manual writes it: without `self`, annotations as in the
    source.
    """
    signature = inspect.signature(function)  # type: ignore[arg-type]
    parameters = [p for p in signature.parameters.values() if p.name != "self"]
    told = str(signature.replace(parameters=parameters))
    return prefix + re.sub(r"(: |-> )'([^']*)'", r"\1\2", told).replace("= 'the caller'", '= "the caller"')


def _public(owner: type) -> list[str]:
    return [name for name, member in vars(owner).items() if inspect.isfunction(member) and not name.startswith("_")]


@pytest.mark.parametrize("hook", _public(Hooks))
def test_every_hook_has_a_heading_that_is_its_signature(hook: str) -> None:
    assert _signature(hook, getattr(Hooks, hook)) in HEADINGS


@pytest.mark.parametrize("method", _public(Registry))
def test_every_registry_method_has_a_heading_that_is_its_signature(method: str) -> None:
    assert _signature(f"registry.{method}", getattr(Registry, method)) in HEADINGS


@pytest.mark.parametrize(
    ("owner", "method"),
    [(owner, name) for owner in (Dataset, Scenario, Imputer, Fuser, Federation) for name in _public(owner)],
)
def test_every_method_of_a_component_has_a_heading_that_is_its_signature(owner: type, method: str) -> None:
    assert _signature(f"{owner.__name__}.{method}", getattr(owner, method)) in HEADINGS


def test_every_tag_stands_in_the_manual_with_its_meaning() -> None:
    assert [
        f"| `{tag}` | {meaning} |" for tag, meaning in TAGS.items() if f"| `{tag}` | {meaning} |" not in MANUAL
    ] == []


def test_everything_that_can_be_declared_stands_in_the_manual() -> None:
    given = {"kind", "name", "path", "plugin", "tasks", "modalities"}
    assert [f.name for f in fields(Spec) if f.name not in given and f"`{f.name}`" not in MANUAL] == []


def test_the_contract_version_is_the_one_in_force() -> None:
    assert f"it is {bench.CONTRACT}. A plugin for another version" in MANUAL
    assert set(re.findall(r"^bench_contract = (\d+)$", MANUAL, re.MULTILINE)) == {str(bench.CONTRACT)}


def _files(text: str) -> dict[str, str]:
    """The fenced examples of a page that begin with the name of a file."""
    blocks = re.findall(r"^```(?:python|toml)\n# (\S+\.\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return dict(blocks)


def _tree(text: str) -> set[str]:
    """The files of the package that a page shows."""
    block = re.search(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert block
    return {line.split()[0] for line in block[1].splitlines()}


@contextmanager
def _typed(files: Mapping[str, str], folder: Path, module: str) -> Iterator[Registry]:
    """A registry with the plugin of a package that was typed into a folder."""
    for name, code in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(code)
    registry = Registry()
    try:
        registry.register_plugin(module, importlib.import_module(module))
        assert not registry.broken
        yield registry
    finally:
        for name in [m for m in sys.modules if m.partition(".")[0] == module.partition(".")[0]]:
            del sys.modules[name]


def test_the_complete_example_registers_and_keeps_the_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = _files(page("how-to/write-a-plugin.md"))
    tree = dict.fromkeys(_tree(page("how-to/write-a-plugin.md")), "")  # what has no example is empty
    assert files.keys() <= tree.keys()
    monkeypatch.syspath_prepend(str(tmp_path))
    entry = tomllib.loads(files["pyproject.toml"])["project"]["entry-points"]["bench"]["midpoint"]
    with _typed(tree | files, tmp_path, entry) as registry:
        report = check("midpoint", registry)
        assert report.ok, report.to_text()
        assert registry.get("imputer", "midpoint").build({"pull": 1}).params.pull == 1.0


def test_the_example_of_a_metric_registers_and_keeps_the_contract(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = page("how-to/add-a-metric.md")
    assert "an empty `mypackage/__init__.py`" in text
    monkeypatch.syspath_prepend(str(tmp_path))
    with _typed({"mypackage/__init__.py": "", **_files(text)}, tmp_path, "mypackage.plugin") as registry:
        report = check("patient_accuracy", registry)
        assert report.ok, report.to_text()


def test_the_three_line_test_of_the_manual_is_the_one_that_the_example_package_uses() -> None:
    package = Path(__file__).parents[1] / "third_party" / "gapbench-example" / "tests" / "test_contract.py"
    typed = package.read_text().replace("from collections.abc import Callable\n", "")
    bare = typed.replace("check: Callable[[], None]) -> None", "check)")
    bare = bare.replace('"decay", "centroid", "evenly"', '"midpoint"')
    assert ast.dump(ast.parse(bare)) == ast.dump(ast.parse(_files(MANUAL)["tests/test_contract.py"]))


def test_the_example_of_an_expected_failure_is_accepted() -> None:
    snippet = re.search(r"^```python\n(registry\.imputer.*?)^```$", MANUAL, re.MULTILINE | re.DOTALL)
    assert snippet
    registry = Registry()
    exec(snippet[1], {"registry": registry})
    assert set(registry.get("imputer", "trend").expected_failures) <= set(checks_of("imputer"))
