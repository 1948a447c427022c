"""Rounds of many hops, run at once on a table of chunks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qring.collectives.opened import Opened
from qring.encoding.formats import Values, WireFormat
from qring.schedule.chunks import even_chunks
from qring.schedule.hops import Action, HopArrays

__all__ = ["ChunkTable"]


class ChunkTable:
    """Chunks of all workers, each at the start of a row as long as the longest, all of one length.

    Rows hold whole bytes in the wire's format; what lies beyond a chunk is sent along, uncharged
    and unread. Chunks without values have no row.
    """

    def __init__(self, rows: Values, chunks: int, wire: WireFormat) -> None:
        workers, self._count = rows.shape
        self._wire, self._workers = wire, workers
        cuts = even_chunks(self._count, chunks)
        self._lengths = np.array([cut.stop - cut.start for cut in cuts], np.int64)
        self._kept = max(1, int(np.count_nonzero(self._lengths)))
        longest = int(self._lengths[0])
        size = max(1, -(-longest // wire.whole)) * wire.whole
        self._table = np.zeros((workers * self._kept, size), rows.dtype)
        for chunk, part in self._parts():
            chunk[...] = rows[:, part].reshape(chunk.shape)

    def rows(self) -> Values:
        """Values that every worker holds, shape (workers, count)."""
        rows = np.empty((self._workers, self._count), self._table.dtype)
        for chunk, part in self._parts():
            rows[:, part] = chunk.reshape(self._workers, -1)
        return rows

    def carry(self, hops: HopArrays, opened: Opened) -> None:
        """Run one round over links that are ``opened`` for it."""
        bundle, wire, summed = opened.bundle(hops), self._wire, hops.summed
        bits = self._lengths[hops.chunk] * wire.bits(1, summed)
        bundle.charge(bits)
        src, dst, chunk = hops.src, hops.dst, hops.chunk
        links = None
        if self._kept < len(self._lengths):  # messages without values are not sent
            links = np.flatnonzero(chunk < self._kept)
            src, dst, chunk, bits = src[links], dst[links], chunk[links], bits[links]
        values = self._table.take(src * self._kept + chunk, axis=0)
        if bundle.leaves_alone:
            values = wire.passed(values, summed)
        else:
            frames = wire.pack(values.ravel(), summed).reshape(len(values), -1)
            bundle.transmit(frames, bits, links)
            values = wire.unpack(frames.ravel(), values.size, summed).reshape(values.shape)
        target = dst * self._kept + chunk
        if hops.action is Action.ADD:
            own = self._table.take(target, axis=0)
            with np.errstate(all="ignore"):
                wire.add_into(values, own)
            values = own
        self._table[target] = values

    def _parts(self) -> list[tuple[NDArray[np.generic], slice]]:
        """Views of the table and the columns of the rows that lie there: long chunks, then short.

        Lengths differ by one at most, longer ones first.
        """
        table = self._table.reshape(self._workers, self._kept, -1)
        longer = int(np.count_nonzero(self._lengths[: self._kept] == self._lengths[0]))
        long, cut = int(self._lengths[0]), longer * int(self._lengths[0])
        return [
            (table[:, :longer, :long], slice(0, cut)),
            (table[:, longer:, : long - 1], slice(cut, self._count)),
        ]
