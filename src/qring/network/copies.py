"""GHZ copies that are not as they should be: what each one is, and what measuring it shows.

A perfect copy needs no description, so only the others are listed, by number. Each is one of a
small family whose outcome law is known in closed form, for any number of workers:

``GHZ``       X on the qubits of a pattern, and |1…1⟩ turned by an angle: (|e⟩ + e^{iδ}|ē⟩)/√2
``DEPHASED``  the same without any phase between |e⟩ and |ē⟩: an even mixture of the two
``PRODUCT``   every qubit on its own, (|0⟩ ± e^{iδ}|1⟩)/√2
``HALVES``    every qubit is half of a Φ+ whose other half an eavesdropper holds

The first three are all that bit and phase errors, resent measurements and product states leave.
A pattern and its complement are the same copy: what privacy hangs on are the ZZ syndromes, the
pattern up to complement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError

__all__ = [
    "MOST_WORKERS",
    "PERFECT",
    "Kind",
    "Tampered",
    "check_workers",
    "odd_bits",
    "random_patterns",
    "worker_bits",
]

MOST_WORKERS = 64
"""Workers whose pattern fits a word."""

_ONE = np.uint64(1)
_COUNTS = hasattr(np, "bitwise_count")


class Kind(IntEnum):
    """State of a copy that is not perfect; see the module."""

    GHZ = 0
    DEPHASED = 1
    PRODUCT = 2
    HALVES = 3


def check_workers(workers: int) -> None:
    """Refuse more workers than a pattern has bits.

    Raises:
        InputError: more than 64 workers.
    """
    if workers > MOST_WORKERS:
        raise InputError(
            f"tampered or noisy single copies are followed for at most {MOST_WORKERS} workers, "
            f"not {workers}"
        )


def odd_bits(words: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether each word has an odd number of ones."""
    if _COUNTS:  # NumPy 2 counts bits in hardware
        return np.asarray(np.bitwise_count(words) & np.uint8(1)).view(np.bool_)
    folded = words.copy()
    for shift in (32, 16, 8, 4, 2, 1):
        folded ^= folded >> np.uint64(shift)
    return np.asarray(folded & _ONE, np.bool_)


def worker_bits(words: NDArray[np.uint64], workers: int) -> NDArray[np.uint8]:
    """Spread patterns out, shape (workers, len(words)): worker i has bit i."""
    shifts = np.arange(workers, dtype=np.uint64)[:, None]
    return ((words >> shifts) & _ONE).astype(np.uint8)


