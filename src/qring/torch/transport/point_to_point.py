"""Point-to-point transport: messages are sent at once and buffered until they are received.

It is apart from the collective transport and has its own connections, one for each direction,
opened by the sender with its first message; a receive may wait while collectives go on.
"""

from __future__ import annotations

import contextlib
import functools
import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qring.errors import PeerError
from qring.torch.transport.endpoints import HELLO_BYTES, Endpoint
from qring.torch.transport.liveness import Liveness
from qring.torch.transport.senders import Done, Sender

__all__ = ["UNEXPECTED_BYTES", "PointToPoint", "PostedReceive"]

UNEXPECTED_BYTES = 64 << 20
"""Buffer for unexpected messages, those without a posted receive; then their senders wait."""
_HEADER = struct.Struct("<qQ")
_CLOSE_S = 5.0
_TICK_S = 0.05
_PROBE_AFTER_S = 0.1


@dataclass(slots=True, kw_only=True, eq=False)
class PostedReceive:
    """A receive that waits for a message from ``src``, or from any rank if that is None."""

    src: int | None
    tag: int
    array: NDArray[np.uint8]
    timeout_s: float
    done: Done
    deadline: float = 0.0

    def matches(self, src: int, tag: int) -> bool:
        """Whether a message from ``src`` with ``tag`` completes this receive."""
        return self.tag == tag and self.src in (None, src)


@dataclass(slots=True, kw_only=True, eq=False)
class _Incoming:
    """A message that has begun to arrive."""

    src: int
    tag: int
    array: NDArray[np.uint8]
    posted: PostedReceive | None
    direct: bool
    whole: bool = False


@dataclass(slots=True, eq=False)
class _Connection:
    """An incoming connection and the part of the protocol that is read next."""

    connection: socket.socket
    view: memoryview = field(default_factory=lambda: memoryview(bytearray(HELLO_BYTES)))
    got: int = 0
    src: int | None = None
    incoming: _Incoming | None = None
    deferred: tuple[int, int, int] | None = None
    """Rank, tag and size of an unexpected message that exceeds the buffer: reading stops there."""


