"""Wires: how a parcel gets from this rank to one other, and back."""

from __future__ import annotations

import struct
from typing import Protocol

from qring.torch.transport import futex
from qring.torch.transport.arena import ENTRY_BYTES, QUEUE, Arena, Parcel
from qring.torch.transport.watch import SLICE_S, Watch

__all__ = ["SIGNATURE_BYTES", "MemoryWire", "Wire"]

SIGNATURE_BYTES = 40
_PLACE = struct.Struct("<IIQ")
_TAIL = 64 // 4
_ENTRIES = 128


class Wire(Protocol):
    """Both directions between this rank and one other."""

    def post(self, parcel: Parcel, signature: bytes) -> None:
        """Hand a parcel over; it is no longer ours. ``signature`` says what it is part of."""

    def take(self) -> tuple[Parcel, bytes]:
        """Wait for the next parcel; it is ours to change, to post on or to release."""

    def flush(self) -> None:
        """Wait until what was posted will arrive even if this process ends."""

    def peek(self) -> bytes | None:
        """The signature of the next parcel, if one is here; it stays."""

    def close(self) -> None:
        """Let go of what the system lent us."""


class MemoryWire:
    """A wire through mapped memory: a parcel stays where it is, only its place is told."""

    __slots__ = ("_arenas", "_inbox", "_mine", "_outbox", "_rank", "_read", "_theirs", "_watch",
                 "_written")  # fmt: skip

    def __init__(self, rank: int, mine: Arena, arenas: dict[int, Arena], watch: Watch) -> None:
        self._rank, self._mine, self._arenas, self._watch = rank, mine, arenas, watch
        self._theirs = arenas[rank]
        self._outbox, self._inbox = mine.queue(rank), self._theirs.queue(mine.owner)
        self._written = self._read = 0

    def post(self, parcel: Parcel, signature: bytes) -> None:
        """Write the parcel's place into our queue and wake the reader."""
        offset, address = self._outbox
        words = self._mine.words
        head = offset // 4
        while self._written - words[head + _TAIL] & 0xFFFFFFFF >= QUEUE:
            futex.wait(address + 64, words[head + _TAIL], SLICE_S)
            if self._written - words[head + _TAIL] & 0xFFFFFFFF >= QUEUE:
                self._watch.look(self._rank)
        entry = offset + _ENTRIES + self._written % QUEUE * ENTRY_BYTES
        memory = self._mine.entries
        memory[entry : entry + SIGNATURE_BYTES] = signature
        place = (parcel.arena.owner, parcel.slot, parcel.nbytes)
        _PLACE.pack_into(memory, entry + SIGNATURE_BYTES, *place)
        self._written = self._written + 1 & 0xFFFFFFFF
        words[head] = self._written
        futex.wake(address)

    def take(self) -> tuple[Parcel, bytes]:
        """Wait until their queue names a parcel."""
        offset, address = self._inbox
        words = self._theirs.words
        head = offset // 4
        if words[head] == self._read:
            self._mine.waits_for = self._rank
            while words[head] == self._read:
                futex.wait(address, self._read, SLICE_S)
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

    def peek(self) -> bytes | None:
        """The signature of the next parcel, if one is here."""
        offset, _ = self._inbox
        if self._theirs.words[offset // 4] == self._read:
            return None
        entry = offset + _ENTRIES + self._read % QUEUE * ENTRY_BYTES
        return bytes(self._theirs.entries[entry : entry + SIGNATURE_BYTES])

    def close(self) -> None:
        """Nothing to do: memory is freed with its last user."""
