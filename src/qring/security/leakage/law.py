"""Probabilities of what GHZ copies show, for every combination of the workers' words at once.

A table over words has one axis a worker, of length 2^B. Factors that no word enters are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.network.copies import Kind
from qring.network.view import Announced, View
from qring.security.leakage.report import Told

__all__ = [
    "Copy",
    "Groups",
    "Table",
    "fits",
    "given",
    "groups",
    "likelihood",
    "likelihood_of_copy",
    "parity_law",
    "told",
    "worker_law",
]

Table = NDArray[np.float64]
_LARGEST = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """State of one copy, as the attacker knows it; see :mod:`qring.network.copies`."""

    kind: Kind = Kind.GHZ
    bits: int = 0
    turn: float = 0.0


def fits(workers: int, word_bits: int) -> bool:
    """Whether a table over all words is small enough."""
    return workers * word_bits <= _LARGEST.bit_length() - 1


def _phases(workers: int, word_bits: int, digit: int, correction: int, quarter: float) -> Table:
    """Every worker's phase for each of its words, shape (workers, 2^B)."""
    words = np.arange(1 << word_bits)
    phases = np.tile(words * (math.pi / (1 << digit)), (workers, 1))
    phases[0] += quarter - correction * (math.pi / (1 << digit))
    return phases


def _axis(values: Table, worker: int, workers: int) -> Table:
    """One worker's values, laid along its axis of a table."""
    return values.reshape([-1 if k == worker else 1 for k in range(workers)])


def parity_law(copy: Copy, workers: int, word_bits: int, digit: int, correction: int,
               quarter: float = 0.0) -> Table:  # fmt: skip
    """Probability of odd parity of a ``GHZ`` copy, as a table over words."""
    phases = _phases(workers, word_bits, digit, correction, quarter)
    angle = np.full((1,) * workers, copy.turn)
    for worker in range(workers):
        sign = -1 if copy.bits >> worker & 1 else 1
        angle = angle + _axis(sign * phases[worker], worker, workers)
    return np.asarray((1 - np.cos(angle)) / 2)


def worker_law(copy: Copy, workers: int, word_bits: int, digit: int, correction: int,
               quarter: float = 0.0) -> Table:  # fmt: skip
    """Probability that each worker shows 1 on a ``PRODUCT`` copy, shape (workers, 2^B)."""
    phases = _phases(workers, word_bits, digit, correction, quarter)
    signs = np.array([copy.bits >> worker & 1 for worker in range(workers)])
    return np.asarray((1 - np.cos(phases + copy.turn + math.pi * signs[:, None])) / 2)


def given(odds: Table, shown: int) -> Table:
    """Odds of what was shown: of 1, or of 0."""
    return odds if shown else 1 - odds


def likelihood(view: View, workers: int, word_bits: int) -> Table:
    """Probability of a view, up to a constant, as a table over all workers' words.

    Every copy in the view must have been for one and the same coordinate.
    """
    table = np.ones((1 << word_bits,) * workers)
    for announced in view:
        for place in range(announced.transcript.copies):
            table = table * likelihood_of_copy(announced, place, workers, word_bits)
        table /= table.max()
    return table


def likelihood_of_copy(announced: Announced, place: int, workers: int, word_bits: int) -> Table:
    """Probability of what the copy at one place of a batch shows, as a table over words."""
    outcomes = announced.transcript.outcomes()[:, place]
    digit, quarter = announced.digit, announced.quarter
    correction = int(announced.correction[place])
    tampered = announced.tampered
    found = int(np.searchsorted(tampered.where, place))
    listed = found < len(tampered) and tampered.where[found] == place
    copy = Copy()
    if listed:
        copy = Copy(
            kind=Kind(int(tampered.kind[found])),
            bits=int(tampered.bits[found]),
            turn=float(tampered.turn[found]),
        )
    whole = (workers, word_bits, digit, correction, quarter)
    if copy.kind is Kind.GHZ:
        return given(parity_law(copy, *whole), int(outcomes.sum()) % 2)
    factor = np.ones((1,) * workers)
    if copy.kind is Kind.DEPHASED:
        return factor
    shown = outcomes
    if copy.kind is Kind.PRODUCT:
        odds = worker_law(copy, *whole)
    else:  # her half, turned by her guess, shows what is left of the phase
        guesses = announced.guesses[:, found].astype(np.float64)
        phases = _phases(*whole) - (guesses * (math.pi / (1 << digit)))[:, None]
        odds = (1 - np.cos(phases)) / 2
        shown = announced.held[:, found] ^ outcomes
    for worker in range(workers):
        factor = factor * _axis(given(odds[worker], int(shown[worker])), worker, workers)
    return factor


class Groups(NamedTuple):
    """Labels of every combination of words: all that an attacker may know besides a view.

    ``alone`` counts up what workers on her side hold, ``with_sum`` the true sum as well; each
    label is followed by the last worker's word, as its lowest B bits.
    """

    alone: NDArray[np.int64]
    with_sum: NDArray[np.int64]


def groups(workers: int, word_bits: int, known: tuple[int, ...] = ()) -> Groups:
    """Label the words of all workers, those of ``known`` being the attacker's own."""
    words = np.indices((1 << word_bits,) * workers).reshape(workers, -1)
    label = np.zeros(words.shape[1], np.int64)
    for worker in known:
        label = label << word_bits | words[worker]
    total = words.sum(axis=0) % (1 << word_bits)
    return Groups(
        label << word_bits | words[-1], (label << word_bits | total) << word_bits | words[-1]
    )


def told(table: Table, group: Groups, word_bits: int) -> Told:
    """Information of one view, times its probability: H(X) less the entropy that is left, in bits.

    ``table`` holds the view's probability together with each combination of words.
    """
    return Told(*(_told(table.ravel(), labels, word_bits) for labels in group))


def _told(weights: Table, labels: NDArray[np.int64], word_bits: int) -> float:
    joint = np.bincount(labels, weights=weights)
    joint = np.pad(joint, (0, -len(joint) % (1 << word_bits))).reshape(-1, 1 << word_bits)
    whole = joint.sum(axis=1, keepdims=True)
    ratio = np.divide(joint, whole, out=np.ones_like(joint), where=joint > 0)
    return float((joint * np.log2(ratio)).sum() + word_bits * whole.sum())
