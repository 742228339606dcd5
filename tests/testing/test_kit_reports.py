"""The conformance kit as its users meet it: a report that counts, expected failures, names,
pytest.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.errors import PluginError, UsageError
from bench.registry import KINDS, Registry
from bench.testing import check, checks_of
from bench.testing.toy import TOY_TASK

SEEDED = {"tags": ("draws",), "randomness": "seeded"}


def _registry(*names: str, **declared: Any) -> Registry:
    registry = Registry()
    for name in names:
        registry.imputer(name, f"bad_plugins:{name}", **{**SEEDED, **declared})
    return registry


def test_the_summary_says_how_many_checks_ran_and_how_many_were_skipped_and_why() -> None:
    report = check("TouchesObserved", _registry("TouchesObserved"))
    counted = re.match(r"(\d+) checks ran: (\d+) passed, (\d+) failed; (\d+) skipped: (.*)", report.summary())
    assert counted
    ran, passed, failed, skipped = (int(n) for n in counted.groups()[:4])
    assert (ran, failed) == (passed + failed, 1)
    assert ran + skipped == len(checks_of("imputer"))
    assert "values_hidden (not tagged hides_values)" in counted[5]


def test_the_text_names_each_check_and_the_promise_that_was_broken() -> None:
    text = check("TouchesObserved", _registry("TouchesObserved")).to_text()
    assert all(name in text for name in checks_of("imputer"))
    assert "observed entries of vitals" in text
    assert "promised: What was observed comes back bit-identical" in text
    assert "checks ran: " in text.splitlines()[-1]


def test_the_report_as_plain_data_says_the_same() -> None:
    report = check("Honest", _registry("Honest"))
    plain = report.to_plain()
    assert plain["ok"] is True
    assert plain["summary"] == report.summary()
    assert [c["name"] for c in plain["checks"]] == list(checks_of("imputer"))


def test_a_check_can_be_asked_for_alone_and_brings_what_it_builds_on() -> None:
    report = check("Honest", _registry("Honest"), only=["one_bin"])
    assert [outcome.name for outcome in report.outcomes] == ["constructs", "fits", "one_bin"]


def test_a_check_asked_for_alone_is_not_green_when_the_component_does_not_fit() -> None:
    assert not check("NeedsTargets", _registry("NeedsTargets"), only=["one_bin"]).ok


def test_an_unknown_check_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match='did you mean "one_bin"'):
        check("Honest", _registry("Honest"), only=["one_bim"])


def test_an_unknown_component_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match='did you mean "Honest"'):
        check("Honset", _registry("Honest"))


def test_a_name_of_two_kinds_asks_which() -> None:
    registry = _registry("twin")
    registry.fuser("twin", "bad_fusers:HonestFuser")
    with pytest.raises(UsageError, match="imputers and fusers"):
        check("twin", registry)
    assert check("twin", registry, kind="fuser", only=["learns"]).ok


def test_an_expected_failure_is_reported_with_its_reason_and_does_not_break_the_contract() -> None:
    registry = _registry("NeedsTwoBins", expected_failures={"one_bin": "differences need two bins"})
    report = check("NeedsTwoBins", registry)
    assert report.ok
    assert [(o.name, o.detail) for o in report.of("expected")] == [("one_bin", "differences need two bins")]
    assert "1 expected failure;" in report.summary()


def test_an_expected_failure_that_passes_after_all_is_a_failure() -> None:
    report = check("Honest", _registry("Honest", expected_failures={"one_bin": "differences need two bins"}))
    assert [o.name for o in report.of("failed")] == ["one_bin"]
    assert "passes unexpectedly" in report.of("failed")[0].detail


def test_an_expected_failure_of_an_unknown_check_is_refused() -> None:
    registry = _registry("Honest", expected_failures={"one_bim": "a slip of the pen"})
    with pytest.raises(PluginError, match=r'"one_bim" is not known.*did you mean "one_bin"'):
        check("Honest", registry)


def test_the_declared_parameters_for_tests_are_used_and_checked() -> None:
    with pytest.raises(PluginError, match=r'key "test_params\.steps" is not known'):
        _registry("Honest", test_params={"steps": 2})


def test_a_dataset_without_its_files_is_skipped_with_the_reason() -> None:
    registry = Registry()
    registry.dataset("files", "bad_plugins:HonestDataset", tasks=(TOY_TASK,), modalities=("vitals", "labs"))
    report = check("files", registry)
    assert [o.name for o in report.of("passed")] == ["constructs", "sources_followed", "parameters_described"]
    assert {o.detail for o in report.of("skipped")} == {"needs the files of the dataset: give data.root=DIR"}
    assert check("files", registry, data_root=Path.cwd()).ok


def test_every_check_states_its_promise_in_one_sentence() -> None:
    for kind in KINDS:
        for name, declared in checks_of(kind).items():
            assert re.fullmatch(r"[A-Z`][^\n]+\.", declared.promise), f"{kind} {name}: {declared.promise}"


def test_a_contract_of_another_version_is_refused_with_a_clear_line() -> None:
    registry = Registry()
    plugin = type("plugin", (), {"bench_contract": 0})
    registry.register_plugin("old-package:old", plugin)
    assert [broken.plugin for broken in registry.broken] == ["old-package:old"]
    assert re.search(r"written for contract 0; this bench .* speaks contract 1", registry.broken[0].reason)


def test_a_plugin_that_breaks_halfway_is_taken_back_whole_and_the_next_one_goes_on() -> None:
    from bench.hooks import hookimpl

    class Broken:
        bench_contract = 1

        @staticmethod
        @hookimpl
        def bench_register(registry: Registry) -> None:
            registry.imputer("first", "bad_plugins:Honest")
            raise RuntimeError("licence server not reachable")

    class Fine:
        bench_contract = 1

        @staticmethod
        @hookimpl
        def bench_register(registry: Registry) -> None:
            registry.imputer("second", "bad_plugins:Honest")

    registry = Registry()
    registry.register_plugin("broken", Broken)
    registry.register_plugin("fine", Fine)
    assert registry.names("imputer") == ["second"]
    assert registry.broken[0].reason == "RuntimeError: licence server not reachable"


TEST_FILE = """
import bench.testing
from bench.registry import Registry

