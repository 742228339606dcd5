"""What a stranger finds at the root of the project: its files say the same, and what they name
exists.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

import bench

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
PAGES = [path for pattern in ("*.md", "docs/**/*.md") for path in sorted(ROOT.glob(pattern))]


def loaded(file: str) -> dict:
    return yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))


def minors(requires: str) -> list[str]:
    """The minor versions of Python 3 that a specifier allows, as in `3.11`."""
    allowed = SpecifierSet(requires)
    return [f"3.{minor}" for minor in range(40) if allowed.contains(f"3.{minor}")]


@pytest.mark.parametrize(
    "page", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "CITATION.cff"]
)
def test_a_public_project_has_the_pages_that_people_look_for(page):
    assert len((ROOT / page).read_text(encoding="utf-8")) > 300


def test_the_licence_is_the_same_wherever_it_is_named():
    assert PROJECT["license"] == "MIT"
    assert PROJECT["license-files"] == ["LICENSE"]
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License\n")
    assert loaded("CITATION.cff")["license"] == "MIT"


def test_the_citation_has_what_the_citation_file_format_asks_for():
    citation = loaded("CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert all(author.get("name") or author.get("family-names") for author in citation["authors"])


def test_the_version_is_written_in_the_package_and_cited_as_it_is():
    assert PROJECT["dynamic"] == ["version"]
    assert PYPROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "bench.__version__"}
    assert loaded("CITATION.cff")["version"] == bench.__version__


def test_every_python_that_is_allowed_is_tested_and_classified():
    named = [each.rpartition(" ")[2] for each in PROJECT["classifiers"] if ":: Python :: 3." in each]
    job = loaded(".github/workflows/ci.yml")["jobs"]["test"]
    assert minors(PROJECT["requires-python"]) == named == job["strategy"]["matrix"]["python"]


def test_the_workflow_runs_what_anybody_can_run():
    jobs = loaded(".github/workflows/ci.yml")["jobs"]
    commands = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    assert commands == {
        "test": [".ci/run"],
        "coverage": ["make coverage"],
        "extras": ["make test-extras"],
        "flower": ["make test-flower"],
    }
    for job in jobs.values():  # the Makefile makes the environment of it
        python = next(step["with"]["python-version"] for step in job["steps"] if "with" in step)
        assert job["env"]["PYTHON"].replace(" ", "") == f"python{python}".replace(" ", "")


def test_hooks_run_before_a_commit_what_lint_checks():
    hooks = [hook for repo in loaded(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1]
    commands = [line.removeprefix("\t$(BIN)/") for line in lint.splitlines()]
    short = [re.sub(r" (--force-exclude|--check|\.)(?= |$)", "", line) for line in commands]
    assert [re.sub(r" --force-exclude", "", hook["entry"]).removeprefix(".venv/bin/") for hook in hooks] == short


def test_the_hooks_can_be_read_by_pre_commit(tmp_path):
    pytest.importorskip("pre_commit")
    line = [sys.executable, "-m", "pre_commit", "validate-config", str(ROOT / ".pre-commit-config.yaml")]
    places = {**os.environ, "PRE_COMMIT_HOME": str(tmp_path)}  # its own: the home may be none
    done = subprocess.run(line, env=places, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_error_of_types_that_is_passed_over_has_a_code_and_a_reason():
    rooms = ("bench", "plugins", "suites")
    lines = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if "type: ignore" in line
    ]
    assert [line for line in lines if not re.search(r"# type: ignore\[[a-z-]+\]  # \S", line)] == []


def test_types_may_be_missing_of_packages_alone_that_bring_none():
    mypy = PYPROJECT["tool"]["mypy"]
    assert mypy["strict"]
    passed_over = [name.partition(".")[0] for each in mypy["overrides"] for name in each["module"]]
    for name in passed_over:
        spec = importlib.util.find_spec(name)
        assert spec is None or not any(
            (Path(folder) / "py.typed").exists() for folder in spec.submodule_search_locations
        )


def towncrier(*words: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("towncrier")
    line = [sys.executable, "-m", "towncrier", *words]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)


FRAGMENTS = sorted(path for path in (ROOT / "news").iterdir() if path.name != "README.md")
TYPES = [each["directory"] for each in PYPROJECT["tool"]["towncrier"]["type"]]


def test_the_next_release_tells_every_fragment():
    built = towncrier("build", "--draft", "--version", "next")
    assert built.returncode == 0, built.stdout + built.stderr
    told = " ".join(built.stdout.split())
    assert [path.name for path in FRAGMENTS if " ".join(path.read_text("utf-8").split()) not in told] == []


def test_a_fragment_of_no_known_type_is_refused(tmp_path: Path):
    (tmp_path / "news").mkdir()
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text("utf-8"), "utf-8")
    (tmp_path / "news" / "+idea.guess.md").write_text("Something.\n")
    built = towncrier("build", "--draft", "--version", "next", folder=tmp_path)
    assert built.returncode
    assert "+idea.guess.md" in built.stdout + built.stderr


def test_the_types_of_news_are_described():
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "news" / "README.md").read_text("utf-8"), re.MULTILINE)
    assert rows == TYPES


VERSION = re.compile(
    r"""^(?:(?=__version__ = ")|(?=\w+(?:: \w+)? = \d))"""
    r"(__version__|CONTRACT|NUMERICS|LAYOUT|(?:\w+_)?(?:FORMAT|VERSION|SCHEMA))\b",
    re.MULTILINE,
)
"""What somebody raises by hand."""


def test_contributors_are_told_who_raises_which_version_and_when():
    modules = [path for room in ("bench", "plugins") for path in sorted((ROOT / room).rglob("*.py"))]
    constants = {
        (name, path.relative_to(ROOT).as_posix())
        for path in modules
        for name in VERSION.findall(path.read_text("utf-8"))
    }
    rows = re.findall(r"^\| `(\w+)` \| `([\w/.]+)` \|", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE)
    assert constants == set(rows)


def test_contributors_are_told_what_make_can_do():
    makefile, page = ((ROOT / file).read_text("utf-8") for file in ("Makefile", "CONTRIBUTING.md"))
    targets = set(re.search(r"^\.PHONY: (.*)", makefile, re.MULTILINE)[1].split())
    assert set(re.findall(r"`make ([\w-]+)`", page)) <= targets
    assert targets - {"demo", "install", "clean"} <= set(re.findall(r"`make ([\w-]+)`", page))


def test_an_address_of_the_project_is_the_same_wherever_it_is_named():
    """None is named before one is settled."""
    source = PROJECT.get("urls", {}).get("Source")
    assert loaded("CITATION.cff").get("repository-code") == source
    assert source is None or source in (ROOT / "SECURITY.md").read_text("utf-8")


def test_every_extra_is_told_to_its_users_and_every_extra_told_exists():
    code = [path for room in ("bench", "plugins") for path in sorted((ROOT / room).rglob("*.py"))]
    told = {
        extra
        for path in (*PAGES, *code)
        for words in re.findall(r"gapbench\[([\w,]+)\]", path.read_text(encoding="utf-8"))
        for extra in words.split(",")
    }
    assert told == PROJECT["optional-dependencies"].keys() - {"dev", "docs"}


def test_make_installs_every_extra():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    installed = {extra for words in re.findall(r'--editable "\.\[([\w,]+)\]"', makefile) for extra in words.split(",")}
    assert installed == PROJECT["optional-dependencies"].keys()
