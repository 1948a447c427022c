"""signSGD with majority vote: one bit a worker, and only the majority decides.

Source: Bernstein et al., signSGD with majority vote (2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.encoding.formats import WordFormat
from qring.encoding.values import BitBudget, refuse_nonfinite
from qring.validate import check_enum, check_flag

__all__ = ["SignVote", "Tie"]


class Tie(Enum):
    """Rule for an even split of the votes."""

    PLUS = 1
    ZERO = 0
    MINUS = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class SignVote:
    """A worker votes 1 for a positive coordinate and 0 for a negative one.

    A zero votes as ``zero_is_positive`` says; ``tie`` settles even splits. The decoded result is
    the majority's sign, −1, 0 or 1 as float32. What is made public is the *number* of votes, not
    only the majority.
    """

    zero_is_positive: bool = True
    tie: Tie = Tie.PLUS

    def __post_init__(self) -> None:
        check_flag("zero_is_positive", self.zero_is_positive)
        check_enum("tie", self.tie, Tie)

    @property
    def word_bits(self) -> int:
        """One bit a vote."""
        return 1

    def budget(self, weight: int) -> BitBudget:
        """A vote and its carry."""
        return BitBudget.of(1, weight)

    def check(self, gradients: NDArray[Any]) -> None:
        """Refuse NaN, which has no sign, and more workers than a sum can count."""
        self.budget(len(gradients))
        refuse_nonfinite(gradients)

    def encode(self, gradients: NDArray[Any]) -> tuple[NDArray[np.uint64], WordFormat]:
        """Return votes of the same shape."""
        self.check(gradients)
        votes = gradients >= 0 if self.zero_is_positive else gradients > 0
        return votes.astype(np.uint64), WordFormat(word_bits=1, workers=len(gradients))

    def decode(self, sums: NDArray[np.uint64], weight: int) -> NDArray[np.float32]:
        """Return the sign of the majority among ``weight`` votes."""
        lead = np.sign(2 * sums.view(np.int64) - weight).astype(np.float32)
        lead[lead == 0] = self.tie.value
        return lead
