"""The transport that collectives use: one ordered channel to every other rank."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from qring.errors import PeerError
from qring.torch.transport.arena import SLOT_BYTES, Arena, Message, SlotMessage
from qring.torch.transport.channels import Channel, Fold
from qring.torch.transport.liveness import SLICE_S, Liveness
from qring.torch.transport.sockets import Progress, SocketChannel

__all__ = ["CollectiveTransport"]


class CollectiveTransport:
    """All collective channels of one rank in one group. Used by one thread at a time."""

    __slots__ = ("_arena", "_channels", "apart", "hosts", "liveness", "progress", "rank", "size")

    def __init__(self, arena: Arena, size: int, liveness: Liveness) -> None:
        self._arena, self.liveness = arena, liveness
        self.rank, self.size = arena.owner, size
        self.progress = Progress()
        self._channels: Mapping[int, Channel] = {}
        self.apart = False
        self.hosts: tuple[tuple[int, ...], ...] = ()
        """Ranks by the host on which they are, as far as that can be told."""

    def connect(self, channels: Mapping[int, Channel], *, apart: bool) -> None:
        """Set the channel to each other rank.

        ``apart`` says that no two ranks of the group share memory: every rank can send borrowed
        messages to every other.
        """
        self._channels, self.apart = channels, apart

    def signatures(self) -> Iterator[tuple[int, bytes]]:
        """Ranks from which a message has arrived, and the signature of its collective."""
        for rank, channel in self._channels.items():
            found = channel.peek()
            if found is not None:
                yield rank, found

    @property
    def transports(self) -> Mapping[int, str]:
        """For every other rank, the name of the transport that reaches it."""
        return {
            rank: "tcp" if isinstance(channel, SocketChannel) else "memory"
            for rank, channel in self._channels.items()
        }

    def allocate(self, nbytes: int) -> SlotMessage:
        """Allocate a message in this rank's arena, up to ``SLOT_BYTES``; waits for a free slot."""
        if nbytes > SLOT_BYTES:
            raise PeerError(f"a message holds {SLOT_BYTES} bytes, not {nbytes}")
        while True:
            releases = self._arena.releases
            slot = self._arena.free_slot()
            if slot is not None:
                message = self._arena.slots[slot]
                message.nbytes = nbytes
                return message
            if any(channel.unsent for channel in self.progress.channels):
                moved = self.progress.wait(None, SLICE_S)
            else:
                self._arena.wait_for_slot(releases, SLICE_S)
                moved = self._arena.releases != releases
            if not moved:
                self.liveness.check(None)

    @property
    def windows_under_way(self) -> int:
        """Number of windows that may be in flight at once.

        Over memory a message arrives at once, and more windows only crowd the cache.
        """
        return 3 if self.progress.channels else 1

    def copies_to(self, rank: int) -> bool:
        """Whether the channel to a rank copies messages, so that borrowed ones can be sent."""
        return self._channels[rank].copies

    def send(self, rank: int, message: Message, signature: bytes) -> None:
        """Send a message to another rank, and its memory with it."""
        self._channels[rank].send(message, signature)

    def receive(
        self, rank: int, home: torch.Tensor | None, fold: Fold | None
    ) -> tuple[Message, bytes]:
        """Wait for the next message from another rank; return it and its signature.

        If it fits into ``home``, it may be written there, or folded into what is there, and be
        returned as a borrowed message.
        """
        return self._channels[rank].receive(home, fold)

    def flush(self) -> None:
        """Wait until all messages sent will arrive even if this process ends."""
        for channel in self._channels.values():
            channel.flush()

    def announce_failure(self, note: str) -> None:
        """Tell all other ranks that this one has failed, and why."""
        self._arena.announce_failure(note)
        for channel in self._channels.values():
            if isinstance(channel, SocketChannel):
                channel.announce_failure(note)

    def close(self) -> None:
        """Close connections and descriptors."""
        for channel in self._channels.values():
            channel.close()
        self.liveness.close()
