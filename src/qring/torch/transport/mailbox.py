"""The mailbox of one rank: compose a parcel, post it, take one, release it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qring.errors import PeerError
from qring.torch.transport.arena import SLOT_BYTES, Arena, Parcel, close_descriptor
from qring.torch.transport.sockets import SocketWire
from qring.torch.transport.watch import SLICE_S, Watch
from qring.torch.transport.wires import Wire

__all__ = ["Mailbox"]


class Mailbox:
    """All wires of one rank in one group. Used by one thread at a time."""

    __slots__ = ("_arena", "_descriptor", "_wires", "rank", "size", "watch")

    def __init__(self, arena: Arena, descriptor: int | None, size: int, watch: Watch) -> None:
        self._arena, self._descriptor, self.watch = arena, descriptor, watch
        self.rank, self.size = arena.owner, size
        self._wires: Mapping[int, Wire] = {}

    def connect(self, wires: Mapping[int, Wire]) -> None:
        """Say which wire leads to which rank."""
        self._wires = wires

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
            self._arena.wait_for_slot(releases, SLICE_S)
            if self._arena.releases == releases:
                self.watch.look(None)

    def post(self, rank: int, parcel: Parcel, signature: bytes) -> None:
        """Hand a parcel to another rank; it is no longer ours."""
        self._wires[rank].post(parcel, signature)

    def take(self, rank: int) -> tuple[Parcel, bytes]:
        """Wait for the next parcel from another rank, and the signature it came with."""
        return self._wires[rank].take()

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
        """Let go of threads, connections and descriptors."""
        for wire in self._wires.values():
            wire.close()
        self.watch.close()
        close_descriptor(self._descriptor)
        self._descriptor = None
