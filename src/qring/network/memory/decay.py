"""Decay of stored pairs and GHZ states, exact for relaxation and dephasing of each qubit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qring.errors import InputError
from qring.network.noise import BellDiagonal
from qring.validate import check_enum, check_real

__all__ = ["Decay", "Rest"]


class Rest(Enum):
    """Steady state of a qubit that is left alone for long.

    ``MIXED``: in the completely mixed state; a Pauli channel, the twirled form. ``GROUND``: in
    |0⟩; amplitude damping.
    """

    MIXED = "mixed"
    GROUND = "ground"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decay:
    """Decay of one memory qubit: populations in ``t1_s``, phases in ``t2_s``.

    A Bloch vector (x, y, z) becomes (x·e^(−t/T2), y·e^(−t/T2), z·e^(−t/T1)) around where it comes
    to rest. Of a pair the correlations XX, YY shrink by the product of both qubits' e^(−t/T2), ZZ
    by that of e^(−t/T1); at rest in |0⟩ the ZZ of (1−e^(−t/T1))² is added. Standing: exact for
    pairs without local polarisation at birth, as all Bell-diagonal ones are.

    Raises:
        InputError: times that are not positive, or T2 > 2·T1, which no qubit has.
    """

    t1_s: float = math.inf
    t2_s: float = math.inf
    rest: Rest = Rest.MIXED

    def __post_init__(self) -> None:
        for name in ("t1_s", "t2_s"):
            if getattr(self, name) != math.inf:
                check_real(name, getattr(self, name), above=0)
        if self.t2_s > 2 * self.t1_s:
            raise InputError(
                f"T2 = {self.t2_s:g} s is more than twice T1 = {self.t1_s:g} s, which no qubit "
                "has: lower t2_s or raise t1_s"
            )
        check_enum("rest", self.rest, Rest)

    @classmethod
    def werner(cls, lifetime_s: float) -> Decay:
        """Each qubit of a pair depolarises so that F(t) = ¼ + (F0 − ¼)·e^(−t/lifetime_s)."""
        return cls(t1_s=2 * lifetime_s, t2_s=2 * lifetime_s)

    @property
    def is_perfect(self) -> bool:
        """Whether nothing is ever lost."""
        return self.t1_s == math.inf and self.t2_s == math.inf

    def aged(
        self, noise: BellDiagonal, ages_s: ArrayLike, other_s: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Weights (I, X, Y, Z), shape (pairs, 4), of pairs whose halves have waited so long.

        ``other_s`` are the ages of the second halves, where they differ: a half that travels on.

        Raises:
            InputError: an age below 0: the clock ran backwards.
        """
        weights = np.asarray([noise.weights])
        return self.aged_weights(weights, ages_s, other_s)

    def aged_weights(
        self, weights: NDArray[np.float64], ages_s: ArrayLike, other_s: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """As :meth:`aged`, of pairs with ``weights`` of shape (pairs, 4) or (1, 4) at birth."""
        first = np.atleast_1d(np.asarray(ages_s, np.float64))
        second = first if other_s is None else np.atleast_1d(np.asarray(other_s, np.float64))
        least = min(first.min(initial=0.0), second.min(initial=0.0))
        if least < 0:
            raise InputError(f"a pair has an age of {least:g} s: the clock ran backwards")
        total = first + second
        phase, level = np.exp(-total / self.t2_s), np.exp(-total / self.t1_s)
        i, x, y, z = np.moveaxis(weights, -1, 0)
        # Φ+ has XX = 1, YY = −1, ZZ = 1; an error flips the two with which it does not commute.
        xx, yy, zz = (i + x - y - z) * phase, (x + z - i - y) * phase, (i + z - x - y) * level
        if self.rest is Rest.GROUND:
            zz = zz + np.expm1(-first / self.t1_s) * np.expm1(-second / self.t1_s)
        quarter = np.stack(
            [1 + xx - yy + zz, 1 + xx + yy - zz, 1 - xx - yy - zz, 1 - xx + yy + zz], axis=-1
        )
        return np.asarray(np.clip(quarter / 4, 0.0, 1.0))

    def noise_after(
        self, noise: BellDiagonal, age_s: float, other_s: float | None = None
    ) -> BellDiagonal:
        """One pair's law after its halves have waited ``age_s`` and ``other_s``."""
        row = self.aged(noise, age_s, other_s)[0]
        return BellDiagonal(x=float(row[1]), y=float(row[2]), z=float(row[3]))

    def ghz_visibility(self, visibility: float, ages_s: ArrayLike) -> float:
        """V of a GHZ state whose qubits have waited ``ages_s``: V0·∏ e^(−t_i/T2)."""
        ages = np.atleast_1d(np.asarray(ages_s, np.float64))
        if ages.min(initial=0.0) < 0:
            raise InputError(f"a qubit has an age of {ages.min():g} s: the clock ran backwards")
        return float(visibility * np.exp(-ages.sum() / self.t2_s))

    def useful_s(self, noise: BellDiagonal, least_fidelity: float) -> float:
        """Age at which a pair's fidelity has fallen to ``least_fidelity``, by bisection."""
        if noise.fidelity < least_fidelity:
            return 0.0
        if self.is_perfect:
            return math.inf
        high = min(self.t1_s, self.t2_s)
        while self.noise_after(noise, high).fidelity > least_fidelity:
            high *= 2
            if high > 1e6 * min(self.t1_s, self.t2_s):
                return math.inf
        low = 0.0
        for _ in range(100):
            middle = (low + high) / 2
            kept = self.noise_after(noise, middle).fidelity >= least_fidelity
            low, high = (middle, high) if kept else (low, middle)
        return low
