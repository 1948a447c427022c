"""Standard output and error that never end a command by a traceback.

Closed pipes end quietly, a full disk ends in one line, and signs that a terminal cannot show are
spelled out.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

__all__ = ["Outlet", "outlets"]

_SPELLED = {
    "ε": "eps", "δ": "delta", "±": "+-", "−": "-", "·": "*", "×": "x", "≤": "<=", "≥": ">=",
    "…": "...", "²": "^2", "√": "sqrt", "π": "pi", "τ": "tau", "θ": "theta", "σ": "sigma",
    "═": "=", "─": "-", "│": "|", "║": "|", "■": "o", "░": ":", "▒": ":", "█": "#", "⟩": ">",
}  # fmt: skip
_DRAWN = "┌┐└┘├┤┬┴┼╞╡╥╨╩╫╬╔╗╚╝"


class Outlet:
    """A text stream that remembers its first failure and from then on takes everything.

    ``problem`` is that failure, if there was one.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.problem: OSError | None = None

    def write(self, text: str) -> int:
        """Write text, or drop it once writing has failed."""
        with self._noting():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        with self._noting():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - all else is the stream's own
        return getattr(self._stream, name)

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        if self.problem is None:
            try:
                yield
            except OSError as error:
                self.problem = error
                self._give_up()
        else:
            with contextlib.suppress(OSError, ValueError):
                yield

    def _give_up(self) -> None:
        """Let what is still buffered go nowhere, or Python complains of it at its end."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


@contextlib.contextmanager
def outlets() -> Iterator[Outlet]:
    """Put outlets in place of standard output and error; yields that of the output."""
    codecs.register_error("qring.spelled", _spelled)
    before = sys.stdout, sys.stderr
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123
        streams = [stream or nowhere for stream in before]  # either may have been closed
        for stream, errors in zip(streams, ("qring.spelled", "backslashreplace"), strict=True):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors=errors)
        out, err = (Outlet(stream) for stream in streams)
        sys.stdout, sys.stderr = out, err
        try:
            yield out
        finally:
            out.flush()
            err.flush()
            sys.stdout, sys.stderr = before


def _spelled(error: UnicodeError) -> tuple[str, int]:
    """Spell out what an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    text = "".join(_SPELLED.get(sign, "+" if sign in _DRAWN else "?") for sign in missing)
    return text, error.end
