"""Choosing a code for pairs of unknown or drifting fidelity, from syndromes alone.

A check over w bits, each flipped with probability p, is unsatisfied with probability
(1 − (1−2p)^w)/2. The receiver inverts that for every row of checks of the first reception, before
it decodes, and reports the mean; white noise of that flip rate has F = 1 − 3p/2. The rule:

- start as if F were .80, with the strongest code;
- after each message, move the estimate towards what was seen with weight f/(f + 16), f being the
  frames it was seen in, so that a drift is followed within some dozens of frames;
- plan the next message for the estimate less two standard deviations;
- where that is below every code, send plain bits, and one message in sixteen in the strongest
  code, to see whether the pairs have become better.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.encoding.codes.ldpc import LdpcCode
from qring.network.noise import BellDiagonal

__all__ = ["REPORT_BITS", "Estimate", "Flips", "observed"]

REPORT_BITS = 16
"""Bits that the receiver adds to the acknowledgement of a message."""

_START, _MEMORY, _PROBE_EVERY, _MARGIN = 0.80, 16, 16, 2.0
_STRONGEST = 0.86  # the lowest fidelity at which codes pay; probing plans for it


class Flips(NamedTuple):
    """Rate of flipped bits that the syndromes of some frames, of so many bits, tell of."""

    rate: float
    frames: int
    bits: int


class Estimate(NamedTuple):
    """Estimate of a link's pairs that both ends share; ``flips`` is the rate of flipped bits."""

    flips: float = (1 - _START) * 2 / 3
    deviation: float = 0.0
    messages: int = 0

    @property
    def fidelity(self) -> float:
        """Fidelity of Werner pairs that flip so many bits."""
        return 1 - 1.5 * self.flips

    def planned(self) -> BellDiagonal:
        """Noise that the next message is planned for and decoded with."""
        safe = 1 - 1.5 * min(0.5, self.flips + _MARGIN * self.deviation)
        probing = self.messages % _PROBE_EVERY == 0
        if safe < _STRONGEST and probing:
            safe = _STRONGEST
        return BellDiagonal.werner(max(0.25, safe))

    def after(self, seen: Flips | None) -> Estimate:
        """The estimate after a message, in which ``seen`` was observed, or nothing was coded."""
        if seen is None:
            return self._replace(messages=self.messages + 1)
        weight, bits = seen.frames / (seen.frames + _MEMORY), seen.bits
        first = self.deviation == 0
        flips = seen.rate if first else self.flips + weight * (seen.rate - self.flips)
        spread = math.sqrt(max(flips, 1 / bits) / (weight * bits))
        drift = abs(seen.rate - flips)
        return Estimate(flips, math.hypot(spread, drift), self.messages + 1)


def observed(code: LdpcCode, unsatisfied: NDArray[np.int64], frames: int) -> Flips:
    """Flip rate that unsatisfied checks a row, shape (rows,), of ``frames`` frames tell of."""
    weights = np.diff(code.starts).astype(np.float64)
    share = np.minimum(unsatisfied / (frames * code.lift), 0.499)
    rates = (1 - (1 - 2 * share) ** (1 / weights)) / 2
    return Flips(float(rates.mean()), frames, frames * code.frame_bits)
