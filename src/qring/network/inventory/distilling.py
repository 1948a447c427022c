"""Distillation of stored pairs, of unequal age or not: two become one that is better, or none.

Labels are followed through the circuit: an error of a pair is a bit flip, a phase flip or both; a
CNOT at each end adds the source's bit flip to the target and the target's phase flip to the source;
the target is measured, and the source kept where both ends agree. Local operations are perfect.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from qring.validate import check_enum, check_whole

__all__ = ["Recipe", "Recurrence", "distil"]

Weights = NDArray[np.float64]
_BIT, _PHASE = (0, 1, 1, 0), (0, 0, 1, 1)  # of I, X, Y, Z
_LABEL = {(bit, phase): k for k, (bit, phase) in enumerate(zip(_BIT, _PHASE, strict=True))}


class Recurrence(Enum):
    """Protocol that compares two pairs.

    ``BBPSSW`` twirls what is left to a Werner pair (PRL 76, 722 (1996)); ``DEJMPS`` turns both
    pairs so that Y errors become phase flips, and keeps the law as it comes (PRL 77, 2818 (1996)).
    """

    BBPSSW = "bbpssw"
    DEJMPS = "dejmps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """``rounds`` of a recurrence, each on two survivors of the last: 2^rounds pairs for one.

    Raises:
        InputError: no rounds, or more than 10.
    """

    recurrence: Recurrence = Recurrence.DEJMPS
    rounds: int = 1

    def __post_init__(self) -> None:
        check_enum("recurrence", self.recurrence, Recurrence)
        check_whole("rounds", self.rounds, least=1, most=10)

    @property
    def pairs(self) -> int:
        """Pairs that go into one attempt."""
        return int(2**self.rounds)


def distil(
    first: Weights, second: Weights, recurrence: Recurrence
) -> tuple[Weights, NDArray[np.float64]]:
    """Law of the pair that is kept and probability that it is, for pairs of weights (pairs, 4).

    Where nothing can be kept the law is that of a mixed pair.
    """
    if recurrence is Recurrence.DEJMPS:
        first, second = first[:, [0, 1, 3, 2]], second[:, [0, 1, 3, 2]]
    kept = np.zeros_like(first)
    for source in range(4):
        for target in range(4):
            if _BIT[source] == _BIT[target]:
                label = _LABEL[_BIT[source], _PHASE[source] ^ _PHASE[target]]
                kept[:, label] += first[:, source] * second[:, target]
    success = kept.sum(axis=1)
    left = np.divide(kept, success[:, None], out=np.full_like(kept, 0.25),
                     where=success[:, None] > 0)  # fmt: skip
    if recurrence is Recurrence.BBPSSW:
        left[:, 1:] = left[:, 1:].sum(axis=1, keepdims=True) / 3
    return left, success
