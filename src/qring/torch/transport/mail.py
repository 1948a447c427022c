"""Point-to-point messages: sent at once, kept by the receiver until somebody asks for them.

They run apart from the collectives, over their own connections, so that a receive may wait
while collectives go on. A line is laid from the sender to the receiver at the first message.
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
from qring.torch.transport.senders import Done, Sender
from qring.torch.transport.watch import Watch

__all__ = ["HELD_BYTES", "Mail", "Receipt"]

HELD_BYTES = 64 << 20
"""What a rank keeps of messages that nobody has asked for; more than that stays with senders."""
_HEADER = struct.Struct("<qQ")
_FAREWELL_S = 5.0
_TICK_S = 0.05
_PATIENCE_S = 0.1


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
    put_off: tuple[int, int, int] | None = None
    """Rank, tag and size of a message too long to be kept until somebody asks for it."""


class Mail:
    """All point-to-point messages of one rank in one group."""

    def __init__(
        self, rank: int, addresses: Sequence[Endpoint], listener: socket.socket, watch: Watch
    ) -> None:
        self._rank, self._addresses, self._watch = rank, addresses, watch
        self._listener = listener
        self._lock = threading.RLock()  # a signal handler may send what it interrupts
        self._senders: dict[int, Sender] = {}
        self._awaited: list[Receipt] = []
        self._unclaimed: list[_Letter] = []
        self._held_bytes = 0
        self._put_off: list[_Line] = []
        self._lines: dict[int, _Line] = {}
        self._pulses: dict[int, socket.socket] = {}
        self._gone: set[int] = set()
        self._thread: threading.Thread | None = None
        self._wake_up = -1
        self._refusing = self._closing = False

    def send(
        self, dst: int, tag: int, array: NDArray[np.uint8], timeout_s: float, done: Done
    ) -> None:
        """Queue a message; ``array`` must not change before ``done``."""
        with self._lock:
            if self._refusing:
                done(_shut_down(), dst)
                return
            sender = self._senders.get(dst)
            if sender is None:
                sender = Sender(dst, self._rank, self._addresses[dst], self._watch)
                self._senders[dst] = sender
            sender.put(_HEADER.pack(tag, len(array)), array, timeout_s, done)

    def receive(self, receipt: Receipt) -> None:
        """Wait for a message without blocking: ``receipt.done`` is called when it is here."""
        receipt.deadline = time.monotonic() + receipt.timeout_s
        with self._lock:
            if self._refusing:
                receipt.done(_shut_down(), -1)
                return
            self._start()
            letter = next(
                (found for found in self._unclaimed if receipt.matches(found.src, found.tag)), None
            )
            if letter is None:
                self._awaited.append(receipt)
            else:
                self._unclaimed.remove(letter)
                self._held_bytes -= len(letter.array)
                letter.receipt = receipt
            whole = letter is not None and letter.whole
            os.eventfd_write(self._wake_up, 1)
        if letter is not None and whole:
            self._hand_over(letter)

    def close(self) -> None:
        """Send what is queued, then drop everything; receives still waiting fail.

        A message that is not sent within its timeout is given up.
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
                        self._resume(selector)
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
                while line.got == len(line.view):
                    if self._advance(line):
                        continue
                    if line.put_off is None:
                        self._hang_up(selector, line)
                    else:
                        selector.unregister(line.connection)
                        self._put_off.append(line)
                    return
                count = line.connection.recv_into(line.view[line.got :])
                if not count:
                    break
                line.got += count
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
            return self._begin(line, line.src, tag, nbytes)
        else:
            letter, line.letter = line.letter, None
            with self._lock:
                letter.whole = True
                claimed = letter.receipt is not None
            if claimed:
                self._hand_over(letter)
        line.view, line.got = memoryview(bytearray(_HEADER.size)), 0
        return True

    def _begin(self, line: _Line, src: int, tag: int, nbytes: int) -> bool:
        """Choose the memory for a message that begins to arrive; False puts it off."""
        with self._lock:
            receipt = next((r for r in self._awaited if r.matches(src, tag)), None)
            # Who waits for another message of this rank may find it behind this one.
            sought = any(r.src in (None, src) for r in self._awaited)
            if receipt is None and not sought and self._held_bytes + nbytes > HELD_BYTES:
                line.put_off = src, tag, nbytes
                return False
            line.put_off = None
            if receipt is not None:
                self._awaited.remove(receipt)
            direct = receipt is not None and len(receipt.array) == nbytes
            array = receipt.array if receipt and direct else np.empty(nbytes, np.uint8)
            line.letter = _Letter(src=src, tag=tag, array=array, receipt=receipt, direct=direct)
            line.view, line.got = array.data, 0
            if receipt is None:
                self._unclaimed.append(line.letter)
                self._held_bytes += nbytes
            return True

    def _resume(self, selector: selectors.BaseSelector) -> None:
        """Read on where a message was put off, if now it is asked for or can be kept."""
        lines, self._put_off = self._put_off, []
        for line in lines:
            if line.put_off is not None and self._begin(line, *line.put_off):
                selector.register(line.connection, selectors.EVENT_READ, line)
                self._read(selector, line)
            else:
                self._put_off.append(line)

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


def _shut_down() -> PeerError:
    return PeerError("this process group was shut down")
