"""Hashed checks of many GHZ copies at once: CNOTs between them and a few check copies.

*Amplitude check.* A public coin chooses a subset of the copies; every worker applies CNOT from its
qubit of each chosen copy to its qubit of the check copy and measures that in Z. Perfect copies
show the same bit to everybody, and nothing of themselves. Whatever pattern of ZZ syndromes the
copies have, if it is not zero half of the subsets show it, the check copy's own included.

*Phase check.* The CNOTs go the other way and the check copy is measured in X: an even number of
ones, if no phase is flipped. Amplitude errors of a check copy spread to the chosen copies, phase
errors of an amplitude check likewise: so phase checks come first, and the copies of the later
amplitude checks are among what they check.

Syndromes and phases commute, so following them as bits gives exactly the outcomes that occur and
their odds. What superpositions of them become: an amplitude check turns a ``PRODUCT`` copy that it
touched into the GHZ state of the pattern found, and ``HALVES`` too, if their owner measures the
same. That is exact where the coins of the copies touched are independent, since the outcomes then
fix every pattern; otherwise, with probability about 2^−checks, some coherence between copies is
lost, and so it is for ``PRODUCT`` copies in Y that a phase check touches or that serve as one.
Source: GHZ purity testing, cf. Barnum et al. 2002.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.network.copies import Kind, Tampered, odd_bits, random_patterns, worker_bits

__all__ = ["Hashed", "hash_amplitudes", "hash_phases"]


class Hashed(NamedTuple):
    """Result of some checks: outcomes as patterns, a check; the copies left; CNOTs a worker.

    ``outcomes`` are all the workers' bits, ``wrong`` says which checks must not pass.
    """

    outcomes: NDArray[np.uint64]
    wrong: NDArray[np.bool_]
    copies: Tampered
    cnots: int


class _Syndromes(NamedTuple):
    """Patterns and phases of copies as bits, as a measurement of them would find."""

    bits: NDArray[np.uint64]
    phase: NDArray[np.uint8]


def hash_amplitudes(
    copies: Tampered, count: int, checks: Tampered, rounds: int, workers: int,
    rng: np.random.Generator,
) -> Hashed:  # fmt: skip
    """Check the amplitudes of ``count`` copies ``rounds`` times, with a check copy each time."""
    full = np.uint64((1 << workers) - 1)
    found, mine = _measured(copies, workers, rng), _measured(checks, workers, rng)
    coins = rng.integers(2, size=(rounds, len(copies)), dtype=np.uint8)
    outcomes = np.bitwise_xor.reduce(found.bits * coins, axis=1)
    outcomes[checks.where] ^= mine.bits
    wrong = (outcomes != 0) & (outcomes != full)
    left = _after_amplitudes(copies, found, coins.max(axis=0, initial=0) > 0, workers)
    left, cnots = _spread(left, count, checks.where[mine.phase == 1], coins, None, rng)
    outcomes ^= rng.integers(2, size=rounds, dtype=np.uint8) * full
    return Hashed(outcomes, wrong, left, cnots)


def hash_phases(
    copies: Tampered, count: int, checks: Tampered, rounds: int, workers: int,
    rng: np.random.Generator,
) -> Hashed:  # fmt: skip
    """Check the phases of ``count`` copies ``rounds`` times, with a check copy each time."""
    found, mine = _measured(copies, workers, rng), _measured(checks, workers, rng)
    coins = rng.integers(2, size=(rounds, len(copies)), dtype=np.uint8)
    odd = np.bitwise_xor.reduce(found.phase * coins, axis=1)
    odd[checks.where] ^= mine.phase
    left = _after_phases(copies, found, coins.max(axis=0, initial=0) > 0)
    moved = (mine.bits != 0) & (mine.bits != np.uint64((1 << workers) - 1))
    left, cnots = _spread(left, count, checks.where[moved], coins, mine.bits[moved], rng)
    outcomes = random_patterns(rounds, workers, rng)
    outcomes ^= (odd_bits(outcomes) ^ odd.astype(np.bool_)).astype(np.uint64)
    return Hashed(outcomes, odd.astype(np.bool_), left, cnots)


def _measured(copies: Tampered, workers: int, rng: np.random.Generator) -> _Syndromes:
    """Outcomes of measuring all syndromes."""
    bits, turned = copies.bits.copy(), copies.turn
    product, halves = copies.kind == Kind.PRODUCT, copies.kind == Kind.HALVES
    odds = (1 - np.cos(turned)) / 2
    odds[halves | (copies.kind == Kind.DEPHASED)] = 0.5
    if product.any():
        # ⟨X…X⟩ is the product of each qubit's ±cos δ.
        even = np.cos(turned[product]) ** workers
        odds[product] = (1 - np.where(odd_bits(bits[product]), -even, even)) / 2
    free = product | halves
    bits[free] = random_patterns(int(free.sum()), workers, rng)
    return _Syndromes(bits, (rng.random(len(copies)) < odds).astype(np.uint8))


def _after_amplitudes(
    copies: Tampered, found: _Syndromes, touched: NDArray[np.bool_], workers: int
) -> Tampered:
    """Copies whose patterns were measured; only superpositions of patterns change."""
    product = copies.kind == Kind.PRODUCT
    loose = touched & (product | (copies.kind == Kind.HALVES))
    # Of Σ ∏ a_i |v⟩ are left |e⟩ and |ē⟩: their ratio is that of two products of ±e^{iδ}.
    ones = worker_bits(found.bits, workers).sum(axis=0, dtype=np.int64)
    turn = copies.turn * (workers - 2 * ones) + math.pi * odd_bits(copies.bits)
    turn = np.where(product, turn, math.pi * found.phase)
    return _changed(copies, loose, found.bits, np.where(loose, turn, copies.turn))


def _after_phases(copies: Tampered, found: _Syndromes, touched: NDArray[np.bool_]) -> Tampered:
    """Copies whose phases were measured; products of |±⟩ have had one all along."""
    changed = touched & ~((copies.kind == Kind.PRODUCT) & (copies.turn == 0))
    bits = np.where(copies.kind >= Kind.PRODUCT, found.bits, copies.bits)
    turn = np.where(changed, math.pi * found.phase, copies.turn)
    return _changed(copies, changed, bits, turn)


def _changed(
    copies: Tampered,
    which: NDArray[np.bool_],
    bits: NDArray[np.uint64],
    turn: NDArray[np.float64],
) -> Tampered:
    return Tampered(
        where=copies.where,
        kind=np.where(which, np.uint8(Kind.GHZ), copies.kind),
        bits=np.where(which, bits, copies.bits),
        turn=turn,
        origin=copies.origin,
    )


def _spread(
    copies: Tampered, count: int, bad_checks: NDArray[np.int64],
    coins: NDArray[np.uint8], patterns: NDArray[np.uint64] | None, rng: np.random.Generator,
) -> tuple[Tampered, int]:  # fmt: skip
    """Let the errors of ``bad_checks`` spread to the copies that those chose, and count CNOTs.

    With ``patterns`` they are X errors, else phase flips. The coins of perfect copies are drawn
    only here, where they matter.
    """
    ours = int(coins.sum(dtype=np.int64))
    others = count - len(copies)
    quiet = len(coins) - len(bad_checks)
    cnots = ours + int(rng.binomial(quiet * others, 0.5))
    if len(bad_checks) == 0:
        return copies, cnots
    bits = np.zeros(count, np.uint64)
    phase = np.zeros(count, np.uint8)
    listed = np.zeros(count, np.bool_)
    listed[copies.where] = True
    for k, check in enumerate(bad_checks):
        chosen = rng.integers(2, size=count, dtype=np.uint8)
        chosen[copies.where] = coins[check]
        cnots += int(chosen[~listed].sum(dtype=np.int64))
        if patterns is None:
            phase ^= chosen
        else:
            bits ^= chosen * patterns[k]
    new = np.flatnonzero(((bits != 0) | (phase != 0)) & ~listed)
    mixed = Tampered.of(new, bits=bits[new], turn=phase[new] * np.float64(math.pi))
    fixed = copies.kind < Kind.PRODUCT
    turned = math.pi * phase[copies.where]
    product = copies.kind == Kind.PRODUCT
    # X moves |±⟩ by no more than a phase, and |±i⟩ to the other one.
    signs = np.where(fixed | product & (copies.turn != 0), bits[copies.where], np.uint64(0))
    signs ^= product & (phase[copies.where] == 1)  # Z on worker 0's qubit
    old = Tampered(
        where=copies.where,
        kind=copies.kind,
        bits=copies.bits ^ signs,
        turn=np.where(fixed, copies.turn + turned, copies.turn),
        origin=copies.origin,
    )
    return old.and_also(mixed), cnots
