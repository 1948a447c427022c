"""The rival of adapters' tangent spaces where the server's matrix has few singular values.

A gradient of a batch of few rows has as many. The server then names, for each of its ρ singular
vectors on either side, the best of 2^R shared normal directions, c times over; the client puts
|UᵀG|² + |GV|² − |UᵀGV|² together from those. The last term mixes singular triples, so that samples
of single triples would not do. Singular values travel as words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.conflict.rival import Rival
from qring.conflict.sketches import maximum_moments
from qring.conflict.subspace.span import Blocks
from qring.conflict.subspace.tangent import Tangent

__all__ = [
    "TRIPLES",
    "DescribedLayers",
    "DescribedTriples",
    "layer_rival",
    "leading_triples",
    "told_by_triples",
    "triple_rival",
]

TRIPLES = "singular triples, described"
_MOST_TRIPLES = 128
_WORD_BITS = 16
_TRIALS = 100
_WIDTHS, _REPEATS = (8, 12, 16, 20, 24, 32), (1, 2, 3, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedTriples(Rival):
    """This rival: ``repeats`` indices of ``index_bits`` bits a vector; ``messages`` triples.

    ``left_out`` of the matrix's square is not described.
    """

    index_bits: int
    repeats: int
    left_out: float = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedLayers(Rival):
    """The same for every adapted layer of several, and each layer's share of the square."""

    layers: tuple[DescribedTriples | None, ...]


def leading_triples(
    matrix: NDArray[Any], left_out: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]] | None:
    """Columns x_i, values σ_i and columns y_i of the unit matrix but for ``left_out`` of |G|².

    None where that takes more than 128. A range finder sees at most 160 dimensions, so the time is
    that of a few products with a thin matrix.
    """
    n1, n2 = matrix.shape
    wide = min(n1, n2, _MOST_TRIPLES + 32)
    probe = np.random.default_rng(0).standard_normal((n2, wide)).astype(matrix.dtype)
    basis, _ = np.linalg.qr(matrix @ probe)
    small, sizes, right = np.linalg.svd(basis.T @ matrix, full_matrices=False)
    total = float(np.vdot(matrix, matrix))
    if not total > 0:
        return None
    law = sizes.astype(np.float64) ** 2 / total
    kept = int(np.searchsorted(np.cumsum(law), 1 - left_out)) + 1
    if kept > min(_MOST_TRIPLES, len(law)):
        return None
    values = np.sqrt(law[:kept] / law[:kept].sum())
    return (basis @ small[:, :kept]).astype(np.float64), values, right[:kept].T.astype(np.float64)


def told_by_triples(
    x: NDArray[np.float64], y: NDArray[np.float64], values: NDArray[np.float64], index_bits: int
) -> float:
    """The estimate of |UᵀG|² + |GV|² − |UᵀGV|² from described vectors as U and V see them.

    ``x`` (c, r, ρ) and ``y`` (c, s, ρ) are c descriptions each over the mean length m of indices,
    so that their means are Uᵀx_i and Vᵀy_i; across x_i and y_i they scatter with variance 1/m².
    """
    c, r, s = len(x), x.shape[1], y.shape[1]
    mean, spread = maximum_moments(index_bits)
    noise, gain = 1 / (c * mean**2), 1 + (spread - 1) / (c * mean**2)
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    first = ((mean_x**2).sum(axis=0) - r * noise) / gain
    second = ((mean_y**2).sum(axis=0) - s * noise) / gain
    both = (mean_x * values) @ mean_y.T
    # Of the squares of UᵀGV only those of one triple are biased.
    own = (mean_x**2).sum(axis=0) * (mean_y**2).sum(axis=0)
    mixed = float((both**2).sum()) - float(values**2 @ (own - first * second))
    return float(values**2 @ (first + second)) - mixed


