"""Wires: what carriers cross between two workers, each of them charged."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.ledger import Carrier, Meter, Phase

__all__ = ["Faults", "Wire", "WireBundle"]


class Faults(NamedTuple):
    """Errors that one message suffered: pair numbers (ascending) and Pauli labels 1..3.

    Labels are those of :data:`qring.encoding.superdense.PAULIS`: X = 1, Z = 2, Y = 3.
    """

    src: int
    dst: int
    round: int
    pairs: NDArray[np.int64]
    paulis: NDArray[np.uint8]


class Wire:
    """One directed connection in one phase. Every carrier of a run crosses a wire.

    Links and the sharing of copies are made of wires; protocols that send bare qubits or bits use
    one as it is.
    """

    __slots__ = ("_meter", "dst", "phase", "src")

    def __init__(self, src: int, dst: int, phase: Phase, meter: Meter) -> None:
        self.src, self.dst, self.phase, self._meter = src, dst, phase, meter

    @property
    def round(self) -> int:
        """Rounds that the run has ended."""
        return self._meter.rounds

    def send(self, carrier: Carrier, count: int) -> None:
        """Charge ``count`` carriers.

        Raises:
            InputError: a negative count.
        """
        self._meter.charge(self.src, self.dst, self.phase, carrier, count)


class WireBundle:
    """Many wires of one phase, charged at once: wire k goes from ``src[k]`` to ``dst[k]``.

    Charges are added up and reach the account when it is read.
    """

    __slots__ = ("_dst", "_meter", "_phase", "_sent", "_src")

    def __init__(
        self, src: NDArray[np.intp], dst: NDArray[np.intp], phase: Phase, meter: Meter
    ) -> None:
        self._src, self._dst, self._phase, self._meter = src, dst, phase, meter
        self._sent: dict[Carrier, NDArray[np.int64]] = {}
        meter.settled_by(self._settle)

    def send(self, carrier: Carrier, counts: NDArray[np.int64]) -> None:
        """Charge ``counts[k]`` carriers to wire k; none is negative."""
        found = self._sent.get(carrier)
        if found is None:
            found = self._sent[carrier] = np.zeros(len(self._src), np.int64)
        found += counts

    def _settle(self) -> None:
        ends = list(zip(self._src.tolist(), self._dst.tolist(), strict=True))
        for carrier, counts in self._sent.items():
            for (src, dst), count in zip(ends, counts.tolist(), strict=True):
                self._meter.charge(src, dst, self._phase, carrier, count)
        self._sent.clear()
