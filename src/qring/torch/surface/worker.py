"""The thread that carries out a group's collectives in the order of their submission."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import queue
import signal
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.autograd import profiler

from qring.errors import InputError, PeerError
from qring.torch.surface.work import RingWork

__all__ = ["Worker", "named_range"]

_GRACE_S = 5.0
"""Time for collectives to finish in a program that exits without destroying its groups."""
_SWITCH_S = 1e-4

_getsignal = sys.modules["_signal"].getsignal  # signal.getsignal makes an enum each time
_SIGNALS = tuple(int(number) for number in signal.valid_signals())

_Item = tuple[str, Callable[[], None], RingWork]


class Worker:
    """Carries out jobs in the order of their submission, on a thread of its own.

    Where the caller would only wait for the thread, it does the job itself: if it says so,
    nothing is queued and no signal handler written in Python can interrupt it (the handler might
    submit a collective, which could not run before the interrupted one has ended); or if it is
    the thread, in a callback of a future, which would otherwise wait for itself.
    """

    def __init__(self, name: str, interrupt: Callable[[], None]) -> None:
        """``interrupt`` makes the present job and all later ones fail; any thread may call it."""
        self._state = _State(interrupt)
        self._thread = threading.Thread(target=self._state.serve, name=f"qring-{name}", daemon=True)
        self._thread.start()
        # At exit the interpreter freezes daemon threads wherever they are; stop ours first.
        self._end = weakref.finalize(self, _end, self._state, self._thread, _GRACE_S)

    def submit(
        self,
        name: str,
        job: Callable[[], None],
        result: Sequence[Any],
        *,
        waits: bool = False,
    ) -> RingWork:
        """Submit a job; ``result`` is the value of its future.

        ``waits`` says that the caller has nothing better to do than to wait. After :meth:`stop`
        jobs fail at once.
        """
        state, work, me = self._state, RingWork(name, result), threading.get_ident()
        if state.closed:
            work.finish(_shut_down())
        elif state.doing == me:  # a finaliser, say, that the job's own code has set off
            work.finish(InputError(
                f"{name} was called while its own thread is in the middle of another collective "
                "of the group; call it afterwards"
            ))  # fmt: skip
        elif me == self._thread.ident:
            state.do(name, job, work, apart=True)
        elif not (waits and self._done_here(name, job, work)):
            state.put((name, job, work), self._thread)
        return work

    def stop(self, limit_s: float) -> None:
        """Refuse further jobs; finish what is queued, or make it fail ``limit_s`` later."""
        if self._end.detach():
            _end(self._state, self._thread, limit_s)

    def _done_here(self, name: str, job: Callable[[], None], work: RingWork) -> bool:
        state = self._state
        if state.pending or _a_handler_may_run() or not state.turn.acquire(blocking=False):
            return False
        try:
            if state.pending:
                return False
            with _one_thread():
                state.do(name, job, work, apart=False)
            return True
        finally:
            state.turn.release()


class _State:
    """The state that a worker shares with its thread, which must not keep the worker alive."""

    def __init__(self, interrupt: Callable[[], None]) -> None:
        self.interrupt = interrupt
        self.jobs: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self.pending: deque[RingWork] = deque()  # queued or under way; both ends are atomic
        self.turn = threading.Lock()
        self.doing: int | None = None
        self.closed = False

    def put(self, item: _Item, thread: threading.Thread) -> None:
        self.pending.append(item[2])
        self.jobs.put(item)
        if self.closed and not thread.is_alive():  # it has ended meanwhile
            self.refuse_rest()

    def serve(self) -> None:
        with _one_thread():
            while (item := self.jobs.get()) is not None:
                with self.turn:
                    self.do(*item, apart=True)
                self.pending.popleft()
                del item
        self.refuse_rest()

    def do(self, name: str, job: Callable[[], None], work: RingWork, *, apart: bool) -> None:
        error: BaseException | None = None
        self.doing = threading.get_ident()
        try:
            if apart:
                with named_range(name, work.result()), _switches, torch.inference_mode():
                    job()
            else:  # the caller has shown it, and waits for no other thread
                with torch.inference_mode():
                    job()
        except BaseException as caught:
            error = caught
        self.doing = None
        work.finish(error)

    def refuse_rest(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                item = self.jobs.get_nowait()
                if item is not None:
                    item[2].finish(_shut_down())


def _end(state: _State, thread: threading.Thread, limit_s: float) -> None:
    state.closed = True
    state.jobs.put(None)
    if threading.current_thread() is thread:
        return
    thread.join(limit_s)
    if thread.is_alive():
        state.interrupt()
        thread.join(_GRACE_S)


def _shut_down() -> PeerError:
    return PeerError("this process group was shut down")


def _a_handler_may_run() -> bool:
    """Whether this thread runs signal handlers and one was written in Python.

    That of Ctrl-C does not count as long as it is the interpreter's own.
    """
    if threading.get_ident() != threading.main_thread().ident:
        return False
    spared = _getsignal(signal.SIGINT) is signal.default_int_handler
    return sum(map(callable, map(_getsignal, _SIGNALS))) > spared


def named_range(
    name: str, tensors: Sequence[Any] = ()
) -> contextlib.AbstractContextManager[object]:
    """A range that profilers show with the shapes of ``tensors``, if a profiler runs.

    A range costs time even if none does.
    """
    if not (profiler._is_profiler_enabled or torch.autograd._profiler_enabled()):
        return contextlib.nullcontext()
    flat = [t for part in tensors for t in (part if isinstance(part, (list, tuple)) else [part])]
    found: contextlib.AbstractContextManager[object] = torch._C._profiler._RecordFunctionFast(
        f"qring::{name}", [t for t in flat if isinstance(t, torch.Tensor)], {}
    )
    return found


class _Switches:
    """While a job runs, the interpreter hands threads on more often than every 5 ms.

    A job needs the interpreter again after every operation of PyTorch, and gets it from a thread
    that runs Python code only at the end of that thread's interval.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._users, self._before = 0, _SWITCH_S

    def __enter__(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._before = sys.getswitchinterval()
                sys.setswitchinterval(min(self._before, _SWITCH_S))

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users and sys.getswitchinterval() < 2 * _SWITCH_S:
                sys.setswitchinterval(self._before)


_switches = _Switches()


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
