"""Any schedule, carried out with all workers in one process, round by round.

Rounds of many short messages over links that know how (:func:`~qring.network.bundle.bundle_of`)
are run at once: one gather, one draw of errors, one addition. Others go hop by hop.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qring.collectives.aggregate import Progress
from qring.collectives.at_once import ChunkTable
from qring.collectives.opened import Opened
from qring.encoding.formats import Values, WireFormat
from qring.network.bundle import has_bundle, leaves_alone
from qring.network.links import Link
from qring.network.run import Run
from qring.schedule.chunks import even_chunks
from qring.schedule.hops import Action, Hop, HopArrays, Round
from qring.schedule.schedule import Schedule

__all__ = ["LinkKind", "carry_out"]

LinkKind = Callable[[Run, int, int], Link]
"""Opens a link of a run from one worker to another."""

_LONG = 1 << 14  # bytes of a message from which on going hop by hop costs no more


def carry_out(
    schedule: Schedule,
    values: Values,
    wire: WireFormat,
    run: Run,
    kind: LinkKind,
    progress: Progress | None = None,
) -> Values:
    """Carry out ``schedule`` on ``values``, shape (workers, count); return what workers hold then.

    A worker's row is its contribution to every chunk that it brings; other chunks of the row are
    not read. Every message of a round leaves before any arrives, over the ``run``'s link of this
    ``kind``; each round in which anything travels is ended. ``progress`` is called after every
    round with the rounds done and, since a schedule does not know how many there will be, the same
    number.

    Raises:
        InputError: what links of this kind refuse.
    """
    workers = len(values)
    if schedule.helpers:
        nothing = np.zeros((schedule.helpers, values.shape[1]), values.dtype)
        values = np.concatenate((values, nothing))
    executor = _Executor(schedule, values, wire, run, kind)
    for done, hops in enumerate(schedule.rounds, 1):
        executor.carry(hops)
        if isinstance(hops, HopArrays) or any(hop.src != hop.dst for hop in hops):
            run.end_rounds()
        if progress is not None:
            progress(done, done)
    return executor.finish()[:workers]


class _Executor:
    """Chooses for every round how it is run, and moves what workers hold to where it is used."""

    def __init__(
        self, schedule: Schedule, values: Values, wire: WireFormat, run: Run, kind: LinkKind
    ) -> None:
        self._schedule, self._wire, self._run, self._kind = schedule, wire, run, kind
        self._alone = leaves_alone(kind, run)
        self._opened = Opened(run, kind) if has_bundle(kind, run) else None
        longest = -(-values.shape[1] // schedule.chunks)
        self._short = wire.bits(longest, schedule.workers) < 8 * _LONG
        self._given = values
        self._store: _Store | None = None
        self._table: ChunkTable | None = None

    def carry(self, hops: Round) -> None:
        """Run one round."""
        if isinstance(hops, HopArrays) and self._opened is not None:
            if self._short:
                self._in_table().carry(hops, self._opened)
                return
            if self._alone and not _entangled(hops):
                self._carry_long(hops, self._in_store(), self._opened)
                return
        self._carry_one_by_one(hops, self._in_store())

    def _in_table(self) -> ChunkTable:
        if self._table is None:
            rows = self._given if self._store is None else self._store.rows
            self._table, self._store = ChunkTable(rows, self._schedule.chunks, self._wire), None
        return self._table

    def _in_store(self) -> _Store:
        if self._store is None:
            rows = np.array(self._given) if self._table is None else self._table.rows()
            self._store, self._table = _Store(rows, self._schedule), None
        return self._store

    def finish(self) -> Values:
        """Return what all workers hold."""
        if self._table is not None:
            return self._table.rows()
        return np.array(self._given) if self._store is None else self._store.rows

    def _carry_long(self, hops: HopArrays, store: _Store, opened: Opened) -> None:
        """Move long chunks over links that leave them alone, and charge for all of them at once."""
        wire, summed, add = self._wire, hops.summed, hops.action is Action.ADD
        rows, cuts = list(store.rows), store.chunks
        lengths = np.array([cut.stop - cut.start for cut in cuts], np.int64)
        opened.bundle(hops).charge(lengths[hops.chunk] * wire.bits(1, summed))
        ends = zip(hops.src.tolist(), hops.dst.tolist(), hops.chunk.tolist(), strict=True)
        with np.errstate(all="ignore"):
            for src, dst, chunk in ends:
                cut = cuts[chunk]
                values, target = wire.passed(rows[src][cut], summed), rows[dst][cut]
                if add:
                    wire.add_into(values, target)
                else:
                    target[:] = values

    def _carry_one_by_one(self, hops: Round, store: _Store) -> None:
        """Move hop by hop; over links that leave messages alone nothing is packed."""
        wire, run, kind, alone = self._wire, self._run, self._kind, self._alone
        copied = self._short or _entangled(hops)
        arrived: list[tuple[Hop, Values]] = []
        for hop in hops:  # every message leaves before any arrives
            values = store.read(hop.src, hop.chunk, hop.span, hop.reads)
            packed = not alone and hop.src != hop.dst
            if hop.src != hop.dst:
                bits, link = wire.bits(len(values), hop.summed), run.link(kind, hop.src, hop.dst)
                if alone:
                    link.charge(bits)
                    values = wire.passed(values, hop.summed)
                else:
                    message = wire.pack(values, hop.summed)
                    link.carry(message, bits)
                    values = wire.unpack(message, len(values), hop.summed)
            arrived.append((hop, values.copy() if copied and not packed else values))
        with np.errstate(all="ignore"):
            for hop, received in arrived:
                if hop.action is Action.KEEP:
                    store.write(hop.dst, hop.chunk, hop.span, hop.writes, received)
                    continue
                own = store.read(hop.dst, hop.chunk, hop.span, hop.writes)
                wire.add_into(received, own)
                if hop.writes is not None:  # what was read from scratch is a copy
                    store.write(hop.dst, hop.chunk, hop.span, hop.writes, own)


def _entangled(hops: Round) -> bool:
    """Whether a hop reads what another writes in the same round, or scratch is used."""
    if isinstance(hops, HopArrays):
        chunks = int(hops.chunk.max(initial=0)) + 1
        written = np.zeros((int(hops.dst.max(initial=0)) + 1) * chunks, np.bool_)
        written[hops.dst * chunks + hops.chunk] = True
        read = hops.src * chunks + hops.chunk
        return bool(written[read[read < len(written)]].any())
    if any(hop.reads is not None or hop.writes is not None for hop in hops):
        return True
    read_ = {(hop.src, chunk) for hop in hops for chunk in hop.chunks}
    return not read_.isdisjoint((hop.dst, chunk) for hop in hops for chunk in hop.chunks)


class _Store:
    """Every worker's memory: a row of chunks each, and scratch.

    Chunks ``first`` … ``first + span − 1`` lie in the slots of their numbers, or from ``slot`` on.
    """

    def __init__(self, rows: Values, schedule: Schedule) -> None:
        self.rows = rows  # overwritten as chunks arrive
        self.chunks = even_chunks(rows.shape[1], schedule.chunks)
        self._first_scratch = schedule.chunks
        self._scratch: dict[tuple[int, int], Values] = {}

    def read(self, worker: int, first: int, span: int, slot: int | None) -> Values:
        """The values of chunks, one chunk after another."""
        if slot is None or slot < self._first_scratch:
            return self.rows[worker, self._extent(first, span)]
        return np.concatenate([self._scratch[worker, slot + k] for k in range(span)])

    def write(self, worker: int, first: int, span: int, slot: int | None, values: Values) -> None:
        """Put the values of chunks into their slots."""
        if slot is None or slot < self._first_scratch:
            self.rows[worker, self._extent(first, span)] = values
            return
        start = self.chunks[first].start
        for k in range(span):
            part = self.chunks[first + k]
            self._scratch[worker, slot + k] = values[part.start - start : part.stop - start].copy()

    def _extent(self, first: int, span: int) -> slice:
        if span == 1:
            return self.chunks[first]
        return slice(self.chunks[first].start, self.chunks[first + span - 1].stop)
