"""Waiting for a 32-bit word of shared memory to change: futexes on x86-64 Linux, else naps."""

from __future__ import annotations

import ctypes
import functools
import platform
import sys
import time
from typing import Any

__all__ = ["HAS_FUTEX", "wait", "wake"]

HAS_FUTEX = sys.platform == "linux" and platform.machine() == "x86_64"
"""Whether words can be waited for across processes.

System call numbers, and the order in which another core sees our stores, are those of x86-64.
"""

_FUTEX, _WAIT, _WAKE = 202, 0, 1
_NAP_S = 1e-4


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def wait(address: int, seen: int, limit_s: float) -> None:
    """Sleep until somebody wakes ``address``, unless its word is no longer ``seen``.

    May return early for no reason: callers look again.
    """
    if not HAS_FUTEX:
        time.sleep(min(limit_s, _NAP_S))
        return
    _syscall()(_FUTEX, ctypes.c_void_p(address), _WAIT, seen, _timespec(limit_s), None, 0)


def wake(address: int) -> None:
    """Wake everybody who waits on ``address``."""
    if HAS_FUTEX:
        _syscall()(_FUTEX, ctypes.c_void_p(address), _WAKE, 2**31 - 1, None, None, 0)


@functools.cache
def _syscall() -> Any:
    return ctypes.CDLL(None, use_errno=True).syscall


@functools.lru_cache(maxsize=16)
def _timespec(limit_s: float) -> Any:
    seconds = int(limit_s)
    return ctypes.byref(_Timespec(seconds, int((limit_s - seconds) * 1e9)))
