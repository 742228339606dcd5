"""The table of PyPOTS' models: complete, true to the installed package, and known to the command
line and to suites.
"""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest

from bench.config.layers import Layers, read
from bench.config.request import request
from bench.config.toml_lines import line_of
from bench.errors import UsageError
from bench.registry import Registry, discover
from bench.workload import Workload
from bench_imputers.pypots import params as pypots_params
from bench_imputers.pypots.model import DECIDED
from bench_imputers.pypots.models import MODELS
from bench_imputers.pypots.params import PARAMS, TOLD, installed, register
from support.pages import page

DOCS = page("reference/imputers/pypots.md")


NEEDS_PACKAGE = pytest.mark.extras


@pytest.fixture(scope="module")
def package():
    if not installed()[0]:  # importing it to see would leave a folder in the home
        pytest.skip("the extra pypots is not installed")
    from bench_imputers.pypots.library import imputation

    return imputation("pypots")


@NEEDS_PACKAGE
def test_every_imputation_model_of_the_installed_package_is_in_the_table(package):
    assert {model.name for model in MODELS} == set(package.__all__)
    assert installed()[1] == set(package.__all__)


@NEEDS_PACKAGE
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_every_argument_of_a_constructor_is_a_parameter_or_said_to_be_decided(package, model):
    accepted = set(inspect.signature(getattr(package, model.name).__init__).parameters) - {"self"}
    assert accepted - set(DECIDED) == set(model.arguments)
    assert model.trained == ("epochs" in accepted)


def test_what_is_said_of_arguments_is_said_of_arguments_there_are():
    known = {argument for model in MODELS for argument in model.arguments}
    assert known.issuperset(TOLD)
    assert known.issuperset(pypots_params.CHOICES)


def test_registering_imports_neither_the_package_nor_torch():
    code = (
        "import sys; from bench.registry import discover\n"
        "assert 'pypots.saits' in discover().names('imputer')\n"
        "assert not {'pypots', 'torch', 'numpy', 'tsdb'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_parameters_of_a_name_with_a_dot_are_set_on_the_command_line():
    words = ["suite=physionet48", "imputer=pypots.saits,mean", "imputer.pypots.saits.epochs=5"]
    made = request([*words, "imputer.pypots.saits.n_layers=1,2"], discover())
    assert made.suite.grid.imputer == ("pypots.saits", "mean")
    assert made.suite.imputer["pypots.saits"] == {"epochs": 5, "n_layers": [1, 2]}
    assert [row.label for row in made.of("imputer", "pypots.saits")] == [
        "pypots.saits(epochs=5, n_layers=1)",
        "pypots.saits(epochs=5, n_layers=2)",
    ]


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("imputer.pypots.saits.epoch=5", 'did you mean "imputer.pypots.saits.epochs"'),
        ("imputer.pypots.sait.epochs=5", 'did you mean "pypots.saits"'),
        (
            "imputer.pypots.saits.epochs=0",
            r'"imputer.pypots.saits.epochs" = 0 is not accepted \(from the command line\)',
        ),
        ("imputer.pypots.gpvae.kernel=rbg", 'did you mean "rbf"'),
        (
            "imputer.pypots.saits.d_model=128",
            r"\(d_model=128 from the command line\): d_model must be n_heads \* d_k, and 128 is not 4 \* 64",
        ),
    ],
)
def test_a_slip_in_such_a_word_is_answered_with_the_nearest(word, told):
    with pytest.raises(UsageError, match=told):
        request(["suite=physionet48", word], discover())


SUITE_TABLE = '\n[imputer."pypots.saits"]\nepochs = 5\nd_model = -1\n'


def test_a_table_of_a_suite_names_it_in_quotes_and_errors_name_the_line(tmp_path):
    _, path = read("physionet48")
    text = path.read_text(encoding="utf-8").replace("published_file", "# published_file") + SUITE_TABLE
    own = tmp_path / "own.toml"
    own.write_text(text, encoding="utf-8")
    line = len(text.splitlines())
    assert line_of(text, "imputer.pypots.saits.d_model") == line
    assert Layers(*read(str(own)), "demo", {}).where("imputer.pypots.saits.epochs") == f"own.toml, line {line - 1}"
    with pytest.raises(UsageError, match=rf'"imputer.pypots.saits.d_model" = -1 .* \(from own.toml, line {line}\)'):
        request([f"suite={own}", "imputer=pypots.saits"], discover())


def test_where_the_package_is_not_installed_the_list_says_what_to_type(monkeypatch):
    monkeypatch.setattr(pypots_params, "installed", lambda: ("", frozenset()))
    registry = Registry()
    register(registry)
    assert registry.get("imputer", "pypots.brits").summary.endswith("(not installed: pip install 'gapbench[pypots]')")


def test_models_that_only_the_table_or_only_the_package_knows_are_listed_as_such(monkeypatch):
    monkeypatch.setattr(pypots_params, "installed", lambda: ("9.9", frozenset({"BRITS", "FITS"})))
    registry = Registry()
    register(registry)
    assert registry.get("imputer", "pypots.saits").summary.endswith("(not in the installed PyPOTS 9.9)")
    assert registry.get("imputer", "pypots.brits").summary.endswith("in both directions")
    assert "unknown to this version of gapbench" in registry.get("imputer", "pypots.fits").summary
    assert len(registry.names("imputer")) == len(MODELS) + 1


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.key)
def test_every_model_stands_in_the_manual_with_its_source(model):
    assert re.search(rf"^\| `{re.escape(model.key)}` \| {re.escape(model.paper or 'no paper')} \|", DOCS, re.M)


def test_the_tuned_values_of_the_manual_are_accepted():
    block = next(b for b in re.findall(r"```toml\n(.*?)```", DOCS, re.S) if "pypots.saits" in b)
    tables = tomllib.loads(block)["imputer"]
    assert len(tables) == 9
    for name, values in tables.items():
        made = msgspec.json.decode(msgspec.json.encode(discover().get("imputer", name).parameters(values)))
        assert {key: made[key] for key in values} == values


def test_checks_that_fail_stand_in_the_manual_with_the_reason():
    for model in MODELS:
        for check, reason in model.broken.items():
            assert re.search(rf"`{model.key}`.*`{check}`.*{re.escape(reason)}", " ".join(DOCS.split())), (
                model.key,
                check,
            )


def test_parameter_structs_are_found_by_their_names_in_a_worker():
    for model in MODELS:
        assert getattr(pypots_params, f"{model.name}Params") is PARAMS[model.name]


def test_half_the_epochs_are_expected_to_take_half_the_time_of_training() -> None:
    spec = discover().get("imputer", "pypots.saits")
    work = Workload(records=1000, channels={"vitals": 10})
    none, whole, half = (spec.expected_seconds({"epochs": epochs}, work) for epochs in (1, 101, 51))
    assert half - none == pytest.approx((whole - none) / 2)


@pytest.mark.parametrize("script", ["pypots_anchor", "pypots_conformance"])
@pytest.mark.parametrize(
    ("word", "code", "told"), [("--help", 0, "show this help"), ("brots", 2, "brits"), ("a=b", 2, "brits")]
)
def test_the_scripts_of_the_adapter_say_what_they_take(script, word, code, told):
    path = Path(__file__).resolve().parents[2] / "benchmarks" / f"{script}.py"
    done = subprocess.run([sys.executable, str(path), word], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert told in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
