"""SubspaceAudit's rivals run: one classical broadcast, and what a client makes of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.conflict.rival import Rival
from qring.conflict.sketches import maximum_moments
from qring.conflict.subspace.span import Blocks, Complement, Coordinates, Subspace, squared
from qring.conflict.subspace.tangent import Tangent
from qring.conflict.subspace.triples import (
    DescribedLayers,
    DescribedTriples,
    leading_triples,
    told_by_triples,
)
from qring.errors import InputError
from qring.ledger import Carrier, Ledger
from qring.network.network import Network

__all__ = ["SubspaceSketch", "coordinate_samples", "index_law", "index_sketch", "triple_sketch"]

_BLOCK_WORDS = 1 << 22  # shared directions that are drawn at once


@dataclass(frozen=True, slots=True, kw_only=True)
class SubspaceSketch:
    """A client's estimate of the share of the server's vector in its subspace, and the account.

    ``fraction`` is unbiased, and may leave [0, 1].
    """

    fraction: float
    ledger: Ledger


def index_sketch(
    vector: NDArray[Any], subspace: Subspace, rival: Rival, rng: np.random.Generator
) -> SubspaceSketch:
    """Send indices of the largest of 2^R shared normal directions along the vector.

    ``rng`` is the randomness that both share; time and memory are those of 2^R·d words a message.
    """
    width, t = rival.bits // rival.messages, rival.messages
    unit = vector / math.sqrt(squared(vector))
    total, crossed = np.zeros(len(unit)), 0.0
    for _ in range(t):
        chosen = _longest(unit, width, rng)
        total += chosen
        crossed -= _traceless(chosen, subspace)
    return _from_pairs(crossed + _traceless(total, subspace), subspace, rival, rng)


def index_law(
    fraction: float, coords: int, dimension: int, rival: Rival, rng: np.random.Generator
) -> float:
    """Draw the estimate of :func:`index_sketch` from its law, for any d and k.

    Across g the directions enter by their sums within W and outside it only: with t vectors of n
    dimensions Σ_{i≠j} z_i·z_j = (t−1)·X − Y, X and Y chi-squared of n and (t−1)n degrees.
    Standing: exact.
    """
    width, t = rival.bits // rival.messages, rival.messages
    even = dimension / coords
    mean, _ = maximum_moments(width)
    along = _maxima(width, t, rng)
    turn = rng.standard_normal(t)  # the one direction across g that both P·g and g span
    inside = math.sqrt(fraction) * along + math.sqrt(1 - fraction) * turn
    outside = math.sqrt(1 - fraction) * along - math.sqrt(fraction) * turn

    def crossed(one: NDArray[np.float64], rest: int) -> float:
        pairs = float(one.sum() ** 2 - (one**2).sum())
        if rest <= 0:
            return pairs
        return pairs + (t - 1) * rng.chisquare(rest) - rng.chisquare((t - 1) * rest)

    sums = (1 - even) * crossed(inside, dimension - 1)
    sums -= even * crossed(outside, coords - dimension - 1)
    return float(even + sums / (t * (t - 1) * mean**2))


def coordinate_samples(
    vector: NDArray[Any], subspace: Subspace, rival: Rival, rng: np.random.Generator
) -> SubspaceSketch:
    """Send coordinates drawn with probability g_i²; the client counts its own.

    Raises:
        InputError: a subspace that is not spanned by coordinates.
    """
    mask = subspace.of if isinstance(subspace, Complement) else subspace
    if not isinstance(mask, Coordinates):
        raise InputError("samples of coordinates tell nothing of a subspace of mixed coordinates")
    weights = np.cumsum(vector.astype(np.float64) ** 2)
    drawn = np.searchsorted(weights, rng.random(rival.messages) * weights[-1], side="right")
    kept = float(mask.kept[drawn].mean())
    return SubspaceSketch(
        fraction=kept if mask is subspace else 1 - kept, ledger=_charged(rival.bits, rng)
    )


def triple_sketch(
    vector: NDArray[Any],
    subspace: Tangent | Blocks,
    rival: DescribedTriples | DescribedLayers,
    rng: np.random.Generator,
) -> SubspaceSketch:
    """Describe the few singular vectors of the server's matrices; see :mod:`.triples`.

    Raises:
        InputError: a subspace or singular values that the rival was not planned for.
    """
    if isinstance(subspace, Tangent) and isinstance(rival, DescribedTriples):
        told = _described(vector, subspace, rival, rng)
    elif isinstance(subspace, Blocks) and isinstance(rival, DescribedLayers):
        told = 0.0
        cuts = np.cumsum([length for length, _ in subspace.parts])[:-1]
        layers = zip(np.split(vector, cuts), subspace.parts, rival.layers, strict=True)
        for piece, (_, part), one in layers:
            if isinstance(part, Tangent) and one is not None:
                told += squared(piece) / squared(vector) * _described(piece, part, one, rng)
    else:
        raise InputError("the rival was planned for another kind of subspace")
    return SubspaceSketch(fraction=told, ledger=_charged(rival.bits, rng))


def _described(
    vector: NDArray[Any], tangent: Tangent, rival: DescribedTriples, rng: np.random.Generator
) -> float:
    found = leading_triples(vector.reshape(tangent.shape), rival.left_out)
    if found is None or len(found[1]) != rival.messages:
        raise InputError("the rival was planned for a matrix of other singular values")
    left, values, right = found
    mean, _ = maximum_moments(rival.index_bits)

    def described(columns: NDArray[np.float64], basis: NDArray[Any]) -> NDArray[np.float64]:
        one = [
            [basis.T @ _longest(unit, rival.index_bits, rng) / mean for unit in columns.T]
            for _ in range(rival.repeats)
        ]
        return np.asarray(one).transpose(0, 2, 1)

    x, y = described(left, tangent.rows), described(right, tangent.columns)
    return told_by_triples(x, y, values, rival.index_bits)


def _longest(unit: NDArray[Any], width: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """That of 2^R standard normal vectors which lies best along ``unit``."""
    best, found = -math.inf, np.zeros(len(unit))
    block = max(1, _BLOCK_WORDS // len(unit))
    for start in range(0, 1 << width, block):
        directions = rng.standard_normal((min((1 << width) - start, block), len(unit)))
        along = directions @ unit
        top = int(along.argmax())
        if along[top] > best:
            best, found = float(along[top]), directions[top].copy()
    return found


def _traceless(vector: NDArray[np.float64], subspace: Subspace) -> float:
    """vᵀ(P − k/d)v."""
    even = subspace.dimension / subspace.coords
    return subspace.energy(vector) - even * float(vector @ vector)


def _from_pairs(
    crossed: float, subspace: Subspace, rival: Rival, rng: np.random.Generator
) -> SubspaceSketch:
    t = rival.messages
    mean, _ = maximum_moments(rival.bits // t)
    return SubspaceSketch(
        fraction=subspace.dimension / subspace.coords + crossed / (t * (t - 1) * mean**2),
        ledger=_charged(rival.bits, rng),
    )


def _maxima(width: int, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """The largest of 2^R standard normals, drawn by inverting its law in the upper tail."""
    from statistics import NormalDist

    tails = -np.expm1(np.log(rng.random(count)) / 2.0**width)  # P(one is larger)
    normal = NormalDist()
    return np.array([-normal.inv_cdf(float(tail)) for tail in tails])


def _charged(bits: int, rng: np.random.Generator) -> Ledger:
    """The account of one message of ``bits`` from the server, node 0, to a client."""
    run = Network().open(2, rng)
    run.wire(0, 1).send(Carrier.BIT, bits)
    run.end_rounds()
    return run.ledger()
