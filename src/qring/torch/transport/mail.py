"""Point-to-point messages: sent at once, kept by the receiver until somebody asks for them.

They run apart from the collectives, over their own connections, so that a receive may wait
while collectives go on. A line is laid from the sender to the receiver at the first message.
"""

from __future__ import annotations

import contextlib
import functools
import os
import queue
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
from qring.torch.transport.watch import SLICE_S, Watch

__all__ = ["HELLO_BYTES", "Address", "Mail", "Receipt"]

HELLO_BYTES = 20
_HEADER = struct.Struct("<qQ")
_TIMEVAL = struct.pack("@ll", 0, int(SLICE_S * 1e6))
_FAREWELL_S = 5.0
_TICK_S = 0.05
_PATIENCE_S = 0.1

Done = Callable[[BaseException | None, int], None]
"""Called once at the end of a send or a receive, with the error, if any, and the other rank."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a rank listens for mail, and what to say there."""

    host: str
    port: int
    token: bytes


@dataclass(slots=True, kw_only=True)
class Receipt:
    """Somebody who waits for a message: from ``src``, or from anybody."""

    src: int | None
    tag: int
    array: NDArray[np.uint8]
    timeout_s: float
    done: Done
    deadline: float = 0.0

    def matches(self, src: int, tag: int) -> bool:
        """Whether a message is the one that is waited for."""
        return self.tag == tag and self.src in (None, src)


@dataclass(slots=True, kw_only=True)
class _Letter:
    """A message that has begun to arrive."""

    src: int
    tag: int
    array: NDArray[np.uint8]
    receipt: Receipt | None
    direct: bool
    whole: bool = False


@dataclass(slots=True)
class _Line:
    """An incoming connection, and what is expected next on it."""

    connection: socket.socket
    view: memoryview = field(default_factory=lambda: memoryview(bytearray(HELLO_BYTES)))
    got: int = 0
    src: int | None = None
    letter: _Letter | None = None


