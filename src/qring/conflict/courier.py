"""The one quantum register of GapIP, carried back and forth between two workers."""

from __future__ import annotations

from qring.ledger import Carrier
from qring.network.run import Run

__all__ = ["Courier"]


class Courier:
    """Carries ``qubits`` qubits between workers 0 and 1 of a run, over its wires.

    A round of the ledger is a round trip, started or completed. Source: paper appendix D.3.
    """

    __slots__ = ("_qubits", "_run", "_wires", "passes")

    def __init__(self, qubits: int, run: Run) -> None:
        self._qubits, self._run = qubits, run
        self._wires = run.wire(0, 1), run.wire(1, 0)
        self.passes = 0

    def carry(self, src: int, *, ancillas: int = 0, times: int = 1) -> None:
        """Send the register from worker ``src`` to the other, in each of ``times`` runs."""
        count = times * (self._qubits + ancillas)
        self._wires[src].send(Carrier.QUBIT, count)
        self.passes += times
        if src == 0:
            self._run.end_rounds(times)

    def shuttle(self, passes: int, *, ancillas: int = 0, times: int = 1) -> None:
        """Let the register cross ``passes`` times, from worker 0 on, in each of ``times`` runs."""
        width = self._qubits + ancillas
        out = times * (passes - passes // 2)
        back = times * (passes // 2)
        self._wires[0].send(Carrier.QUBIT, out * width)
        self._wires[1].send(Carrier.QUBIT, back * width)
        self._run.end_rounds(out)
        self.passes += out + back

    def tell(self, src: int, bits: int) -> None:
        """Send classical bits: outcomes that the other worker needs in order to go on."""
        self._wires[src].send(Carrier.BIT, bits)
