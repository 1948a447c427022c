"""The distributed discrete Gaussian mechanism, as an encoding that every protocol of words runs.

Each worker clips, rotates, rounds, adds its own share of the noise and keeps what is left mod 2^b.
The protocol sums; whoever decodes rotates back.

Source: Kairouz, Liu and Steinke (2021).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.encoding.formats import WordFormat
from qring.encoding.values import BitBudget, refuse_nonfinite
from qring.errors import InputError
from qring.security.dp.discrete_gaussian import Source, discrete_gaussian
from qring.security.dp.plan import Plan
from qring.security.dp.rotation import rotate, rotate_back
from qring.security.dp.rounding import round_at_random
from qring.validate import check_instance, check_whole

__all__ = ["DistributedGaussian"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributedGaussian:
    """Reals become noisy words mod 2^b, whose sums keep the plan's promise.

    Formal guarantee: the *sums* are (ε, δ) differentially private, over all the plan's rounds, if
    at least ``plan.fewest`` workers in each of them add their noise and keep it to themselves.
    It is a guarantee about integers: a row's length is checked after rounding, exactly; clipping
    and rotation come before, in floats, and cannot void it. It says nothing of what a protocol
    shows beyond sums: where single words or partial sums can be seen, they hold less noise.

    ``rotation`` is a public seed, the same for all. ``source`` gives the bytes of noise and of
    rounding: leave it, but in tests.
    """

    plan: Plan
    rotation: int = 0
    source: Source = field(default=os.urandom, repr=False)

    def __post_init__(self) -> None:
        check_instance("plan", self.plan, Plan, "qring.calibrate(promise, ...)")
        check_whole("rotation", self.rotation, least=0)

    @property
    def word_bits(self) -> int:
        """Bits of a word, b; sums are formed mod 2^b."""
        return self.plan.word_bits

    def budget(self, weight: int) -> BitBudget:
        """Words without a carry.

        Raises:
            InputError: other workers, or other weights, than the noise was shared out for.
        """
        if weight != self.plan.workers:
            raise InputError(
                f"noise was shared out among {self.plan.workers} workers of weight 1, "
                f"not {weight}: calibrate again"
            )
        return self.plan.budget

    def check(self, gradients: NDArray[Any]) -> None:
        """Refuse shapes that the plan is not for, NaN and infinity."""
        rows, coords = gradients.shape
        if coords != self.plan.coords:
            raise InputError(
                f"noise was calibrated for {self.plan.coords} coordinates, not {coords}: "
                "a gradient that travels in parts must be joined first"
            )
        if rows not in (1, self.plan.workers):
            self.budget(rows)
        refuse_nonfinite(gradients)

    def encode(self, gradients: NDArray[Any]) -> tuple[NDArray[np.uint64], WordFormat]:
        """Return noisy words of shape (workers, padded coords)."""
        self.check(gradients)
        wire = WordFormat(word_bits=self.word_bits, workers=len(gradients), carry=False)
        return np.stack([self._noisy(row) for row in gradients]), wire

    def decode(self, sums: NDArray[np.uint64], weight: int) -> NDArray[np.float64]:
        """Return noisy sums of ``weight`` workers, in the gradient's units.

        Raises:
            InputError: too few workers are in the sum: it has less noise than was promised.
        """
        if not self.plan.fewest <= weight <= self.plan.workers:
            raise InputError(
                f"the noise of {self.plan.fewest}..{self.plan.workers} workers was promised, "
                f"but {weight} are in this sum"
            )
        half = 1 << (self.word_bits - 1)
        wrapped = (sums + np.uint64(half)) & np.uint64(2 * half - 1)
        reals = (wrapped.view(np.int64) - half).astype(np.float64) * self.plan.step
        rows = reals.reshape(-1, reals.shape[-1])
        back = [rotate_back(row, self.rotation, self.plan.coords) for row in rows]
        return np.stack(back).reshape(*sums.shape[:-1], self.plan.coords)

    def _noisy(self, row: NDArray[Any]) -> NDArray[np.uint64]:
        plan = self.plan
        steps = rotate(_shortened(row, plan.promise.row_length), self.rotation) / plan.step
        integers = round_at_random(steps, plan.longest_row, self.source)
        integers += discrete_gaussian(plan.sigma, len(integers), self.source)
        return integers.view(np.uint64) & np.uint64((1 << self.word_bits) - 1)


def _shortened(row: NDArray[Any], longest: float) -> NDArray[np.float64]:
    """``row``, or a vector of length ``longest`` along it; squares neither overflow nor vanish."""
    reals = row.astype(np.float64)
    _, exponent = np.frexp(np.abs(reals).max(initial=0))
    near_one = np.ldexp(reals, -exponent)
    length = float(np.linalg.norm(near_one))
    with np.errstate(over="ignore", under="ignore"):
        longer = np.ldexp(length, exponent) > longest
    return near_one * (longest / length) if longer else reals
