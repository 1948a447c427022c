"""Copies handed out one after another: received before, or made as they are asked for."""

from __future__ import annotations

from typing import Protocol, TypeVar

from qring.network.copies import Tampered
from qring.network.noise import PERFECT_QUBITS, QubitNoise

__all__ = ["RanOutError", "Received", "Supply"]

Handed_co = TypeVar("Handed_co", covariant=True)


class RanOutError(Exception):
    """A readout asked for more copies than there are; whoever owns the copies catches it."""


class Supply(Protocol[Handed_co]):
    """Source of copies for a readout. What it hands out, its engine's batches understand."""

    @property
    def noise(self) -> QubitNoise:
        """Noise that these copies suffer besides what is said of each one."""

    @property
    def visibility(self) -> float:
        """V that a readout may count on."""

    def take(self, count: int) -> Handed_co:
        """Hand out the next ``count`` copies.

        Raises:
            RanOutError: there are not as many.
        """


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
        """Hand out the next ``count`` copies: those among them that are not perfect.

        Raises:
            RanOutError: there are not as many.
        """
        if count > self.left:
            raise RanOutError(f"{count} copies asked for, {self.left} left")
        self._used += count
        return self._tampered.between(self._used - count, self._used)
