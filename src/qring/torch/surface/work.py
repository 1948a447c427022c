"""Work handles, and the thread that does the work of a group in order."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import queue
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import torch
from torch.autograd import profiler
from torch.distributed import Work
from torch.futures import Future

from qring.errors import PeerError

__all__ = ["RingWork", "Worker", "named_range"]

_UNSET = timedelta(0)


class RingWork(Work):
    """The handle of a collective that was submitted: wait for it, or ask for its future."""

    def __init__(self, name: str, result: Sequence[Any]) -> None:
        super().__init__()
        self._name, self._result = name, result
        self._ended = False
        self._lock = threading.Lock()
        self._event: threading.Event | None = None  # made for the first who has to wait
        self._error: BaseException | None = None
        self._trigger: Future[Any] | None = None
        self._future: Future[Any] | None = None
        self._source = -1
        self._callbacks: list[Callable[[], None]] = []

    def wait(self, timeout: timedelta = _UNSET) -> bool:
        """Wait for the end, and raise what went wrong, if anything did.

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
        """Whether it has ended, well or badly."""
        return self._ended

    def is_success(self) -> bool:
        """Whether it has ended well."""
        return self._ended and self._error is None

    def exception(self) -> BaseException | None:
        """What went wrong, if anything did."""
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
        """Remember who sent what was received."""
        self._source = rank

    def then_call(self, callback: Callable[[], None]) -> None:
        """Call back at the end, at once if that is past."""
        with self._lock:
            if not self._ended:
                self._callbacks.append(callback)
                return
        callback()

    @classmethod
    def of_all(cls, name: str, works: Sequence[RingWork], result: Sequence[Any]) -> RingWork:
        """The handle of several: it ends with the last of them, and fails as the first does."""
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
        """Mark the end and run callbacks. Called once, by whoever does the work."""
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


class Worker:
    """Does a group's collectives in the order of their submission, on a thread of its own.

    Where the caller would only wait for the thread, it does the job itself: if it says so and
    nothing is queued; or if it is the thread, in a callback of a future, which would otherwise
    wait for itself.
    """

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._turn = threading.RLock()
        self._queued = _Count()
        self._thread = threading.Thread(
            target=_serve,
            args=(self._jobs, self._turn, self._queued),
            name=f"qring-{name}",
            daemon=True,
        )
        self._thread.start()
        # At exit the interpreter freezes daemon threads wherever they are; stop ours first.
        self._stop = weakref.finalize(self, _stop, self._jobs, self._thread)

    def submit(
        self, name: str, job: Callable[[], None], result: Sequence[Any], *, waits: bool = False
    ) -> RingWork:
        """Take on a job; ``result`` is what its future will hold.

        ``waits`` says that the caller has nothing better to do than to wait.
        """
        work = RingWork(name, result)
        inside = threading.get_ident() == self._thread.ident
        if inside or (waits and not self._queued.value and self._turn.acquire(blocking=False)):
            try:
                if inside or not self._queued.value:
                    with _one_thread():
                        _do(name, job, work)
                    return work
            finally:
                if not inside:
                    self._turn.release()
        self._queued.add(1)
        self._jobs.put((name, job, work))
        return work

    def stop(self) -> None:
        """Let the thread end after what is queued, and wait a moment for it."""
        self._stop()


_Item = tuple[str, Callable[[], None], RingWork]


class _Count:
    """Jobs that are queued or being done by the thread."""

    __slots__ = ("_lock", "value")

    def __init__(self) -> None:
        self.value = 0
        self._lock = threading.Lock()

    def add(self, change: int) -> None:
        with self._lock:
            self.value += change


def _stop(jobs: queue.SimpleQueue[_Item | None], thread: threading.Thread) -> None:
    jobs.put(None)
    if threading.current_thread() is not thread:
        thread.join(1.0)


def _serve(jobs: queue.SimpleQueue[_Item | None], turn: threading.RLock, queued: _Count) -> None:
    with _one_thread():
        while (item := jobs.get()) is not None:
            with turn:
                _do(*item)
            queued.add(-1)
            del item


def _do(name: str, job: Callable[[], None], work: RingWork) -> None:
    error: BaseException | None = None
    try:
        with named_range(name), torch.inference_mode():
            job()
    except BaseException as caught:
        error = caught
    work.finish(error)


def named_range(name: str) -> contextlib.AbstractContextManager[object]:
    """A range that profilers show, if one runs in this process: a range costs even if none does."""
    if profiler._is_profiler_enabled or torch.autograd._profiler_enabled():
        return profiler.record_function(f"qring::{name}")
    return contextlib.nullcontext()


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Keep PyTorch's operators on this thread: there may be as many ranks here as cores.

    ``torch.set_num_threads`` would change the whole process; this is OpenMP's setting for one
    thread.
    """
    openmp, before = _openmp(), torch.get_num_threads()
    if openmp is None or before == 1:
        yield
        return
    openmp.omp_set_num_threads(1)
    try:
        yield
    finally:
        openmp.omp_set_num_threads(before)


@functools.cache
def _openmp() -> Any:
    found = ctypes.CDLL(None)
    return found if hasattr(found, "omp_set_num_threads") else None
