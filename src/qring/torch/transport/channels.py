"""Channels between two ranks: the interface, and the one through shared memory."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Protocol

import torch

from qring.errors import PeerError
from qring.torch.transport.arena import ENTRY_BYTES, QUEUE, Arena, Message
from qring.torch.transport.futex import Signal
from qring.torch.transport.liveness import SLICE_S, Liveness

__all__ = ["SIGNATURE_BYTES", "Channel", "Fold", "MemoryChannel"]

SIGNATURE_BYTES = 40

Fold = Callable[..., object]
"""``fold(a, b, out=c)`` puts a reduction of two tensors, shape (elements,), into a third."""
_ENTRY = struct.Struct(f"<{SIGNATURE_BYTES}sIIQ")
_ENTRIES = 128


class Channel(Protocol):
    """Both directions between this rank and one other.

    A channel that ``copies`` takes borrowed messages as well as those in slots.
    """

    @property
    def copies(self) -> bool:
        """Whether messages are copied on their way, rather than read in place."""

    def send(self, message: Message, signature: bytes) -> None:
        """Send a message, and its memory with it; ``signature`` identifies its collective."""

    def receive(self, home: torch.Tensor | None, fold: Fold | None) -> tuple[Message, bytes]:
        """Wait for the next message; the caller may change it, send it on or release it.

        If it fits into ``home``, a channel that copies may write it there, or ``fold`` it into
        what is there, and return a borrowed message.
        """

    def flush(self) -> None:
        """Wait until all messages sent will arrive even if this process ends."""

    def peek(self) -> bytes | None:
        """The signature of the next message, if one has arrived; it is not received by that."""

    def close(self) -> None:
        """Release connections and descriptors."""


class MemoryChannel:
    """A channel through shared memory: a queue of slots, which are read in place."""

    __slots__ = (
        "_arenas",
        "_inbox",
        "_liveness",
        "_mine",
        "_outbox",
        "_rank",
        "_read",
        "_send_meanwhile",
        "_sent",
        "_taken",
        "_theirs",
        "_written",
    )  # fmt: skip

    def __init__(
        self,
        rank: int,
        mine: Arena,
        arenas: dict[int, Arena],
        liveness: Liveness,
        send_meanwhile: Callable[[], bool],
    ) -> None:
        """``send_meanwhile`` sends some of what is queued on TCP channels.

        It returns whether anything was queued; if so, this rank must not sleep.
        """
        self._rank, self._mine, self._arenas, self._liveness = rank, mine, arenas, liveness
        self._theirs = arenas[rank]
        self._outbox = mine.queue(rank) + _ENTRIES
        self._inbox = self._theirs.queue(mine.owner) + _ENTRIES
        self._sent, self._taken = mine.counts(rank), self._theirs.counts(mine.owner)
        self._written = self._read = 0
        self._send_meanwhile = send_meanwhile

    @property
    def copies(self) -> bool:
        """False: the receiver reads the sender's arena."""
        return False

    def send(self, message: Message, signature: bytes) -> None:
        """Write the message's slot into this rank's queue and wake the receiver."""
        written, read = self._sent
        while self._written - read.value & 0xFFFFFFFF >= QUEUE:
            self._sleep(read, read.value)
            if self._written - read.value & 0xFFFFFFFF >= QUEUE:
                self._liveness.check(self._rank)
        if message.place is None:
            raise PeerError("a borrowed message cannot be sent through shared memory")
        entry = self._outbox + self._written % QUEUE * ENTRY_BYTES
        _ENTRY.pack_into(self._mine.entries, entry, signature, *message.place, message.nbytes)
        self._written = self._written + 1 & 0xFFFFFFFF
        written.change(self._written)

    def receive(self, home: torch.Tensor | None, fold: Fold | None) -> tuple[Message, bytes]:
        """Wait for an entry in the other rank's queue."""
        written, read = self._taken
        if written.value == self._read:
            self._mine.waits_for = self._rank
            while True:
                self._sleep(written, self._read)
                if written.value != self._read:
                    break
                self._liveness.check(self._rank)
            self._mine.waits_for = None
        entry = self._inbox + self._read % QUEUE * ENTRY_BYTES
        signature, owner, slot, nbytes = _ENTRY.unpack_from(self._theirs.entries, entry)
        self._read = self._read + 1 & 0xFFFFFFFF
        read.change(self._read)
        message = self._arenas[owner].slots[slot]
        message.nbytes = nbytes
        return message, signature

    def flush(self) -> None:
        """Nothing to do: memory lives as long as anybody maps it."""

    def _sleep(self, over: Signal, seen: int) -> None:
        if not self._send_meanwhile():
            over.wait(seen, SLICE_S)

    def peek(self) -> bytes | None:
        """The signature of the next message, if one has arrived."""
        if self._taken[0].value == self._read:
            return None
        entry = self._inbox + self._read % QUEUE * ENTRY_BYTES
        return bytes(self._theirs.entries[entry : entry + SIGNATURE_BYTES])

    def close(self) -> None:
        """Nothing to do: memory is freed with its last user."""
