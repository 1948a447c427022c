"""Wires: how a parcel gets from this rank to one other, and back."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Protocol

import torch

from qring.errors import PeerError
from qring.torch.transport.arena import ENTRY_BYTES, QUEUE, Arena, Message
from qring.torch.transport.futex import Signal
from qring.torch.transport.watch import SLICE_S, Watch

__all__ = ["SIGNATURE_BYTES", "Fold", "MemoryWire", "Wire"]

SIGNATURE_BYTES = 40

Fold = Callable[..., object]
"""``fold(a, b, out=c)`` puts a reduction of two tensors, shape (elements,), into a third."""
_ENTRY = struct.Struct(f"<{SIGNATURE_BYTES}sIIQ")
_ENTRIES = 128


class Wire(Protocol):
    """Both directions between this rank and one other.

    A wire that ``copies`` takes loans as well as parcels.
    """

    @property
    def copies(self) -> bool:
        """Whether what is posted is copied on its way, rather than read in place."""

    def post(self, parcel: Message, signature: bytes) -> None:
        """Hand a parcel over; it is no longer ours. ``signature`` says what it is part of."""

    def take(self, home: torch.Tensor | None, fold: Fold | None) -> tuple[Message, bytes]:
        """Wait for the next message; it is ours to change, to post on or to release.

        If it fits into ``home``, a wire that copies may put it there, or ``fold`` it into what is
        there, and return a loan.
        """

    def flush(self) -> None:
        """Wait until what was posted will arrive even if this process ends."""

    def peek(self) -> bytes | None:
        """The signature of the next parcel, if one is here; it stays."""

    def close(self) -> None:
        """Let go of what the system lent us."""


class MemoryWire:
    """A wire through mapped memory: a parcel stays where it is, only its place is told."""

    __slots__ = ("_arenas", "_inbox", "_mine", "_outbox", "_rank", "_read", "_send_meanwhile",
                 "_sent", "_taken", "_theirs", "_watch", "_written")  # fmt: skip

    def __init__(
        self,
        rank: int,
        mine: Arena,
        arenas: dict[int, Arena],
        watch: Watch,
        send_meanwhile: Callable[[], bool],
    ) -> None:
        """Lay the wire. ``send_meanwhile`` does some of what other wires still have to send.

        It says whether there was anything; if so, this rank must not fall asleep over it.
        """
        self._rank, self._mine, self._arenas, self._watch = rank, mine, arenas, watch
        self._theirs = arenas[rank]
        self._outbox = mine.queue(rank) + _ENTRIES
        self._inbox = self._theirs.queue(mine.owner) + _ENTRIES
        self._sent, self._taken = mine.counts(rank), self._theirs.counts(mine.owner)
        self._written = self._read = 0
        self._send_meanwhile = send_meanwhile

    @property
    def copies(self) -> bool:
        """No: the reader reads what we wrote where we wrote it."""
        return False

    def post(self, parcel: Message, signature: bytes) -> None:
        """Write the parcel's place into our queue and wake the reader."""
        written, read = self._sent
        while self._written - read.value & 0xFFFFFFFF >= QUEUE:
            self._sleep(read, read.value)
            if self._written - read.value & 0xFFFFFFFF >= QUEUE:
                self._watch.look(self._rank)
        if parcel.place is None:
            raise PeerError("a loan cannot travel by memory")
        entry = self._outbox + self._written % QUEUE * ENTRY_BYTES
        _ENTRY.pack_into(self._mine.entries, entry, signature, *parcel.place, parcel.nbytes)
        self._written = self._written + 1 & 0xFFFFFFFF
        written.change(self._written)

    def take(self, home: torch.Tensor | None, fold: Fold | None) -> tuple[Message, bytes]:
        """Wait until their queue names a parcel."""
        written, read = self._taken
        if written.value == self._read:
            self._mine.waits_for = self._rank
            while True:
                self._sleep(written, self._read)
                if written.value != self._read:
                    break
                self._watch.look(self._rank)
            self._mine.waits_for = None
        entry = self._inbox + self._read % QUEUE * ENTRY_BYTES
        signature, owner, slot, nbytes = _ENTRY.unpack_from(self._theirs.entries, entry)
        self._read = self._read + 1 & 0xFFFFFFFF
        read.change(self._read)
        parcel = self._arenas[owner].parcels[slot]
        parcel.nbytes = nbytes
        return parcel, signature

    def flush(self) -> None:
        """Nothing to do: memory outlives us for as long as others map it."""

    def _sleep(self, over: Signal, seen: int) -> None:
        if not self._send_meanwhile():
            over.wait(seen, SLICE_S)

    def peek(self) -> bytes | None:
        """The signature of the next parcel, if one is here."""
        if self._taken[0].value == self._read:
            return None
        entry = self._inbox + self._read % QUEUE * ENTRY_BYTES
        return bytes(self._theirs.entries[entry : entry + SIGNATURE_BYTES])

    def close(self) -> None:
        """Nothing to do: memory is freed with its last user."""
