"""Files written whole or not at all: beside their target first, then renamed over it.

Source: the usual recipe of POSIX (write, fsync, rename, fsync of the folder); Pillai et al., All
file systems are not created equal (OSDI 2014), say why each step is needed.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from qring.errors import InputError

__all__ = ["Chunk", "check_writable", "create", "make_folder", "new_folder", "write", "write_text"]

Chunk = bytes | memoryview
"""A run of bytes."""

_AT_ONCE = 1 << 26


def check_writable(path: Path) -> None:
    """Refuse, before any work, a path that :func:`write` could not write to.

    Raises:
        InputError: the folder is missing or closed to us, or the path is a folder, closed to us,
            a block device, a socket, or no name that the file system takes.
    """
    _target(path)


def write(path: Path, *parts: Chunk) -> None:
    """Write the parts, one after another, into a file that is replaced as a whole.

    Whoever reads the path sees the old content or all of the new, also after a crash. A symbolic
    link is followed, the permissions of the old file are kept. Character devices and pipes are
    written to as they are: nothing there can be lost.

    Raises:
        InputError: as :func:`check_writable`, or the disk did not take it; the path is as it was.
    """
    target, mode = _target(path)
    if mode is not None and not stat.S_ISREG(mode):
        _attempt(path, lambda: _pour(os.open(target, os.O_WRONLY | os.O_CLOEXEC), parts))
        return
    draft = target.parent / f".qring-{secrets.token_hex(8)}.part"
    try:
        _attempt(path, lambda: _publish(draft, target, parts, mode))
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, as :func:`write` does.

    Raises:
        InputError: as :func:`write`.
    """
    write(path, text.encode("utf-8", "backslashreplace"))


def create(path: Path) -> bool:
    """Make an empty file unless there is something of that name; whether it was made.

    Of several processes that try at once, one is told so.

    Raises:
        InputError: the file cannot be made.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666))
    except FileExistsError:
        return False
    except OSError as error:
        raise InputError(f"cannot write {path}: {_reason(error)}") from None
    return True


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they are missing.

    Raises:
        InputError: it cannot be made, or a file has its name.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {path}: {_reason(error)}") from None


def new_folder(wanted: Path) -> Path:
    """Make a folder that was not there: ``wanted``, or with the first free number after its name.

    Raises:
        InputError: it cannot be made.
    """
    make_folder(wanted.parent)
    path, number = wanted, 1
    while True:
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
            path = wanted.with_name(f"{wanted.name}-{number}")
        except OSError as error:
            raise InputError(f"cannot make the folder {path}: {_reason(error)}") from None
        else:
            return path


def _target(path: Path) -> tuple[Path, int | None]:
    """Follow symbolic links; return where they end, and the mode of what is there."""
    target = Path(os.path.realpath(path))
    try:
        mode: int | None = os.stat(path).st_mode  # noqa: PTH116 - follows what realpath cannot
    except FileNotFoundError:
        mode = None
    except OSError as error:
        raise InputError(f"cannot write {path}: {_reason(error)}") from None
    if mode is not None:
        if stat.S_ISDIR(mode):
            raise InputError(f"cannot write {path}: it is a folder; name a file in it")
        if stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
            raise InputError(f"cannot write {path}: it is a device or a socket; name a file")
        if not os.access(target, os.W_OK):
            raise InputError(f"cannot write {path}: its permissions forbid it")
        if not stat.S_ISREG(mode):
            return target, mode
    if not target.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no such folder as {target.parent}")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise InputError(
            f"cannot write {path}: nothing can be made in the folder {target.parent}; files are "
            "written beside their target first"
        )
    return target, mode


def _attempt(path: Path, work: Callable[[], None]) -> None:
    try:
        work()
    except OSError as error:
        raise InputError(f"cannot write {path}: {_reason(error)}") from None


def _publish(draft: Path, target: Path, parts: tuple[Chunk, ...], mode: int | None) -> None:
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
    _pour(descriptor, parts, sync=True, mode=mode)
    os.replace(draft, target)  # noqa: PTH105
    with contextlib.suppress(OSError):  # the file is there; some file systems sync no folders
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _pour(
    descriptor: int, parts: tuple[Chunk, ...], *, sync: bool = False, mode: int | None = None
) -> None:
    try:
        if mode is not None:
            os.fchmod(descriptor, stat.S_IMODE(mode))
        for part in parts:
            left = memoryview(part).cast("B")
            while left:
                left = left[os.write(descriptor, left[:_AT_ONCE]) :]
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
