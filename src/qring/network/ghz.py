"""GHZ copies in use: workers turn phases into them, measure X and announce the outcomes.

The fast engine: the law of a copy's outcomes depends on the workers' phases through one number,
the expected parity, which is known in closed form (:class:`~qring.network.noise.QubitNoise`).
Phases are kept as exact integers: at scale ``digit`` worker i turns its qubit by
2π·xᵢ / 2^(digit+1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from qring.network.noise import QubitNoise
from qring.network.parity import Transcript, coin_flips, transcript_of
from qring.network.wiring import Wiring

__all__ = ["GhzBatch"]

Words = NDArray[np.uint64]


class GhzBatch:
    """Coordinates whose words ``workers`` workers will encode on GHZ copies.

    ``total`` is the sum of all workers' words mod 2^64, shape (coords,). ``words``, shape
    (workers, coords), is needed only where the noise tells single phases apart.
    """

    __slots__ = ("_noise", "_rng", "_total", "_wiring", "_words", "copies", "workers")

    def __init__(
        self,
        total: Words,
        words: Words | None,
        *,
        workers: int,
        noise: QubitNoise,
        wiring: Wiring,
        rng: np.random.Generator,
    ) -> None:
        self._total, self._words, self.workers = total, words, workers
        self._noise, self._wiring, self._rng = noise, wiring, rng
        self.copies = 0

    def __len__(self) -> int:
        return len(self._total)

    @property
    def visibility(self) -> float:
        """V that a readout may count on."""
        return self._noise.visibility(self.workers)

    def announce(
        self, digit: int, correction: Words, where: NDArray[np.intp] | None = None
    ) -> Transcript:
        """Measure one copy a coordinate at scale ``digit`` and announce all outcomes.

        ``correction``, shape (coords,), is public; worker 0 takes it off its own phase. With
        ``where`` only those coordinates are measured, and ``correction`` is theirs.
        """
        self._charge(len(correction))
        total = self._total if where is None else self._total[where]
        left = total - correction
        odd = (left >> np.uint64(digit)).astype(np.uint8) & np.uint8(1)
        if self._noise.turned:
            odds = np.clip(self._odds(digit, correction, where), 0, 1)
            odd = coin_flips(odds, len(odd), self._rng)
        else:
            straight = (1 - self._noise.kept**self.workers) / 2
            if straight:
                odd ^= coin_flips(straight, len(odd), self._rng)
            # A wrong earlier digit leaves a phase that is neither 0 nor π. Seldom is there any.
            below = np.uint64((1 << digit) - 1)
            if np.bitwise_or.reduce(left) & below:
                skew = np.flatnonzero(left & below)
                turn = left[skew] & np.uint64((2 << digit) - 1)
                angle = turn * (math.pi / (1 << digit))
                odds = (1 - self._noise.kept**self.workers * np.cos(angle)) / 2
                odd[skew] = coin_flips(odds, len(skew), self._rng)
        return transcript_of(odd, self.workers, self._rng)

    def tally(self, digits: Sequence[int], copies: int) -> NDArray[np.int64]:
        """Measure ``copies`` copies a coordinate, scale and quadrature, all announced at once.

        Returns how many have odd parity, shape (digits, 2, coords). In the second quadrature
        worker 0 turns its qubit back by π/2 more, so that the parity follows the sine of the
        total phase. Counts alone are drawn; the transcript is uniform within them.
        """
        self._charge(2 * len(digits) * len(self) * copies)
        counts = np.empty((len(digits), 2, len(self)), np.int64)
        for row, digit in enumerate(digits):
            for column, quarter in enumerate((0.0, -math.pi / 2)):
                odds = self._odds_of_sums(digit, quarter)
                counts[row, column] = self._rng.binomial(copies, np.clip(odds, 0, 1))
        return counts

    def part(self, coords: slice) -> GhzBatch:
        """Batch of some of the coordinates."""
        return self.mapped(lambda words: words[..., coords])

    def mapped(self, linear: Callable[[Words], Words]) -> GhzBatch:
        """Batch of public linear combinations of the coordinates, mod 2^64.

        ``linear`` maps the last axis; every worker can apply it to its own words.
        """
        return GhzBatch(
            linear(self._total),
            None if self._words is None else linear(self._words),
            workers=self.workers,
            noise=self._noise,
            wiring=self._wiring,
            rng=self._rng,
        )

    def _odds_of_sums(self, digit: int, quarter: float) -> NDArray[np.float64]:
        """Probability of odd parity at a scale, nothing corrected."""
        if self._noise.turned:
            return self._odds(digit, np.zeros_like(self._total), None, extra=quarter)
        left = self._total & np.uint64((2 << digit) - 1)
        angle = left * (math.pi / (1 << digit)) + quarter
        return np.asarray((1 - self._noise.kept**self.workers * np.cos(angle)) / 2)

    def _odds(
        self, digit: int, correction: Words, where: NDArray[np.intp] | None, extra: float = 0.0
    ) -> NDArray[np.float64]:
        """Probability of odd parity where each worker's own phase matters."""
        if self._words is None:
            raise ValueError("noise that tells phases apart needs every worker's words")
        words = self._words if where is None else self._words[:, where]
        own = words.copy()
        own[0] -= correction
        turns = (own & np.uint64((2 << digit) - 1)).astype(np.float64)
        phases = turns * (math.pi / (1 << digit))
        phases[0] += extra
        return (1 - self._noise.expectation(phases)) / 2

    def _charge(self, copies: int) -> None:
        self.copies += copies
        self._wiring.share(copies)
        self._wiring.announce(copies)
