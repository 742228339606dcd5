"""A stand-in for CMU-MOSI and CMU-MOSEI: a made-up file in the form of MulT's aligned ones, with
the best prediction known.

Nothing here is computed from recordings of people. docs/reference/suites/mosi.md describes the
model.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench.files import write_bytes
from bench.registry import MARK
from bench.seeds import generator
from bench_datasets.affect.files import KNOWN, ORACLE
from bench_datasets.affect.params import MosiParams
from bench_datasets.affect.read import FOLD_SIZES, PARTS, SCALE

VERSION = 1
STEPS = 50
WORDS = 400
TEXT = 300
TOPICS = 8


@dataclass(frozen=True)
class Shape:
    """What the two differ in: channels of audio and vision, segments per video, the grid of
    labels.
    """

    audio: int
    vision: int
    clips: float
    step: float


SHAPES = {"mosi": Shape(5, 20, 8.0, 0.2), "mosei": Shape(74, 35, 7.0, 1 / 3)}


def mosi(folder: Path, params: MosiParams, report: Callable[[str], None]) -> None:
    """Write a stand-in for CMU-MOSI into a new folder."""
    generate("mosi", folder, params.samples, params.generator_seed)


def mosei(folder: Path, params: MosiParams, report: Callable[[str], None]) -> None:
    """Write a stand-in for CMU-MOSEI into a new folder."""
    generate("mosei", folder, params.samples, params.generator_seed)


def generate(dataset: str, folder: Path, samples: int, seed: int) -> None:
    """The file, its oracle and the mark by which it is known to be made up. `samples` are parted
    as the published folds are.
    """
    published = next(iter(FOLD_SIZES[dataset]))
    shares = np.array(published) / sum(published)
    sizes = np.maximum(np.rint(shares * samples).astype(int), 10)
    sizes[0] = samples - sizes[1:].sum()
    world = _world(SHAPES[dataset], generator(seed, "data", dataset, "fixed"))
    parts, oracle = {}, {}
    for part, size in zip(PARTS, sizes.tolist(), strict=True):
        parts[part], oracle[part] = _part(dataset, part, size, world, generator(seed, "data", dataset, part))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / KNOWN[dataset][0]).write_bytes(pickle.dumps(parts, protocol=4))
    np.savez(folder / ORACLE, **oracle)  # type: ignore[arg-type]  # none is called allow_pickle
    about = {"dataset": dataset, "version": VERSION, "samples": samples, "generator_seed": seed}
    write_bytes(folder / MARK, msgspec.json.encode(about))


@dataclass(frozen=True)
class _World:
    """What all samples share: word vectors, how far a word leans, topics, and how hidden states
    become channels.
    """

    shape: Shape
    vectors: np.ndarray
    leaning: np.ndarray
    topics: np.ndarray
    voice: np.ndarray
    face: np.ndarray


def _world(shape: Shape, rng: np.random.Generator) -> _World:
    leaning = rng.normal(size=WORDS) * (rng.random(WORDS) < 0.3)
    axis = rng.normal(size=TEXT)
    axis *= 2.0 / np.linalg.norm(axis)
    vectors = 0.25 * rng.normal(size=(WORDS, TEXT)) + leaning[:, None] * axis
    topics = 0.25 * rng.normal(size=(TOPICS, TEXT))
    return _World(
        shape, vectors, leaning, topics, rng.normal(size=(3, shape.audio)), 0.5 * rng.normal(size=(4, shape.vision))
    )


def _part(
    dataset: str, part: str, size: int, world: _World, rng: np.random.Generator
) -> tuple[dict[str, Any], np.ndarray]:
    """The arrays of one part, and the median of each label given the hidden sentiment: float32
    [size].
    """
    shape = world.shape
    of = np.minimum(np.cumsum(rng.random(size) < 1 / shape.clips), max(size - 1, 0))
    mood = rng.normal(scale=0.7, size=size)[of]
    hidden = mood + rng.normal(scale=1.3, size=size)
    labels = _rated(hidden + rng.normal(scale=0.35, size=size), shape.step)
    lengths = np.clip(np.rint(rng.lognormal(np.log(12), 0.5, size)), 1, STEPS).astype(int)
    arrays = {
        name: np.zeros((size, STEPS, width), np.float32)
        for name, width in (("text", TEXT), ("audio", shape.audio), ("vision", shape.vision))
    }
    starts = np.zeros(size)
    for k, length in enumerate(lengths):
        place = slice(STEPS - length, STEPS)  # left-padded, as the files are
        arrays["text"][k, place] = _words(world, hidden[k], length, rng)
        arrays["audio"][k, place] = _states(0.35 * hidden[k], length, world.voice, rng)
        arrays["vision"][k, place] = _states(0.45 * hidden[k], length, world.face, rng)
        if rng.random() < 0.1:  # the tracker loses the face
            lost = rng.integers(0, length)
            arrays["vision"][k, STEPS - length + lost : STEPS - length + lost + rng.integers(1, 6)] = 0
        starts[k] = rng.uniform(0, 200)
    audio = arrays["audio"]
    audio[(audio != 0) & (rng.random(audio.shape) < 2e-4)] = -np.inf  # a logarithm of silence, as found in the files
    ids = np.array(
        [
            [f"made-up-{part}-{video:04d}", f"{start:.3f}", f"{start + 0.4 * length:.3f}"]
            for video, start, length in zip(of, starts, lengths, strict=True)
        ]
    ).astype("S")
    content = {**arrays, "labels": labels.astype(np.float32)[:, None, None], "id": ids}
    return content, _rated(hidden, shape.step).astype(np.float32)


def _rated(sentiment: np.ndarray, step: float) -> np.ndarray:
    """What raters make of it: a mean of whole numbers from -3 to 3. It never falls, so it keeps
    a median a median.
    """
    return np.clip(np.rint(sentiment / step) * step, -SCALE, SCALE)


def _words(world: _World, sentiment: float, length: int, rng: np.random.Generator) -> np.ndarray:
    """Words that lean as the speaker does, on topics that change slowly: [length, TEXT]."""
    weights = np.exp(0.8 * sentiment * world.leaning)
    chosen = rng.choice(WORDS, length, p=weights / weights.sum())
    words: np.ndarray = world.vectors[chosen] + _walk(np.zeros(TOPICS), length, rng) @ world.topics
    return words


def _states(level: float, length: int, loads: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Channels of slow hidden states, the first of which lies about `level`: [length, channels]."""
    center = np.zeros(len(loads))
    center[0] = level
    rows = _walk(center, length, rng) @ loads
    states: np.ndarray = rows + 0.3 * rng.normal(size=rows.shape)
    return states


def _walk(center: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    """A stationary autoregression of unit deviation about `center`: [length, states]."""
    rho = 0.9
    state = rng.normal(size=len(center))
    rows = np.empty((length, len(center)))
    for step in range(length):
        rows[step] = center + state
        state = rho * state + np.sqrt(1 - rho**2) * rng.normal(size=len(center))
    return rows
