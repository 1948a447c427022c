"""View of an eavesdropper while a sum is read, as a value."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.network.copies import Kind, Tampered
from qring.network.parity import Transcript

__all__ = ["Announced", "View", "measure_halves"]


class Announced(NamedTuple):
    """One batch of copies measured at once, an entry a copy.

    ``coords`` says for which coordinate each was, ``correction`` what worker 0 took off there,
    ``quarter`` what it turned besides; all are public, and so is the ``transcript``. ``tampered``
    are the copies that were not perfect. For ``HALVES`` among them ``guesses`` holds the words by
    which she turned her bases and ``held`` what she found, both of shape (workers, tampered).
    """

    digit: int
    quarter: float
    coords: NDArray[np.intp]
    correction: NDArray[np.uint64]
    transcript: Transcript
    tampered: Tampered
    guesses: NDArray[np.uint64]
    held: NDArray[np.uint8]


View = tuple[Announced, ...]
"""All announcements, in order, with what the eavesdropper knows of the copies."""


def measure_halves(
    tampered: Tampered,
    phases: NDArray[np.float64],
    outcomes: NDArray[np.uint8],
    guesses: NDArray[np.uint64],
    digit: int,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Measure the eavesdropper's halves in bases turned by her ``guesses`` at each worker's word.

    Her half of a worker's pair is left in (|0⟩ + (−1)^outcome·e^{iθ}|1⟩)/√2: turned back by the
    guess, 0 or 1 in X tells whether the outcome and the rest of the phase are even or odd. All
    arrays have shape (workers, copies); other kinds show 0.
    """
    rest = phases - guesses * (math.pi / (1 << digit)) + math.pi * outcomes
    held = rng.random(phases.shape) < (1 - np.cos(rest)) / 2
    return np.asarray(held & (tampered.kind == Kind.HALVES), np.uint8)
