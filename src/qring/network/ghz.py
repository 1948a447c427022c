"""GHZ copies in use: workers turn phases into them, measure X and announce the outcomes.

The fast engine: the law of a copy's outcomes depends on the workers' phases through one number,
the expected parity, which is known in closed form (:class:`~qring.network.noise.QubitNoise`).
Phases are kept as exact integers: at scale ``digit`` worker i turns its qubit by
2π·xᵢ / 2^(digit+1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.network.copies import Kind, Tampered
from qring.network.parity import Transcript, coin_flips, transcript_of
from qring.network.supply import Supply
from qring.network.view import Announced, measure_halves

__all__ = ["GhzBatch"]

Words = NDArray[np.uint64]


class GhzBatch:
    """Coordinates whose words ``workers`` workers will encode on GHZ copies.

    ``total`` is the sum of all workers' words mod 2^64, shape (coords,). ``words``, shape
    (workers, coords), is needed only where the noise, or an adversary, tells single phases apart.
    Copies come from ``supply``; ``announce`` makes an outcome bit of every worker public for each
    of so many copies. With ``view``, everything announced is appended to it.
    """

    __slots__ = (
        "_announce",
        "_noise",
        "_rng",
        "_seen",
        "_supply",
        "_total",
        "_view",
        "_words",
        "copies",
        "workers",
    )

    def __init__(
        self,
        total: Words,
        words: Words | None,
        *,
        workers: int,
        supply: Supply[Any],
        announce: Callable[[int], None],
        rng: np.random.Generator,
        view: list[Announced] | None = None,
    ) -> None:
        self._total, self._words, self.workers = total, words, workers
        self._supply, self._announce = supply, announce
        self._noise, self._rng, self._view = supply.noise, rng, view
        self._seen: Words | None = None
        self.copies = 0

    def __len__(self) -> int:
        return len(self._total)

    @property
    def visibility(self) -> float:
        """V that a readout may count on."""
        return self._supply.visibility

    def announce(
        self, digit: int, correction: Words, where: NDArray[np.intp] | None = None
    ) -> Transcript:
        """Measure one copy a coordinate at scale ``digit`` and announce all outcomes.

        ``correction``, shape (coords,), is public; worker 0 takes it off its own phase. With
        ``where`` only those coordinates are measured, and ``correction`` is theirs.
        """
        tampered: Tampered = self._take(len(correction))
        total = self._total if where is None else self._total[where]
        left = total - correction
        odd = (left >> np.uint64(digit)).astype(np.uint8) & np.uint8(1)
        if self._noise.turned:
            odds = np.clip(self._odds(digit, correction, where), 0, 1)
            odd = coin_flips(odds, len(odd), self._rng)
        else:
            straight = (1 - self._noise.straight(self.workers)) / 2
            if straight:
                odd ^= coin_flips(straight, len(odd), self._rng)
            # A wrong earlier digit leaves a phase that is neither 0 nor π. Seldom is there any.
            below = np.uint64((1 << digit) - 1)
            if np.bitwise_or.reduce(left) & below:
                skew = np.flatnonzero(left & below)
                turn = left[skew] & np.uint64((2 << digit) - 1)
                angle = turn * (math.pi / (1 << digit))
                odds = (1 - self._noise.straight(self.workers) * np.cos(angle)) / 2
                odd[skew] = coin_flips(odds, len(skew), self._rng)
        transcript = transcript_of(odd, self.workers, self._rng)
        if len(tampered) or self._view is not None:
            coords = np.arange(len(self)) if where is None else where
            transcript = self._disturbed(transcript, tampered, digit, correction, coords)
        return transcript

    def tally(self, digits: Sequence[int], copies: int) -> NDArray[np.int64]:
        """Measure ``copies`` copies a coordinate, scale and quadrature, all announced at once.

        Returns how many have odd parity, shape (digits, 2, coords). In the second quadrature
        worker 0 turns its qubit back by π/2 more, so that the parity follows the sine of the
        total phase. Counts alone are drawn; the transcript is uniform within them.
        """
        shape = (len(digits), 2, len(self), copies)
        tampered: Tampered = self._take(math.prod(shape))
        if len(tampered) or self._view is not None:
            return self._tally_each(digits, copies, tampered)
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
            supply=self._supply,
            announce=self._announce,
            rng=self._rng,
            view=self._view,
        )

    def _odds_of_sums(self, digit: int, quarter: float) -> NDArray[np.float64]:
        """Probability of odd parity at a scale, nothing corrected."""
        if self._noise.turned:
            return self._odds(digit, np.zeros_like(self._total), None, extra=quarter)
        left = self._total & np.uint64((2 << digit) - 1)
        angle = left * (math.pi / (1 << digit)) + quarter
        return np.asarray((1 - self._noise.straight(self.workers) * np.cos(angle)) / 2)

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

    def _take(self, copies: int) -> Any:  # noqa: ANN401 - what this engine's supplies hand out
        self.copies += copies
        handed = self._supply.take(copies)
        self._announce(copies)
        return handed

    def _tally_each(
        self, digits: Sequence[int], copies: int, tampered: Tampered
    ) -> NDArray[np.int64]:
        """Tally with every outcome drawn, where copies differ or somebody listens."""
        coords = np.repeat(np.arange(len(self)), copies)
        correction = np.zeros(len(coords), np.uint64)
        counts = np.empty((len(digits), 2, len(self)), np.int64)
        start = 0
        for row, digit in enumerate(digits):
            for column, quarter in enumerate((0.0, -math.pi / 2)):
                part = tampered.between(start, start + len(coords))
                start += len(coords)
                odds = np.repeat(np.clip(self._odds_of_sums(digit, quarter), 0, 1), copies)
                odd = coin_flips(odds, len(odds), self._rng)
                shown = transcript_of(odd, self.workers, self._rng)
                shown = self._disturbed(shown, part, digit, correction, coords, quarter)
                counts[row, column] = shown.parities().reshape(-1, copies).sum(axis=1)
        return counts

    def _disturbed(
        self,
        transcript: Transcript,
        tampered: Tampered,
        digit: int,
        correction: Words,
        coords: NDArray[np.intp],
        quarter: float = 0.0,
    ) -> Transcript:
        """Put in what tampered copies show instead, and keep what an eavesdropper sees and holds.

        ``correction`` and ``coords`` have an entry a copy.
        """
        guesses = np.zeros((self.workers, len(tampered)), np.uint64)
        held = np.zeros(guesses.shape, np.uint8)
        if len(tampered):
            if self._words is None:
                raise ValueError("copies that tell phases apart need every worker's words")
            there = coords[tampered.where]
            own = self._words[:, there]
            own[0] -= correction[tampered.where]
            turns = (own & np.uint64((2 << digit) - 1)).astype(np.float64)
            phases = turns * (math.pi / (1 << digit))
            phases[0] += quarter
            outcomes = tampered.in_x(phases, self._rng)
            transcript = transcript.replaced(tampered.where, outcomes)
            if (tampered.kind == Kind.HALVES).any():
                if self._seen is None:
                    self._seen = np.zeros((self.workers, len(self)), np.uint64)
                guesses = self._seen[:, there]
                guesses[0] -= correction[tampered.where]
                guesses &= np.uint64((2 << digit) - 1)
                held = measure_halves(tampered, phases, outcomes, guesses, digit, self._rng)
                found = (held ^ outcomes).astype(np.uint64) << np.uint64(digit)
                self._seen[:, there] |= found
        if self._view is not None:
            # A readout goes on to write into its correction.
            seen = Announced(
                digit, quarter, coords, correction.copy(), transcript, tampered, guesses, held
            )
            self._view.append(seen)
        return transcript
