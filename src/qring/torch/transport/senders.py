"""Senders of the point-to-point transport: one thread and one connection for each receiver."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from qring.errors import PeerError
from qring.torch.transport.endpoints import Endpoint, dial, hello
from qring.torch.transport.liveness import Liveness

__all__ = ["Done", "Sender"]

Done = Callable[[BaseException | None, int], None]
"""Callback at the end of a send or a receive, with the error, if any, and the other rank."""


class Sender:
    """A thread that sends to one rank in the order of submission."""

    def __init__(self, dst: int, rank: int, endpoint: Endpoint, liveness: Liveness) -> None:
        self._dst, self._endpoint, self._liveness = dst, endpoint, liveness
        self._hello = hello(endpoint, rank)
        self._jobs: queue.SimpleQueue[tuple[bytes, NDArray[np.uint8], float, Done] | None] = (
            queue.SimpleQueue()
        )
        self._thread = threading.Thread(target=self._serve, name="qring-send", daemon=True)
        self._thread.start()

    def put(self, head: bytes, array: NDArray[np.uint8], timeout_s: float, done: Done) -> None:
        """Queue a message."""
        self._jobs.put((head, array, timeout_s, done))

    def close(self) -> None:
        """Let the thread end after what is queued."""
        self._jobs.put(None)

    def join(self) -> None:
        """Wait for the thread's end: its messages are sent, or a timeout has passed."""
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _serve(self) -> None:
        link: socket.socket | None = None
        failure: PeerError | None = None
        name = self._liveness.names[self._dst]
        while (job := self._jobs.get()) is not None:
            head, array, timeout_s, done = job
            check = self._limit(time.monotonic() + timeout_s)
            try:
                if failure is None and link is None:
                    link = dial(self._endpoint, self._hello, check)
                if failure is None and link is not None:
                    _send(link, head, check)
                    _send(link, array.data, check)
            except TimeoutError:
                failure = PeerError(
                    f"rank {name} let the timeout of {timeout_s:.3g} s pass during send"
                )
            except OSError:
                failure = PeerError(f"rank {name} died or left during send")
            except PeerError as left:
                failure = left
            done(failure, self._dst)
            del job, array, done
        if link is not None:
            link.close()

    def _limit(self, deadline: float) -> Callable[[], None]:
        def check() -> None:
            self._liveness.check_leaving("send")
            if time.monotonic() > deadline:
                raise TimeoutError

        return check


def _send(link: socket.socket, what: bytes | memoryview, check: Callable[[], None]) -> None:
    view, sent = memoryview(what), 0
    while sent < len(view):
        try:
            sent += link.send(view[sent:])
        except TimeoutError:
            check()
