"""The star that secure aggregation runs over: one node serves, every message passes through it."""

from __future__ import annotations

from qring.ledger import Carrier, Phase
from qring.network.run import Run
from qring.security.secagg.outcome import Stage

__all__ = ["Star"]


class Star:
    """Classical wires of a run between ``server`` and every other worker.

    Keys and shares move in the setup phase, which needs no gradient; the rest is online. What the
    server, a worker too, sends to itself crosses no link.
    """

    __slots__ = ("_run", "_server")

    def __init__(self, run: Run, server: int) -> None:
        self._run, self._server = run, server

    def up(self, worker: int, stage: Stage, bits: int) -> None:
        """Send ``bits`` bits to the server."""
        if worker != self._server:
            self._run.wire(worker, self._server, _phase(stage)).send(Carrier.BIT, bits)

    def down(self, worker: int, stage: Stage, bits: int, flags: int | None = None) -> None:
        """Send ``bits`` bits from the server, after one bit a worker: is it still there?

        On a sparse graph there are fewer ``flags``: one a neighbour.
        """
        if worker != self._server:
            told = (self._run.workers if flags is None else flags) + bits
            self._run.wire(self._server, worker, _phase(stage)).send(Carrier.BIT, told)

    def end_round(self, stage: Stage) -> None:
        """Count a sequential round, if it is one of the online phase."""
        if _phase(stage) is Phase.ONLINE:
            self._run.end_rounds()


def _phase(stage: Stage) -> Phase:
    return Phase.SETUP if stage in (Stage.ADVERTISE, Stage.SHARE) else Phase.ONLINE
