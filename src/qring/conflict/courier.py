"""The one quantum register of GapIP, carried back and forth between two workers."""

from __future__ import annotations

from qring.ledger import Carrier, Meter, Phase

__all__ = ["Courier"]


class Courier:
    """Carries ``qubits`` qubits between workers 0 and 1 and charges for every pass.

    A round of the ledger is a round trip, started or completed. Source: paper appendix D.3.
    """

    __slots__ = ("_meter", "_qubits", "passes")

    def __init__(self, qubits: int, meter: Meter) -> None:
        self._qubits, self._meter = qubits, meter
        self.passes = 0

    def carry(self, src: int, *, ancillas: int = 0, times: int = 1) -> None:
        """Send the register from worker ``src`` to the other, in each of ``times`` runs."""
        count = times * (self._qubits + ancillas)
        self._meter.charge(src, 1 - src, Phase.ONLINE, Carrier.QUBIT, count)
        self.passes += times
        if src == 0:
            self._meter.rounds += times

    def shuttle(self, passes: int, *, ancillas: int = 0, times: int = 1) -> None:
        """Let the register cross ``passes`` times, from worker 0 on, in each of ``times`` runs."""
        width = self._qubits + ancillas
        out = times * (passes - passes // 2)
        back = times * (passes // 2)
        self._meter.charge(0, 1, Phase.ONLINE, Carrier.QUBIT, out * width)
        self._meter.charge(1, 0, Phase.ONLINE, Carrier.QUBIT, back * width)
        self._meter.rounds += out
        self.passes += out + back

    def tell(self, src: int, bits: int) -> None:
        """Send classical bits: outcomes that the other worker needs in order to go on."""
        self._meter.charge(src, 1 - src, Phase.ONLINE, Carrier.BIT, bits)
