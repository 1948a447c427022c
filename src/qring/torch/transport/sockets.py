"""Channels over TCP, without threads: a rank sends queued messages while it waits to receive."""

from __future__ import annotations

import select
import socket
import struct
from collections import deque
from collections.abc import Callable

import torch

from qring.errors import PeerError
from qring.torch.transport.arena import BorrowedMessage, Message, SlotMessage
from qring.torch.transport.channels import SIGNATURE_BYTES, Fold
from qring.torch.transport.liveness import SLICE_S, Liveness

__all__ = ["Progress", "SocketChannel"]

_HEAD = struct.Struct(f"<{SIGNATURE_BYTES}sQ")
_FAILED = 2**64 - 1
_CLOSE_S = 1.0
_MEANWHILE_S = 1e-3
_PIECE_BYTES = 1 << 19
_SENDING_BYTES = 1 << 19
"""Send buffer between processes of one machine: more in flight would leave the cache."""


class Progress:
    """Progress of a rank's TCP channels: sends what is queued whenever the rank waits."""

    __slots__ = ("_poll", "channels")

    def __init__(self) -> None:
        self.channels: list[SocketChannel] = []

    def send_meanwhile(self) -> bool:
        """Send some of what is queued; False if nothing is queued."""
        if not any(channel.unsent for channel in self.channels):
            return False
        self.wait(None, _MEANWHILE_S)
        return True

    def wait(self, reading: SocketChannel | None, limit_s: float) -> bool:
        """Wait until ``reading`` is readable or a channel can send; return whether one was."""
        poll = select.poll()
        busy = {channel.fileno: channel for channel in self.channels if channel.unsent}
        for fileno in busy:
            poll.register(fileno, select.POLLOUT)
        if reading is not None:
            both = select.POLLIN | (select.POLLOUT if reading.fileno in busy else 0)
            poll.register(reading.fileno, both)
        ready = poll.poll(int(1000 * limit_s))
        for fileno, event in ready:
            if fileno in busy and event & ~select.POLLIN:
                busy[fileno].push()
        return bool(ready)


class SocketChannel:
    """A channel through one TCP connection."""

    __slots__ = (
        "_allocate",
        "_gone",
        "_head",
        "_liveness",
        "_progress",
        "_queue",
        "_rank",
        "_socket",
        "fileno",
    )  # fmt: skip

    def __init__(
        self,
        rank: int,
        connection: socket.socket,
        allocate: Callable[[int], SlotMessage],
        liveness: Liveness,
        progress: Progress,
        *,
        near: bool,
    ) -> None:
        """``near`` says that the other end is a process of this machine.

        Between machines the system finds out by itself how much to have under way.
        """
        self._rank, self._socket, self._allocate, self._liveness = (
            rank,
            connection,
            allocate,
            liveness,
        )
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if near:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENDING_BYTES)
        self.fileno = connection.fileno()
        self._head = memoryview(bytearray(_HEAD.size))
        self._queue: deque[tuple[memoryview, Message | None]] = deque()
        self._gone = False
        self._progress = progress
        progress.channels.append(self)

    @property
    def unsent(self) -> bool:
        """Whether anything is queued."""
        return bool(self._queue)

    @property
    def copies(self) -> bool:
        """True: into the system's buffers."""
        return True

    def send(self, message: Message, signature: bytes) -> None:
        """Send what the system takes at once and queue the rest."""
        idle = not self._queue
        self._queue.append((memoryview(_HEAD.pack(signature, message.nbytes)), None))
        self._queue.append((message.array.data[: message.nbytes], message))
        if idle:
            self.push()

    def push(self) -> None:
        """Send what the system takes of the queue."""
        while self._queue:
            view, message = self._queue[0]
            try:
                sent = self._socket.send(view) if view else 0
            except BlockingIOError:
                return
            except OSError:
                self._gone = True
                self._drop()
                return
            if sent < len(view):
                self._queue[0] = (view[sent:], message)
                continue
            self._queue.popleft()
            if message is not None:
                message.release()

    def receive(self, home: torch.Tensor | None, fold: Fold | None) -> tuple[Message, bytes]:
        """Receive the next message into ``home``, or else into a slot of this rank's arena.

        With ``fold`` it is folded into ``home`` piece by piece, each while it is in the cache.
        """
        self._fill(self._head)
        signature, nbytes = _HEAD.unpack(self._head)
        if nbytes == _FAILED:
            text = bytearray(int.from_bytes(signature[:4], "little"))
            self._fill(memoryview(text))
            found_by = self._liveness.names[self._rank]
            raise PeerError(f"{text.decode(errors='replace')} (as rank {found_by} found)")
        message: Message
        if home is not None and home.numel() * home.itemsize == nbytes:
            if fold is not None:
                self._fold(home, fold)
                return BorrowedMessage(home), signature
            message = BorrowedMessage(home)
        else:
            message = self._allocate(nbytes)
        self._fill(message.array.data[:nbytes])
        return message, signature

    def _fold(self, home: torch.Tensor, fold: Fold) -> None:
        piece = self._allocate(_PIECE_BYTES)
        values = piece.view(home.dtype)
        for start in range(0, len(home), len(values)):
            mine = home[start : start + len(values)]
            self._fill(piece.array.data[: mine.nbytes])
            fold(values[: len(mine)], mine, out=mine)
        piece.release()

    def flush(self) -> None:
        """Wait until the system has the whole queue; it delivers even if this process ends."""
        while self._queue:
            if not self._progress.wait(None, SLICE_S):
                self._liveness.check(self._rank)
        if self._gone:
            raise self._liveness.death(self._rank)

    def peek(self) -> bytes | None:
        """The signature of the next message, if its header has arrived."""
        try:
            head = self._socket.recv(_HEAD.size, socket.MSG_PEEK)
        except OSError:
            return None
        if len(head) < _HEAD.size:
            return None
        signature, nbytes = _HEAD.unpack(head)
        return None if nbytes == _FAILED else bytes(signature)

    def announce_failure(self, note: str) -> None:
        """Queue the announcement that this rank has failed, and why."""
        text = note.encode()
        head = _HEAD.pack(len(text).to_bytes(4, "little"), _FAILED)
        self._queue.append((memoryview(head + text), None))
        self.push()

    def close(self) -> None:
        """Send what is queued, if the other end still reads, and disconnect."""
        for _ in range(int(_CLOSE_S / SLICE_S)):
            if not self._queue or not self._progress.wait(None, SLICE_S):
                break
        self._drop()
        self._progress.channels.remove(self)
        self._socket.close()

    def _drop(self) -> None:
        for _, message in self._queue:
            if message is not None:
                message.release()
        self._queue.clear()

    def _fill(self, view: memoryview) -> None:
        got = 0
        while got < len(view):
            try:
                count = self._socket.recv_into(view[got:])
            except BlockingIOError:
                if not self._progress.wait(self, SLICE_S):
                    self._liveness.check(self._rank)
                continue
            except OSError:
                count = 0
            if not count:
                raise self._liveness.death(self._rank)
            got += count
