"""Exact dynamics of GapIP in the plane of the two encoded vectors, for any dimension.

Worker 0 encodes its unit vector u as a = (√(1−w)·u, √w), worker 1 its v as c likewise, so that
cos θ = ⟨a, c⟩ = w + (1−w)·s with s = ⟨u, v⟩. The paper has w = ½. Everything that happens to the
register depends on θ alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qring.conflict.courier import Courier
from qring.errors import InputError

__all__ = ["HALF", "Circuit", "Plane", "PlaneRun", "acceptance", "amplitude", "overlap"]

HALF = 0.5
"""The paper's share of the reference coordinate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """One run without ancilla: the register starts as a, crosses ``passes`` times, is measured.

    Between passes the worker that holds it applies 1 + (e^{iφ}−1)|x⟩⟨x| for its own vector x;
    ``phases`` has passes − 1 entries φ in radians, and None stands for plain reflections (π). The
    last receiver accepts if it finds its own vector. ``reference`` is w.
    """

    passes: int
    reference: float = HALF
    # Not hashed: they are long, and passes tell nearly all circuits apart.
    phases: tuple[float, ...] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        if self.passes < 1:
            raise InputError(f"a run takes at least 1 pass, not {self.passes}")
        if not 0 <= self.reference < 1:
            raise InputError(f"the reference weight lies in [0, 1), not at {self.reference}")
        if self.phases is not None and len(self.phases) != self.passes - 1:
            raise InputError(
                f"{self.passes} passes leave {self.passes - 1} reflections between them, "
                f"but {len(self.phases)} phases were given"
            )


def overlap(s: ArrayLike, reference: float = HALF) -> NDArray[np.float64]:
    """Return cos θ = w + (1−w)s of two encoded vectors whose inner product is ``s``."""
    return reference + (1 - reference) * np.asarray(s, np.float64)


def amplitude(circuit: Circuit, cosine: ArrayLike) -> NDArray[np.complex128]:
    """Amplitude with which the last receiver finds its own vector, at cos θ = ``cosine``.

    A product of 2×2 matrices; the shape is that of ``cosine``. Standing: exact.
    """
    cos = np.asarray(cosine, np.float64)
    sin = np.sqrt(np.clip(1 - cos**2, 0, None))
    own, rest = cos.astype(np.complex128), sin.astype(np.complex128)  # a, in worker 1's basis
    for phase in (
        circuit.phases if circuit.phases is not None else (math.pi,) * (circuit.passes - 1)
    ):
        own = own * np.exp(1j * phase)
        own, rest = cos * own + sin * rest, sin * own - cos * rest
    return own


def acceptance(circuit: Circuit, s: ArrayLike) -> NDArray[np.float64]:
    """Probability that the run accepts, for inner products ``s``; shape of ``s``.

    cos²(pθ) for plain reflections, else a cosine series of degree p in 2θ. Standing: exact.
    Source: docs/mathematics/conflict.md (paper appendix D.2 to D.4 has the controlled form).
    """
    angle = np.arccos(np.clip(overlap(s, circuit.reference), -1, 1))
    if circuit.phases is None:
        return np.asarray(np.cos(circuit.passes * angle) ** 2)
    harmonics, series = _series(circuit)
    return np.clip(np.cos(np.multiply.outer(angle, harmonics)) @ series, 0, 1)


@lru_cache(maxsize=64)
def _series(circuit: Circuit) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Harmonics 2k and coefficients c_k of acceptance = Σ c_k cos 2kθ.

    From as many angles as determine them.
    """
    count = 2 * circuit.passes + 2
    angles = np.pi * np.arange(count) / count
    values = np.abs(_around(circuit, angles)) ** 2
    spectrum = np.fft.rfft(values).real[: circuit.passes + 1] / count
    spectrum[1:] *= 2
    harmonics = np.arange(0, 2 * circuit.passes + 1, 2, dtype=np.float64)
    return harmonics, np.asarray(spectrum, np.float64)


def _around(circuit: Circuit, angles: NDArray[np.float64]) -> NDArray[np.complex128]:
    """The amplitude at angles in [0, π); only |cos θ| matters to its modulus."""
    return amplitude(circuit, np.abs(np.cos(angles)))


def _angle(s: float, reference: float) -> float:
    """θ of one inner product."""
    return math.acos(min(1.0, max(-1.0, reference + (1 - reference) * s)))


class Plane:
    """Runs GapIP's circuits on two vectors of which only the inner product is known."""

    __slots__ = ("_cosine", "_courier")

    def __init__(self, cosine: float, courier: Courier) -> None:
        self._cosine, self._courier = cosine, courier

    @property
    def courier(self) -> Courier:
        """Link kind that carries the register."""
        return self._courier

    def probability(self, circuit: Circuit) -> float:
        """Probability that a run of ``circuit`` accepts; as :func:`acceptance`, for one s."""
        angle = _angle(self._cosine, circuit.reference)
        if circuit.phases is None:
            return math.cos(circuit.passes * angle) ** 2
        harmonics, series = _series(circuit)
        return min(1.0, max(0.0, float(np.dot(np.cos(harmonics * angle), series))))

    def accepts(self, circuit: Circuit, shots: int, rng: np.random.Generator) -> int:
        """Number of ``shots`` independent runs that accept; charges all their passes."""
        self._courier.shuttle(circuit.passes, times=shots)
        return int(rng.binomial(shots, self.probability(circuit)))

    def phase_run(self, rng: np.random.Generator) -> PlaneRun:
        """Prepare the register for phase estimation on the Grover operator."""
        angle = 2 * _angle(self._cosine, HALF)
        # a is an equal superposition of the eigenphases ±2θ, and every outcome commutes with
        # them: their joint law is the even mixture of both.
        return PlaneRun(angle if rng.random() < 0.5 else -angle, self._courier)


class PlaneRun:
    """Phase estimation on one register that is kept from test to test."""

    __slots__ = ("_courier", "_phase")

    def __init__(self, phase: float, courier: Courier) -> None:
        self._phase, self._courier = phase, courier

    def tests(
        self, powers: NDArray[np.int64], shots: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Zeros among ``shots`` Hadamard tests of G^power each, in the cosine and sine quadrature.

        P(0) = (1 + cos kφ)/2 and (1 + sin kφ)/2. Arrays of equal length; charges 2k passes of the
        register and its ancilla a test.
        """
        kicks = powers * self._phase
        tests = int(2 * (powers * shots).sum())  # applications of G, both quadratures
        self._courier.shuttle(2 * tests, ancillas=1)
        cosines = rng.binomial(shots, np.clip((1 + np.cos(kicks)) / 2, 0, 1))
        sines = rng.binomial(shots, np.clip((1 + np.sin(kicks)) / 2, 0, 1))
        return cosines, sines