def random_patterns(count: int, workers: int, rng: np.random.Generator) -> NDArray[np.uint64]:
    """Uniformly random patterns of ``workers`` bits."""
    return rng.integers(1 << 64, size=count, dtype=np.uint64) >> np.uint64(64 - workers)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tampered:
    """Copies that are not perfect, as arrays with one entry a copy.

    ``where`` holds their numbers, ascending; ``kind`` their :class:`Kind`; bit i of ``bits`` is
    set where worker i's qubit suffered X (for ``PRODUCT``: where its sign is minus); ``turn`` is
    the angle δ of |ē⟩ (for ``PRODUCT``: of every |1⟩, and 0 or π/2). ``origin`` is the number
    each copy had when it was received, whatever has been done with it since.
    """

    where: NDArray[np.int64]
    kind: NDArray[np.uint8]
    bits: NDArray[np.uint64]
    turn: NDArray[np.float64]
    origin: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        where: NDArray[np.int64],
        *,
        kind: Kind = Kind.GHZ,
        bits: NDArray[np.uint64] | int = 0,
        turn: NDArray[np.float64] | float = 0.0,
    ) -> Tampered:
        """Copies of one kind, numbered ``where`` (ascending)."""
        count = len(where)
        return cls(
            where=where,
            kind=np.full(count, kind, np.uint8),
            bits=np.broadcast_to(np.asarray(bits, np.uint64), count),
            turn=np.broadcast_to(np.asarray(turn, np.float64), count),
            origin=where,
        )

    def __len__(self) -> int:
        return len(self.where)

    def __getitem__(self, chosen: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Tampered:
        """Some of them, in the order asked for."""
        return Tampered(
            where=self.where[chosen],
            kind=self.kind[chosen],
            bits=self.bits[chosen],
            turn=self.turn[chosen],
            origin=self.origin[chosen],
        )

    def at(self, where: NDArray[np.int64]) -> Tampered:
        """The same states under other numbers, in any order; sorted by them."""
        order = np.argsort(where, kind="stable")
        kept = self[order]
        return Tampered(
            where=where[order], kind=kept.kind, bits=kept.bits, turn=kept.turn, origin=kept.origin
        )

    def between(self, start: int, stop: int) -> Tampered:
        """Those numbered from ``start`` to ``stop`` − 1, numbered from 0."""
        first, last = np.searchsorted(self.where, (start, stop))
        part = slice(int(first), int(last))
        return Tampered(
            where=self.where[part] - start,
            kind=self.kind[part],
            bits=self.bits[part],
            turn=self.turn[part],
            origin=self.origin[part],
        )

    def and_also(self, other: Tampered) -> Tampered:
        """Both lists together. A copy in both stays as it is in this one."""
        new = other[~np.isin(other.where, self.where)]
        both = Tampered(
            where=np.concatenate([self.where, new.where]),
            kind=np.concatenate([self.kind, new.kind]),
            bits=np.concatenate([self.bits, new.bits]),
            turn=np.concatenate([self.turn, new.turn]),
            origin=np.concatenate([self.origin, new.origin]),
        )
        return both.at(both.where)

    def syndromes(self, workers: int) -> NDArray[np.uint64]:
        """ZZ syndromes of ``GHZ`` and ``DEPHASED`` copies: the pattern with worker 0's bit clear.

        Zero where all is well for privacy.
        """
        full = np.uint64((1 << workers) - 1)
        return np.where(self.bits & _ONE, self.bits ^ full, self.bits)

    def in_z(self, workers: int, rng: np.random.Generator) -> NDArray[np.uint64]:
        """Measure every qubit in Z: one pattern of outcomes a copy.

        Collective bits are drawn, and so are patterns that no copy of its own has: those of
        ``PRODUCT`` copies and ``HALVES`` are uniform.
        """
        full = np.uint64((1 << workers) - 1)
        free = self.kind >= Kind.PRODUCT
        outcomes = np.where(rng.integers(2, size=len(self), dtype=np.uint8), full, np.uint64(0))
        outcomes ^= self.bits
        loose = random_patterns(int(free.sum()), workers, rng)
        outcomes[free] = loose
        return outcomes

    def in_x(self, phases: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.uint8]:
        """Encode ``phases``, shape (workers, copies), and measure every qubit in X.

        Returns outcomes of that shape. Exact for each copy on its own.
        """
        workers = len(phases)
        outcomes = rng.integers(2, size=phases.shape, dtype=np.uint8)  # dephased and halves: so
        odds = self.odd_odds(phases)
        ghz = np.flatnonzero(self.kind == Kind.GHZ)
        odd = (rng.random(len(ghz)) < odds[ghz]).astype(np.uint8)
        outcomes[0, ghz] ^= np.bitwise_xor.reduce(outcomes[:, ghz], axis=0) ^ odd
        product = np.flatnonzero(self.kind == Kind.PRODUCT)
        if len(product):
            chances = self.one_odds(phases)[:, product]
            outcomes[:, product] = rng.random((workers, len(product))) < chances
        return outcomes

    def odd_odds(self, phases: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability that ``GHZ`` copies show odd parity once ``phases`` are encoded.

        The pattern turns the sign of its workers' phases; strings of equal parity are equally
        likely.
        """
        signs = 1.0 - 2.0 * worker_bits(self.bits, len(phases))
        angle = (signs * phases).sum(axis=0) + self.turn
        return np.asarray((1 - np.cos(angle)) / 2)

    def one_odds(self, phases: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability that each qubit of ``PRODUCT`` copies shows 1 after encoding."""
        signs = worker_bits(self.bits, len(phases))
        return np.asarray((1 - np.cos(phases + self.turn + math.pi * signs)) / 2)


PERFECT = Tampered.of(np.empty(0, np.int64))
"""No copy at all is tampered with."""
