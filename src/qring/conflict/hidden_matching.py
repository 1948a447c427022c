"""Boolean Hidden Matching, the task behind TieAudit's separation, and its reduction to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qring.conflict.matching import Pairs
from qring.conflict.phase_state import measure_pairs, state_qubits
from qring.conflict.signs import ArraySigns
from qring.errors import InputError
from qring.ledger import Carrier, Ledger
from qring.network.network import Network

__all__ = ["Answer", "HiddenMatching", "as_tie_audit", "parity_shortcut", "solve"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HiddenMatching:
    """Alice's bits (d,), Bob's pairs (M, 2) and target (M,), bool.

    Promised: the parities of the pairs equal the target, or its complement everywhere.

    Raises:
        InputError: shapes that do not fit, overlapping pairs, or a broken promise.
    """

    bits: NDArray[np.bool_]
    pairs: NDArray[np.int64]
    target: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.bits.ndim != 1 or self.bits.dtype != np.bool_ or self.target.dtype != np.bool_:
            raise InputError("bits and target are one-dimensional boolean arrays")
        Pairs.of(self.pairs, len(self.bits))
        if self.target.shape != (len(self.pairs),):
            raise InputError(f"{len(self.pairs)} pairs need as many target bits")
        if len(set((self._parities ^ self.target).tolist())) != 1:
            raise InputError("the parities are neither the target nor its complement")

    @property
    def _parities(self) -> NDArray[np.bool_]:
        return np.asarray(self.bits[self.pairs[:, 0]] ^ self.bits[self.pairs[:, 1]])

    @property
    def complemented(self) -> bool:
        """The answer: whether the parities are the complement of the target."""
        return bool((self._parities ^ self.target)[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Whether the parities are the target's complement; None if no copy hit a pair."""

    complemented: bool | None
    ledger: Ledger


def solve(task: HiddenMatching, copies: int, rng: np.random.Generator) -> Answer:
    """Send ``copies`` phase states; the first that hits a pair answers without error.

    Source: paper appendix C.3.
    """
    coords = len(task.bits)
    run = Network().open(2, rng)
    run.wire(0, 1).send(Carrier.QUBIT, copies * state_qubits(2 * coords))
    run.end_rounds()
    signs, ties = as_tie_audit(task)
    outcomes = measure_pairs(signs, ties, copies, rng)
    hits = np.flatnonzero(outcomes.hit)
    answer = bool(outcomes.differs[hits[0]]) if len(hits) else None
    return Answer(complemented=answer, ledger=run.ledger())


def as_tie_audit(task: HiddenMatching) -> tuple[ArraySigns, Pairs]:
    """Signs and ties whose conflicting fraction is exactly 0 or 1, the answer.

    The string is (x, x̄). A pair (i, j) with target 0 becomes (i, j) and (ī, j̄); with target 1,
    (i, j̄) and (ī, j). The paper's own reduction leaves fractions of ½ on both branches when the
    target is balanced. Source: docs/mathematics/conflict.md, correcting theorem 5.
    """
    d = len(task.bits)
    i, j = task.pairs[:, 0], task.pairs[:, 1]
    crossed = np.where(task.target, d, 0)
    routed = np.concatenate(
        [np.stack([i, j + crossed], axis=1), np.stack([i + d, j + d - crossed], axis=1)]
    )
    return ArraySigns(np.concatenate([task.bits, ~task.bits])), Pairs.of(routed, 2 * d)


def parity_shortcut(task: HiddenMatching) -> bool:
    """Answer with one classical bit, where it is enough: a perfect matching, d/2 odd.

    All parities add up to the parity of Alice's whole string, and complementing an odd number of
    them flips it. So hard instances need d/2 even, or a partial matching.

    Raises:
        InputError: the matching is partial, or d/2 is even.
    """
    pairs = len(task.pairs)
    if 2 * pairs != len(task.bits) or pairs % 2 == 0:
        raise InputError("one bit answers only a perfect matching with an odd number of pairs")
    return bool((int(task.bits.sum()) + int(task.target.sum())) % 2)
