"""Ledger of a schedule on each directed link, without any values."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from qring.ledger import Carrier, Ledger, Phase
from qring.schedule.chunks import even_chunks
from qring.schedule.schedule import Schedule

__all__ = ["account"]


def account(
    schedule: Schedule, coords: int, bits: Callable[[int, int], int], *, quantum: bool
) -> Ledger:
    """The ledger of ``schedule`` on ``coords`` words; standing: exact.

    ``bits(count, summed)`` is the length of a message of ``count`` words that hold the sum of
    ``summed`` workers' words. ``quantum`` messages take ⌈bits/2⌉ qubits and as many pairs, shared
    beforehand; others take bits.
    """
    lengths = [part.stop - part.start for part in even_chunks(coords, schedule.chunks)]
    counts: dict[tuple[int, int, Phase, Carrier], int] = {}
    rounds = 0
    kinds = (
        ((Phase.SETUP, Carrier.QUBIT), (Phase.ONLINE, Carrier.QUBIT), (Phase.ONLINE, Carrier.EBIT))
        if quantum
        else ((Phase.ONLINE, Carrier.BIT),)
    )
    for hops in schedule.rounds:
        travelling = [hop for hop in hops if hop.src != hop.dst]
        rounds += bool(travelling)
        for hop in travelling:
            length = bits(sum(lengths[chunk] for chunk in hop.chunks), hop.summed)
            carriers = (length + 1) // 2 if quantum else length
            for kind in kinds if carriers else ():
                key = hop.src, hop.dst, *kind
                counts[key] = counts.get(key, 0) + carriers
    return Ledger(MappingProxyType(counts), rounds)
