"""The mailbox of one rank: compose a parcel, post it, take one, release it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from qring.errors import PeerError
from qring.torch.transport.arena import SLOT_BYTES, Arena, Message, Parcel
from qring.torch.transport.sockets import Pump, SocketWire
from qring.torch.transport.watch import SLICE_S, Watch
from qring.torch.transport.wires import Fold, Wire

__all__ = ["Mailbox"]


class Mailbox:
    """All wires of one rank in one group. Used by one thread at a time."""

    __slots__ = ("_arena", "_wires", "apart", "hosts", "pump", "rank", "size", "watch")

    def __init__(self, arena: Arena, size: int, watch: Watch) -> None:
        self._arena, self.watch = arena, watch
        self.rank, self.size = arena.owner, size
        self.pump = Pump()
        self._wires: Mapping[int, Wire] = {}
        self.apart = False
        self.hosts: tuple[tuple[int, ...], ...] = ()
        """Ranks by the host on which they are, as far as that can be told."""

    def connect(self, wires: Mapping[int, Wire], *, apart: bool) -> None:
        """Say which wire leads to which rank.

        ``apart`` says that no two ranks of the group share memory: loans can be posted anywhere,
        by every rank.
        """
        self._wires, self.apart = wires, apart

    def signatures(self) -> Iterator[tuple[int, bytes]]:
        """Who has a parcel waiting for us, and what it is part of."""
        for rank, wire in self._wires.items():
            found = wire.peek()
            if found is not None:
                yield rank, found

    @property
    def transports(self) -> Mapping[int, str]:
        """For every other rank, the name of the transport that reaches it."""
        return {
            rank: "tcp" if isinstance(wire, SocketWire) else "memory"
            for rank, wire in self._wires.items()
        }

    def compose(self, nbytes: int) -> Parcel:
        """A parcel of our own to write ``nbytes`` ≤ SLOT_BYTES into; waits for a free slot."""
        if nbytes > SLOT_BYTES:
            raise PeerError(f"a parcel holds {SLOT_BYTES} bytes, not {nbytes}")
        while True:
            releases = self._arena.releases
            slot = self._arena.free_slot()
            if slot is not None:
                parcel = self._arena.parcels[slot]
                parcel.nbytes = nbytes
                return parcel
            if any(wire.unsent for wire in self.pump.wires):
                moved = self.pump.wait(None, SLICE_S)
            else:
                self._arena.wait_for_slot(releases, SLICE_S)
                moved = self._arena.releases != releases
            if not moved:
                self.watch.look(None)

    @property
    def windows_under_way(self) -> int:
        """How many windows to send after one another without waiting for the first to arrive.

        Memory is there at once, and more windows only crowd the cache.
        """
        return 3 if self.pump.wires else 1

    def copies_to(self, rank: int) -> bool:
        """Whether loans can be posted to a rank."""
        return self._wires[rank].copies

    def post(self, rank: int, parcel: Message, signature: bytes) -> None:
        """Hand a parcel to another rank; it is no longer ours."""
        self._wires[rank].post(parcel, signature)

    def take(
        self, rank: int, home: torch.Tensor | None, fold: Fold | None
    ) -> tuple[Message, bytes]:
        """Wait for the next message from another rank, and the signature it came with.

        If it fits into ``home``, it may be put there, or folded into what is there, and come back
        as a loan.
        """
        return self._wires[rank].take(home, fold)

    def flush(self) -> None:
        """Wait until what was posted will arrive even if this process ends."""
        for wire in self._wires.values():
            wire.flush()

    def give_up(self, note: str) -> None:
        """Tell all other ranks that this one has given up, and why."""
        self._arena.give_up(note)
        for wire in self._wires.values():
            if isinstance(wire, SocketWire):
                wire.give_up(note)

    def close(self) -> None:
        """Let go of connections and descriptors."""
        for wire in self._wires.values():
            wire.close()
        self.watch.close()