class Mail:
    """All point-to-point messages of one rank in one group."""

    def __init__(
        self, rank: int, addresses: Sequence[Address], listener: socket.socket, watch: Watch
    ) -> None:
        self._rank, self._addresses, self._watch = rank, addresses, watch
        self._listener = listener
        self._lock = threading.Lock()
        self._senders: dict[int, _Sender] = {}
        self._awaited: list[Receipt] = []
        self._unclaimed: list[_Letter] = []
        self._lines: dict[int, _Line] = {}
        self._pulses: dict[int, socket.socket] = {}
        self._gone: set[int] = set()
        self._thread: threading.Thread | None = None
        self._wake_up = -1
        self._closing = False

    def send(
        self, dst: int, tag: int, array: NDArray[np.uint8], timeout_s: float, done: Done
    ) -> None:
        """Queue a message; ``array`` must not change before ``done``."""
        with self._lock:
            sender = self._senders.get(dst)
            if sender is None:
                name = self._watch.names[dst]
                hello = self._addresses[dst].token + self._rank.to_bytes(4, "little")
                sender = self._senders[dst] = _Sender(dst, name, self._addresses[dst], hello)
        sender.put(_HEADER.pack(tag, len(array)), array, timeout_s, done)

    def receive(self, receipt: Receipt) -> None:
        """Wait for a message without blocking: ``receipt.done`` is called when it is here."""
        receipt.deadline = time.monotonic() + receipt.timeout_s
        with self._lock:
            self._start()
            letter = next(
                (found for found in self._unclaimed if receipt.matches(found.src, found.tag)), None
            )
            if letter is None:
                self._awaited.append(receipt)
            else:
                self._unclaimed.remove(letter)
                letter.receipt = receipt
            whole = letter is not None and letter.whole
        if letter is not None and whole:
            self._hand_over(letter)
        else:
            os.eventfd_write(self._wake_up, 1)

    def close(self) -> None:
        """Send what is queued, then drop everything; receives still waiting fail."""
        if self._closing:
            return
        for sender in self._senders.values():
            sender.close()
        self._closing = True
        if self._thread is not None:
            os.eventfd_write(self._wake_up, 1)
            if self._thread is not threading.current_thread():
                self._thread.join(_FAREWELL_S)
                if not self._thread.is_alive():  # only then is nobody left who might read it
                    os.close(self._wake_up)
        self._listener.close()

    # The receiving thread

    def _start(self) -> None:
        if self._thread is None:
            self._wake_up = os.eventfd(0, os.EFD_NONBLOCK)
            self._thread = threading.Thread(target=self._serve, name="qring-mail", daemon=True)
            self._thread.start()

    def _serve(self) -> None:
        self._listener.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake_up, selectors.EVENT_READ)
            while not self._closing:
                events = selector.select(_TICK_S if self._awaited else None)
                for key, _ in events:
                    if key.fileobj is self._listener:
                        self._answer(selector)
                    elif key.data is None:
                        os.eventfd_read(self._wake_up)
                    elif isinstance(key.data, int):
                        self._lose(selector, key.data)
                    else:
                        self._read(selector, key.data)
                if self._awaited:
                    if not events:  # whatever the dead have sent has been read
                        self._give_up_on_the_dead()
                    self._give_up_on_the_late()
                    self._feel_pulses(selector)
            for line in self._lines.values():
                line.connection.close()
            for pulse in self._pulses.values():
                pulse.close()
        self._fail(lambda _: self._watch.closed("receive"))

    def _answer(self, selector: selectors.BaseSelector) -> None:
        with contextlib.suppress(BlockingIOError):
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            line = _Line(connection)
            self._lines[connection.fileno()] = line
            selector.register(connection, selectors.EVENT_READ, line)

    def _read(self, selector: selectors.BaseSelector, line: _Line) -> None:
        try:
            while True:
                count = line.connection.recv_into(line.view[line.got :])
                if not count:
                    break
                line.got += count
                while line.got == len(line.view):
                    if not self._advance(line):
                        break
                if line.src is None and line.got == HELLO_BYTES:
                    break
        except BlockingIOError:
            return
        except OSError:
            pass
        self._hang_up(selector, line)

    def _advance(self, line: _Line) -> bool:
        """Act on what has arrived in full, and say what comes next; False for a stranger."""
        if line.src is None:
            hello = bytes(line.view)
            if hello[:16] != self._addresses[self._rank].token:
                return False
            line.src = int.from_bytes(hello[16:], "little")
        elif line.letter is None:
            tag, nbytes = _HEADER.unpack(line.view)
            line.letter = self._open(line.src, tag, nbytes)
            line.view, line.got = line.letter.array.data, 0
            return True
        else:
            letter, line.letter = line.letter, None
            with self._lock:
                letter.whole = True
                claimed = letter.receipt is not None
            if claimed:
                self._hand_over(letter)
        line.view, line.got = memoryview(bytearray(_HEADER.size)), 0
        return True

    def _open(self, src: int, tag: int, nbytes: int) -> _Letter:
        with self._lock:
            receipt = next((r for r in self._awaited if r.matches(src, tag)), None)
            if receipt is not None:
                self._awaited.remove(receipt)
            direct = receipt is not None and len(receipt.array) == nbytes
            array = receipt.array if receipt and direct else np.empty(nbytes, np.uint8)
            letter = _Letter(src=src, tag=tag, array=array, receipt=receipt, direct=direct)
            if receipt is None:
                self._unclaimed.append(letter)
            return letter

    def _hand_over(self, letter: _Letter) -> None:
        receipt, error = letter.receipt, None
        if receipt is None:
            return
        if len(receipt.array) != len(letter.array):
            error = PeerError(
                f"rank {self._watch.names[letter.src]} sent {len(letter.array)} bytes where this "
                f"rank expects {len(receipt.array)} during receive (tag {letter.tag})"
            )
        elif not letter.direct:
            receipt.array[:] = letter.array
        receipt.done(error, letter.src)

    def _hang_up(self, selector: selectors.BaseSelector, line: _Line) -> None:
        selector.unregister(line.connection)
        self._lines.pop(line.connection.fileno(), None)
        line.connection.close()
        if line.src is None:
            return
        if line.letter is not None and line.letter.receipt is not None:
            line.letter.receipt.done(self._lost(line.src), line.src)
        self._fail(lambda _: self._lost(line.src), line.src)

    def _feel_pulses(self, selector: selectors.BaseSelector) -> None:
        """Connect to ranks whose end would not show otherwise: they have not yet written to us."""
        followed, now = self._watch.followed, time.monotonic()
        with self._lock:
            overdue = [r for r in self._awaited if now > r.deadline - r.timeout_s + _PATIENCE_S]
        sources = {receipt.src for receipt in overdue if receipt.src is not None}
        for rank in sources - followed - set(self._pulses):
            address = self._addresses[rank]
            pulse = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET)
            pulse.setblocking(False)
            pulse.connect_ex((address.host, address.port))
            self._pulses[rank] = pulse
            selector.register(pulse, selectors.EVENT_READ, rank)  # nothing but its end is ever read

    def _lose(self, selector: selectors.BaseSelector, rank: int) -> None:
        selector.unregister(self._pulses[rank])
        self._pulses[rank].close()
        self._gone.add(rank)

    def _give_up_on_the_dead(self) -> None:
        heard = {line.src for line in self._lines.values()}
        for rank in self._gone.union(self._watch.dead()):
            if rank not in heard:
                self._fail(functools.partial(self._lost_to, rank), rank)

    def _give_up_on_the_late(self) -> None:
        now = time.monotonic()
        with self._lock:
            late = [receipt for receipt in self._awaited if now > receipt.deadline]
            self._awaited = [receipt for receipt in self._awaited if now <= receipt.deadline]
        for receipt in late:
            who = "any rank" if receipt.src is None else f"rank {self._watch.names[receipt.src]}"
            limit_s = receipt.timeout_s
            error = PeerError(
                f"{who} let the timeout of {limit_s:.3g} s pass during receive (tag {receipt.tag})"
            )
            receipt.done(error, -1)

    def _lost(self, rank: int | None) -> PeerError:
        name = "?" if rank is None else self._watch.names[rank]
        return PeerError(f"rank {name} died or left during receive")

    def _lost_to(self, rank: int, _: Receipt) -> PeerError:
        return self._lost(rank)

    def _fail(self, error: Callable[[Receipt], BaseException], src: int | None = None) -> None:
        """End the receives that wait for ``src``, or all of them."""
        with self._lock:
            lost = [r for r in self._awaited if src is None or r.src == src]
            self._awaited = [r for r in self._awaited if r not in lost]
        for receipt in lost:
            receipt.done(error(receipt), -1)


