"""The transformer as encoder of notes, with a real but tiny BERT: which words it sees, and what
is never run.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bench.components import Context, Interrupted
from bench.errors import DataError, PluginError
from bench_datasets.mimic4.files import files
from bench_datasets.mimic4.params import Mimic4Params
from bench_datasets.mimic4.transformer import transformer
from support.mimic4_tables import one_stay, prepare

WORDS = ("chest", "lungs", "clear", "edema", "effusion", "##s", "line", ".")

ROUNDING = 1e-5
"""What single precision leaves of sums over hundreds of tokens in another order; another word
changes 100 times as much.
"""


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of one layer with random weights and a vocabulary of a few wordpieces, saved with
    safetensors.
    """
    transformers = pytest.importorskip("transformers", reason="pip install 'gapbench[notes]'")
    import torch

    folder = tmp_path_factory.mktemp("bert")
    vocabulary = folder / "words.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=5 + len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=512, initializer_range=0.5,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder / "model")
    transformers.BertTokenizerFast(str(vocabulary)).save_pretrained(folder / "model")
    return folder / "model"


def encode(texts: Sequence[str], folder: Path) -> np.ndarray:
    return transformer(texts, folder, Context())


def line(word: str, times: int) -> str:
    return " ".join([word] * times)


def test_a_note_becomes_the_pooled_output_of_the_model(bert: Path) -> None:
    import torch
    import transformers

    model = transformers.BertModel.from_pretrained(bert).eval()
    ids = [2, *(5 + WORDS.index(word) for word in ("lungs", "clear", "edema", "##s", ".")), 3]
    with torch.inference_mode():
        expected = model(torch.tensor([ids])).pooler_output.numpy()
    found = encode(["Lungs clear\nedemas."], bert)
    assert found.shape == (1, 16)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=ROUNDING)


def test_a_long_note_is_cut_at_line_breaks_and_only_the_first_chunk_is_read(bert: Path) -> None:
    lines = [line(word, 100) for word in ("chest", "lungs", "clear", "edema", "effusion", "chest", "lungs")]
    whole, five, four = encode(["\n".join(lines[:count]) for count in (7, 5, 4)], bert)
    np.testing.assert_allclose(whole, five, atol=ROUNDING)
    assert np.abs(whole - four).max() > 100 * ROUNDING


@pytest.mark.parametrize(("second", "read"), [(10, 510), (11, 500)])
def test_a_chunk_has_at_most_510_wordpieces(bert: Path, second: int, read: int) -> None:
    text = f"{line('chest', 500)}\n{line('edema', second)}"
    words = [*["chest"] * 500, *["edema"] * second][:read]
    np.testing.assert_allclose(encode([text], bert), encode([" ".join(words)], bert), atol=ROUNDING)


def test_wordpieces_are_counted_and_not_words(bert: Path) -> None:
    text = f"{line('effusions', 250)}\n{line('chest', 20)}"  # 500 and 20 wordpieces
    np.testing.assert_allclose(encode([text], bert), encode([line("effusions", 250)], bert), atol=ROUNDING)


@pytest.mark.parametrize("before", ["", "\n \n"])
def test_a_first_line_that_is_too_long_is_cut_and_not_lost(bert: Path, before: str) -> None:
    text = f"{before}{line('chest', 300)} {line('lungs', 400)}\nclear"
    expected = encode([f"{line('chest', 300)} {line('lungs', 210)}"], bert)
    np.testing.assert_allclose(encode([text], bert), expected, atol=ROUNDING)
    assert np.abs(expected - encode([""], bert)).max() > 100 * ROUNDING


def test_a_note_does_not_depend_on_the_others_and_padding_has_no_effect(bert: Path) -> None:
    texts = [line(WORDS[i % 5], 1 + 7 * i) for i in range(40)]
    together = encode(texts, bert)
    alone = np.concatenate([encode([text], bert) for text in texts[::9]])
    np.testing.assert_allclose(together[::9], alone, atol=ROUNDING)
    np.testing.assert_allclose(encode(texts[::-1], bert)[::-1], together, atol=ROUNDING)


def test_the_same_notes_give_the_same_bits(bert: Path) -> None:
    texts = [line(WORDS[i % 5], 1 + i) for i in range(20)]
    np.testing.assert_array_equal(encode(texts, bert), encode(texts, bert))


