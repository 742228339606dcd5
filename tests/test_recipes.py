"""The recipes for continuous integration are run, shell step by shell step, in an empty folder.
What a service does itself (checkout, caches, upload) is not run. Commands that need a network are
replaced by ones that note how they were called.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bench.config.request import request
from bench.registry import discover
from support.editing import Editing, editing
from support.pages import page

yaml = pytest.importorskip("yaml")
pytest.importorskip("matplotlib")

PAGE = page("how-to/continuous-integration.md")
GITHUB, GITLAB = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
STEPS = GITHUB["jobs"]["benchmark"]["steps"]
BASELINE, RUNS = Path("results/baselines/main.json"), Path("results/runs")
NETWORK = ("pip", "gh", "curl")


@dataclass
class Service:
    """A folder in which shell steps are run, with the variables that a service sets."""

    project: Editing
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        commands = self.folder / "commands"
        commands.mkdir()
        for name in NETWORK:
            self._command(commands / name, f'echo {name} "$@" >> "{self.folder}/called"')
        self._command(commands / "bench", f'exec "{sys.executable}" -m bench "$@"')
        self.variables |= {
            **self.project.environment,
            "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
            "SUITE": self.project.suite.partition("=")[2],
            "WORDS": "fuser=reader imputer=filler seed=1..3",
        }

    @staticmethod
    def _command(path: Path, text: str) -> None:
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    @property
    def folder(self) -> Path:
        return self.project.folder

    @property
    def called(self) -> str:
        file = self.folder / "called"
        return file.read_text() if file.exists() else ""

    def shell(self, script: str, **variables: str) -> int:
        """The exit code of a script, as both services run one: it ends with the first failure."""
        done = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=self.folder,
            env=self.variables | variables,
            capture_output=True,
            text=True,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode in (0, 11), f"{script}\n{done.stdout}\n{done.stderr}"
        return done.returncode

    def there(self, paths: list[str]) -> list[str]:
        return [path for path in paths if (self.folder / path).exists()]


def on_github(service: Service, branch: str) -> int:
    """The exit code of the job, for a push to main or for a pull request of the repository."""
    answers = {
        "github.event.pull_request.head.repo.full_name == github.repository": branch != "main",
        "github.ref == 'refs/heads/main'": branch == "main",
    }
    output, summary = service.folder / "output", service.folder / "summary"
    for step in STEPS:
        if "run" not in step or ("if" in step and not answers[step["if"]]):
            continue
        told = dict(line.split("=") for line in output.read_text().splitlines()) if output.exists() else {}
        variables = {
            name: re.sub(r"\$\{\{ steps\.gate\.outputs\.code \}\}", told.get("code", ""), value)
            for name, value in step.get("env", {}).items()
        }
        variables |= {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary), "PULL_REQUEST": "7"}
        if code := service.shell(step["run"], **variables):
            return code
    return 0


def on_gitlab(service: Service, job: str) -> int:
    """The exit code of a job: all its lines are one script."""
    whole: dict[str, Any] = GITLAB[GITLAB[job]["extends"]] | GITLAB[job]
    variables = {"CI_API_V4_URL": "https://gitlab", "CI_PROJECT_ID": "3", "CI_MERGE_REQUEST_IID": "7"}
    return service.shell("\n".join([*whole["before_script"], *whole["script"]]), BENCHMARK_TOKEN="secret", **variables)


def uploaded() -> list[str]:
    [step] = [step for step in STEPS if step.get("name") == "Upload"]
    return step["with"]["path"].split()


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_on_github_main_is_pinned_and_a_change_for_the_worse_is_commented_on_and_fails(tmp_path: Path) -> None:
    service = Service(editing(tmp_path))
    assert on_github(service, "main") == 0
    assert (service.folder / BASELINE).exists()
    assert "no baseline yet" in (service.folder / "gate.md").read_text()
    assert service.there(uploaded()) == uploaded()
    assert "gh" not in service.called.split()

    service.project.imputer(shift=0.8)
    pinned = (service.folder / BASELINE).read_bytes()
    assert on_github(service, "a change") == 11
    assert "gh pr comment 7 --body-file gate.md" in service.called
    assert (service.folder / "gate.md").read_text().startswith("# Gate of edits: worse")
    assert "# History of" in (service.folder / "summary").read_text()
    assert "<failure" in (service.folder / "gate.xml").read_text()
    assert (service.folder / BASELINE).read_bytes() == pinned
    assert len(list((service.folder / RUNS).glob("*/*.json"))) == 2


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_on_gitlab_main_is_pinned_and_a_change_that_changes_nothing_is_commented_on_and_passes(tmp_path: Path) -> None:
    service = Service(editing(tmp_path))
    assert on_gitlab(service, "benchmark main") == 0
    assert (service.folder / BASELINE).exists()
    assert on_gitlab(service, "benchmark change") == 0
    assert (service.folder / "gate.md").read_text().startswith("# Gate of edits: same")
    assert "https://gitlab/projects/3/merge_requests/7/notes" in service.called
    kept = GITLAB[".benchmark"]["artifacts"]
    assert service.there([*kept["paths"], kept["reports"]["junit"]]) == [*kept["paths"], kept["reports"]["junit"]]


def test_only_the_main_branch_writes_what_others_are_compared_with() -> None:
    caches = {step["uses"]: step for step in STEPS if "cache" in step.get("uses", "")}
    assert [use.partition("@")[0] for use in caches] == ["actions/cache/restore", "actions/cache/save"]
    assert [step.get("if") for step in caches.values()] == [None, "github.ref == 'refs/heads/main'"]
    for step in caches.values():
        assert step["with"]["path"].split() == [str(RUNS), str(BASELINE.parent)]  # nothing of a patient
    assert GITLAB[".benchmark"]["cache"]["policy"] == "pull"
    assert GITLAB["benchmark main"]["cache"] == {**GITLAB[".benchmark"]["cache"], "policy": "pull-push"}
    assert GITLAB[".benchmark"]["cache"]["paths"] == [str(RUNS), str(BASELINE.parent)]


@pytest.mark.parametrize("variables", [GITHUB["jobs"]["benchmark"]["env"], GITLAB[".benchmark"]["variables"]])
def test_the_words_of_the_recipes_are_understood(variables: dict[str, str]) -> None:
    asked = request([f"suite={variables['SUITE']}", *variables["WORDS"].split()], discover())
    assert len(asked.suite.grid.seed) >= 3
