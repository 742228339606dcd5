"""A frozen transformer as encoder of notes: the first chunk of each note, pooled output (mimic48
protocol, section 10).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.components import Context, Interrupted
from bench.errors import DataError, PluginError

WORDPIECES = 510
"""Of a note at most so many wordpieces are read."""

BATCH = 16

FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
"""What is fetched of a model from the hub: no file that is read by unpickling, and no code."""

NEEDED = "pip install 'gapbench[notes]'"

SAFE = (
    "from transformers import AutoModel as M, AutoTokenizer as T; "
    "M.from_pretrained('MODEL').save_pretrained('DIR'); T.from_pretrained('MODEL').save_pretrained('DIR')"
)
"""Python that turns any model into a folder with safetensors."""


def hub_folder(name: str, key: str) -> Path:
    """The folder of a model of the Hugging Face hub: from the local cache, else downloaded into it.

    key: the parameter, for messages. Raises PluginError where huggingface_hub is not installed, and
    DataError where the model is neither in the cache nor can be downloaded.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise PluginError(f"{key}={name} needs the package transformers; type: {NEEDED}") from error
    cached = None
    with contextlib.suppress(Exception):  # not in the cache: its own error, OSError or ValueError, by version
        cached = Path(snapshot_download(name, local_files_only=True))
    if cached and [*cached.glob("*.safetensors")]:
        return cached
    try:
        return Path(snapshot_download(name, allow_patterns=list(FILES)))
    except Exception as error:  # whatever the network, the hub or its cache says
        if cached:
            return cached
        raise DataError(
            f'{key} = "{name}" is no folder with a transformer, is not in the local Hugging Face cache, and cannot be '
            f"downloaded ({type(error).__name__}). On a machine with a network type: hf download {name} --local-dir DIR; "
            f"then copy DIR here and give {key}=DIR"
        ) from error


def first_chunk(text: str, words: Any, limit: int) -> str:
    """The first chunk of a note that is cut at line breaks into chunks of at most `limit`
    wordpieces.

    A note that begins with a longer line is cut inside it (by the tokenizer's truncation): in the
    published code it becomes the empty text.
    """
    lines = text.splitlines()
    taken = 0
    for number, line in enumerate(lines):
        taken += len(words.tokenize(line))
        if taken > limit:
            chunk = "\n".join(lines[:number])
            return chunk if chunk.strip() else text
    return text


def transformer(texts: Sequence[str], folder: Path, context: Context) -> np.ndarray:
    """The pooled output (else the first token's) of the first chunk of each note, float32 [notes,
    width].

    A note's vector does not depend on the others. Weights are read from safetensors alone, so
    nothing is unpickled; no code of the folder is run; nothing is downloaded. Raises PluginError
    where `transformers` is not installed, DataError where the folder holds no model that it can
    load.
    """
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise PluginError(f"data.note_encoder={folder} needs the package transformers; type: {NEEDED}") from error
    import torch

    safe: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        words: Any = AutoTokenizer.from_pretrained(str(folder), **safe)  # type: ignore[no-untyped-call]  # has no types
        model: Any = AutoModel.from_pretrained(str(folder), use_safetensors=True, **safe)
    except (OSError, ValueError, KeyError, ImportError) as error:
        message = re.sub(r"\s+", " ", str(error))[:200]
        hint = f'; to make its weights safe: python -c "{SAFE}"' if not [*folder.glob("*.safetensors")] else ""
        raise DataError(f"{folder} cannot be loaded as a transformer ({message}){hint}") from error
    model = model.eval().to(context.device)
    extra = words.num_special_tokens_to_add()
    limit = min(WORDPIECES, getattr(model.config, "max_position_embeddings", WORDPIECES + extra) - extra)
    chunks = [first_chunk(text, words, limit) for text in texts]
    order = sorted(range(len(chunks)), key=lambda i: len(chunks[i]))  # like lengths together: little padding
    rows: list[np.ndarray | None] = [None] * len(chunks)
    with torch.inference_mode():
        for start in range(0, len(order), BATCH):
            if context.should_stop():
                raise Interrupted
            places = order[start : start + BATCH]
            tokens = words(
                [chunks[i] for i in places],
                truncation=True,
                max_length=limit + extra,
                padding=True,
                return_tensors="pt",
            ).to(context.device)
            out = model(**tokens)
            pooled = getattr(out, "pooler_output", None)
            vectors = (out.last_hidden_state[:, 0] if pooled is None else pooled).float().cpu().numpy()
            for place, vector in zip(places, vectors, strict=True):
                rows[place] = vector
            context.report(f"encoding notes: {start + len(places):,} of {len(texts):,}")
    return np.stack([row for row in rows if row is not None])
