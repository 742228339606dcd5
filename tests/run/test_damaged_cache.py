"""A cache that is damaged, incomplete or mixed up is noticed and made again, with the same bits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.data.places import keyed
from bench.errors import StorageError
from support import inline

REGISTRY = inline.registry()
SEVERAL = ("imputer=around,mean", "fuser=waits,linear")


def run(folder: Path, *words: str) -> inline.Prepared:
    """One more run, with a ledger of its own and the cache of the runs before."""
    number = len(list(folder.glob("results*")))
    prepared = inline.prepared(folder, REGISTRY, *words, out=f"results{number}")
    inline.run(prepared)
    return prepared


def predicted(prepared: inline.Prepared) -> list[tuple[str, str, str]]:
    """Of each cell its key, predictions and errors of the imputation, by their digests."""
    return sorted((each.key, each.predictions, each.imputation_errors) for each in inline.records(prepared))


def files(folder: Path, kind: str, name: str = "*.safetensors") -> Sequence[Path]:
    return sorted(keyed(folder / "cache", kind).rglob(name))


@pytest.mark.parametrize("kind", ["cohorts", "masks", "imputations"])
@pytest.mark.parametrize("harm", ["truncate", "remove", "change"])
def test_a_damaged_file_is_noticed_and_made_again(tmp_path: Path, kind: str, harm: str) -> None:
    before = predicted(run(tmp_path))
    path = files(tmp_path, kind)[0]
    content = path.read_bytes()
    if harm == "remove":
        path.unlink()
    elif harm == "truncate":
        path.write_bytes(content[:-50])
    else:
        path.write_bytes(content[:-2] + bytes([content[-2] ^ 255, content[-1]]))
        with pytest.raises(StorageError, match="its digest does not match; it was removed"):
            run(tmp_path)
    assert predicted(run(tmp_path)) == before


@pytest.mark.parametrize("part", ["draws.safetensors", "state.safetensors", "errors.npz"])
def test_an_imputation_without_one_of_its_parts_is_made_again(tmp_path: Path, part: str) -> None:
    before = predicted(run(tmp_path))
    path = files(tmp_path, "imputations", part)[0]
    content = path.read_bytes()
    path.unlink()
    assert predicted(run(tmp_path)) == before
    assert path.read_bytes() == content


@pytest.mark.parametrize("kind", ["masks", "imputations"])
def test_an_intact_file_that_is_of_something_else_is_noticed_and_made_again(tmp_path: Path, kind: str) -> None:
    words = (*SEVERAL, "seed=1,2")
    before = predicted(run(tmp_path, *words))
    mixed_up = files(tmp_path, kind, "completed.safetensors" if kind == "imputations" else "*.safetensors")
    contents = [path.read_bytes() for path in mixed_up]
    assert len(mixed_up) >= 2
    for path, content in zip(mixed_up, [*contents[1:], contents[0]], strict=True):
        path.write_bytes(content)
    refused: list[str] = []
    while True:
        try:
            after = run(tmp_path, *words)
            break
        except StorageError as error:
            refused.append(str(error))
    assert 1 <= len(refused) <= len(mixed_up), "every run removes one at least"
    assert all("is the file of something else; it was removed" in words for words in refused)
    assert predicted(after) == before
