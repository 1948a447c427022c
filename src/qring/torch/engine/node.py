"""One rank at work: it carries out plans, parcel by parcel."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch

from qring.errors import PeerError
from qring.torch.engine.carriers import Carriers
from qring.torch.engine.plan import Plan
from qring.torch.engine.reduction import DTYPES
from qring.torch.transport.arena import SLOT_BYTES, Loan, Message
from qring.torch.transport.mailbox import Mailbox
from qring.torch.transport.wires import SIGNATURE_BYTES, Fold

__all__ = ["KINDS", "Call", "Cargo", "Node"]

KINDS = (
    "all_reduce", "broadcast", "all_gather", "reduce_scatter", "barrier", "reduce", "gather",
    "scatter", "all_to_all", "gather_ledger", "join",
)  # fmt: skip
_SIGNATURE = struct.Struct(f"<IBBBxiQ{SIGNATURE_BYTES - 20}x")
_EXACT = frozenset(dtype for dtype in DTYPES if not (dtype.is_floating_point or dtype.is_complex))


class Call(NamedTuple):
    """What all ranks must agree on for a collective to make sense.

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


class Cargo(NamedTuple):
    """The flat tensors of one rank, by chunk: what it brings and what it takes home.

    ``lengths`` are in elements, for all chunks that the rank sends or receives; one that it only
    passes on has neither tensor. ``in_place`` says that what it brings may be overwritten as soon
    as it has been used.
    """

    lengths: Mapping[int, int]
    brings: Mapping[int, torch.Tensor]
    takes: Mapping[int, torch.Tensor]
    in_place: bool = False