def test_a_model_with_fewer_positions_reads_as_many_wordpieces_as_it_can(bert: Path, tmp_path: Path) -> None:
    import transformers

    config = transformers.BertConfig.from_pretrained(bert, max_position_embeddings=32)
    transformers.BertModel(config).save_pretrained(tmp_path)
    transformers.AutoTokenizer.from_pretrained(bert).save_pretrained(tmp_path)
    np.testing.assert_allclose(
        encode([line("chest", 100)], tmp_path), encode([line("chest", 30)], tmp_path), atol=ROUNDING
    )


def test_stopping_is_noticed_between_batches(bert: Path) -> None:
    with pytest.raises(Interrupted):
        transformer(["chest"], bert, Context(should_stop=lambda: True))


def test_the_cohort_has_the_vectors_without_a_split(bert: Path, tmp_path: Path) -> None:
    tables = one_stay()
    tables.note(2, "Lungs clear.")
    tables.note(3, "Edema")
    tables.write(tmp_path)
    series = prepare(tmp_path, None, note_encoder=str(bert)).modalities["notes"]
    assert len(series.channels) == 16
    np.testing.assert_allclose(series.events.values, encode(["Lungs clear.", "Edema"], bert), atol=ROUNDING)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize("harmless", [True, False])
def test_weights_that_are_pickled_are_not_opened(bert: Path, tmp_path: Path, harmless: bool) -> None:
    import torch
    from safetensors.torch import load_file

    shutil.copytree(bert, tmp_path / "m")
    weights = load_file(bert / "model.safetensors") if harmless else {"weight": Bomb(tmp_path / "exploded")}
    (tmp_path / "m" / "model.safetensors").unlink()
    torch.save(weights, tmp_path / "m" / "pytorch_model.bin")
    with pytest.raises(DataError, match=r"cannot be loaded as a transformer .* to make its weights safe: python -c"):
        encode(["chest"], tmp_path / "m")
    assert not (tmp_path / "exploded").exists()


def test_code_in_the_folder_is_not_run(bert: Path, tmp_path: Path) -> None:
    shutil.copytree(bert, tmp_path / "m")
    config = json.loads((bert / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    (tmp_path / "m" / "own.py").write_text(
        f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Config: pass\nclass Model: pass\n"
    )
    with pytest.raises(DataError, match="cannot be loaded as a transformer"):
        encode(["chest"], tmp_path / "m")
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, and no network."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="pip install 'gapbench[notes]'")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def test_a_model_of_the_hub_is_taken_from_the_local_cache(bert: Path, hub: Path, tmp_path: Path) -> None:
    commit = "0" * 40
    shutil.copytree(bert, hub / "models--tiny--bert" / "snapshots" / commit)
    (hub / "models--tiny--bert" / "refs").mkdir()
    (hub / "models--tiny--bert" / "refs" / "main").write_text(commit)
    tables = one_stay()
    tables.note(2, "Lungs clear.")
    tables.write(tmp_path / "mimic")
    found = prepare(tmp_path / "mimic", None, note_encoder="tiny/bert").modalities["notes"].events.values
    np.testing.assert_allclose(found, encode(["Lungs clear."], bert), atol=ROUNDING)
    deciding = {path.name for path in files(tmp_path / "mimic", Mimic4Params(note_encoder="tiny/bert"))}
    assert {"model.safetensors", "config.json", "vocab.txt"} <= deciding


def test_a_model_of_the_hub_that_is_nowhere_is_one_clear_line(hub: Path, tmp_path: Path) -> None:
    one_stay().write(tmp_path)
    with pytest.raises(DataError, match="not in the local Hugging Face cache, and cannot be downloaded") as caught:
        prepare(tmp_path, None, note_encoder="nobody/nothing")
    assert "hf download nobody/nothing --local-dir DIR" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_its_package_the_command_to_type_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(PluginError, match=r"pip install 'gapbench\[notes\]'"):
        encode(["text"], tmp_path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    one_stay().write(tmp_path / "mimic")
    with pytest.raises(PluginError, match=r"pip install 'gapbench\[notes\]'"):
        prepare(tmp_path / "mimic", None, note_encoder="tiny/bert")
