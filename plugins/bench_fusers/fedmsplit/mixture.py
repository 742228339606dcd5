"""How the server mixes the blocks of clients, each for each, after the public code of CondI, which
has FedMSplit (Chen and Zhang 2022) among its baselines.

Clients are nodes of a graph with a view per block. In the view of block v, clients that sent it
attend to each other: A_v is the softmax, by rows, of P Pᵀ / √p. P [k, p] holds the weights of the
block, a client in each row. The edge of two clients for a block is their entry of its A_v, times
the mean of their entries over all blocks that both sent. Rows of edges are scaled to sum to 1, and
mix the block: each client has a mixture of its own.

What is decided here:

- The weights of a client's block are standardised before the product, to mean 0 and standard
  deviation 1. Products of the weights themselves grow with their size, and saturate the softmax.
- Running statistics are mixed with their block and have no part in the product.
- Of whole numbers, such as how many batches were seen, the largest counts.
- All is float64, in the order of the clients' numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from bench.learner import Arrays

Block = Mapping[int, Arrays]
"""Client -> the arrays of a block that it sent."""

FLAT = 1e-12
"""A standard deviation below which all weights are alike."""


def attention(weights: np.ndarray) -> np.ndarray:
    """A [k, k], rows of which sum to 1. weights: [k, p], a client in each row."""
    spread = weights.std(axis=1, keepdims=True)
    standard = (weights - weights.mean(axis=1, keepdims=True)) / np.where(spread > FLAT, spread, 1.0)
    products = standard @ standard.T / np.sqrt(weights.shape[1])
    raised = np.exp(products - products.max(axis=1, keepdims=True))
    rows: np.ndarray = raised / raised.sum(axis=1, keepdims=True)
    return rows


def edges(views: Sequence[Mapping[tuple[int, int], float]], clients: Sequence[int], view: int) -> np.ndarray:
    """[k, k], rows of which sum to 1, of the clients that sent the block of a view.

    views: of each block, pair of clients -> attention of the first to the second.
    """
    raw = np.array([[views[view][one, two] * _mean(views, one, two) for two in clients] for one in clients])
    scaled: np.ndarray = raw / raw.sum(axis=1, keepdims=True)
    return scaled


def _mean(views: Sequence[Mapping[tuple[int, int], float]], one: int, two: int) -> float:
    shared = [view[one, two] for view in views if (one, two) in view]
    return float(sum(shared) / len(shared))


def mixed(blocks: Mapping[str, Block], trained: Callable[[str], bool]) -> dict[int, dict[str, np.ndarray]]:
    """Client -> all arrays that it sent, mixed.

    blocks: name -> the clients that sent it. trained: whether an array holds weights, which
    attention compares.
    """
    names = [name for name in sorted(blocks) if blocks[name]]
    orders = {name: sorted(blocks[name]) for name in names}
    views = [_view(blocks[name], orders[name], trained) for name in names]
    personal: dict[int, dict[str, np.ndarray]] = {client: {} for name in names for client in orders[name]}
    for place, name in enumerate(names):
        weights = edges(views, orders[name], place)
        for array in blocks[name][orders[name][0]]:
            sent = [blocks[name][client][array] for client in orders[name]]
            for client, row in zip(orders[name], weights, strict=True):
                personal[client][array] = averaged(sent, row)
    return personal


def averaged(sent: Sequence[np.ndarray], weights: Sequence[float] | np.ndarray) -> np.ndarray:
    """The mean of arrays by weights that sum to 1, in their type; of whole numbers the largest."""
    kind = sent[0].dtype
    if not np.issubdtype(kind, np.floating):
        return np.asarray(np.max(sent, axis=0))
    total = sum(weight * each.astype(np.float64) for weight, each in zip(weights, sent, strict=True))
    return np.asarray(total, kind)


def plain(replies: Mapping[int, Arrays], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Array -> its mean over the clients that have it, each counting once."""
    means = {}
    for name in names:
        sent = [replies[client][name] for client in sorted(replies) if name in replies[client]]
        if sent:
            means[name] = averaged(sent, [1 / len(sent)] * len(sent))
    return means


def _view(block: Block, clients: Sequence[int], trained: Callable[[str], bool]) -> dict[tuple[int, int], float]:
    flat = [np.concatenate([a.astype(np.float64).ravel() for n, a in block[k].items() if trained(n)]) for k in clients]
    attended = attention(np.stack(flat))
    return {(one, two): float(attended[i, j]) for i, one in enumerate(clients) for j, two in enumerate(clients)}
