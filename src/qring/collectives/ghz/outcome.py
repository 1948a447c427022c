"""Outcome of GHZ aggregation that ends without a sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qring.collectives.aggregate import Aborted, Told

__all__ = ["GhzAborted", "GivenUpError"]


class GivenUpError(Exception):
    """A block of sums failed its checksum to the last attempt; inside the package only."""

    def __init__(self, coords: int, attempts: int) -> None:
        super().__init__(coords, attempts)
        self.coords, self.attempts = coords, attempts

    def __str__(self) -> str:
        return (
            f"a block of {self.coords:,} coordinates failed its checksum {self.attempts} times; "
            "choose copies of higher visibility, a readout with a lower failure, or more attempts"
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class GhzAborted(Aborted):
    """A run that ended without a sum: one block's coordinates, ``block`` of them, failed.

    Its checksum failed in every one of ``attempts`` attempts. What was announced until then tells
    sums only, if the copies were good.
    """

    block: int
    attempts: int

    @property
    def told(self) -> tuple[Told, ...]:
        """The sum, or a part of it, if the copies were good."""
        return (Told(0, self.coords, tuple(range(self.workers))),)

    def __str__(self) -> str:
        return f"aborted: {GivenUpError(self.block, self.attempts)}"

    def evidence(self) -> dict[str, Any]:
        """Blocks that could not be read, and the number of attempts."""
        return {
            "aborted": "a block of coordinates failed its checksum to the last attempt",
            "block": self.block,
            "attempts": self.attempts,
        }
