"""The folder of one training run: claimed by it alone, and never used twice."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from qring import atomic
from qring.errors import InputError

__all__ = ["claim", "claimed", "run_folder"]

METRICS = "metrics.jsonl"
_FILES = (METRICS, "result.json", "ledger.json")


@contextlib.contextmanager
def run_folder(wanted: Path | None) -> Iterator[Path]:
    """The folder ``wanted``, or a new one in ``runs``, named by this moment, numbered if need be.

    A new one that is still empty when the block fails goes again.

    Raises:
        InputError: it cannot be made.
    """
    if wanted is not None:
        yield wanted
        return
    made = atomic.new_folder(Path("runs") / time.strftime("%Y%m%d-%H%M%S"))
    try:
        yield made
    except BaseException:
        with contextlib.suppress(OSError):
            made.rmdir()
        raise


def claim(out: Path) -> None:
    """Make the folder and its empty file of metrics; of several runs, one succeeds.

    Raises:
        InputError: the folder cannot be made, or holds a run.
    """
    atomic.make_folder(out)
    found = [name for name in _FILES if (out / name).exists()]
    if found or not atomic.create(out / METRICS):
        raise InputError(
            f"{out} holds a run already ({', '.join(found) or METRICS}); choose another folder "
            "with --out, or move that one away"
        )


@contextlib.contextmanager
def claimed(out: Path) -> Iterator[None]:
    """Claim a folder for the block; a run that fails before its first result gives it back.

    Raises:
        InputError: as :func:`claim`.
    """
    claim(out)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if not (out / METRICS).stat().st_size and not (out / "result.json").exists():
                (out / METRICS).unlink()
                out.rmdir()  # unless there is more in it
