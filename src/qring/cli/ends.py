"""Endings of a command: interrupts and signals that clean up, and lines instead of tracebacks.

Exit status: 0 done, 1 the protocol aborted, 2 bad input, 3 the run failed (a rank died),
130 interrupted. SIGTERM and SIGHUP let files under way be removed, then end the process as they
would have.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from qring.cli.streams import outlets
from qring.errors import InputError, MissingExtraError, QringError

__all__ = ["TerminatedError", "ended_well", "terminable"]


class TerminatedError(BaseException):
    """The process was asked to end, by the signal ``number``."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def ended_well(command: Callable[[], int]) -> int:
    """Run a command; turn its errors into a line on standard error and an exit status."""
    heard: list[int] = []
    with outlets() as out:
        try:
            with terminable(), _hearing(heard):
                status = command()
        except SystemExit as stop:  # how the parser ends: help, or a line of its own
            status = stop.code if isinstance(stop.code, int) else 2
        except (InputError, MissingExtraError) as error:
            status = _say(str(error), 2)
        except QringError as error:
            status = _say(str(error), 3)
        except KeyboardInterrupt:
            status = _say("interrupted", 130)
        except MemoryError as error:
            status = _say(f"more memory than there is: {error or 'make the sizes smaller'}", 2)
        except Exception:
            if not heard:
                raise
            status = _say("interrupted", 130)  # a library has turned the interrupt into its own
        out.flush()
    if out.problem is not None and not isinstance(out.problem, BrokenPipeError):
        print(
            f"qring: cannot write to standard output: {out.problem.strerror or out.problem}",
            file=sys.stderr,
        )
        return 2
    return status


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the block first, so that nothing half-written stays."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: FrameType | None) -> None:
        raise TerminatedError(number)

    before = {}
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            before[number] = signal.signal(number, end)
    try:
        yield
    except TerminatedError as ending:
        signal.signal(ending.number, signal.SIG_DFL)
        os.kill(os.getpid(), ending.number)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _hearing(heard: list[int]) -> Iterator[None]:
    """Note interrupts in ``heard``: some libraries raise errors of their own in their place."""
    before = signal.getsignal(signal.SIGINT)
    if (
        threading.current_thread() is not threading.main_thread()
        or before is not signal.default_int_handler
    ):
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _say(message: str, status: int) -> int:
    print(f"qring: {message}", file=sys.stderr)
    return status
