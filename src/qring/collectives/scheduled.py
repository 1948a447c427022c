"""Any schedule, carried out with all workers in one process."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from qring.collectives.aggregate import Progress
from qring.encoding.formats import Values, WireFormat
from qring.network.links import Link
from qring.schedule.chunks import even_chunks
from qring.schedule.hops import Action, Hop, Round
from qring.schedule.schedule import Schedule

__all__ = ["carry_out"]

LinkFactory = Callable[[int, int], Link]


def carry_out(
    schedule: Schedule,
    values: Values,
    wire: WireFormat,
    link: LinkFactory,
    progress: Progress | None = None,
) -> Values:
    """Carry out ``schedule`` on ``values``, shape (workers, count); return what workers hold then.

    A worker's row is its contribution to every chunk that it brings; other chunks of the row are
    not read. Every message of a round leaves before any arrives, over the link of its two ends.
    ``progress`` is called after every round with the rounds done and, since a schedule does not
    know how many there will be, the same number.
    """
    store = _Store(values, schedule)
    for done, hops in enumerate(schedule.rounds, 1):
        _carry_out_round(hops, store, wire, link)
        if progress is not None:
            progress(done, done)
    return store.rows


class _Store:
    """Every worker's memory: a row of chunks each, and scratch."""

    def __init__(self, values: Values, schedule: Schedule) -> None:
        self.rows: Values = np.array(values)  # rows are overwritten as chunks arrive
        self._chunks = even_chunks(values.shape[1], schedule.chunks)
        self._first_scratch = schedule.chunks
        self._scratch: dict[tuple[int, int], Values] = {}

    def read(self, worker: int, chunks: range, slots: range) -> Values:
        """The values of chunks that lie in ``slots``, one chunk after another."""
        if slots[0] < self._first_scratch:
            return self.rows[worker, self._extent(chunks)]
        return np.concatenate([self._scratch[worker, slot] for slot in slots])

    def write(self, worker: int, chunks: range, slots: range, values: Values) -> None:
        """Put the values of chunks into ``slots``."""
        if slots[0] < self._first_scratch:
            self.rows[worker, self._extent(chunks)] = values
            return
        start = self._chunks[chunks[0]].start
        for chunk, slot in zip(chunks, slots, strict=True):
            part = self._chunks[chunk]
            self._scratch[worker, slot] = values[part.start - start : part.stop - start].copy()

    def _extent(self, chunks: Sequence[int]) -> slice:
        return slice(self._chunks[chunks[0]].start, self._chunks[chunks[-1]].stop)


def _carry_out_round(hops: Round, store: _Store, wire: WireFormat, link: LinkFactory) -> None:
    arrived: list[tuple[Hop, Values]] = []
    for hop in hops:  # every message leaves before any arrives
        values = store.read(hop.src, hop.chunks, hop.source)
        if hop.src == hop.dst:
            arrived.append((hop, values.copy()))
            continue
        message = wire.pack(values, hop.summed)
        link(hop.src, hop.dst).carry(message, wire.bits(len(values), hop.summed))
        arrived.append((hop, wire.unpack(message, len(values), hop.summed)))
    for hop, received in arrived:
        if hop.action is Action.ADD:
            received = wire.add(received, store.read(hop.dst, hop.chunks, hop.target))
        store.write(hop.dst, hop.chunks, hop.target, received)
