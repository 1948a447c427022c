"""The sending side of point-to-point messages: a thread and a connection for each receiver."""

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
from qring.torch.transport.watch import Watch

__all__ = ["Done", "Sender"]

Done = Callable[[BaseException | None, int], None]
"""Called once at the end of a send or a receive, with the error, if any, and the other rank."""


class Sender:
    """The thread that sends to one rank, in the order of submission."""

    def __init__(self, dst: int, rank: int, endpoint: Endpoint, watch: Watch) -> None:
        self._dst, self._endpoint, self._watch = dst, endpoint, watch
        self._hello = hello(endpoint, rank)
        self._jobs: queue.SimpleQueue[tuple[bytes, NDArray[np.uint8], float, Done] | None] = (
            queue.SimpleQueue()
        )
        self._thread = threading.Thread(target=self._serve, name="qring-post", daemon=True)
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
        line: socket.socket | None = None
        trouble: PeerError | None = None
        name = self._watch.names[self._dst]
        while (job := self._jobs.get()) is not None:
            head, array, timeout_s, done = job
            look = self._limit(time.monotonic() + timeout_s)
            try:
                if trouble is None and line is None:
                    line = dial(self._endpoint, self._hello, look)
                if trouble is None and line is not None:
                    _send(line, head, look)
                    _send(line, array.data, look)
            except TimeoutError:
                trouble = PeerError(
                    f"rank {name} let the timeout of {timeout_s:.3g} s pass during send"
                )
            except OSError:
                trouble = PeerError(f"rank {name} died or left during send")
            except PeerError as left:
                trouble = left
            done(trouble, self._dst)
            del job, array, done
        if line is not None:
            line.close()

    def _limit(self, deadline: float) -> Callable[[], None]:
        def look() -> None:
            self._watch.look_left("send")
            if time.monotonic() > deadline:
                raise TimeoutError

        return look


def _send(line: socket.socket, what: bytes | memoryview, look: Callable[[], None]) -> None:
    view, sent = memoryview(what), 0
    while sent < len(view):
        try:
            sent += line.send(view[sent:])
        except TimeoutError:
            look()