class PointToPoint:
    """The point-to-point transport of one rank in one group."""

    def __init__(
        self, rank: int, endpoints: Sequence[Endpoint], listener: socket.socket, liveness: Liveness
    ) -> None:
        self._rank, self._endpoints, self._liveness = rank, endpoints, liveness
        self._listener = listener
        self._lock = threading.RLock()  # a signal handler may send what it interrupts
        self._senders: dict[int, Sender] = {}
        self._posted: list[PostedReceive] = []
        self._unexpected: list[_Incoming] = []
        self._unexpected_bytes = 0
        self._deferred: list[_Connection] = []
        self._connections: dict[int, _Connection] = {}
        self._probes: dict[int, socket.socket] = {}
        self._ended: set[int] = set()
        self._thread: threading.Thread | None = None
        self._wake_up = -1
        self._refusing = self._closing = False

    def send(
        self, dst: int, tag: int, array: NDArray[np.uint8], timeout_s: float, done: Done
    ) -> None:
        """Queue a message; ``array`` must not change before ``done`` is called."""
        with self._lock:
            if self._refusing:
                done(_shut_down(), dst)
                return
            sender = self._senders.get(dst)
            if sender is None:
                sender = Sender(dst, self._rank, self._endpoints[dst], self._liveness)
                self._senders[dst] = sender
            sender.put(_HEADER.pack(tag, len(array)), array, timeout_s, done)

    def receive(self, posted: PostedReceive) -> None:
        """Post a receive; ``posted.done`` is called when it has ended."""
        posted.deadline = time.monotonic() + posted.timeout_s
        with self._lock:
            if self._refusing:
                posted.done(_shut_down(), -1)
                return
            self._start()
            incoming = next(
                (found for found in self._unexpected if posted.matches(found.src, found.tag)), None
            )
            if incoming is None:
                self._posted.append(posted)
            else:
                self._unexpected.remove(incoming)
                self._unexpected_bytes -= len(incoming.array)
                incoming.posted = posted
            whole = incoming is not None and incoming.whole
            os.eventfd_write(self._wake_up, 1)
        if incoming is not None and whole:
            self._complete(incoming)

    def close(self) -> None:
        """Send what is queued and close all connections; posted receives fail.

        Messages that are not sent within their timeouts are dropped.
        """
        with self._lock:
            if self._refusing:
                return
            self._refusing = True
        for sender in self._senders.values():
            sender.close()
        for sender in self._senders.values():
            sender.join()
        self._closing = True
        if self._thread is not None:
            os.eventfd_write(self._wake_up, 1)
            if self._thread is not threading.current_thread():
                self._thread.join(_CLOSE_S)
                if not self._thread.is_alive():  # otherwise it may still read the descriptor
                    os.close(self._wake_up)
        self._listener.close()

    # The receiving thread

    def _start(self) -> None:
        if self._thread is None:
            self._wake_up = os.eventfd(0, os.EFD_NONBLOCK)
            self._thread = threading.Thread(target=self._serve, name="qring-receive", daemon=True)
            self._thread.start()

    def _serve(self) -> None:
        self._listener.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake_up, selectors.EVENT_READ)
            while not self._closing:
                events = selector.select(_TICK_S if self._posted else None)
                for key, _ in events:
                    if key.fileobj is self._listener:
                        self._accept(selector)
                    elif key.data is None:
                        os.eventfd_read(self._wake_up)
                        self._resume(selector)
                    elif isinstance(key.data, int):
                        self._probe_ended(selector, key.data)
                    else:
                        self._read(selector, key.data)
                if self._posted:
                    if not events:  # what ended ranks had sent has been read
                        self._fail_receives_from_the_dead()
                    self._fail_overdue_receives()
                    self._probe_silent_ranks(selector)
            for link in self._connections.values():
                link.connection.close()
            for probe in self._probes.values():
                probe.close()
        self._fail(lambda _: self._liveness.closed("receive"))

    def _accept(self, selector: selectors.BaseSelector) -> None:
        with contextlib.suppress(BlockingIOError):
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            link = _Connection(connection)
            self._connections[connection.fileno()] = link
            selector.register(connection, selectors.EVENT_READ, link)

    def _read(self, selector: selectors.BaseSelector, link: _Connection) -> None:
        try:
            while True:
                while link.got == len(link.view):
                    if self._advance(link):
                        continue
                    if link.deferred is None:
                        self._disconnect(selector, link)
                    else:
                        selector.unregister(link.connection)
                        self._deferred.append(link)
                    return
                count = link.connection.recv_into(link.view[link.got :])
                if not count:
                    break
                link.got += count
        except BlockingIOError:
            return
        except OSError:
            pass
        self._disconnect(selector, link)

    def _advance(self, link: _Connection) -> bool:
        """Handle a complete part and set the next; False if the connection is to pause or end."""
        if link.src is None:
            hello = bytes(link.view)
            if hello[:16] != self._endpoints[self._rank].token:
                return False
            link.src = int.from_bytes(hello[16:], "little")
        elif link.incoming is None:
            tag, nbytes = _HEADER.unpack(link.view)
            return self._begin(link, link.src, tag, nbytes)
        else:
            incoming, link.incoming = link.incoming, None
            with self._lock:
                incoming.whole = True
                claimed = incoming.posted is not None
            if claimed:
                self._complete(incoming)
        link.view, link.got = memoryview(bytearray(_HEADER.size)), 0
        return True

    def _begin(self, link: _Connection, src: int, tag: int, nbytes: int) -> bool:
        """Choose memory for a message whose header has arrived; False defers it."""
        with self._lock:
            posted = next((r for r in self._posted if r.matches(src, tag)), None)
            # A posted receive for another message of this rank may find it behind this one.
            sought = any(r.src in (None, src) for r in self._posted)
            if posted is None and not sought and self._unexpected_bytes + nbytes > UNEXPECTED_BYTES:
                link.deferred = src, tag, nbytes
                return False
            link.deferred = None
            if posted is not None:
                self._posted.remove(posted)
            direct = posted is not None and len(posted.array) == nbytes
            array = posted.array if posted and direct else np.empty(nbytes, np.uint8)
            link.incoming = _Incoming(src=src, tag=tag, array=array, posted=posted, direct=direct)
            link.view, link.got = array.data, 0
            if posted is None:
                self._unexpected.append(link.incoming)
                self._unexpected_bytes += nbytes
            return True

    def _resume(self, selector: selectors.BaseSelector) -> None:
        """Resume connections whose deferred message is now received or fits the buffer."""
        lines, self._deferred = self._deferred, []
        for link in lines:
            if link.deferred is not None and self._begin(link, *link.deferred):
                selector.register(link.connection, selectors.EVENT_READ, link)
                self._read(selector, link)
            else:
                self._deferred.append(link)

    def _complete(self, incoming: _Incoming) -> None:
        posted, error = incoming.posted, None
        if posted is None:
            return
        if len(posted.array) != len(incoming.array):
            error = PeerError(
                f"rank {self._liveness.names[incoming.src]} sent {len(incoming.array)} bytes where "
                f"this rank expects {len(posted.array)} during receive (tag {incoming.tag})"
            )
        elif not incoming.direct:
            posted.array[:] = incoming.array
        posted.done(error, incoming.src)

    def _disconnect(self, selector: selectors.BaseSelector, link: _Connection) -> None:
        selector.unregister(link.connection)
        self._connections.pop(link.connection.fileno(), None)
        link.connection.close()
        if link.src is None:
            return
        if link.incoming is not None and link.incoming.posted is not None:
            link.incoming.posted.done(self._lost(link.src), link.src)
        self._fail(lambda _: self._lost(link.src), link.src)

    def _probe_silent_ranks(self, selector: selectors.BaseSelector) -> None:
        """Connect to ranks on other hosts that have not sent yet, to notice their end."""
        followed, now = self._liveness.followed, time.monotonic()
        with self._lock:
            overdue = [r for r in self._posted if now > r.deadline - r.timeout_s + _PROBE_AFTER_S]
        sources = {posted.src for posted in overdue if posted.src is not None}
        for rank in sources - followed - set(self._probes):
            end = self._endpoints[rank]
            probe = socket.socket(socket.AF_INET6 if ":" in end.host else socket.AF_INET)
            probe.setblocking(False)
            probe.connect_ex((end.host, end.port))
            self._probes[rank] = probe
            selector.register(probe, selectors.EVENT_READ, rank)  # only its end is ever read

    def _probe_ended(self, selector: selectors.BaseSelector, rank: int) -> None:
        selector.unregister(self._probes[rank])
        self._probes[rank].close()
        self._ended.add(rank)

    def _fail_receives_from_the_dead(self) -> None:
        heard = {link.src for link in self._connections.values()}
        for rank in self._ended.union(self._liveness.dead()):
            if rank not in heard:
                self._fail(functools.partial(self._lost_to, rank), rank)

    def _fail_overdue_receives(self) -> None:
        now = time.monotonic()
        with self._lock:
            late = [posted for posted in self._posted if now > posted.deadline]
            self._posted = [posted for posted in self._posted if now <= posted.deadline]
        for posted in late:
            who = "any rank" if posted.src is None else f"rank {self._liveness.names[posted.src]}"
            limit_s = posted.timeout_s
            error = PeerError(
                f"{who} let the timeout of {limit_s:.3g} s pass during receive (tag {posted.tag})"
            )
            posted.done(error, -1)

    def _lost(self, rank: int | None) -> PeerError:
        name = "?" if rank is None else self._liveness.names[rank]
        return PeerError(f"rank {name} died or left during receive")

    def _lost_to(self, rank: int, _: PostedReceive) -> PeerError:
        return self._lost(rank)

    def _fail(
        self, error: Callable[[PostedReceive], BaseException], src: int | None = None
    ) -> None:
        """Fail the posted receives from ``src``, or all of them."""
        with self._lock:
            lost = [r for r in self._posted if src is None or r.src == src]
            self._posted = [r for r in self._posted if r not in lost]
        for posted in lost:
            posted.done(error(posted), -1)


def _shut_down() -> PeerError:
    return PeerError("this process group was shut down")