class _Sender:
    """The thread that sends to one rank."""

    def __init__(self, dst: int, name: int, address: Address, hello: bytes) -> None:
        self._dst, self._name, self._address, self._hello = dst, name, address, hello
        self._jobs: queue.SimpleQueue[tuple[bytes, NDArray[np.uint8], float, Done] | None] = (
            queue.SimpleQueue()
        )
        self._thread = threading.Thread(target=self._serve, name="qring-post", daemon=True)
        self._thread.start()

    def put(self, head: bytes, array: NDArray[np.uint8], timeout_s: float, done: Done) -> None:
        """Queue a message."""
        self._jobs.put((head, array, timeout_s, done))

    def close(self) -> None:
        """Let the thread end after what is queued, and wait a moment for it."""
        self._jobs.put(None)
        if self._thread is not threading.current_thread():
            self._thread.join(_FAREWELL_S)

    def _serve(self) -> None:
        line: socket.socket | None = None
        trouble: PeerError | None = None
        while (job := self._jobs.get()) is not None:
            head, array, timeout_s, done = job
            try:
                if trouble is None and line is None:
                    line = self._dial()
                if line is not None and trouble is None:
                    deadline = time.monotonic() + timeout_s
                    self._send(line, head, deadline)
                    self._send(line, array.data, deadline)
            except TimeoutError:
                trouble = PeerError(
                    f"rank {self._name} let the timeout of {timeout_s:.3g} s pass during send"
                )
            except OSError:
                trouble = PeerError(f"rank {self._name} died or left during send")
            done(trouble, self._dst)
            del job, array, done
        if line is not None:
            line.close()

    def _dial(self) -> socket.socket:
        line = socket.create_connection((self._address.host, self._address.port))
        line.settimeout(None)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL)
        line.sendall(self._hello)
        return line

    @staticmethod
    def _send(line: socket.socket, what: bytes | memoryview, deadline: float) -> None:
        view, sent = memoryview(what), 0
        while sent < len(view):
            try:
                sent += line.send(view[sent:])
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError from None
