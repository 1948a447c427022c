"""Figures of hardware: a value with unit, date, source and standing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from qring.errors import InputError
from qring.validate import check_enum, check_real

__all__ = ["Figure", "Provenance"]


class Provenance(str, Enum):
    """Standing of a figure.

    ``READ``: in the source itself. ``SECOND_HAND``: in another page about it. ``UNVERIFIED``:
    quoted from memory, and nobody could check it. ``DERIVED``: calculated from other figures.
    ``ASSUMED``: nobody states it; the value is ours.
    """

    READ = "read"
    SECOND_HAND = "second-hand"
    UNVERIFIED = "unverified"
    DERIVED = "derived"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure. ``low`` to ``high`` is the range worth asking about, ``good`` a good value there.

    Raises:
        InputError: not a number, or a range that does not hold the value.
    """

    value: float
    unit: str
    source: str
    date: str
    standing: Provenance
    low: float | None = None
    high: float | None = None
    good: float | None = None

    def __post_init__(self) -> None:
        if self.value != math.inf:
            check_real(f"a figure in {self.unit or 'no unit'}", self.value)
        check_enum("standing", self.standing, Provenance)
        for name in ("unit", "source", "date"):
            if not isinstance(getattr(self, name), str):
                raise InputError(f"{name} of a figure got {getattr(self, name)!r}; use text")
        low, high = self.low, self.high
        if low is not None and high is not None and not low <= self.value <= high:
            raise InputError(
                f"a figure of {self.value:g} {self.unit} lies outside its range {low:g} to {high:g}"
            )

    def __str__(self) -> str:
        return f"{self.value:g} {self.unit} ({self.standing.value}; {self.source}, {self.date})"
