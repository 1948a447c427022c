"""Checks before a file is read: that it is a regular file, and what memory it may take."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from qring.errors import InputError

__all__ = ["one_line", "refuse_huge", "size_of_file"]

_SHARE_OF_MEMORY = 4


def size_of_file(path: Path) -> int:
    """Bytes of a regular file.

    Raises:
        InputError: there is none of that name, or it is a folder, a pipe or a device.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{_short(path)}: cannot be read: {error.strerror}") from None
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"{path} is a folder; name a file in it")
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path} is a pipe, a socket or a device; gradients are read from files")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: cannot be read: its permissions forbid it")
    return found.st_size


def refuse_huge(path: Path, name: str, shape: Sequence[int], size: int, *, in_file: int) -> None:
    """Refuse ``size`` bytes that a file of ``in_file`` bytes unpacks to, where memory would fill.

    What a file holds may always be read; what it only announces (zeros of sparse tensors, copies
    of expanded ones) may take a quarter of the machine's memory.

    Raises:
        InputError: more than that.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > max(in_file, memory // _SHARE_OF_MEMORY):
        what = f"{name!r} of shape {tuple(shape)}" if name else f"an array of shape {tuple(shape)}"
        raise InputError(
            f"{path} has {in_file:,} bytes, but {what} unpacks to {size:.3g}: more than a "
            f"quarter of this machine's memory ({memory:.3g} bytes)"
        )


def one_line(error: BaseException) -> str:
    """Beginning of an error's text, on one line."""
    return " ".join(str(error).split())[:160] or type(error).__name__


def _short(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 80 else f"{text[:40]}…{text[-30:]}"