class Node:
    """A rank with its mailbox and carriers. Used by one thread at a time."""

    __slots__ = ("_failure", "_mailbox", "_sequence", "carriers", "rank", "size")

    def __init__(self, mailbox: Mailbox, carriers: Carriers) -> None:
        self._mailbox, self.carriers = mailbox, carriers
        self.rank, self.size = mailbox.rank, mailbox.size
        self._sequence = 0
        self._failure: str | None = None

    @property
    def names(self) -> Sequence[int]:
        """Global ranks, by rank in the group."""
        return self._mailbox.watch.names

    @property
    def transports(self) -> Mapping[int, str]:
        """For every other rank, the name of the transport that reaches it."""
        return self._mailbox.transports

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
        self._mailbox.watch.begin(f"{call.kind} #{self._sequence}", call.timeout_s)
        self._mailbox.watch.glance = lambda: self._compare(signature)
        try:
            self._run(call, signature, plan, cargo, fold)
            self._mailbox.flush()
        except BaseException as error:
            self.fail(str(error) or repr(error))
            raise
        if call.charged:
            self.carriers.rounds(plan.rounds)

    def fail(self, why: str) -> None:
        """Give the group up and tell the others."""
        self._failure = why
        self._mailbox.give_up(why)

    def _run(
        self, call: Call, signature: bytes, plan: Plan, cargo: Cargo, fold: Fold | None
    ) -> None:
        dtype, lengths = call.dtype, cargo.lengths
        exact = dtype in _EXACT or not call.charged
        # What noise will touch must be a copy: it is the message that suffers, not its sender.
        lend = not self.carriers.spoils(exact)
        apart = self._mailbox.apart
        at_home = cargo.in_place and lend and apart
        longest = max(lengths.values(), default=0)
        window = SLOT_BYTES // dtype.itemsize
        if at_home and self.size > 2:
            # What stays at home needs no slot, so a message may be as long as its chunk. Two ranks
            # have nothing else to do while one travels: they keep to windows.
            window = max(window, longest)
        windows = -(-longest // window) if longest else 1
        brings = _cut(cargo.brings, lengths, window)
        takes = brings if cargo.takes is cargo.brings else _cut(cargo.takes, lengths, window)
        sent = dict.fromkeys(range(self.size), 0)
        held: dict[tuple[int, int], Message] = {}
        for number, step in plan.timetable(windows, self._mailbox.windows_under_way):
            start = number * window
            for dst, chunk, compose, received in step.departures:
                length = min(window, lengths[chunk] - start)
                if length < 0 or (length == 0 and start):
                    continue
                if compose:
                    side = takes if received else brings
                    values = side[chunk][number] if length and chunk in side else None
                    message = self._compose(dst, dtype, length, values, lend)
                else:
                    message = held.pop((number, chunk))
                sent[dst] += message.nbytes
                if not lend:
                    self.carriers.spoil(dst, message)
                self._mailbox.post(dst, message, signature)
            for src, chunk, add, keep, hold in step.arrivals:
                length = min(window, lengths[chunk] - start)
                if length < 0 or (length == 0 and start):
                    continue
                home = takes[chunk][number] if keep and length and chunk in takes else None
                mine = brings[chunk][number] if add and length else None
                to: torch.Tensor | None
                if at_home and mine is not None:  # wires copy: what is summed stays with us
                    to, into, home = mine, fold, None
                else:
                    to = home if lend and not add and (not hold or apart) else None
                    into = None
                message = self._take(src, signature, length * dtype.itemsize, to, into)
                if into is None and (mine is not None or home is not None):
                    values = message.view(dtype)
                    if fold is not None and mine is not None:
                        fold(values, mine, out=values)
                    if home is not None and values is not home:
                        home.copy_(values)
                if hold:
                    held[number, chunk] = message
                else:
                    message.release()
        if call.charged:
            for dst, nbytes in sent.items():
                self.carriers.charge(dst, nbytes, exact)

    def _compose(
        self, dst: int, dtype: torch.dtype, length: int, values: torch.Tensor | None, lend: bool
    ) -> Message:
        if values is not None and lend and self._mailbox.copies_to(dst):
            return Loan(values)
        parcel = self._mailbox.compose(length * dtype.itemsize)
        if values is not None:
            parcel.view(dtype).copy_(values)
        return parcel

    def _take(
        self,
        src: int,
        signature: bytes,
        nbytes: int,
        home: torch.Tensor | None,
        fold: Fold | None,
    ) -> Message:
        message, found = self._mailbox.take(src, home, fold)
        if found != signature:
            self._disagree(src, found, signature)
        if message.nbytes != nbytes:
            raise self._mailbox.watch.error(
                f"rank {self._mailbox.watch.names[src]} sent {message.nbytes} bytes where this "
                f"rank expects {nbytes}"
            )
        return message

    def _compare(self, signature: bytes) -> None:
        """Find ranks that are in another collective, but on a link that we are not waiting for."""
        sequence = self._sequence & 0xFFFFFFFF
        for rank, found in self._mailbox.signatures():
            if _SIGNATURE.unpack(found)[0] == sequence and found != signature:
                self._disagree(rank, found, signature)

    def _sign(self, call: Call) -> bytes:
        dtype = DTYPES.index(call.dtype)
        sequence = self._sequence & 0xFFFFFFFF
        kind = KINDS.index(call.kind)
        return _SIGNATURE.pack(sequence, kind, dtype, call.reduction, call.root, call.nbytes)

    def _disagree(self, src: int, found: bytes, expected: bytes) -> None:
        names = self._mailbox.watch.names
        raise PeerError(
            f"rank {names[src]} is in {_describe(found)}, rank {names[self._mailbox.rank]} in "
            f"{_describe(expected)}"
        )

    def interrupt(self) -> None:
        """Make the plan that is being carried out fail. Any thread may call this."""
        self._mailbox.watch.leave()

    def close(self) -> None:
        """Leave the group."""
        self._failure = self._failure or "it was shut down"
        self._mailbox.close()


def _cut(
    tensors: Mapping[int, torch.Tensor], lengths: Mapping[int, int], window: int
) -> Mapping[int, Sequence[torch.Tensor]]:
    """Chunks in windows of so many elements, the last one shorter."""
    return {
        chunk: (values,) if lengths[chunk] <= window else values.split(window)  # type: ignore[no-untyped-call]
        for chunk, values in tensors.items()
    }


def _describe(signature: bytes) -> str:
    sequence, kind, dtype, reduction, root, nbytes = _SIGNATURE.unpack(signature)
    name = str(DTYPES[dtype]).removeprefix("torch.")
    parts = [f"{nbytes} bytes of {name}"]
    if root >= 0:
        parts.append(f"root {root}")
    if reduction:
        parts.append(f"reduction {reduction}")
    return f"{KINDS[kind]} #{sequence} ({', '.join(parts)})"
