"""Handles of submitted collectives and messages."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from torch.distributed import Work
from torch.futures import Future

from qring.errors import PeerError
from qring.torch.surface.untraced import untraced

__all__ = ["RingWork"]

_UNSET = timedelta(0)


@untraced
class RingWork(Work):
    """The handle of a collective that was submitted: wait for it, or ask for its future."""

    def __init__(self, name: str, result: Sequence[Any]) -> None:
        super().__init__()
        self._name, self._result = name, result
        self._ended = False
        self._lock = threading.RLock()  # a signal handler may wait for what it interrupts
        self._event: threading.Event | None = None  # made for the first who has to wait
        self._error: BaseException | None = None
        self._trigger: Future[Any] | None = None
        self._future: Future[Any] | None = None
        self._source = -1
        self._callbacks: list[Callable[[], None]] = []

    def wait(self, timeout: timedelta = _UNSET) -> bool:
        """Wait for the end, and raise the error if the operation failed.

        A ``timeout`` above zero limits the wait, not the collective.
        """
        if not self._ended:
            with self._lock:
                event = self._event = self._event or threading.Event()
            limit_s = timeout.total_seconds() if timeout > _UNSET else None
            if not self._ended and not event.wait(limit_s):
                raise PeerError(f"{self._name} is not done after {limit_s:.3g} s")
        if self._error is not None:
            raise self._error
        return True

    def synchronize(self) -> None:
        """The same as :meth:`wait`."""
        self.wait()

    def is_completed(self) -> bool:
        """Whether it has ended, with or without an error."""
        return self._ended

    def is_success(self) -> bool:
        """Whether it has ended without an error."""
        return self._ended and self._error is None

    def exception(self) -> BaseException | None:
        """The error, if the operation failed."""
        return self._error

    def result(self) -> list[Any]:
        """The tensors that hold the result."""
        return list(self._result)

    def _source_rank(self) -> int:
        return self._source

    source_rank = _source_rank

    def get_future(self) -> Future[Any]:
        """A future of the resulting tensors; its callbacks run on the group's own thread."""
        with self._lock:
            if self._future is None:
                self._trigger = Future()
                # set_exception() would hand C++ a value; only a callback that raises is an error.
                self._future = self._trigger.then(self._check)
                if self._ended:
                    self._trigger.set_result(None)
            return self._future

    getFuture = get_future  # noqa: N815

    def came_from(self, rank: int) -> None:
        """Set the rank from which a message was received."""
        self._source = rank

    def then_call(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` at the end, or now if it has ended."""
        with self._lock:
            if not self._ended:
                self._callbacks.append(callback)
                return
        callback()

    @classmethod
    def of_all(cls, name: str, works: Sequence[RingWork], result: Sequence[Any]) -> RingWork:
        """The handle of several operations: ends with the last, with the first one's error."""
        whole = cls(name, result)
        left = [len(works)]
        lock = threading.Lock()

        def one_more() -> None:
            with lock:
                left[0] -= 1
                last = left[0] == 0
            if last:
                errors = (work.exception() for work in works)
                whole.finish(next((error for error in errors if error is not None), None))

        for work in works:
            work.then_call(one_more)
        if not works:
            whole.finish()
        return whole

    def finish(self, error: BaseException | None = None) -> None:
        """Mark the end and run callbacks; called once."""
        self._error = error
        with self._lock:
            self._ended = True
            event, trigger, callbacks = self._event, self._trigger, self._callbacks
        if event is not None:
            event.set()
        for callback in callbacks:
            callback()
        if trigger is not None:
            trigger.set_result(None)

    def _check(self, _: Future[Any]) -> Any:
        if self._error is not None:
            raise self._error
        return list(self._result)
