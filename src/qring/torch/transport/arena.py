"""Arenas: one rank's shared memory, in whose slots messages are written, read and passed on.

An arena starts with a few control words and is followed by slots of equal size. With futexes it
lies in an anonymous memory file that ranks on the same host map through /proc: it has no name,
and the kernel frees it with its last user, however that user ends.

Every control word has a single writer at a time, so plain stores suffice.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from qring.torch.transport import futex

__all__ = ["SLOTS", "SLOT_BYTES", "Arena", "BorrowedMessage", "Message", "SlotMessage"]

SLOTS = 8
SLOT_BYTES = 1 << 20
"""Size of a slot, and so of a window of a chunk: what a few ranks hold stays in the cache.

Measured: with half of it the steps cost more, with twice as much the memory does.
"""
QUEUE = 16
"""Entries of a queue: messages in flight from one rank to another."""
ENTRY_BYTES = 64
NOTE_BYTES = 2048

_FAILED, _NOTE_LENGTH, _WAITS_FOR, _RELEASES, _WANTS_SLOT = 4, 5, 6, 7, 8
_SLOT_WORDS = 16
_NOTE = 256
_QUEUES = _NOTE + NOTE_BYTES
_QUEUE_BYTES = 128 + QUEUE * ENTRY_BYTES
_FREE, _TAKEN = 0, 1


class Arena:
    """One rank's memory, as seen by this process."""

    __slots__ = (
        "_memory",
        "_releases",
        "address",
        "array",
        "entries",
        "owner",
        "ranks",
        "slots",
        "words",
    )  # fmt: skip

    def __init__(self, memory: torch.Tensor, owner: int, ranks: int) -> None:
        self._memory, self.owner, self.ranks = memory, owner, ranks
        self.address = memory.data_ptr()
        self.array: NDArray[np.uint8] = memory.numpy()
        self.entries = self.array.data
        self.words = self.entries.cast("I")
        self._releases = futex.Signal(self.words, self.address, _RELEASES, _WANTS_SLOT)
        self.slots = tuple(
            SlotMessage(self, memory[start : start + SLOT_BYTES], slot)
            for slot, start in enumerate(range(_first_slot(ranks), len(memory), SLOT_BYTES))
        )

    @classmethod
    def create(cls, owner: int, ranks: int, token: bytes) -> tuple[Arena, int | None]:
        """Make the arena of this rank, and the descriptor to map it by, if there is one."""
        size = _first_slot(ranks) + SLOTS * SLOT_BYTES
        descriptor = None
        memory: torch.Tensor | None = None
        if futex.HAS_FUTEX:
            with contextlib.suppress(OSError):  # a sandbox may forbid it
                descriptor = os.memfd_create("qring")
                os.ftruncate(descriptor, size)
                memory = _mapped(f"/proc/self/fd/{descriptor}", size)
        if memory is None:
            memory = torch.zeros(size, dtype=torch.uint8)
        arena = cls(memory, owner, ranks)
        arena.entries[: len(token)] = token
        return arena, descriptor

    @classmethod
    def open(cls, pid: int, descriptor: int, owner: int, ranks: int, token: bytes) -> Arena | None:
        """Map the arena of another process; None if that is impossible."""
        size = _first_slot(ranks) + SLOTS * SLOT_BYTES
        path = f"/proc/{pid}/fd/{descriptor}"
        try:
            if Path(path).stat().st_size != size:
                return None
            memory = _mapped(path, size)
        except (OSError, RuntimeError):
            return None
        if memory.numpy()[: len(token)].tobytes() != token:
            return None
        return cls(memory, owner, ranks)

    # Slots

    def free_slot(self) -> int | None:
        """Allocate a free slot, if there is one. Only the owner calls this."""
        for slot in range(SLOTS):
            if self.words[_SLOT_WORDS + slot] == _FREE:
                self.words[_SLOT_WORDS + slot] = _TAKEN
                return slot
        return None

    @property
    def releases(self) -> int:
        """A number that changes when a slot is released."""
        return self._releases.value

    def wait_for_slot(self, releases: int, limit_s: float) -> None:
        """Sleep until a slot is released, unless that happened since ``releases`` was read."""
        self._releases.wait(releases, limit_s)

    def release(self, slot: int) -> None:
        """Give a slot back to the owner."""
        self.words[_SLOT_WORDS + slot] = _FREE
        # Two ranks may count at once and one count be lost; all that matters is that it changes.
        self._releases.change(self._releases.value + 1 & 0xFFFFFFFF)

    # What the owner announces

    def announce_failure(self, note: str) -> None:
        """Announce that the owner has failed, and why."""
        if self.words[_FAILED]:
            return
        text = note.encode()[:NOTE_BYTES]
        self.array[_NOTE : _NOTE + len(text)] = np.frombuffer(text, np.uint8)
        self.words[_NOTE_LENGTH] = len(text)
        self.words[_FAILED] = 1
        for reader in range(self.ranks):
            futex.wake(self.address + self.queue(reader))

    @property
    def note(self) -> str | None:
        """The owner's announced failure, if there is one."""
        if not self.words[_FAILED]:
            return None
        text = self.array[_NOTE : _NOTE + self.words[_NOTE_LENGTH]]
        return text.tobytes().decode(errors="replace")

    @property
    def waits_for(self) -> int | None:
        """The rank from which the owner is waiting to receive, if any."""
        rank = self.words[_WAITS_FOR]
        return rank - 1 if rank else None

    @waits_for.setter
    def waits_for(self, rank: int | None) -> None:
        self.words[_WAITS_FOR] = 0 if rank is None else rank + 1

    # Queues: one for each reader, written by the owner but for the word that counts what was read

    def queue(self, reader: int) -> int:
        """Offset of the queue whose entries ``reader`` takes."""
        return _QUEUES + reader * _QUEUE_BYTES

    def counts(self, reader: int) -> tuple[futex.Signal, futex.Signal]:
        """Counts of entries written by the owner and read by ``reader``."""
        head = self.queue(reader) // 4
        tail = head + 64 // 4  # on another line of the cache: it has another writer
        written = futex.Signal(self.words, self.address, head, head + 1)
        return written, futex.Signal(self.words, self.address, tail, tail + 1)


