"""A rank that carries out plans, message by message."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch

from qring.errors import PeerError
from qring.torch.engine.carriers import Carriers
from qring.torch.engine.memory import Cargo, Memory
from qring.torch.engine.plan import Plan
from qring.torch.engine.plans import Laid
from qring.torch.engine.reduction import DTYPES
from qring.torch.transport.arena import SLOT_BYTES, BorrowedMessage, Message
from qring.torch.transport.channels import SIGNATURE_BYTES, Fold
from qring.torch.transport.collective import CollectiveTransport

__all__ = ["KINDS", "Call", "Node"]

KINDS = (
    "all_reduce", "broadcast", "all_gather", "reduce_scatter", "barrier", "reduce", "gather",
    "scatter", "all_to_all", "gather_ledger", "join",
)  # fmt: skip
_SIGNATURE = struct.Struct(f"<IBBBxiQ{SIGNATURE_BYTES - 20}x")
_EXACT = frozenset(dtype for dtype in DTYPES if not (dtype.is_floating_point or dtype.is_complex))


class Call(NamedTuple):
    """The parameters of a collective on which all ranks must agree.

    ``nbytes`` is the payload by which sizes are compared; 0 where they may differ.
    """

    kind: str
    timeout_s: float
    dtype: torch.dtype = torch.uint8
    nbytes: int = 0
    reduction: int = 0
    root: int = -1
    charged: bool = True

    def of_bytes(self, nbytes: int) -> Call:
        """The same call with another payload."""
        return self._replace(nbytes=nbytes)


class Node:
    """A rank with its transport and carriers. Used by one thread at a time."""

    __slots__ = ("_failure", "_sequence", "_transport", "carriers", "laid", "rank", "size")

    def __init__(self, transport: CollectiveTransport, carriers: Carriers, laid: Laid) -> None:
        self._transport, self.carriers, self.laid = transport, carriers, laid
        self.rank, self.size = transport.rank, transport.size
        self._sequence = 0
        self._failure: str | None = None

    @property
    def names(self) -> Sequence[int]:
        """Global ranks, by rank in the group."""
        return self._transport.liveness.names

    @property
    def transports(self) -> Mapping[int, str]:
        """For every other rank, the name of the transport that reaches it."""
        return self._transport.transports

    @property
    def sequence(self) -> int:
        """Number of collectives begun."""
        return self._sequence

    def run(self, call: Call, plan: Plan, cargo: Cargo, fold: Fold | None = None) -> None:
        """Carry out a plan.

        Raises:
            PeerError: another rank died, was silent for too long or disagrees; this group can
                no longer be used.
        """
        if self._failure is not None:
            raise PeerError(f"this process group failed before: {self._failure}")
        self._sequence += 1
        signature = self._sign(call)
        self._transport.liveness.begin(f"{call.kind} #{self._sequence}", call.timeout_s)
        self._transport.liveness.also_check = lambda: self._compare(signature)
        try:
            self._run(call, signature, plan, cargo, fold)
            self._transport.flush()
        except BaseException as error:
            self.fail(str(error) or repr(error))
            raise
        if call.charged:
            self.carriers.rounds(plan.rounds)

    def fail(self, why: str) -> None:
        """Give the group up and tell the others."""
        self._failure = why
        self._transport.announce_failure(why)

    def _run(
        self, call: Call, signature: bytes, plan: Plan, cargo: Cargo, fold: Fold | None
    ) -> None:
        dtype = call.dtype
        exact = dtype in _EXACT or not call.charged
        # What noise will touch must be a copy: it is the message that suffers, not its sender.
        coded = self.carriers.coded and call.charged
        lend = not (self.carriers.spoils(exact) and call.charged)
        apart = self._transport.apart
        at_home = cargo.in_place and lend and apart
        window = SLOT_BYTES // dtype.itemsize // plan.widest
        if at_home and plan.lends and self.size > 2:
            # What stays at home needs no slot, so a message may be as long as its chunk. Two ranks
            # have nothing else to do while one travels: they keep to windows.
            window = max(window, *cargo.lengths.values())
        memory = Memory(cargo, plan, window, dtype)
        sent = dict.fromkeys(range(self.size), 0)
        held: dict[tuple[int, range], Message] = {}
        for number, step in plan.timetable(memory.windows, self._transport.windows_under_way):
            for snapshot in step.snapshots:
                memory.snapshot(snapshot.key, snapshot.runs, number)
            for departure in step.departures:
                length = memory.elements(departure.chunks, number)
                if length < 0:
                    continue
                dst = departure.dst
                if departure.handed:
                    message = held.pop((number, departure.chunks))
                    if not departure.lend and isinstance(message, BorrowedMessage):
                        message = self._compose(dst, dtype, length, (message.tensor,), False)
                else:
                    pieces = memory.pieces(departure.runs, number)
                    message = self._compose(dst, dtype, length, pieces, lend and departure.lend)
                sent[dst] += message.nbytes
                if not lend:
                    self.carriers.spoil(dst, message)
                elif coded:
                    self.carriers.note(dst, message.nbytes)
                self._transport.send(dst, message, signature)
            if coded:
                self.carriers.end_step()
            for arrival in step.arrivals:
                length = memory.elements(arrival.chunks, number)
                if length < 0:
                    continue
                mine = memory.pieces(arrival.mine, number) if arrival.mine else ()
                home = memory.pieces(arrival.home, number) if arrival.home else ()
                to: torch.Tensor | None = None
                into: Fold | None = None
                if len(mine) == 1 and at_home:
                    to, into = mine[0], fold  # channels copy: what is summed stays with us
                elif len(home) == 1 and lend and not mine and (apart or not arrival.hold):
                    to = home[0]
                message = self._take(arrival.src, signature, length * dtype.itemsize, to, into)
                if into is None and (mine or home):
                    landed = to is not None and isinstance(message, BorrowedMessage)
                    _put(message.view(dtype), mine, () if landed else home, fold, arrival.hold)
                if arrival.hold:
                    held[number, arrival.chunks] = message
                else:
                    message.release()
            for move in step.moves:
                if memory.elements(move.chunks, number) > 0:
                    source = torch.cat(list(memory.pieces(move.source, number)))
                    mine = memory.pieces(move.mine, number)
                    _put(source, mine, memory.pieces(move.home, number), fold, False)
        if call.charged:
            for dst, nbytes in sent.items():
                self.carriers.charge(dst, nbytes, exact)

    def _compose(
        self, dst: int, dtype: torch.dtype, length: int, pieces: Sequence[torch.Tensor], lend: bool
    ) -> Message:
        if len(pieces) == 1 and lend and self._transport.copies_to(dst):
            return BorrowedMessage(pieces[0])
        message = self._transport.allocate(length * dtype.itemsize)
        if len(pieces) == 1:
            message.view(dtype).copy_(pieces[0])
        elif pieces:
            torch.cat(list(pieces), out=message.view(dtype))
        return message

    def _take(
        self,
        src: int,
        signature: bytes,
        nbytes: int,
        home: torch.Tensor | None,
        fold: Fold | None,
    ) -> Message:
        message, found = self._transport.receive(src, home, fold)
        if found != signature:
            self._disagree(src, found, signature)
        if message.nbytes != nbytes:
            raise self._transport.liveness.error(
                f"rank {self._transport.liveness.names[src]} sent {message.nbytes} bytes where "
                f"this rank expects {nbytes}"
            )
        return message

    def _compare(self, signature: bytes) -> None:
        """Find ranks that are in another collective, but on a link that we are not waiting for."""
        sequence = self._sequence & 0xFFFFFFFF
        for rank, found in self._transport.signatures():
            if _SIGNATURE.unpack(found)[0] == sequence and found != signature:
                self._disagree(rank, found, signature)

    def _sign(self, call: Call) -> bytes:
        dtype = DTYPES.index(call.dtype)
        sequence = self._sequence & 0xFFFFFFFF
        kind = KINDS.index(call.kind)
        return _SIGNATURE.pack(sequence, kind, dtype, call.reduction, call.root, call.nbytes)

    def _disagree(self, src: int, found: bytes, expected: bytes) -> None:
        names = self._transport.liveness.names
        raise PeerError(
            f"rank {names[src]} is in {_describe(found)}, rank {names[self._transport.rank]} in "
            f"{_describe(expected)}"
        )

    def interrupt(self) -> None:
        """Make the plan that is being carried out fail. Any thread may call this."""
        self._transport.liveness.leave()

    def close(self) -> None:
        """Leave the group."""
        self._failure = self._failure or "it was shut down"
        self._transport.close()


def _put(
    values: torch.Tensor,
    mine: Sequence[torch.Tensor],
    home: Sequence[torch.Tensor],
    fold: Fold | None,
    hold: bool,
) -> None:
    """Add what is ours to what came, and keep the result; in the message, too, if it is held."""
    if mine and fold is not None:
        if len(mine) == len(home) == 1 and not hold:
            fold(values, mine[0], out=home[0])
            return
        if len(mine) == 1:
            fold(values, mine[0], out=values)
        else:
            start = 0
            for own in mine:
                part = values[start : start + own.numel()]
                fold(part, own, out=part)
                start += own.numel()
    if len(home) == 1:
        home[0].copy_(values)
        return
    start = 0
    for there in home:
        there.copy_(values[start : start + there.numel()])
        start += there.numel()


def _describe(signature: bytes) -> str:
    sequence, kind, dtype, reduction, root, nbytes = _SIGNATURE.unpack(signature)
    name = str(DTYPES[dtype]).removeprefix("torch.")
    parts = [f"{nbytes} bytes of {name}"]
    if root >= 0:
        parts.append(f"root {root}")
    if reduction:
        parts.append(f"reduction {reduction}")
    return f"{KINDS[kind]} #{sequence} ({', '.join(parts)})"
