"""Attacks on messages of a superdense ring by an eavesdropper who supplied the pairs.

She measures both halves of what she kept or resent, so she reads every message, and hands on
whatever she likes: to each receiver something else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError

__all__ = ["FlipOnline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipOnline:
    """Flip one bit of every message to ``receivers``, in ``rounds``; all of them unless given.

    It is bit number ``bit`` + receiver of the message: no two receivers find the same change. In
    the first round it shifts the sum for everybody alike, in the last one it gives each worker a
    sum of its own.
    """

    receivers: frozenset[int] | None = None
    rounds: frozenset[int] | None = None
    bit: int = 0

    def __post_init__(self) -> None:
        if self.bit < 0:
            raise InputError(f"bits of a message are numbered from 0, not {self.bit}")

    def alter(
        self, message: NDArray[np.uint8], bits: int, *, src: int, dst: int, round_: int
    ) -> None:
        """Change a packed message of ``bits`` bits in place, first bit highest."""
        if self.receivers is not None and dst not in self.receivers:
            return
        if self.rounds is not None and round_ not in self.rounds:
            return
        place = (self.bit + dst) % bits
        message[place >> 3] ^= np.uint8(128 >> (place & 7))