def triple_rival(
    matrix: NDArray[Any], tangent: Tangent, epsilon: float, delta: float
) -> DescribedTriples | None:
    """The cheapest description that keeps to (ε, δ) for subspaces of these ranks, if there is one.

    The spread is sampled with subspaces that hold the leading vectors at 0, 45 and 90 degrees; a
    tenth of ε is kept for triples left out. Standing: sampled.
    """
    left_out = (epsilon / 20) ** 2
    found = leading_triples(matrix, left_out)
    if found is None:
        return None
    _, values, _ = found
    goal = 0.9 * epsilon / -NormalDist().inv_cdf(delta / 2)
    ranks = tangent.rows.shape[1], tangent.columns.shape[1]
    count, best = len(values), None
    for repeats in _REPEATS:
        for width in _WIDTHS:
            bits = count * (2 * width * repeats + _WORD_BITS)
            if best is not None and bits >= best.bits:
                continue
            if _spread(values, ranks, width, repeats) <= goal:
                best = DescribedTriples(
                    name=TRIPLES,
                    bits=bits,
                    messages=count,
                    index_bits=width,
                    left_out=left_out,
                    repeats=repeats,
                    shared_random_words=count * repeats * sum(tangent.shape) << width,
                    caveat=f"the gradient has {count} singular values; shared random directions, "
                    f"of which the sender searches 2^{width}; one broadcast serves every client",
                )
    return best


def layer_rival(
    gradient: NDArray[Any], blocks: Blocks, epsilon: float, delta: float
) -> DescribedLayers | None:
    """:func:`triple_rival` of every adapted layer, if each has few singular values.

    With w the layers' shares of the square the errors add up to √Σ(wσ)²: each layer may err by
    1/√Σw² times as much. Standing: sampled.
    """
    parts = np.split(gradient, np.cumsum([length for length, _ in blocks.parts])[:-1])
    norms = np.array([float(np.vdot(part, part)) for part in parts])
    if not norms.sum() > 0:
        return None
    weights = norms / norms.sum()
    asked = [k for k, (_, part) in enumerate(blocks.parts) if part is not None]
    wider = min(0.99, epsilon / math.sqrt(float((weights[asked] ** 2).sum()) or 1.0))
    layers: list[DescribedTriples | None] = []
    for piece, (_, part) in zip(parts, blocks.parts, strict=True):
        if part is None:
            layers.append(None)
            continue
        if not isinstance(part, Tangent):
            return None
        one = triple_rival(piece.reshape(part.shape), part, wider, delta)
        if one is None:
            return None
        layers.append(one)
    described = [one for one in layers if one is not None]
    return DescribedLayers(
        name=TRIPLES,
        bits=sum(one.bits + _WORD_BITS for one in described),
        messages=sum(one.messages for one in described),
        shared_random_words=sum(one.shared_random_words for one in described),
        caveat="every adapted layer's singular vectors; one broadcast serves every client",
        layers=tuple(layers),
    )


def _spread(values: NDArray[np.float64], ranks: tuple[int, int], width: int, repeats: int) -> float:
    """Largest sampled standard deviation of the estimate over three alignments."""
    mean, spread = maximum_moments(width)
    count = len(values)
    rng = np.random.default_rng([width, repeats])
    worst = 0.0
    for angle in (0.0, math.pi / 4, math.pi / 2):
        seen = [math.cos(angle) * np.eye(rank, count) for rank in ranks]
        told = []
        for _ in range(_TRIALS):
            parts = []
            for truth in seen:
                lengths = 1 + rng.normal(scale=math.sqrt(spread) / mean, size=(repeats, 1, count))
                seen_noise = rng.standard_normal((repeats, *truth.shape))
                beyond = math.sin(angle) * rng.standard_normal((repeats, 1, count))
                own = (truth * seen_noise).sum(axis=1, keepdims=True) + beyond
                parts.append(truth * lengths + (seen_noise - truth * own) / mean)
            told.append(told_by_triples(parts[0], parts[1], values, width))
        worst = max(worst, float(np.std(told)))
    return worst
