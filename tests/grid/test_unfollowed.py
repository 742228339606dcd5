"""What no key can see is named: code loaded by name, files beside the code, libraries without a
version.
"""

from __future__ import annotations

import importlib.machinery

import pytest

from bench.grid import identity
from bench.grid.unfollowed import unfollowed
from bench.registry import Registry
from bench.testing import check

IMPUTER = """
from bench.components import Imputer
{extra}
class Plain(Imputer):
    def fit(self, train, valid, context):
        pass

    def impute(self, cohort, draws, context):
        return {{}}
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `hides` on the path with the module `method`; call it with more modules and
    their contents.
    """
    folder = tmp_path / "hides"
    folder.mkdir()
    monkeypatch.syspath_prepend(tmp_path)

    def write(**modules):
        for name, content in {"__init__": "", **modules}.items():
            (folder / f"{name}.py").write_text(content)
        for remembered in (identity.sources, identity.source_file, identity.library_version):
            remembered.cache_clear()
        return folder

    return write


LOADS = [
    "import importlib\nhelp = importlib.import_module(name)",
    "from importlib import import_module as load\nload('hides.helper')",
    "def later(name):\n    import importlib as i\n    return i.import_module(name)",
    "helper = __import__('hides.' + 'helper')",
    "exec(text)",
    "import builtins\nbuiltins.exec(text)",
    "rule = eval('1 + 1')",
    "import importlib.util\nspec = importlib.util.spec_from_file_location('x', path)",
    "import runpy\nrunpy.run_path('helper.py')",
    "import pkgutil\ndata = pkgutil.get_data('hides', 'table.csv')",
    "from importlib import resources\ntable = resources.files('hides')",
    "from importlib.resources import files\ntable = files('hides')",
    "from importlib.metadata import entry_points\nfound = entry_points(group='x')",
    "from pathlib import Path\nHERE = Path(__file__).parent",
    "import ctypes\nlib = ctypes.CDLL('x.so')",
    "import sys\nsys.path.append('/elsewhere')",
    "import subprocess\nsubprocess.run(['Rscript', 'x.R'])",
    "import os\nos.system('x')",
    "import torch\ntorch.ops.load_library('x')",
]
READS = [
    "table = open('table.csv').read()",
    "with open(place, 'rb') as stream:\n    pass",
    "def fit(path):\n    return path.read_text()",
    "import pathlib\nweights = pathlib.Path('x').read_bytes()",
    "import numpy as np\nprior = np.load('prior.npy')",
    "import pandas\nprior = pandas.read_csv('prior.csv')",
    "from numpy import loadtxt\nprior = loadtxt('x')",
    "import torch as t\nstate = t.load('x.pt')",
]
HONEST = [
    "import importlib\njson = importlib.import_module('json')",
    "import numpy, importlib\nlinalg = importlib.import_module('numpy.linalg')",
    "model.eval()\nmodel.compile()",
    "import re\nre.compile('x')",
    "class A:\n    def open(self, x): ...\nclass exec_: ...",
    "from . import helper\nfrom .helper import thing\nimport hides.helper",
    "import os\nos.path.join('a', 'b')\nos.environ.get('x')",
    "def fit(self, context):\n    kept = context.scratch / 'state'\n    more = kept / 'x'\n    more.read_bytes()",
    "import numpy as np\nnp.save('x', 1)\nopen('x', 'w').write('x')\nPath('x').open(mode='ab')",
]


@pytest.mark.parametrize("source", LOADS)
@pytest.mark.parametrize("depth", ["method", "helper"])
def test_what_loads_code_by_name_is_named_with_its_place_wherever_it_is_reached(package, source, depth):
    package(**{"method": "from . import helper", "helper": "", depth: f"{source}\nfrom . import helper"})
    for reads_data in (False, True):
        found = unfollowed("hides.method", reads_data)
        assert found
        assert all(line.startswith(f"{depth}.py, line ") for line in found)


@pytest.mark.parametrize("source", READS)
def test_files_that_a_method_reads_are_named_and_those_of_a_dataset_are_not(package, source):
    package(method=source)
    assert len(unfollowed("hides.method")) == 1
    assert unfollowed("hides.method", reads_data=True) == []


@pytest.mark.parametrize("source", HONEST)
def test_what_is_followed_or_harmless_is_not_named(package, source):
    package(method=source, helper="thing = 1")
    assert unfollowed("hides.method") == []


def test_the_modules_of_a_folder_without_an_init_file_are_followed_one_by_one(package):
    """An edit of each is noticed: the key of a method is another one."""
    folder = package(method="from . import helper\nfrom hides.deep import inner", helper="thing = 1")
    (folder / "deep").mkdir()
    (folder / "deep" / "inner.py").write_text("thing = 1")
    (folder / "__init__.py").unlink()
    assert unfollowed("hides.method") == []
    before = identity.sources("hides.method")[0]
    for module in ("helper.py", "deep/inner.py"):
        (folder / module).write_text("thing = 2")
        identity.sources.cache_clear()
        after = identity.sources("hides.method")[0]
        assert after != before
        before = after


def test_a_compiled_module_and_one_that_is_missing_are_named(package):
    folder = package(method="from . import fast\nimport hides.absent.thing")
    (folder / f"fast{importlib.machinery.EXTENSION_SUFFIXES[0]}").write_bytes(b"")
    assert unfollowed("hides.method") == [
        "method.py: hides.absent.thing has no source file",
        "method.py: hides.fast is compiled",
    ]
    assert unfollowed("hides.nowhere") == ["hides.nowhere has no source file"]


def test_a_module_of_no_distribution_and_an_editable_one_are_named(package, tmp_path):
    (tmp_path / "loose.py").write_text("x = 1")
    about = tmp_path / "worked_on-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Name: worked_on\nVersion: 1.0\n")
    (about / "direct_url.json").write_text('{"url": "file:///x", "dir_info": {"editable": true}}')
    package(method="import loose, worked_on, numpy, not_installed_at_all, json")
    assert unfollowed("hides.method") == [
        "loose is imported, and no installed distribution of that name tells its version",
        "worked_on is installed as editable: its version stays when it is edited",
    ]


def test_bench_check_names_the_place(package):
    package(method=IMPUTER.format(extra="import importlib\nhelper = importlib.import_module(''.join(['js', 'on']))\n"))
    registry = Registry()
    registry.imputer("plain", "hides.method:Plain")
    [outcome] = [
        o for o in check("plain", registry, only=["sources_followed"]).outcomes if o.name == "sources_followed"
    ]
    assert outcome.status == "failed"
    assert "method.py, line 4: importlib.import_module loads a module whose name is made at run time" in outcome.detail
    package(method=IMPUTER.format(extra=""))
    [outcome] = [
        o for o in check("plain", registry, only=["sources_followed"]).outcomes if o.name == "sources_followed"
    ]
    assert outcome.status == "passed"
