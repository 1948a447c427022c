"""The classical rivals of SubspaceAudit: what the server could send instead of its state.

Structure helps the rival, too: coordinates need no sketch, only samples; and where the server's
matrix has few singular values, it describes them. All are one message, and serve every client.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.conflict import binomial
from qring.conflict.index_pairs import pair_variance
from qring.conflict.phase_state import state_qubits
from qring.conflict.rival import Rival
from qring.conflict.search import least
from qring.conflict.sketches import MAX_INDEX_BITS, SketchKind
from qring.conflict.subspace.span import Blocks, Complement, Coordinates, Subspace
from qring.conflict.subspace.tangent import Tangent
from qring.conflict.subspace.triples import layer_rival, triple_rival

__all__ = [
    "COORDINATES",
    "EVERYTHING",
    "best_subspace_rival",
    "index_rival",
    "index_spread",
    "subspace_rivals",
]

COORDINATES = "samples of coordinates"
EVERYTHING = "send everything"
_WIDTHS = range(1, MAX_INDEX_BITS + 1)


def subspace_rivals(
    subspace: Subspace,
    epsilon: float,
    delta: float,
    *,
    gradient: NDArray[Any] | None = None,
    word_bits: int = 16,
) -> tuple[Rival, ...]:
    """Every rival that fits the subspace, each at its best, for the share within ε but with δ.

    ``gradient`` is looked at for few singular values, which the server would notice. Standing:
    samples of coordinates by the exact binomial law; indices by a normal approximation, exact in
    mean and in the largest variance over all vectors; described triples sampled.

    Raises:
        InputError: ε or δ outside (0, 1).
    """
    binomial.check_accuracy(epsilon, delta)
    d = subspace.coords
    found = [
        index_rival(d, subspace.dimension, epsilon, delta),
        Rival(name=EVERYTHING, bits=d * word_bits, messages=d,
              caveat=f"words of {word_bits} bits; one broadcast serves every client"),
    ]  # fmt: skip
    if _diagonal(subspace):
        samples = binomial.sample_size(epsilon, delta)
        found.append(
            Rival(name=COORDINATES, bits=samples * state_qubits(d), messages=samples,
                  caveat="i drawn with probability g_i²/|g|², in ⌈log2 d⌉ bits; less with shared "
                  "randomness, down to the divergence of that law from the uniform one")
        )  # fmt: skip
    adapter = subspace.of if isinstance(subspace, Complement) else subspace
    described: Rival | None = None
    if isinstance(adapter, Tangent) and gradient is not None:
        described = triple_rival(gradient.reshape(adapter.shape), adapter, epsilon, delta)
    elif isinstance(adapter, Blocks) and gradient is not None:
        described = layer_rival(gradient, adapter, epsilon, delta)
    return (*found, described) if described is not None else tuple(found)


def best_subspace_rival(
    subspace: Subspace,
    epsilon: float,
    delta: float,
    *,
    gradient: NDArray[Any] | None = None,
    word_bits: int = 16,
) -> Rival:
    """The cheapest of :func:`subspace_rivals`.

    Raises:
        InputError: as there.
    """
    found = subspace_rivals(subspace, epsilon, delta, gradient=gradient, word_bits=word_bits)
    return min(found, key=lambda rival: rival.bits)


def index_rival(
    coords: int, dimension: int, epsilon: float, delta: float, index_bits: int | None = None
) -> Rival:
    """Indices of the maximum, of so many bits or at the best length, for any subspace."""
    goal = epsilon / -NormalDist().inv_cdf(delta / 2)
    best: Rival | None = None
    for width in reversed(_WIDTHS) if index_bits is None else (index_bits,):
        most = 4 * coords + 100_000 if best is None else (best.bits - 1) // width
        if most < 2 or index_spread(coords, dimension, most, width) > goal:
            continue
        terms = _terms(coords, dimension, width, goal, most)
        best = Rival(name=SketchKind.INDEX, bits=terms * width, messages=terms,
                     shared_random_words=terms * coords << width,
                     caveat=f"shared random directions, of which the sender searches 2^{width}; "
                     "one broadcast serves every client")  # fmt: skip
    if best is None:
        return Rival(name=EVERYTHING, bits=64 * coords, messages=coords)
    return best


def _terms(coords: int, dimension: int, width: int, goal: float, most: int) -> int:
    def fits(terms: int) -> bool:
        return index_spread(coords, dimension, terms, width) <= goal

    return least(fits, 2, most)


def index_spread(coords: int, dimension: int, terms: int, index_bits: int) -> float:
    """Largest standard deviation of the share from ``terms`` indices, over all vectors.

    The client takes A = P − k/d, whose trace is zero: since |g| = 1 is known, noise that is the
    same in all directions cancels, and 2k(1 − k/d) stands in place of 2k. Standing: exact.
    """
    even = dimension / coords
    squares = dimension * (1 - even)

    def variance(f: float) -> float:
        turned = f * (1 - even) ** 2 + (1 - f) * even**2
        return pair_variance(terms, index_bits, f - even, turned, squares)

    return math.sqrt(max(variance(f) for f in np.linspace(0, 1, 33)))


def _diagonal(subspace: Subspace) -> bool:
    """Whether P is diagonal in the coordinates."""
    if isinstance(subspace, Complement):
        return _diagonal(subspace.of)
    if isinstance(subspace, Blocks):
        return all(part is None or _diagonal(part) for _, part in subspace.parts)
    return isinstance(subspace, Coordinates)
