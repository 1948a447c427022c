"""Wires: how a parcel gets from this rank to one other, and back."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Protocol

import torch

from qring.errors import PeerError
from qring.torch.transport import futex
from qring.torch.transport.arena import ENTRY_BYTES, QUEUE, Arena, Message
from qring.torch.transport.watch import SLICE_S, Watch

__all__ = ["SIGNATURE_BYTES", "Fold", "MemoryWire", "Wire"]

SIGNATURE_BYTES = 40

Fold = Callable[..., object]
"""``fold(a, b, out=c)`` puts a reduction of two tensors, shape (elements,), into a third."""
_PLACE = struct.Struct("<IIQ")
_TAIL = 64 // 4
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

    __slots__ = ("_arenas", "_inbox", "_mine", "_outbox", "_rank", "_read",
                 "_send_meanwhile", "_theirs", "_watch",
                 "_written")  # fmt: skip

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
        self._outbox, self._inbox = mine.queue(rank), self._theirs.queue(mine.owner)
        self._written = self._read = 0
        self._send_meanwhile = send_meanwhile

    @property
    def copies(self) -> bool:
        """No: the reader reads what we wrote where we wrote it."""
        return False

    def post(self, parcel: Message, signature: bytes) -> None:
        """Write the parcel's place into our queue and wake the reader."""
        offset, address = self._outbox
        words = self._mine.words
        head = offset // 4
        while self._written - words[head + _TAIL] & 0xFFFFFFFF >= QUEUE:
            self._sleep(address + 64, words[head + _TAIL])
            if self._written - words[head + _TAIL] & 0xFFFFFFFF >= QUEUE:
                self._watch.look(self._rank)
        entry = offset + _ENTRIES + self._written % QUEUE * ENTRY_BYTES
        memory = self._mine.entries
        memory[entry : entry + SIGNATURE_BYTES] = signature
        if parcel.place is None:
            raise PeerError("a loan cannot travel by memory")
        _PLACE.pack_into(memory, entry + SIGNATURE_BYTES, *parcel.place, parcel.nbytes)
        self._written = self._written + 1 & 0xFFFFFFFF
        words[head] = self._written
        futex.wake(address)

    def take(self, home: torch.Tensor | None, fold: Fold | None) -> tuple[Message, bytes]:
        """Wait until their queue names a parcel."""
        offset, address = self._inbox
        words = self._theirs.words
        head = offset // 4
        if words[head] == self._read:
            self._mine.waits_for = self._rank
            while words[head] == self._read:
                self._sleep(address, self._read)
                if words[head] == self._read:
                    self._watch.look(self._rank)
            self._mine.waits_for = None
        entry = offset + _ENTRIES + self._read % QUEUE * ENTRY_BYTES
        memory = self._theirs.entries
        signature = bytes(memory[entry : entry + SIGNATURE_BYTES])
        owner, slot, nbytes = _PLACE.unpack_from(memory, entry + SIGNATURE_BYTES)
        full = words[head] - self._read & 0xFFFFFFFF == QUEUE
        self._read = self._read + 1 & 0xFFFFFFFF
        words[head + _TAIL] = self._read
        if full:
            futex.wake(address + 64)
        parcel = self._arenas[owner].parcels[slot]
        parcel.nbytes = nbytes
        return parcel, signature

    def flush(self) -> None:
        """Nothing to do: memory outlives us for as long as others map it."""

    def _sleep(self, address: int, seen: int) -> None:
        if not self._send_meanwhile():
            futex.wait(address, seen, SLICE_S)

    def peek(self) -> bytes | None:
        """The signature of the next parcel, if one is here."""
        offset, _ = self._inbox
        if self._theirs.words[offset // 4] == self._read:
            return None
        entry = offset + _ENTRIES + self._read % QUEUE * ENTRY_BYTES
        return bytes(self._theirs.entries[entry : entry + SIGNATURE_BYTES])

    def close(self) -> None:
        """Nothing to do: memory is freed with its last user."""
