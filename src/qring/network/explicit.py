"""Pairs and batches of engines that simulate every pair and every copy for itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.encoding.superdense import frames, pauli_labels
from qring.network.ghz import GhzBatch, Words
from qring.network.parity import Transcript
from qring.network.supply import Supply

__all__ = ["ExplicitBatch", "ExplicitPairs", "MeasureX", "SendLabels"]

SendLabels = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""Sends Pauli labels, one a pair, and returns those that arrive."""

MeasureX = Callable[[Any, NDArray[np.float64]], NDArray[np.uint8]]
"""Encodes phases, shape (workers, copies), on the copies that a supply handed out, and measures X.

Returns outcomes of the same shape.
"""


class ExplicitPairs:
    """Pairs of a link that are each sent through ``send``."""

    __slots__ = ("_send",)

    def __init__(self, send: SendLabels) -> None:
        self._send = send

    def disturb(self, frame: NDArray[np.uint8], pairs: int) -> None:
        """Send ``pairs`` pairs; ``frame``, four a byte, is left as it is received."""
        size = -(-pairs // 4)
        arrived = np.unpackbits(frames(self._send(pauli_labels(frame[:size], 2 * pairs))))
        bits = np.unpackbits(frame[:size])
        bits[: 2 * pairs] = arrived[: 2 * pairs]
        frame[:size] = np.packbits(bits)


class ExplicitBatch(GhzBatch):
    """A batch whose copies are measured by ``measure``, every outcome for itself."""

    __slots__ = ("_measure",)

    def __init__(
        self,
        words: Words,
        *,
        workers: int,
        supply: Supply[Any],
        announce: Callable[[int], None],
        rng: np.random.Generator,
        measure: MeasureX,
    ) -> None:
        total = words.sum(axis=0, dtype=np.uint64)
        super().__init__(total, words, workers=workers, supply=supply, announce=announce, rng=rng)
        self._measure = measure

    def announce(
        self, digit: int, correction: Words, where: NDArray[np.intp] | None = None
    ) -> Transcript:
        """Measure one copy a coordinate at scale ``digit`` and announce all outcomes."""
        copies = self._take(len(correction))
        coords = np.arange(len(self)) if where is None else where
        phases = self._phases(digit, correction, coords)
        return Transcript(np.packbits(self._measure(copies, phases), axis=1), len(coords))

    def tally(self, digits: Sequence[int], copies: int) -> NDArray[np.int64]:
        """Count odd parities, copy by copy; shape (digits, 2, coords)."""
        coords = np.repeat(np.arange(len(self)), copies)
        nothing = np.zeros(len(coords), np.uint64)
        phases = [
            self._phases(digit, nothing, coords, quarter)
            for digit in digits
            for quarter in (0.0, -math.pi / 2)
        ]
        handed = self._take(len(phases) * len(coords))
        outcomes = self._measure(handed, np.concatenate(phases, axis=1))
        odd = np.bitwise_xor.reduce(outcomes, axis=0).reshape(len(digits), 2, -1, copies)
        return np.asarray(odd.sum(axis=-1, dtype=np.int64))

    def mapped(self, linear: Callable[[Words], Words]) -> ExplicitBatch:
        """Batch of public linear combinations of the coordinates, mod 2^64."""
        return ExplicitBatch(
            linear(self._own_words),
            workers=self.workers,
            supply=self._supply,
            announce=self._announce,
            rng=self._rng,
            measure=self._measure,
        )

    @property
    def _own_words(self) -> Words:
        assert self._words is not None  # noqa: S101 - the constructor wants them
        return self._words

    def _phases(
        self, digit: int, correction: Words, coords: NDArray[np.intp], quarter: float = 0.0
    ) -> NDArray[np.float64]:
        """Phase that each worker applies to its qubit, shape (workers, copies)."""
        own = self._own_words[:, coords]
        own[0] -= correction
        turns = (own & np.uint64((2 << digit) - 1)).astype(np.float64)
        phases = turns * (math.pi / (1 << digit))
        phases[0] += quarter
        return phases
