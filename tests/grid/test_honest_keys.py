"""Which keys move when a file is edited: those of what the file decides, and no others. Prose
moves none.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bench.grid import identity
from bench.registry import discover
from bench.stages.order import BY_NAME

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path.relative_to(ROOT).as_posix() for room in ("bench", "plugins") for path in (ROOT / room).rglob("*.py")
)

COMPONENT = ("bench/cohort.py", "bench/components.py", "bench/seeds.py")
"""What every component is built on."""

SCORES = (
    "bench/metric.py",
    *(f"bench/metrics/{name}.py" for name in ("scoring", "defined", "error")),
)
"""What of metrics all keys share: not the metrics themselves. That of a task's primary metric is
in its key.
"""

CHOOSES = (*COMPONENT, *SCORES, "bench/selection.py", "bench/train_params.py")
"""What fusers share that choose among models by the validation part."""

TRAINS = tuple(f"bench/{name}.py" for name in ("training", "checkpoint", "clock", "train_params", "learner", "sums"))
TORCH_FUSER = (*CHOOSES, *TRAINS, "bench/torch_fuser.py")
PREPARES = (*COMPONENT, "bench/arrays.py", "bench/data/splits.py", *(
    f"bench/stages/{name}.py" for name in ("preparing", "contract", "handed", "validate")
))  # fmt: skip
MASKS = (
    *COMPONENT,
    "bench/arrays.py",
    "bench/scenarios/presence.py",
    *(f"bench/stages/{n}.py" for n in ("hiding", "handed")),
)
IMPUTES = (*PREPARES, *MASKS, "bench/metrics/error.py", *(
    f"bench/stages/{name}.py" for name in ("imputing", "imputer_audits", "scale", "twin", "view", "weights")
), "bench/metrics/imputation.py", "bench/sums.py")  # fmt: skip

DIFFUSION = "plugins/bench_imputers/diffusion"
ENCODERS = tuple(f"plugins/bench_fusers/encoders/{name}.py" for name in ("steps", "time", "transformer"))
STEPS = tuple(f"plugins/bench_fusers/{name}.py" for name in ("front_params", "text_modality"))
DECIDED_BY: dict[str, tuple[str, ...]] = {
    "stage cohort": PREPARES,
    "stage hide": MASKS,
    "stage impute": IMPUTES,
    "stage fuse": (
        *IMPUTES, *SCORES, *(f"bench/stages/{name}.py" for name in ("fusing", "redraw", "completing", "audits")),
        *(f"bench/metrics/{name}.py" for name in ("calibration", "patterns")),
    ),
    "dataset physionet2012": (
        *COMPONENT, "plugins/bench_datasets/bounded_tar.py", "plugins/bench_datasets/foreign.py",
        *(f"plugins/bench_datasets/physionet2012/{name}.py" for name in ("dataset", "params", "files", "read", "table")),
    ),
    "dataset trace_motivational": (
        *COMPONENT, *(f"plugins/bench_datasets/trace_motivational/{name}.py" for name in ("dataset", "params", "record")),
    ),
    "metric auroc": ("bench/metric.py", "bench/metrics/ranking.py"),
    "metric kappa": ("bench/metric.py", "bench/metrics/decided.py", "bench/metrics/defined.py"),
    "metric mae": ("bench/metric.py", "bench/metrics/losses.py"),
    "metric corr": ("bench/metric.py", "bench/metrics/sentiment.py"),
    "scenario natural": ("bench/scenarios/natural.py", *COMPONENT),
    "scenario mcar": ("bench/scenarios/mcar.py", "bench/scenarios/params/mcar.py", *COMPONENT),
    "scenario within": (
        "bench/scenarios/within.py", "bench/scenarios/params/within.py", "bench/scenarios/presence.py", *COMPONENT,
    ),
    "imputer mean": (*COMPONENT, "bench/sums.py", "plugins/bench_imputers/naive/channels.py"),
    "imputer locf": (
        *COMPONENT, "bench/sums.py", "plugins/bench_imputers/naive/temporal.py", "plugins/bench_imputers/naive/channels.py",
    ),
    "imputer sssd": (
        *COMPONENT, *TRAINS, "plugins/bench_imputers/target_modalities.py", "plugins/bench_imputers/naive/channels.py",
        "plugins/bench_imputers/naive/temporal.py", "plugins/bench_imputers/targets.py",
        *(
            f"plugins/bench_imputers/diffusion/{name}.py"
            for name in (
                "denoiser", "drawing", "engine", "grids", "guess", "noise", "params", "s4", "samplers", "schedule", "sssd",
                "sssd_params", "state", "targets",
            )
        ),
    ),
    "fuser linear": (
        *CHOOSES, "bench/sums.py", "plugins/bench_fusers/linear/fuser.py", "plugins/bench_fusers/linear/plugin.py",
        "plugins/bench_fusers/heads.py", "plugins/bench_fusers/summaries.py",
    ),
    "fuser gru": (
        *TORCH_FUSER, "plugins/bench_fusers/gru/fuser.py", "plugins/bench_fusers/gru/plugin.py",
        "plugins/bench_fusers/encoders/recurrent.py",
    ),
    "fuser mult": (
        *TORCH_FUSER, *ENCODERS, *STEPS, "plugins/bench_fusers/mult/fuser.py", "plugins/bench_fusers/mult/plugin.py",
        "plugins/bench_fusers/encoders/mtand.py", "plugins/bench_fusers/encoders/utde.py", "bench/presets.py",
    ),
    "fuser mag": (
        *TORCH_FUSER, *ENCODERS, *STEPS,
        *(f"plugins/bench_fusers/mag/{name}.py" for name in ("anchor", "fuser", "plugin")),
    ),
}  # fmt: skip
"""Key -> the files that decide it, besides the `__init__.py` of the packages they lie in."""


def whole(files: tuple[str, ...]) -> set[str]:
    parents = {f"{parent.as_posix()}/__init__.py" for file in files for parent in Path(file).parents}
    return {*files, *(parents & set(FILES) - {"bench/__init__.py"})}


REGISTRY = discover()


def keys() -> dict[str, str]:
    for remembered in (identity.sources, identity.harness):
        remembered.cache_clear()
    found = {}
    for name in DECIDED_BY:
        kind, _, which = name.partition(" ")
        found[name] = (
            identity.harness(BY_NAME[which].code)
            if kind == "stage"
            else identity.of_metric(REGISTRY.get("metric", which))
            if kind == "metric"
            else identity.component(REGISTRY.get(kind, which))["source"]
        )
    return found


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A copy of the sources, which identities are computed of."""
    for room in ("bench", "plugins"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    places = {
        ".".join(Path(file).with_suffix("").parts[file.startswith("plugins/") :]).removesuffix(".__init__"): tmp_path
        / file
        for file in FILES
    }
    monkeypatch.setattr(identity, "source_file", places.get)
    yield tmp_path
    identity.sources.cache_clear(), identity.harness.cache_clear()


def test_an_edit_of_code_moves_the_keys_of_what_it_decides_and_no_others(tree):
    before = keys()

    def moved_by(*files: str) -> set[str]:
        contents = {file: (tree / file).read_text() for file in files}
        for file, content in contents.items():
            (tree / file).write_text(f"{content}\nEDITED = 1\n")
        moved = {name for name, key in keys().items() if key != before[name]}
        for file, content in contents.items():
            (tree / file).write_text(content)
        return moved

    decided_by = {name: whole(files) for name, files in DECIDED_BY.items()}
    deciding = set().union(*decided_by.values())
    moved = {file: moved_by(file) for file in deciding}
    assert {name: {file for file in deciding if name in moved[file]} for name in DECIDED_BY} == decided_by
    others = set(FILES) - deciding
    if moved_by(*others):  # one by one, to name them
        assert {file: names for file in others if (names := moved_by(file))} == {}


def test_an_edit_of_prose_moves_no_key(tree):
    before = keys()
    for file in FILES:
        content = (tree / file).read_text()
        head = content.index('"""', 3) + 3 if content.startswith('"""') else 0
        content = content[head:].replace('description="', 'description="Other. ')
        (tree / file).write_text(f'"""Other words."""\n# a comment\n\n{content}')
    assert keys() == before


def test_every_module_that_is_left_out_exists():
    assert all(
        (ROOT / name.replace(".", "/")).is_dir() or (ROOT / f"{name.replace('.', '/')}.py").is_file()
        for name in identity.DECIDES_NOTHING
    )
