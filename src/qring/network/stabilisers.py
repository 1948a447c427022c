"""Stabilisers of a GHZ state: random strings of them, and what measuring them shows.

The strings are the even-weight ones of Z, with sign +, and those with Y on an even-sized set and
X elsewhere, with sign (−1)^(|set|/2). A string is a kind (``phase``: whether it is of the second
sort) and a ``set``. Source: paper section 4.3.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.network.copies import Kind, Tampered, odd_bits, random_patterns, worker_bits

__all__ = [
    "Strings",
    "draw_strings",
    "every_string",
    "flag_each",
    "flag_odds",
    "flags",
    "outcomes_behind",
    "pauli_string",
]

_AT_ONCE = 12_000  # arrays stay below 128 KiB, from where on each one costs fresh pages


class Strings(NamedTuple):
    """Stabilisers, one a copy: ``phase`` (bool) and ``sets`` (bit i for worker i, even weight)."""

    phase: NDArray[np.bool_]
    sets: NDArray[np.uint64]


def draw_strings(count: int, workers: int, rng: np.random.Generator) -> Strings:
    """Draw uniformly among the 2^n − 1 stabilisers that are not the identity."""
    coins = random_patterns(count, workers, rng)  # worker 0's bit says which sort
    while not coins.all():
        identities = np.flatnonzero(coins == 0)
        coins[identities] = random_patterns(len(identities), workers, rng)
    others = coins & ~np.uint64(1)
    return Strings((coins & np.uint64(1)).astype(np.bool_), others | odd_bits(others))


def every_string(workers: int) -> Strings:
    """All 2^n − 1 stabilisers that are not the identity."""
    coins = np.arange(1, 1 << workers, dtype=np.uint64)
    others = coins & ~np.uint64(1)
    return Strings((coins & np.uint64(1)).astype(np.bool_), others | odd_bits(others))


def pauli_string(phase: bool, members: int, workers: int) -> str:
    """The string as text, worker 0 first: ``+Z_Z``, ``-YXY``."""
    inside, outside = "YX" if phase else "Z_"
    letters = "".join(inside if members >> i & 1 else outside for i in range(workers))
    return ("-" if _negative(phase, members) else "+") + letters


def flags(
    copies: Tampered, strings: Strings, workers: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Whether the outcome of each copy's string has the wrong sign. Exact for every kind of copy.

    Copies with errors of single qubits, which are sure to flag or sure not to, take no draw.
    """
    wrong = odd_bits(copies.bits & strings.sets)
    flipped = copies.turn == math.pi
    wrong ^= flipped & strings.phase
    sure = flipped | (copies.turn == 0)
    sure &= copies.kind == Kind.GHZ
    drawn = np.flatnonzero(~sure)
    if len(drawn):
        asked = Strings(strings.phase[drawn], strings.sets[drawn])
        wrong[drawn] = rng.random(len(drawn)) < flag_odds(copies[drawn], asked, workers)
    return wrong


def flag_each(
    copies: Tampered, workers: int, rng: np.random.Generator
) -> tuple[Strings, NDArray[np.bool_]]:
    """Draw a string for each copy, and whether its outcome has the wrong sign."""
    strings, wrong = [], []
    for start in range(0, max(1, len(copies)), _AT_ONCE):
        part = copies[slice(start, start + _AT_ONCE)]
        strings.append(draw_strings(len(part), workers, rng))
        wrong.append(flags(part, strings[-1], workers, rng))
    phase, sets = (np.concatenate(column) for column in zip(*strings, strict=True))
    return Strings(phase, sets), np.concatenate(wrong)


def flag_odds(copies: Tampered, strings: Strings, workers: int) -> NDArray[np.float64]:
    """Probability that each copy's string comes out with the wrong sign.

    An X error anticommutes with Z and with Y; a turned |ē⟩ shows in the second sort alone. On a
    product copy each X shows ±cos δ on average, each Y ±sin δ, and each Z nothing.
    """
    flipped = np.where(odd_bits(copies.bits & strings.sets), -1.0, 1.0)
    shown = np.where(strings.phase, flipped * np.cos(copies.turn), flipped)
    members = worker_bits(strings.sets, workers).sum(axis=0)
    each = np.cos(copies.turn) ** (workers - members) * np.sin(copies.turn) ** members
    signs = odd_bits(copies.bits) ^ (members % 4 == 2)
    product = np.where(strings.phase, np.where(signs, -each, each), 0.0)
    shown = np.where(copies.kind == Kind.PRODUCT, product, shown)
    shown = np.where((copies.kind == Kind.DEPHASED) & strings.phase, 0.0, shown)
    shown = np.where(copies.kind == Kind.HALVES, 0.0, shown)
    return np.asarray((1 - shown) / 2)


def outcomes_behind(
    copy: Tampered, phase: bool, members: int, wrong: bool, workers: int, rng: np.random.Generator
) -> tuple[int | None, ...]:
    """Announcements of the workers for one copy whose string came out ``wrong`` or right.

    ``None`` where the string has no letter. Drawn afterwards, which is all the same: the law is
    that of the outcomes given their sign.
    """
    pattern = int(copy.bits[0])
    asked = [phase or bool(members >> i & 1) for i in range(workers)]
    odd = wrong ^ _negative(phase, members)
    if not phase and copy.kind[0] < Kind.PRODUCT:
        collective = int(rng.integers(2))
        shown = [collective ^ (pattern >> i & 1) for i in range(workers)]
    elif phase and copy.kind[0] == Kind.PRODUCT:
        angles = [float(copy.turn[0]) + math.pi * (pattern >> i & 1) for i in range(workers)]
        angles = [a - math.pi / 2 * (members >> i & 1) for i, a in enumerate(angles)]
        odds = (1 - np.cos(angles)) / 2
        shown = [int(b) for b in rng.random(workers) < odds]
        while sum(shown) % 2 != odd:
            shown = [int(b) for b in rng.random(workers) < odds]
    else:
        shown = [int(b) for b in rng.integers(2, size=workers)]
        last = max(i for i in range(workers) if asked[i])
        parity = sum(b for i, b in enumerate(shown) if asked[i]) % 2
        shown[last] ^= parity ^ odd
    return tuple(b if there else None for b, there in zip(shown, asked, strict=True))


def _negative(phase: bool, members: int) -> bool:
    return phase and members.bit_count() % 4 == 2
