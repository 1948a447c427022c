"""Files of masks that are under way or left behind: held while written, removable when not."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
from pathlib import Path

from qring.errors import InputError

__all__ = ["NAME", "discard", "exists", "held", "remove_leftovers"]

NAME = "worker-{}.masks"
"""File name of a worker's masks."""


def held(part: Path) -> io.BufferedRandom:
    """Make a file and hold it: what nobody holds is a leftover, and may be removed by anybody."""
    while True:
        descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return os.fdopen(descriptor, "w+b")
        os.close(descriptor)  # removed before it was held


def exists(path: Path) -> str:
    """Say that a file of masks is in the way, and what to do."""
    return (
        f"{path} exists already: use its masks up, choose another folder, or remove them with "
        f"qring masks {path.parent} --discard"
    )


def remove_leftovers(folder: Path) -> int:
    """Remove what makers of masks left behind that were killed; how many files that were."""
    removed = 0
    for part in folder.glob(f".{NAME.format('*')}.*.part"):
        with contextlib.suppress(FileNotFoundError, BlockingIOError), part.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # or its maker is at work
            part.unlink()
            removed += 1
    return removed


def discard(folder: Path) -> tuple[int, int]:
    """Remove all masks of a folder, whole batches or not: files of masks, leftovers of makers.

    Masks are overwritten before they go, and taken by nobody meanwhile.

    Raises:
        InputError: there is no such folder, or files that cannot be removed.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}")
    removed = 0
    try:
        for path in sorted(folder.glob(NAME.format("*"))):
            with path.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                left = path.stat().st_size
                while left > 0:
                    left -= file.write(bytes(min(left, 1 << 20)))
                file.flush()
                os.fsync(file.fileno())
                path.unlink()
            removed += 1
        return removed, remove_leftovers(folder)
    except OSError as error:
        raise InputError(f"cannot remove the masks in {folder}: {error.strerror}") from None
