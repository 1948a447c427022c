"""Conflicts among several gradients, asked pair by pair, and a Gramian for weightings that ask.

Methods for conflicting tasks (PCGrad, UPGrad) need of m gradients only their m×m inner products.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qring.conflict.courier import Courier
from qring.conflict.finding import Decision, Finding, Strategy, check_task
from qring.conflict.gap_ip import register_qubits
from qring.conflict.plane import Plane
from qring.conflict.strategies.ancilla_free import AncillaFree
from qring.conflict.strategies.maximum_likelihood import MaximumLikelihood
from qring.errors import InputError
from qring.ledger import Carrier, Ledger
from qring.network.network import Network

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ConflictOracle", "positive_semidefinite"]

_LENGTH_BITS = 32


class ConflictOracle:
    """GapIP between the gradients of m workers or tasks; ``ledger`` is the account so far.

    Node k of the ledger holds row k. A row of zeros conflicts with nobody, and costs nothing.
    Simulated in closed form, from the exact inner products.

    Args:
        products: inner products of all gradients, shape (m, m).
        coords: d, the coordinates of a gradient.
        margin: τ of every pair's test; the resolution of the cosines in :meth:`gramian`.
        error: of every pair's test; a run of all m(m−1)/2 errs at most so many times as often.
        rng: source of the measurements' outcomes.
        decide: how a yes or no is found; :class:`AncillaFree` unless said otherwise.
        estimate: how a cosine is found; :class:`MaximumLikelihood` unless said otherwise, or
            :class:`Kitaev`: the other strategies tell a side only.

    Raises:
        InputError: another shape, a value that is not finite, or a margin or error outside.
    """

    def __init__(
        self,
        products: NDArray[np.float64],
        coords: int,
        *,
        margin: float,
        error: float,
        rng: np.random.Generator,
        decide: Strategy | None = None,
        estimate: Strategy | None = None,
    ) -> None:
        check_task(margin, error)
        squares = np.diag(products)
        if not np.isfinite(squares).all():
            worst = int((~np.isfinite(squares)).argmax())
            raise InputError(f"gradient {worst} holds values that are not finite")
        self._lengths = np.sqrt(squares)
        scale = np.where(self._lengths > 0, self._lengths, 1.0)
        self._cosines = np.clip(products / np.outer(scale, scale), -1, 1)
        self._qubits, self._rng = register_qubits(coords), rng
        self._margin, self._error = margin, error
        self._decide = decide if decide is not None else AncillaFree()
        self._estimate = estimate if estimate is not None else MaximumLikelihood()
        self.ledger = Ledger()

    @classmethod
    def of(cls, gradients: ArrayLike, **task: Any) -> Self:  # noqa: ANN401 - as the constructor's
        """An oracle over real gradients, shape (m, d), and the constructor's other arguments.

        Raises:
            InputError: another shape, or as the constructor.
        """
        rows = np.asarray(gradients)
        if rows.ndim != 2 or not rows.size or rows.dtype.kind != "f":
            raise InputError(
                f"gradients are real numbers of shape (m, d), not {rows.dtype.name} {rows.shape}"
            )
        wide = rows.astype(np.float64, copy=False)
        return cls(wide @ wide.T, rows.shape[1], **task)

    def conflicts(self, i: int, j: int) -> bool:
        """Whether gradients ``i`` and ``j`` are found to oppose.

        Raises:
            InputError: no such pair.
        """
        found = self._ask(i, j, self._decide)
        return found is not None and found.decision is Decision.CONFLICTING

    def cosine(self, i: int, j: int) -> float:
        """The estimated cosine of gradients ``i`` and ``j``; 0 where one is zero.

        Raises:
            InputError: no such pair, or a strategy that estimates no cosine.
        """
        found = self._ask(i, j, self._estimate)
        if found is None:
            return 0.0
        if found.estimate is None:
            raise InputError(
                f"{self._estimate.name} tells a side and no cosine: estimate by "
                "MaximumLikelihood() or Kitaev()"
            )
        return found.estimate

    def gramian(self) -> NDArray[np.float64]:
        """Inner products of all gradients, shape (m, m), positive semidefinite.

        Lengths are exact: each worker tells its own to all others in 32 bits. Cosines are
        estimates, so the matrix is made positive semidefinite.
        """
        count = len(self._lengths)
        cosines = np.eye(count)
        for i, j in itertools.combinations(range(count), 2):
            cosines[i, j] = cosines[j, i] = self.cosine(i, j)
        run = Network().open(count)
        for i, j in itertools.permutations(range(count), 2):
            run.wire(i, j).send(Carrier.BIT, _LENGTH_BITS)
        if count > 1:
            run.end_rounds()
        self.ledger += run.ledger()
        lengths: NDArray[np.float64] = np.outer(self._lengths, self._lengths)
        return positive_semidefinite(cosines) * lengths

    def _ask(self, i: int, j: int, strategy: Strategy) -> Finding | None:
        count = len(self._lengths)
        if i == j or not (0 <= i < count and 0 <= j < count):
            raise InputError(f"no pair ({i}, {j}) among {count} gradients")
        if not (self._lengths[i] and self._lengths[j]):
            return None
        run = Network().open(2, self._rng)
        engine = Plane(float(self._cosines[i, j]), Courier(self._qubits, run))
        found = strategy.run(engine, margin=self._margin, error=self._error, rng=self._rng)
        self.ledger += run.ledger().renamed((i, j))
        return found


def positive_semidefinite(cosines: NDArray[np.float64]) -> NDArray[np.float64]:
    """A matrix of estimated cosines without negative eigenvalues, and again with ones on top.

    Negative eigenvalues are dropped, then rows and columns rescaled to a diagonal of ones; a
    matrix that is positive semidefinite already comes back as it was.

    Raises:
        InputError: not square and symmetric, or not finite.
    """
    if cosines.ndim != 2 or not np.array_equal(cosines, cosines.T):
        raise InputError(f"cosines form a symmetric matrix, not one of shape {cosines.shape}")
    if not np.isfinite(cosines).all():
        raise InputError("cosines must be finite")
    values, vectors = np.linalg.eigh(cosines)
    if not len(values) or values[0] >= 0:
        return cosines
    kept = (vectors * np.maximum(values, 0)) @ vectors.T
    lengths = np.sqrt(np.maximum(np.diag(kept), math.ulp(1.0)))
    scaled: NDArray[np.float64] = kept / np.outer(lengths, lengths)
    scaled = (scaled + scaled.T) / 2
    np.fill_diagonal(scaled, 1.0)
    return scaled
