"""Ranks that end with the process that started them, however it ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

__all__ = ["LEASH", "follow_parent"]

LEASH = "QRING_LAUNCHER_PID"
"""Environment variable in which a launcher tells its ranks its own process id."""

_PR_SET_PDEATHSIG = 1


def follow_parent() -> None:
    """Have the kernel kill this process when its launcher ends, if a launcher said that it is one.

    Linux only; elsewhere ranks end by their launcher's hand alone.
    """
    launcher = os.environ.get(LEASH)
    if launcher is None or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(launcher):  # it ended before the kernel was asked
        os._exit(3)
