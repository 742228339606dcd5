"""The model that `bench data embed` is given: which are taken, which are refused, and that no
pickle is ever run.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import DataError, PluginError, UsageError
from support.asking import SUPPORT
from support.raw_signals import cxr, refused, values, xrays

pytest.importorskip("PIL", reason="pip install 'gapbench[signals]'")


@pytest.fixture(autouse=True)
def tiny_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SUPPORT))


def test_a_model_that_is_neither_file_nor_import_path_is_refused(tmp_path: Path) -> None:
    xrays(tmp_path / "x", [1])
    for model in ("absent.pt", "no-such-thing", "densenet"):
        line = refused(UsageError, cxr, tmp_path / "x", tmp_path / "o.parquet", model=model)
        assert f'"{model}" is not a file' in line
        assert "TorchScript" in line


REFUSED = [
    ("no_such_package.models:Net", {}, "there is no module no_such_package"),
    ("tiny_models:averag", {}, 'did you mean "average"'),
    ("tiny_models:broken", {}, "no weights here"),
    ("tiny_models:average", {"options": {"depth": 3}}, "depth"),
    ("tiny_models:text", {}, "gives str, not a torch.nn.Module"),
    ("tiny_models:cube", {}, "needed: [1, width]"),
    ("tiny_models:clumsy", {}, "preprocess of tiny_models:clumsy fails"),
]


@pytest.mark.parametrize(("model", "other", "words"), REFUSED)
def test_code_that_gives_no_usable_model_is_refused(tmp_path: Path, model: str, other: dict, words: str) -> None:
    xrays(tmp_path / "x", [1])
    assert words in refused(PluginError, cxr, tmp_path / "x", tmp_path / "o.parquet", model=model, **other)


def test_a_method_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    xrays(tmp_path / "x", [1])
    line = refused(UsageError, cxr, tmp_path / "x", tmp_path / "o.parquet", model="tiny_models:Scaled", method="iner")
    assert 'did you mean "inner"' in line


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_of_a_failure_in_torchscript_the_last_line_alone_is_said(tmp_path: Path) -> None:
    import torch

    xrays(tmp_path / "x", [1])
    torch.jit.script(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3, 1))).save(str(tmp_path / "m.pt"))
    line = refused(PluginError, cxr, tmp_path / "x", tmp_path / "o.parquet", model=str(tmp_path / "m.pt"))
    assert "fails on an input [1, 1, 224, 224] (RuntimeError: mat1 and mat2 shapes cannot be multiplied" in line
    assert "Traceback" not in line


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.mark,))


def test_no_pickle_is_ever_run(tmp_path: Path) -> None:
    import pickle

    import torch

    xrays(tmp_path / "x", [1])
    mark = tmp_path / "exploded"
    torch.save(Bomb(mark), tmp_path / "bomb.pt")
    (tmp_path / "bomb.pt2").write_bytes(pickle.dumps(Bomb(mark)))
    for name in ("bomb.pt", "bomb.pt2"):
        line = refused(DataError, cxr, tmp_path / "x", tmp_path / "o.parquet", model=str(tmp_path / name))
        assert "is not a TorchScript file, or a damaged one. What torch.save" in line
        assert "miniz" not in line
    line = refused(DataError, cxr, tmp_path / "x", tmp_path / "o.parquet", model="tiny_models:Scaled",
                   weights=str(tmp_path / "bomb.pt"))  # fmt: skip
    assert "holds more than tensors" in line
    assert not mark.exists()


@pytest.mark.parametrize("form", ["safetensors", "pt"])
def test_weights_are_read_from_tensors_alone(tmp_path: Path, form: str) -> None:
    import torch
    from safetensors.torch import save_file

    state = {"weight": torch.tensor(0.25)}
    weights = tmp_path / f"w.{form}"
    save_file(state, weights) if form == "safetensors" else torch.save(state, weights)
    xrays(tmp_path / "x", [255])
    made = cxr(tmp_path / "x", tmp_path / "a.parquet", model="tiny_models:Scaled", weights=str(weights))
    assert values(tmp_path / "a.parquet") == [[256, 0]]
    other = cxr(tmp_path / "x", tmp_path / "b.parquet", model="tiny_models:Scaled")
    assert made["model_sha256"] != other["model_sha256"]


def test_weights_that_do_not_fit_or_are_not_there_are_refused(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    xrays(tmp_path / "x", [255])
    save_file({"other": torch.zeros(2)}, tmp_path / "w.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "w.safetensors").read_bytes()[:10])
    call = (cxr, tmp_path / "x", tmp_path / "a.parquet")
    assert "does not fit" in refused(
        DataError, *call, model="tiny_models:Scaled", weights=str(tmp_path / "w.safetensors")
    )
    assert "cannot be read" in refused(
        DataError, *call, model="tiny_models:Scaled", weights=str(tmp_path / "cut.safetensors")
    )
    assert "is not a file" in refused(UsageError, *call, model="tiny_models:Scaled", weights="absent.safetensors")
    assert "name the model too" in refused(UsageError, *call, model=str(tmp_path / "w.safetensors"))
