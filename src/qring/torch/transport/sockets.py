"""Wires over TCP. One thread does it all: it sends while it waits for what it receives."""

from __future__ import annotations

import select
import socket
import struct
from collections import deque
from collections.abc import Callable

import torch

from qring.errors import PeerError
from qring.torch.transport.arena import Loan, Message, Parcel
from qring.torch.transport.watch import SLICE_S, Watch
from qring.torch.transport.wires import SIGNATURE_BYTES, Fold

__all__ = ["Pump", "SocketWire"]

_HEAD = struct.Struct(f"<{SIGNATURE_BYTES}sQ")
_GAVE_UP = 2**64 - 1
_FAREWELL_S = 1.0
_MEANWHILE_S = 1e-3
_PIECE_BYTES = 1 << 19
_SENDING_BYTES = 1 << 19
"""What may be under way between processes that share a memory: more would leave the cache."""


class Pump:
    """Sends what is queued on all wires of a rank whenever that rank has to wait."""

    __slots__ = ("_poll", "wires")

    def __init__(self) -> None:
        self.wires: list[SocketWire] = []

    def send_meanwhile(self) -> bool:
        """Send some of what is queued; False if nothing is."""
        if not any(wire.unsent for wire in self.wires):
            return False
        self.wait(None, _MEANWHILE_S)
        return True

    def wait(self, reading: SocketWire | None, limit_s: float) -> bool:
        """Wait until ``reading`` has something or a wire can send; say if either happened."""
        poll = select.poll()
        busy = {wire.fileno: wire for wire in self.wires if wire.unsent}
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


class SocketWire:
    """A wire through one TCP connection."""

    __slots__ = ("_compose", "_gone", "_head", "_pump", "_queue", "_rank", "_socket",
                 "_watch", "fileno")  # fmt: skip

    def __init__(
        self,
        rank: int,
        connection: socket.socket,
        compose: Callable[[int], Parcel],
        watch: Watch,
        pump: Pump,
        *,
        near: bool,
    ) -> None:
        """Lay the wire. ``near`` says that the other end is a process of this machine.

        Between machines the system finds out by itself how much to have under way.
        """
        self._rank, self._socket, self._compose, self._watch = rank, connection, compose, watch
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if near:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENDING_BYTES)
        self.fileno = connection.fileno()
        self._head = memoryview(bytearray(_HEAD.size))
        self._queue: deque[tuple[memoryview, Message | None]] = deque()
        self._gone = False
        self._pump = pump
        pump.wires.append(self)

    @property
    def unsent(self) -> bool:
        """Whether something is queued for a peer that still listens."""
        return bool(self._queue)

    @property
    def copies(self) -> bool:
        """Yes: into the system's buffers."""
        return True

    def post(self, parcel: Message, signature: bytes) -> None:
        """Send as much of a parcel as the system takes at once; the rest goes while we wait."""
        idle = not self._queue
        self._queue.append((memoryview(_HEAD.pack(signature, parcel.nbytes)), None))
        self._queue.append((parcel.array.data[: parcel.nbytes], parcel))
        if idle:
            self.push()

    def push(self) -> None:
        """Send what the system takes."""
        while self._queue:
            view, parcel = self._queue[0]
            try:
                sent = self._socket.send(view) if view else 0
            except BlockingIOError:
                return
            except OSError:
                self._gone = True
                self._drop()
                return
            if sent < len(view):
                self._queue[0] = (view[sent:], parcel)
                continue
            self._queue.popleft()
            if parcel is not None:
                parcel.release()

    def take(self, home: torch.Tensor | None, fold: Fold | None) -> tuple[Message, bytes]:
        """Read the next message into ``home``, or else into a slot of our own.

        With ``fold`` it is folded into ``home`` piece by piece, each while it is in the cache.
        """
        self._fill(self._head)
        signature, nbytes = _HEAD.unpack(self._head)
        if nbytes == _GAVE_UP:
            text = bytearray(int.from_bytes(signature[:4], "little"))
            self._fill(memoryview(text))
            found_by = self._watch.names[self._rank]
            raise PeerError(f"{text.decode(errors='replace')} (as rank {found_by} found)")
        parcel: Message
        if home is not None and home.numel() * home.itemsize == nbytes:
            if fold is not None:
                self._fold(home, fold)
                return Loan(home), signature
            parcel = Loan(home)
        else:
            parcel = self._compose(nbytes)
        self._fill(parcel.array.data[:nbytes])
        return parcel, signature

    def _fold(self, home: torch.Tensor, fold: Fold) -> None:
        piece = self._compose(_PIECE_BYTES)
        values = piece.view(home.dtype)
        for start in range(0, len(home), len(values)):
            mine = home[start : start + len(values)]
            self._fill(piece.array.data[: mine.nbytes])
            fold(values[: len(mine)], mine, out=mine)
        piece.release()

    def flush(self) -> None:
        """Wait until the system has taken what was posted; it delivers even if we end."""
        while self._queue:
            if not self._pump.wait(None, SLICE_S):
                self._watch.look(self._rank)
        if self._gone:
            raise self._watch.gone(self._rank)

    def peek(self) -> bytes | None:
        """The signature of the next parcel, if its head is here."""
        try:
            head = self._socket.recv(_HEAD.size, socket.MSG_PEEK)
        except OSError:
            return None
        if len(head) < _HEAD.size:
            return None
        signature, nbytes = _HEAD.unpack(head)
        return None if nbytes == _GAVE_UP else bytes(signature)

    def give_up(self, note: str) -> None:
        """Tell the other end that we have given up, and why, after what is already queued."""
        text = note.encode()
        head = _HEAD.pack(len(text).to_bytes(4, "little"), _GAVE_UP)
        self._queue.append((memoryview(head + text), None))
        self.push()

    def close(self) -> None:
        """Send what is queued, if the other end still reads, and hang up."""
        for _ in range(int(_FAREWELL_S / SLICE_S)):
            if not self._queue or not self._pump.wait(None, SLICE_S):
                break
        self._drop()
        self._pump.wires.remove(self)
        self._socket.close()

    def _drop(self) -> None:
        for _, parcel in self._queue:
            if parcel is not None:
                parcel.release()
        self._queue.clear()

    def _fill(self, view: memoryview) -> None:
        got = 0
        while got < len(view):
            try:
                count = self._socket.recv_into(view[got:])
            except BlockingIOError:
                if not self._pump.wait(self, SLICE_S):
                    self._watch.look(self._rank)
                continue
            except OSError:
                count = 0
            if not count:
                raise self._watch.gone(self._rank)
            got += count
