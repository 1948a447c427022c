"""The digit readout under attack, enumerated: every transcript, with its exact probability.

Only what carries information branches: the parity of a GHZ copy, each worker's outcome on a
product, what each of an eavesdropper's halves shows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from qring.network.copies import Kind, Tampered
from qring.network.stabilisers import every_string, flag_odds
from qring.security.leakage.law import (
    Copy,
    Table,
    given,
    groups,
    parity_law,
    told,
    worker_law,
)
from qring.security.leakage.report import Told

__all__ = ["Enumerated", "affordable", "passes_a_test", "read_digits"]

_LARGEST = 1 << 23


class Enumerated(NamedTuple):
    """Leakage of all transcripts on the last worker's word, and probability of the right sum."""

    told: Told
    sum_correct: float


class _Branch(NamedTuple):
    """A transcript so far: its probability given each combination of words; what it says."""

    table: Table
    sum: int
    seen: tuple[int, ...]  # lower digits of every worker's word, as her halves told them


def affordable(copies: Sequence[Copy | None], workers: int, word_bits: int) -> bool:
    """Whether all transcripts, times all words, are few enough."""
    width = {Kind.GHZ: 1, Kind.DEPHASED: 1, Kind.PRODUCT: workers, Kind.HALVES: 1 + workers}
    bits = sum(width[(copy or Copy()).kind] for copy in copies)
    return (1 << (bits + workers * word_bits)) <= _LARGEST


def read_digits(
    copies: Sequence[Copy | None], workers: int, word_bits: int, known: tuple[int, ...] = ()
) -> Enumerated:
    """Read a sum mod 2^B, digit j on ``copies[j]``; ``None`` is a perfect copy.

    ``known`` are workers on the attacker's side, whose words are part of what she has.
    """
    start = np.full((1 << word_bits,) * workers, 2.0 ** (-workers * word_bits))
    branches = [_Branch(start, 0, (0,) * workers)]
    for digit, copy in enumerate(copies):
        branches = [
            grown
            for branch in branches
            for grown in _grow(branch, copy or Copy(), digit, word_bits)
        ]
    total = np.indices(start.shape).sum(axis=0) % (1 << word_bits)
    group = groups(workers, word_bits, known)
    parts = [told(branch.table, group, word_bits) for branch in branches]
    return Enumerated(
        Told(*(math.fsum(column) for column in zip(*parts, strict=True))),
        math.fsum(float(branch.table[total == branch.sum].sum()) for branch in branches),
    )


def _grow(branch: _Branch, copy: Copy, digit: int, word_bits: int) -> list[_Branch]:
    """All ways a transcript can go on with one more copy, impossible ones left out."""
    workers = branch.table.ndim
    whole = (workers, word_bits, digit, branch.sum)
    grown = []
    if copy.kind in (Kind.GHZ, Kind.DEPHASED):
        odds = np.array(0.5) if copy.kind is Kind.DEPHASED else parity_law(copy, *whole)
        for parity in (0, 1):
            grown.append((given(odds, parity), parity, branch.seen))
    else:
        if copy.kind is Kind.PRODUCT:
            law = worker_law(copy, *whole)
        else:
            guess = [seen - (branch.sum if k == 0 else 0) for k, seen in enumerate(branch.seen)]
            law = np.stack(
                [
                    worker_law(Copy(kind=copy.kind, turn=-g * math.pi / (1 << digit)), *whole)[k]
                    for k, g in enumerate(guess)
                ]
            )
        for shown in itertools.product((0, 1), repeat=workers):
            factor = np.ones((1,) * workers)
            for worker, bit in enumerate(shown):
                along = [-1 if k == worker else 1 for k in range(workers)]
                factor = factor * given(law[worker], bit).reshape(along)
            if copy.kind is Kind.PRODUCT:
                grown.append((factor, sum(shown) % 2, branch.seen))
                continue
            seen = tuple(s | bit << digit for s, bit in zip(branch.seen, shown, strict=True))
            for parity in (0, 1):  # the outcomes themselves are uniform and tell nothing
                grown.append((factor / 2, parity, seen))
    made = [
        _Branch(branch.table * factor, branch.sum | parity << digit, seen)
        for factor, parity, seen in grown
    ]
    return [one for one in made if one.table.any()]


def passes_a_test(copy: Copy, workers: int, liars: frozenset[int]) -> float:
    """Probability that a uniformly random non-identity stabiliser passes a copy."""
    strings = every_string(workers)
    one = Tampered.of(np.arange(len(strings.sets)), kind=copy.kind, bits=copy.bits, turn=copy.turn)
    odds = flag_odds(one, strings, workers)
    lied = np.uint64(sum(1 << liar for liar in liars))
    hidden = (strings.phase & bool(liars)) | (strings.sets & lied != 0)
    return float(1 - np.where(hidden, 0.0, odds).mean())