registry = Registry()
registry.imputer("Honest", "bad_plugins:Honest", tags=("draws",), randomness="seeded")
registry.imputer("NeedsTwoBins", "bad_plugins:NeedsTwoBins", tags=("draws",), randomness="seeded",
                 expected_failures={"one_bin": "differences need two bins"})
registry.imputer("TouchesObserved", "bad_plugins:TouchesObserved", tags=("draws",), randomness="seeded")
registry.imputer("NeedsTargets", "bad_plugins:NeedsTargets", tags=("draws",), randomness="seeded")
registry.imputer("SaysSo", "bad_plugins:NeedsTargets", tags=("draws",), randomness="seeded",
                 expected_failures={"fits": "learns from targets"})


@bench.testing.parametrize("Honest", "NeedsTwoBins", "TouchesObserved", "NeedsTargets", "SaysSo", registry=registry)
def test_contract(check):
    check()
"""


def _pytest(folder: Path, *arguments: str) -> str:
    (folder / "test_contract.py").write_text(TEST_FILE)
    support = Path(__file__).parents[1] / "support"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(support), str(support.parents[1])])}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", str(folder), *arguments]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False).stdout


def test_three_lines_of_pytest_give_one_test_per_component_and_check(tmp_path: Path) -> None:
    told = _pytest(tmp_path, "-k", "Honest or NeedsTwoBins or TouchesObserved")
    assert re.search(r"1 failed, \d+ passed, \d+ skipped, \d+ deselected, 1 xfailed", told), told
    assert "test_contract[imputer-TouchesObserved-observed_untouched]" in told
    assert "promised: What was observed comes back bit-identical" in told


def test_one_selected_test_of_a_component_that_does_not_fit_fails(tmp_path: Path) -> None:
    told = _pytest(tmp_path, "-k", "NeedsTargets and one_bin")
    assert re.search(r"1 failed, \d+ deselected", told), told


def test_what_an_expected_failure_keeps_from_starting_is_skipped(tmp_path: Path) -> None:
    told = _pytest(tmp_path, "-k", "SaysSo and (fits or one_bin)")
    assert re.search(r"1 skipped, \d+ deselected, 1 xfailed", told), told


def test_importing_the_kit_is_cheap() -> None:
    code = (
        "import sys, bench.testing\n"
        "heavy = {'torch', 'pandas', 'scipy', 'sklearn', 'pytest', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "from bench.testing import check, parametrize\n"
        "heavy = {'torch', 'pandas', 'scipy', 'sklearn', 'pytest'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