class Message:
    """A message, ``array[:nbytes]``, in memory that its last holder releases."""

    __slots__ = ("array", "nbytes", "place", "tensor")

    def __init__(self, tensor: torch.Tensor, place: tuple[int, int] | None) -> None:
        self.tensor, self.place = tensor, place
        self.array: NDArray[np.uint8] = tensor.view(torch.uint8).numpy()
        self.nbytes = len(self.array)

    def view(self, dtype: torch.dtype) -> torch.Tensor:
        """The bytes as values, shape (elements,)."""
        return self.tensor[: self.nbytes].view(dtype)

    def release(self) -> None:
        """Release the memory."""


class BorrowedMessage(Message):
    """A message in a user's own memory, for channels that copy: it takes no slot."""

    __slots__ = ()

    def __init__(self, flat: torch.Tensor) -> None:
        super().__init__(flat, None)

    def view(self, dtype: torch.dtype) -> torch.Tensor:
        """The values, shape (elements,)."""
        return self.tensor


class SlotMessage(Message):
    """A message in a slot of an arena; its place is the owner's rank and the slot's number."""

    __slots__ = ("_arena", "_last", "_slot")

    def __init__(self, arena: Arena, memory: torch.Tensor, slot: int) -> None:
        super().__init__(memory, (arena.owner, slot))
        self._arena, self._slot = arena, slot
        self._last: tuple[torch.dtype, int, torch.Tensor] | None = None

    def view(self, dtype: torch.dtype) -> torch.Tensor:
        """The bytes as values, shape (elements,)."""
        last = self._last
        if last is None or last[0] is not dtype or last[1] != self.nbytes:
            self._last = last = dtype, self.nbytes, super().view(dtype)
        return last[2]

    def release(self) -> None:
        """Release the slot to its owner."""
        self._arena.release(self._slot)


def _mapped(path: str, size: int) -> torch.Tensor:
    """Map a file of memory. PyTorch keeps no descriptor of it, as Python's own mapping does."""
    return torch.from_file(path, shared=True, size=size, dtype=torch.uint8)


def _first_slot(ranks: int) -> int:
    control = _QUEUES + ranks * _QUEUE_BYTES
    return (control + mmap.PAGESIZE - 1) // mmap.PAGESIZE * mmap.PAGESIZE
