"""Identities: the hash of a component's sources, the versions of its libraries, canonical
digests.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import subprocess
import sys

import numpy
import pytest

from bench.data import places
from bench.grid import code, identity
from bench.grid.identity import component, digest, library_version, sources
from bench.registry import Spec

MODULES = {
    "__init__": "",
    "method": "import os\nimport numpy as np\nfrom sampled.helper import help_me\nfrom .relative import near\n",
    "helper": "def help_me():\n    from . import lazy\n",
    "relative": "from .inner import deep\nfrom .inner.more import most\n",
    "lazy": "import json",
    "inner/__init__": "from . import sibling",
    "inner/deep": "from ..parent import up",
    "inner/more": "most = 1",
    "inner/sibling": "import sklearn.linear_model",
    "parent": "up = 1",
    "alias": "x = 1",
    "unrelated": "import torch",
    "both": "import sampled.method, sampled.alias",
}
REACHED = [
    "method",
    "helper",
    "relative",
    "lazy",
    "inner/__init__",
    "inner/deep",
    "inner/more",
    "inner/sibling",
    "parent",
]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `sampled` on the path; call it with a module and its new content to change that."""
    folder = tmp_path / "sampled"
    (folder / "inner").mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, content):
        (folder / f"{name}.py").write_text(content)
        for remembered in (identity.sources, identity.source_file, identity.library_version):
            remembered.cache_clear()

    for name, content in MODULES.items():
        write(name, content)
    yield write
    write("method", "")


@pytest.mark.parametrize("module", REACHED)
def test_a_change_of_a_module_that_is_reached_by_imports_changes_the_hash(package, module):
    before = sources("sampled.method")[0]
    package(module, MODULES[module] + "\nchanged = 1")
    assert sources("sampled.method")[0] != before


@pytest.mark.parametrize("module", REACHED)
def test_prose_and_layout_change_nothing(package, module):
    package(module, f'"""What it is for."""\n{MODULES[module]}\ndef help_you(x):\n    return (x + 1, "a")\n')
    before = sources("sampled.method")
    prose = '"""Other words."""\n# why\n\n' + MODULES[module].replace("\n", "  # a comment\n\n")
    package(
        module, prose + '\ndef help_you(x):\n    """Helps."""\n    return (\n        x + 1,\n        \'a\',\n    )\n'
    )
    assert sources("sampled.method") == before


@pytest.mark.parametrize("module", ["unrelated", "alias", "both"])
def test_a_change_of_a_module_that_is_not_reached_does_not(package, module):
    before = sources("sampled.method")[0]
    package(module, "import pandas")
    assert sources("sampled.method") == (before, sources("sampled.method")[1])


def test_several_modules_named_by_one_import_are_all_followed(package):
    before = sources("sampled.both")[0]
    package("alias", "x = 2")
    assert sources("sampled.both")[0] != before


def test_where_a_package_lies_does_not_matter(package, tmp_path, monkeypatch):
    before = sources("sampled.method")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "sampled").rename(tmp_path / "elsewhere" / "sampled")
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    identity.sources.cache_clear(), identity.source_file.cache_clear()
    assert sources("sampled.method") == before
    (tmp_path / "elsewhere" / "sampled").rename(tmp_path / "sampled")


def test_libraries_are_found_wherever_they_are_imported_and_the_standard_library_is_none(package):
    libraries = sources("sampled.method")[1]
    assert libraries.keys() == {"numpy", "sklearn", "python"}
    assert libraries["numpy"] == numpy.__version__
    assert libraries["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"


def test_a_component_that_cannot_be_found_or_parsed_still_has_an_identity(package):
    assert sources("sampled.nowhere")[0] != sources("no_such_package.nowhere")[0]
    package("lazy", "def (")
    assert sources("sampled.method")[0]


def test_nothing_is_imported_to_find_it_out(package):
    package("method", "raise SystemExit('imported')")
    sources("sampled.method")
    assert not {name for name in sys.modules if name.startswith("sampled")}


def test_what_is_remembered_of_a_source_is_what_it_says(package, tmp_path, monkeypatch):
    before = sources("sampled.method")
    kept = list(places.cache_folder().glob("sources-*.json"))
    assert len(kept) == 1
    for content in (kept[0].read_bytes(), b"{", kept[0].read_bytes().replace(b'"', b"'", 9)):
        monkeypatch.setattr(code, "_known", {})
        monkeypatch.setattr(code, "_loaded", set())
        kept[0].write_bytes(content)
        sources.cache_clear()
        assert sources("sampled.method") == before


def test_where_no_cache_can_be_written_the_identity_is_the_same(package, monkeypatch):
    before = sources("sampled.method")
    monkeypatch.setenv("BENCH_CACHE", "/dev/null/nowhere")
    monkeypatch.setattr(code, "_known", {})
    sources.cache_clear()
    assert sources("sampled.method") == before


def test_what_is_the_same_has_the_same_digest_in_any_order_and_in_any_process():
    value = {"b": [1, 2.5, None], "a": {"y": True, "x": "é"}}
    assert digest(value) == digest({"a": {"x": "é", "y": True}, "b": [1, 2.5, None]})
    assert digest(value) == hashlib.sha256('{"a":{"x":"é","y":true},"b":[1,2.5,null]}'.encode()).hexdigest()
    code = f"from bench.grid.identity import digest; print(digest({value!r}))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == digest(value)


@pytest.mark.parametrize(
    "other", [{"a": 1}, {"a": "1"}, {"a": 1.5}, {"a": [1]}, {"a": None}, {"b": 1}, {}, {"a": True}]
)
def test_what_differs_has_another_digest(other):
    every = [{"a": 1}, {"a": "1"}, {"a": 1.5}, {"a": [1]}, {"a": None}, {"b": 1}, {}, {"a": True}]
    assert [digest(value) for value in every].count(digest(other)) == 1


def test_a_component_says_name_version_source_and_libraries():
    described = component(Spec("fuser", "linear", "bench_fusers.linear.fuser:Linear", version="7"))
    assert described["name"] == "linear"
    assert described["version"] == "7"
    assert described["source"] == sources("bench_fusers.linear.fuser")[0]
    assert {"numpy", "sklearn"} <= described["libraries"].keys()


@pytest.mark.parametrize(("package", "distribution"), [("sklearn", "scikit-learn"), ("numpy", "numpy")])
def test_the_version_of_a_library_is_that_of_its_distribution(package, distribution):
    assert library_version(package) == importlib.metadata.version(distribution)


def test_a_package_without_a_distribution_has_no_version():
    assert library_version("no_such_package") == ""


def test_packages_that_come_with_the_harness_are_one_and_another_plugin_is_by_itself():
    ours = {"bench_datasets", "bench_federations", "bench_fusers", "bench_imputers", "bench_suites"}
    assert identity.together("bench_fusers") == ours
    assert identity.together("sampled") == {"sampled"}
    files, libraries = identity.reached("bench_fusers.condi.fuser")
    assert {"bench_imputers.diffusion.condi", "bench_imputers.diffusion.samplers"} <= files.keys()
    assert not libraries & ours
    assert not any(name.startswith("bench_imputers") for name in identity.reached("bench_fusers.gru.fuser")[0])
