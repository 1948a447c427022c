"""Where a readout takes its copies from: shared as they are needed, or received before."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from qring.network.adversary.base import Adversary
from qring.network.copies import PERFECT, Tampered, check_workers
from qring.network.noise import PERFECT_QUBITS, QubitNoise
from qring.network.wiring import Wiring

__all__ = ["FreshCopies", "RanOutError", "Received", "Supply"]


class RanOutError(Exception):
    """A readout asked for more copies than there are; whoever owns the copies catches it."""


class Supply(Protocol):
    """Where a readout takes its copies from, one after another."""

    @property
    def noise(self) -> QubitNoise:
        """Noise that these copies suffer besides what is said of each one."""

    @property
    def visibility(self) -> float:
        """V that a readout may count on."""

    def take(self, count: int) -> Tampered:
        """Hand out the next ``count`` copies: those among them that are not perfect.

        Raises:
            RanOutError: there are not as many.
        """


class FreshCopies:
    """Copies that are shared, and charged, when a readout asks for them. Nobody tests them."""

    __slots__ = ("_adversary", "_rng", "_shared", "_wiring", "_workers", "noise")

    def __init__(
        self,
        *,
        workers: int,
        noise: QubitNoise,
        wiring: Wiring,
        rng: np.random.Generator,
        adversary: Adversary | None = None,
    ) -> None:
        self._workers, self.noise, self._wiring, self._rng = workers, noise, wiring, rng
        self._adversary, self._shared = adversary, 0
        if adversary is not None:
            adversary.check(workers)
            check_workers(workers)

    @property
    def visibility(self) -> float:
        """V that a readout may count on, if nobody tampers."""
        return self.noise.visibility(self._workers)

    def take(self, count: int) -> Tampered:
        """Share ``count`` copies more; an adversary's source sees to them on their way."""
        self._wiring.share(count)
        first, self._shared = self._shared, self._shared + count
        if self._adversary is None or self._adversary.source is None:
            return PERFECT
        return self._adversary.source.tamper(first, count, self._workers, (), self._rng)


class Received:
    """Copies that were received before, handed out in order. Their noise has struck already."""

    __slots__ = ("_count", "_tampered", "_used", "noise", "visibility")

    def __init__(self, tampered: Tampered, count: int, visibility: float) -> None:
        self._tampered, self._count, self._used = tampered, count, 0
        self.noise, self.visibility = PERFECT_QUBITS, visibility

    @property
    def left(self) -> int:
        """Copies not yet handed out."""
        return self._count - self._used

    def take(self, count: int) -> Tampered:
        """Hand out the next ``count`` copies.

        Raises:
            RanOutError: there are not as many.
        """
        if count > self.left:
            raise RanOutError(f"{count} copies asked for, {self.left} left")
        self._used += count
        return self._tampered.between(self._used - count, self._used)
