"""Files for containers and clusters: read by their own tools, and they agree with the project."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import bench

ROOT = Path(__file__).parents[1]
FILE = ROOT / "deploy" / "Containerfile"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_container_file_passes_its_checker():
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if program is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([program, str(FILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_has_what_the_project_is_made_of_and_extras_that_there_are():
    text = FILE.read_text(encoding="utf-8")
    copied = [word for line in re.findall(r"^COPY (.*)$", text, re.MULTILINE) for word in line.split()[:-1]]
    assert all((ROOT / name).exists() for name in copied)
    assert {"bench", "plugins", "suites", "pyproject.toml", PROJECT["readme"], *PROJECT["license-files"]} <= {*copied}
    extras = re.search(r'"\.\[([a-z,]+)\]"', text)[1].split(",")
    assert {*extras} <= PROJECT["optional-dependencies"].keys()
    python = re.search(r"^FROM python:(3\.\d+)", text, re.MULTILINE)[1]
    assert f"Programming Language :: Python :: {python}" in PROJECT["classifiers"]


def test_the_cluster_names_the_ray_that_is_tested_and_this_version():
    yaml = pytest.importorskip("yaml")
    cluster = yaml.safe_load((ROOT / "deploy" / "kuberay.yaml").read_text(encoding="utf-8"))
    assert (cluster["apiVersion"], cluster["kind"]) == ("ray.io/v1", "RayCluster")
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    assert cluster["spec"]["rayVersion"] == pins["ray"]
    groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    for container in [each for group in groups for each in group["template"]["spec"]["containers"]]:
        assert container["image"].endswith(f"gapbench:{bench.__version__}")
        assert {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in container["env"]
