"""Report of a leakage experiment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

import numpy as np

from qring.errors import InputError
from qring.network.wiring import Distribution
from qring.security.vga.verification import CutAndChoose, HashedVerification

__all__ = ["Leak", "Setting", "Standing", "Told", "interval_of_mean", "interval_of_probability"]

_CONFIDENCE = 0.999
_Z = 3.2905  # its normal quantile, two-sided


class Standing(Enum):
    """Standing of a figure."""

    EXACT = "exact"
    BOUND = "bound, finite size"
    SAMPLED = "sampled, 99.9% interval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Sizes of an experiment.

    ``copies`` is how many GHZ copies are tampered with, ``None`` for all: those of the lowest
    digits where the attacker knows which is which, random ones where public coins decide that
    later. ``rounds`` are run where the law cannot be enumerated. ``withstood`` is K, the corrupted
    words that the code of ``private`` withstands; 0 is no code. ``distribution`` is how the copies
    of ``private`` reach the workers.
    """

    workers: int = 3
    word_bits: int = 2
    copies: int | None = 1
    rounds: int = 400
    withstood: int = 1
    distribution: Distribution = Distribution.STAR
    hashed: HashedVerification = field(default_factory=HashedVerification)
    cut: CutAndChoose = field(default_factory=CutAndChoose)

    def __post_init__(self) -> None:
        for name, least, most in (("workers", 2, 16), ("word_bits", 1, 16), ("rounds", 10, 10**6)):
            value = getattr(self, name)
            if not least <= value <= most:
                raise InputError(f"{name.replace('_', '-')} must lie in {least}..{most}: {value}")
        if not 0 <= self.withstood <= 7:
            raise InputError(f"withstood must lie in 0..7, not at {self.withstood}")
        if self.copies is not None and self.copies < 1:
            raise InputError(f"an attack goes for at least one copy, not {self.copies}")


class Told(NamedTuple):
    """Bits on the last worker's word that a view tells, alone and together with the true sum."""

    alone: float
    with_sum: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """Leakage of an attack on the last worker's word, in bits, and its cost to the attacker.

    ``leak_bits`` is what the attacker's view tells, ``leak_with_sum_bits`` what the view and the
    true sum tell together, for one who hears of it later. Both are 0 of an honest sum.
    ``detected`` is the probability that the protocol aborts, ``sum_correct`` that it ends with
    the right sum. ``meaning`` says it in a sentence.
    """

    leak_bits: float
    leak_interval: tuple[float, float]
    leak_with_sum_bits: float
    leak_with_sum_interval: tuple[float, float]
    standing: Standing
    detected: float
    detected_interval: tuple[float, float]
    sum_correct: float
    sum_correct_interval: tuple[float, float]
    meaning: str

    @classmethod
    def exact(cls, told: Told, detected: float, correct: float, meaning: str) -> Leak:
        """Figures without doubt; rounding errors of the arithmetic are taken off."""
        bits, summed, caught, right = (_clean(value) for value in (*told, detected, correct))
        return cls(
            leak_bits=bits,
            leak_interval=(bits, bits),
            leak_with_sum_bits=summed,
            leak_with_sum_interval=(summed, summed),
            standing=Standing.EXACT,
            detected=caught,
            detected_interval=(caught, caught),
            sum_correct=right,
            sum_correct_interval=(right, right),
            meaning=meaning,
        )


def _clean(value: float) -> float:
    return round(value, 12) + 0.0


def interval_of_mean(values: Sequence[float], largest: float) -> tuple[float, float]:
    """Empirical Bernstein interval for the mean of independent values in [0, ``largest``].

    Source: Maurer and Pontil 2009.
    """
    sample = np.asarray(values, np.float64)
    log = math.log(4 / (1 - _CONFIDENCE))
    spread = math.sqrt(2 * float(sample.var(ddof=1)) * log / len(sample))
    slack = spread + 7 * largest * log / (3 * (len(sample) - 1))
    mean = float(sample.mean())
    return max(0.0, mean - slack), min(largest, mean + slack)


def interval_of_probability(hits: int, trials: int) -> tuple[float, float]:
    """Wilson interval for a probability."""
    p, z2 = hits / trials, _Z**2
    centre = (p + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _Z / (1 + z2 / trials) * math.sqrt(p * (1 - p) / trials + z2 / (4 * trials**2))
    low = max(0.0, centre - half) if hits else 0.0
    return low, min(1.0, centre + half) if hits < trials else 1.0
