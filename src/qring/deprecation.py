"""Names on their way out: they work, and say since when, until when and what replaces them."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["QringDeprecationWarning", "deprecated", "warn_deprecated"]

P = ParamSpec("P")
R = TypeVar("R")


class QringDeprecationWarning(FutureWarning):
    """Something will be removed; shown by default, unlike Python's own deprecations."""


def warn_deprecated(
    what: str, *, since: str, removed_in: str, instead: str, level: int = 1
) -> None:
    """Warn that ``what`` is deprecated.

    ``since`` and ``removed_in`` are versions; ``level`` counts frames from the caller of this
    function to the line that the warning should point at.
    """
    warnings.warn(
        f"{what} is deprecated since qring {since} and will be removed in {removed_in}; "
        f"use {instead}",
        QringDeprecationWarning,
        stacklevel=2 + level,
    )


def deprecated(
    *, since: str, removed_in: str, instead: str
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a function as deprecated: it warns at every call, and its docstring says so."""

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def warned(*args: P.args, **kwargs: P.kwargs) -> R:
            warn_deprecated(
                f"{function.__module__}.{function.__qualname__}",
                since=since, removed_in=removed_in, instead=instead,
            )  # fmt: skip
            return function(*args, **kwargs)

        note = f"Deprecated since {since}, removed in {removed_in}: use {instead}."
        warned.__doc__ = f"{function.__doc__ or ''}\n\n{note}".strip()
        return warned

    return mark
