"""The recipe that checks submissions is run, shell step by shell step, in a folder with the
submissions of the main branch and those of a pull request. `pip` is replaced by a command that
notes how it was called.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.pages import page
from support.project import Project

yaml = pytest.importorskip("yaml")

[RECIPE] = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page("how-to/submit.md"), re.DOTALL))
STEPS = RECIPE["jobs"]["verify"]["steps"]


def commands(project: Project) -> dict[str, str]:
    """Variables of a shell that finds `bench` and a `pip` that installs nothing. The suite of the
    tests is not installed, so it is named.
    """
    folder = project.folder / "commands"
    folder.mkdir()
    scripts = {
        "bench": f'exec "{sys.executable}" -m bench "$@" "{project.suite}"',
        "pip": f'echo "$@" >> "{project.folder}/called"; test ! -e requirements.txt || cat requirements.txt >> called',
    }
    for name, text in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return {**project.environment, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def test_only_changed_folders_are_checked_and_a_forged_one_fails_the_job(project: Project) -> None:
    project.scored_plainly()
    project.here("run", project.suite, "imputer=mean", "fuser=level")
    (project.folder / "leaderboards").mkdir()
    variables = commands(project)

    def job() -> subprocess.CompletedProcess[str]:
        script = "\n".join(step["run"] for step in STEPS if "run" in step)
        (project.folder / "called").unlink(missing_ok=True)
        return subprocess.run(
            ["bash", "-e", "-c", script], cwd=project.folder, env=variables, capture_output=True, text=True, check=False
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(project.environment["PYTHONPATH"].split(os.pathsep)[0])
        project.here("submit", project.suite, "to=submissions/old")
    forged = project.folder / "submissions" / "old" / "records.json"
    forged.write_bytes(forged.read_bytes() + b" ")  # nobody looks at what was there before
    shutil.copytree(project.folder / "submissions", project.folder / "proposed" / "submissions")
    assert job().returncode == 0
    assert (project.folder / "called").read_text() == "install .\n"

    new = Path(shutil.copytree(project.folder / "submissions" / "old", project.folder / "proposed/submissions/new"))
    done = job()
    assert done.returncode == 7, done.stderr
    assert "REFUSED: files and digests: records.json is not what submission.toml says" in done.stdout

    (new / "records.json").write_bytes(forged.read_bytes()[:-1])
    done = job()
    assert done.returncode == 0, done.stderr
    assert "ok: keys" in done.stdout
    assert "bench-toy==1.0" in (project.folder / "called").read_text()


def test_a_stranger_gets_no_secret_and_may_write_nothing() -> None:
    assert RECIPE["permissions"] == {"contents": "read"}
    assert set(RECIPE[True]) == {"pull_request"}  # YAML reads the word `on` as true
    text = yaml.safe_dump(RECIPE)
    assert "secrets." not in text
    assert "github.token" not in text
    assert "cache" not in text
    checkouts = [step["with"] for step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert [each["persist-credentials"] for each in checkouts] == [False, False]
    assert [each.get("path") for each in checkouts] == [None, "proposed"]
    assert "pull_request.base.sha" in checkouts[0]["ref"]
    assert not any("${{" in step.get("run", "") for step in STEPS)  # no text of a stranger becomes a command
