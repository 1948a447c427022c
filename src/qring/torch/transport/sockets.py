"""Wires over TCP: a thread sends, the caller receives straight into an arena."""

from __future__ import annotations

import contextlib
import queue
import socket
import struct
import threading
from collections.abc import Callable

from qring.errors import PeerError
from qring.torch.transport.arena import Parcel
from qring.torch.transport.watch import SLICE_S, Watch
from qring.torch.transport.wires import SIGNATURE_BYTES

__all__ = ["SocketWire"]

_HEAD = struct.Struct(f"<{SIGNATURE_BYTES}sQ")
_GAVE_UP = 2**64 - 1
_FAREWELL_S = 1.0
_TIMEVAL = struct.pack("@ll", 0, int(SLICE_S * 1e6))


class SocketWire:
    """A wire through one TCP connection."""

    __slots__ = ("_closing", "_compose", "_head", "_outgoing", "_posted", "_progress", "_rank",
                 "_sender", "_sent", "_socket", "_watch")  # fmt: skip

    def __init__(
        self, rank: int, connection: socket.socket, compose: Callable[[int], Parcel], watch: Watch
    ) -> None:
        self._rank, self._socket, self._compose, self._watch = rank, connection, compose, watch
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            connection.setsockopt(socket.SOL_SOCKET, option, _TIMEVAL)
        self._head = bytearray(_HEAD.size)
        self._outgoing: queue.SimpleQueue[tuple[bytes, Parcel | None] | None] = queue.SimpleQueue()
        self._posted = self._sent = 0
        self._progress = threading.Event()
        self._closing = False
        self._sender = threading.Thread(target=self._send_all, name="qring-sender", daemon=True)
        self._sender.start()

    def post(self, parcel: Parcel, signature: bytes) -> None:
        """Queue a parcel for the sender."""
        if not self._sender.is_alive():
            raise self._watch.gone(self._rank)
        self._posted += 1
        self._outgoing.put((_HEAD.pack(signature, parcel.nbytes), parcel))

    def flush(self) -> None:
        """Wait until the system has taken what was posted; it delivers even if we end."""
        while self._sent < self._posted:
            self._progress.clear()
            if self._sent < self._posted and not self._progress.wait(SLICE_S):
                if not self._sender.is_alive():
                    raise self._watch.gone(self._rank)
                self._watch.look(self._rank)

    def take(self) -> tuple[Parcel, bytes]:
        """Read the next parcel into a slot of our own."""
        self._fill(memoryview(self._head))
        signature, nbytes = _HEAD.unpack(self._head)
        if nbytes == _GAVE_UP:
            text = bytearray(int.from_bytes(signature[:4], "little"))
            self._fill(memoryview(text))
            found_by = self._watch.names[self._rank]
            raise PeerError(f"{text.decode(errors='replace')} (as rank {found_by} found)")
        parcel = self._compose(nbytes)
        self._fill(memoryview(parcel.array)[:nbytes])
        return parcel, signature

    def peek(self) -> bytes | None:
        """The signature of the next parcel, if its head is here."""
        with contextlib.suppress(OSError):
            flags = socket.MSG_PEEK | socket.MSG_DONTWAIT
            head = self._socket.recv(_HEAD.size, flags)
            if len(head) == _HEAD.size:
                signature, nbytes = _HEAD.unpack(head)
                return None if nbytes == _GAVE_UP else bytes(signature)
        return None

    def give_up(self, note: str) -> None:
        """Tell the other end that we have given up, and why, after what is already queued."""
        text = note.encode()
        head = _HEAD.pack(len(text).to_bytes(4, "little"), _GAVE_UP)
        self._outgoing.put((head + text, None))

    def close(self) -> None:
        """Send what is queued, if the other end still reads, and hang up."""
        self._outgoing.put(None)
        self._sender.join(_FAREWELL_S)
        self._closing = True
        self._sender.join(4 * SLICE_S)
        self._socket.close()

    def _fill(self, view: memoryview) -> None:
        got = 0
        while got < len(view):
            try:
                count = self._socket.recv_into(view[got:], 0, socket.MSG_WAITALL)
            except BlockingIOError:
                self._watch.look(self._rank)
                continue
            except OSError:
                count = 0
            if not count:
                raise self._watch.gone(self._rank)
            got += count

    def _send_all(self) -> None:
        with contextlib.suppress(OSError):
            while (item := self._outgoing.get()) is not None:
                head, parcel = item
                self._send(memoryview(head))
                if parcel is not None:
                    self._send(memoryview(parcel.array)[: parcel.nbytes])
                    parcel.release()
                    self._sent += 1
                    self._progress.set()

    def _send(self, view: memoryview) -> None:
        sent = 0
        while sent < len(view):
            try:
                sent += self._socket.send(view[sent:])
            except BlockingIOError:
                if self._closing:
                    raise
