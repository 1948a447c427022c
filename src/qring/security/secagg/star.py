"""The star that secure aggregation runs over: one node serves, every message passes through it."""

from __future__ import annotations

from qring.ledger import Carrier, Meter, Phase
from qring.security.secagg.outcome import Stage

__all__ = ["Star"]


class Star:
    """The classical links between ``server`` and every other worker. Charges a meter.

    Keys and shares move in the setup phase, which needs no gradient; the rest is online. What the
    server, a worker too, sends to itself crosses no link.
    """

    __slots__ = ("_meter", "_server", "_workers")

    def __init__(self, workers: int, server: int, meter: Meter) -> None:
        self._workers, self._server, self._meter = workers, server, meter

    def up(self, worker: int, stage: Stage, bits: int) -> None:
        """Send ``bits`` bits to the server."""
        if worker != self._server:
            self._meter.charge(worker, self._server, _phase(stage), Carrier.BIT, bits)

    def down(self, worker: int, stage: Stage, bits: int) -> None:
        """Send ``bits`` bits from the server, after one bit a worker: is it still there?"""
        if worker != self._server:
            told = self._workers + bits
            self._meter.charge(self._server, worker, _phase(stage), Carrier.BIT, told)

    def end_round(self, stage: Stage) -> None:
        """Count a sequential round, if it is one of the online phase."""
        self._meter.rounds += _phase(stage) is Phase.ONLINE


def _phase(stage: Stage) -> Phase:
    return Phase.SETUP if stage in (Stage.ADVERTISE, Stage.SHARE) else Phase.ONLINE
