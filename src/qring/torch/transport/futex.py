"""Waiting for a 32-bit word of shared memory to change: futexes on x86-64 Linux, else polling."""

from __future__ import annotations

import ctypes
import functools
import platform
import sys
import time
from typing import Any

__all__ = ["HAS_FUTEX", "Signal", "wait", "wake"]

HAS_FUTEX = sys.platform == "linux" and platform.machine() == "x86_64"
"""Whether words can be waited for across processes.

System call numbers, and the order in which another core sees our stores, are those of x86-64.
"""

_FUTEX, _WAIT, _WAKE = 202, 0, 1
_NAP_S = 1e-4
_LOOKS = 50


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def wait(address: int, seen: int, limit_s: float) -> None:
    """Sleep until ``address`` is woken, unless its word is no longer ``seen``.

    May return early for no reason: callers look again.
    """
    if not HAS_FUTEX:
        time.sleep(min(limit_s, _NAP_S))
        return
    _syscall()(_FUTEX, ctypes.c_void_p(address), _WAIT, seen, _timespec(limit_s), None, 0)


def wake(address: int) -> None:
    """Wake all threads that wait on ``address``."""
    if HAS_FUTEX:
        _syscall()(_FUTEX, ctypes.c_void_p(address), _WAKE, 2**31 - 1, None, None, 0)


@functools.cache
def _syscall() -> Any:
    return ctypes.CDLL(None, use_errno=True).syscall


@functools.lru_cache(maxsize=16)
def _timespec(limit_s: float) -> Any:
    seconds = int(limit_s)
    return ctypes.byref(_Timespec(seconds, int((limit_s - seconds) * 1e9)))


class Signal:
    """A 32-bit word that one process changes and another waits for.

    The flag beside it says that a process sleeps over it: a needless wake-up is a system call, too.
    A sleeper raises it before the kernel compares the word. Should another core see the two
    stores in the other order, the sleeper wakes at the end of its limit.
    """

    __slots__ = ("_address", "_at", "_flag", "_words")

    def __init__(self, words: memoryview, base: int, at: int, flag: int) -> None:
        """``at`` and ``flag`` number words of memory that begins at address ``base``."""
        self._words, self._at, self._flag = words, at, flag
        self._address = base + 4 * at

    @property
    def value(self) -> int:
        """The word."""
        return self._words[self._at]

    def change(self, value: int) -> None:
        """Store another value and wake the sleeper, if there is one."""
        self._words[self._at] = value
        if self._words[self._flag]:
            wake(self._address)

    def wait(self, seen: int, limit_s: float) -> None:
        """Return when the word is no longer ``seen``, or ``limit_s`` later, or for no reason.

        The other side is often only just behind: some microseconds of looking again cost less
        than to fall asleep and be woken. To yield instead hands the core to any other process.
        """
        words, at = self._words, self._at
        for _ in range(_LOOKS):
            if words[at] != seen:
                return
        words[self._flag] = 1
        wait(self._address, seen, limit_s)
        words[self._flag] = 0
