"""Each cell of a worker finds the modules of its component as Python loads them; what cannot be
loaded twice stays.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.errors import PluginError
from bench.execute.renew import Renewal
from bench.registry import Registry, Spec

MODULES = {
    "__init__.py": "",
    "light.py": "class Params: pass\n",
    "helper.py": "memory = {}\n",
    "method.py": (
        "from renewed import helper\nfrom renewed.light import Params\nfrom renewed.sub import deep\n"
        "class Method:\n    params = Params\n    memory = helper.memory\n    deep = deep.memory\n"
    ),
    "sub/__init__.py": "",
    "sub/deep.py": "memory = []\n",
    "single.py": (
        "import sys\nif hasattr(sys, '_renewed_once'):\n    raise RuntimeError('only once')\nsys._renewed_once = True\n"
        "class Method:\n    memory = {}\n"
    ),
}


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Renewal]:
    """A package of a plugin whose light module was loaded at discovery."""
    for name, source in MODULES.items():
        path = tmp_path / "renewed" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    __import__("renewed.light")
    yield Renewal()
    for name in [name for name in sys.modules if name.partition(".")[0] == "renewed"]:
        del sys.modules[name]
    if hasattr(sys, "_renewed_once"):
        del sys._renewed_once


def spec(module: str) -> Spec:
    registry = Registry()
    registry.imputer("it", f"{module}:Method")
    return registry.get("imputer", "it")


def test_modules_of_the_package_are_new_and_light_ones_are_those_of_discovery(loaded: Renewal) -> None:
    loaded.load(spec("renewed.method"))
    first = spec("renewed.method").load()
    first.memory["seen"] = True
    first.deep.append(1)
    loaded.load(spec("renewed.method"))
    second = spec("renewed.method").load()
    assert second is not first
    assert (second.memory, second.deep) == ({}, [])
    assert second.params is first.params


def test_other_packages_and_those_of_bench_stay(loaded: Renewal) -> None:
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] != "renewed"}
    loaded.load(spec("renewed.method"))
    assert {name: sys.modules[name] for name in before} == before


def test_a_module_that_can_be_loaded_only_once_stays(loaded: Renewal) -> None:
    loaded.load(spec("renewed.single"))
    first = spec("renewed.single").load()
    loaded.load(spec("renewed.single"))
    assert spec("renewed.single").load() is first
    assert sys.modules["renewed"].single is sys.modules["renewed.single"]


def test_one_that_cannot_be_loaded_at_all_is_an_error(loaded: Renewal) -> None:
    for _ in range(2):
        with pytest.raises(PluginError, match="cannot be loaded"):
            loaded.load(spec("renewed.nowhere"))
