"""Answers to a worker that falls silent, for all methods."""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum

from qring.errors import InputError
from qring.validate import check_enum

__all__ = ["OnDropout", "check_answer"]


class OnDropout(Enum):
    """The answer to a worker that falls silent; no method has all of them.

    ``ABORT`` ends the run without a sum. ``RECOVER`` takes off the lost worker's masks from its
    shares (``secagg``). ``BY_CHUNK`` finishes a chunk with the lost worker where its word is out,
    sums it again without it where it is not, and gives it up where nobody can know (``private``).
    ``FALLBACK`` sums by ``secagg`` what the lost worker has not touched.
    """

    ABORT = "abort"
    RECOVER = "recover"
    BY_CHUNK = "by-chunk"
    FALLBACK = "fallback"


def check_answer(answer: OnDropout, allowed: Collection[OnDropout], method: str) -> None:
    """Refuse an answer that ``method`` does not have.

    Raises:
        InputError: no :class:`OnDropout`, or not one of ``allowed``.
    """
    check_enum("on_dropout", answer, OnDropout)
    if answer not in allowed:
        names = " or ".join(each.value for each in OnDropout if each in allowed)
        raise InputError(f"{method} cannot {answer.value} when a worker is lost: choose {names}")
