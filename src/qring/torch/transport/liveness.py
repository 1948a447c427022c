"""Liveness of the other ranks of a group: deadlines, deaths and announced failures."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from qring.errors import PeerError
from qring.torch.transport.arena import Arena

__all__ = ["SLICE_S", "Liveness"]

SLICE_S = 0.025
"""Longest time between two checks of the other ranks."""


class Liveness:
    """The other ranks' liveness as seen by one rank, and the deadline of the present collective.

    ``also_check`` is called at every check and may raise, too.
    """

    __slots__ = (
        "_arenas",
        "_deadline",
        "_leaving",
        "_mine",
        "_pidfds",
        "_poll",
        "_timeout_s",
        "also_check",
        "collective",
        "names",
    )  # fmt: skip

    def __init__(self, mine: Arena, names: Sequence[int]) -> None:
        self._mine, self.names = mine, tuple(names)
        self._arenas: dict[int, Arena] = {}
        self._pidfds: dict[int, int] = {}
        self._poll = select.poll()
        self._deadline, self._timeout_s, self._leaving = float("inf"), float("inf"), False
        self.collective = "set-up"
        self.also_check: Callable[[], None] = lambda: None

    def follow(self, rank: int, arena: Arena, pid: int) -> None:
        """Follow the process of a rank whose arena is mapped here."""
        self._arenas[rank] = arena
        with contextlib.suppress(OSError):
            descriptor = _processes.open(pid)
            self._pidfds[descriptor] = rank
            self._poll.register(descriptor, select.POLLIN)

    @property
    def followed(self) -> frozenset[int]:
        """Ranks whose processes are followed."""
        return frozenset(self._pidfds.values())

    def begin(self, collective: str, timeout_s: float) -> None:
        """Set the deadline of a collective."""
        self.collective, self._timeout_s = collective, timeout_s
        self._deadline = time.monotonic() + timeout_s

    def leave(self) -> None:
        """Make every present and later wait fail: this rank is shutting down."""
        self._leaving = True

    def check_leaving(self, what: str) -> None:
        """Raise :class:`PeerError` if this rank is shutting down during ``what``."""
        if self._leaving:
            raise self.closed(what)

    def error(self, what: str) -> PeerError:
        """An error that names the present collective."""
        return PeerError(f"{what} during {self.collective}")

    def closed(self, what: str) -> PeerError:
        """The error of an operation that was waiting when this rank left."""
        return PeerError(f"this rank left the group during {what}")

    def death(self, rank: int) -> PeerError:
        """The error of a rank that has ended."""
        return self.error(f"rank {self.names[rank]} died or left")

    def dead(self) -> Mapping[int, bool]:
        """Ranks on this host whose process has ended."""
        return {self._pidfds[descriptor]: True for descriptor, _ in self._poll.poll(0)}

    def check(self, waiting_for: int | None) -> None:
        """Raise :class:`PeerError` if a rank has failed, or the deadline has passed.

        ``waiting_for`` is the rank whose message is awaited; None if a free slot is.
        """
        if self._leaving:
            raise self.error("this rank left the group")
        for rank, arena in self._arenas.items():
            note = arena.note
            if note is not None:
                raise PeerError(f"{note} (as rank {self.names[rank]} found)")
        dead = self.dead()
        self.also_check()
        if waiting_for is None:
            for rank in dead:
                raise self.death(rank)
        elif waiting_for in dead:
            raise self.death(waiting_for)
        if time.monotonic() > self._deadline:
            silent = self._root_of(waiting_for)
            who = "some rank" if silent is None else f"rank {self.names[silent]}"
            raise self.error(f"{who} let the timeout of {self._timeout_s:.3g} s pass")

    def _root_of(self, rank: int | None) -> int | None:
        """The rank at the end of the chain of ranks that wait for one another."""
        seen: set[int] = set()
        while rank is not None and rank in self._arenas and rank not in seen:
            seen.add(rank)
            onward = self._arenas[rank].waits_for
            if onward is None or onward == self._mine.owner:
                return rank
            rank = onward
        return rank

    def close(self) -> None:
        """Stop following all processes."""
        for descriptor in self._pidfds:
            _processes.close(descriptor)
        self._pidfds.clear()
        self._poll = select.poll()


class _Processes:
    """Descriptors of processes, each shared by all groups of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: dict[int, int] = {}
        self._users: dict[int, int] = {}

    def open(self, pid: int) -> int:
        """The descriptor of a process, to be released by :meth:`close`."""
        with self._lock:
            found = self._latest.get(pid)
            if found is None or _has_ended(found):  # the number may be another's by now
                found = self._latest[pid] = os.pidfd_open(pid)
            self._users[found] = self._users.get(found, 0) + 1
            return found

    def close(self, descriptor: int) -> None:
        """Release a descriptor; its last user closes it."""
        with self._lock:
            self._users[descriptor] -= 1
            if not self._users[descriptor]:
                del self._users[descriptor]
                self._latest = {p: d for p, d in self._latest.items() if d != descriptor}
                os.close(descriptor)


def _has_ended(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


_processes = _Processes()
