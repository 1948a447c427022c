"""Noise of shared pairs, as data."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qring.errors import InputError
from qring.validate import check_probability

__all__ = ["NOISELESS", "PERFECT_QUBITS", "BellDiagonal", "QubitNoise"]

_BELL_BASIS = np.array(  # columns Φ+, Ψ+, Ψ−, Φ−: what I, X, Y, Z on one half make of Φ+
    [[1, 0, 0, 1], [0, 1, 1, 0], [0, 1, -1, 0], [1, 0, 0, -1]]
) / math.sqrt(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class BellDiagonal:
    """Probabilities that a pair meant to be Φ+ arrives with X, Y or Z on one half.

    For superdense coding with ideal local operations these three numbers describe *any* pair
    state exactly: the channel XORs onto the two bits (b1, b2) ↔ Z^b1 X^b2 the error
    X ↔ 01, Y ↔ 11, Z ↔ 10. Source: Bennett and Wiesner 1992; Bowen, PRA 63, 022302 (2001).
    """

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0

    def __post_init__(self) -> None:
        for name in ("x", "y", "z"):
            check_probability(f"the probability of {name.upper()}", getattr(self, name))
        if self.error_probability > 1 + 1e-12:
            raise InputError(
                f"probabilities of X, Y and Z add up to {self.error_probability}, more than 1"
            )

    @property
    def error_probability(self) -> float:
        """Probability that a pair carries any error: 1 − fidelity."""
        return self.x + self.y + self.z

    @property
    def fidelity(self) -> float:
        """Overlap of the pair with Φ+, between 0 and 1."""
        return max(0.0, 1 - self.error_probability)

    @property
    def weights(self) -> tuple[float, float, float, float]:
        """Probabilities of (I, X, Y, Z)."""
        return (self.fidelity, self.x, self.y, self.z)

    @classmethod
    def werner(cls, fidelity: float) -> BellDiagonal:
        """White noise: the three errors are equally likely; ``fidelity`` in [0, 1]."""
        check_probability("a fidelity", fidelity)
        third = (1 - fidelity) / 3
        return cls(x=third, y=third, z=third)

    @classmethod
    def depolarising(cls, error: float) -> BellDiagonal:
        """White noise given by its error probability ``error`` = 1 − fidelity."""
        check_probability("an error probability", error)
        return cls.werner(1 - error)

    @classmethod
    def dephasing(cls, flip: float) -> BellDiagonal:
        """Phase flips only, with probability ``flip``."""
        return cls(z=flip)

    @classmethod
    def independent_flips(cls, bit: float, phase: float) -> BellDiagonal:
        """Bit and phase flips that happen independently, with these probabilities."""
        return cls(x=bit * (1 - phase), y=bit * phase, z=phase * (1 - bit))

    @classmethod
    def from_density_matrix(cls, rho: ArrayLike) -> BellDiagonal:
        """Weights of any two-qubit state, shape (4, 4), sender's qubit first.

        Raises:
            InputError: ``rho`` is not a density matrix (Hermitian, positive, trace one).
        """
        matrix: NDArray[np.complex128] = np.asarray(rho, dtype=np.complex128)
        if matrix.shape != (4, 4):
            raise InputError(f"a two-qubit state has shape (4, 4), not {matrix.shape}")
        hermitian = np.allclose(matrix, matrix.conj().T, atol=1e-9)
        if not hermitian or abs(np.trace(matrix) - 1) > 1e-9:
            raise InputError("a density matrix is Hermitian and has trace 1")
        if np.linalg.eigvalsh(matrix)[0] < -1e-9:
            raise InputError("a density matrix has no negative eigenvalue")
        weights = np.einsum("ik,ij,jk->k", _BELL_BASIS, matrix, _BELL_BASIS).real
        _, x, y, z = (float(w) for w in np.clip(weights, 0, 1))
        return cls(x=x, y=y, z=z)

    @classmethod
    def parse(cls, text: str) -> BellDiagonal:
        """Read ``"P"`` (white noise of error probability P) or ``"X,Y,Z"`` (one probability each).

        Raises:
            InputError: the text is neither, or the probabilities are impossible.
        """
        try:
            numbers = [float(part) for part in text.split(",")]
        except ValueError:
            numbers = []
        if len(numbers) == 1:
            return cls.depolarising(numbers[0])
        if len(numbers) == 3:
            return cls(x=numbers[0], y=numbers[1], z=numbers[2])
        raise InputError(f"noise {text!r} is neither P nor X,Y,Z, with probabilities as numbers")

    def __str__(self) -> str:
        """Text that :meth:`parse` reads back as this value."""
        return ",".join(repr(p) if p else "0" for p in (self.x, self.y, self.z))

    def then(self, other: BellDiagonal) -> BellDiagonal:
        """Noise of a pair that suffers this, and then ``other``."""
        a, b = self.weights, other.weights
        # Paulis in the order I, X, Y, Z multiply as 0, 1, 2, 3 under XOR, up to a phase.
        x, y, z = (sum(a[k] * b[k ^ product] for k in range(4)) for product in (1, 2, 3))
        return BellDiagonal(x=x, y=y, z=z)


NOISELESS = BellDiagonal()
"""Perfect pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QubitNoise:
    """Noise that each worker's qubit of a GHZ state suffers before the worker encodes on it.

    ``x``, ``y``, ``z`` are probabilities of Pauli errors, ``relaxation`` is the probability of
    amplitude damping, ``dephasing`` that of a phase flip; each acts on every qubit alone. ``mixed``
    is the probability that a whole copy arrives as white noise. With phases θᵢ and φ = Σθᵢ the
    parity of all X outcomes has the expectation

        (1−mixed)·(√(1−relaxation)·(1−2·dephasing))ⁿ
            · Re ∏ᵢ [(p_I−p_Z)·e^{iθᵢ} + (p_X−p_Y)·e^{−iθᵢ}]

    and outcomes of equal parity are equally likely. Where p_X = p_Y this is V·cos φ.
    """

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    relaxation: float = 0.0
    dephasing: float = 0.0
    mixed: float = 0.0

    def __post_init__(self) -> None:
        for name in ("x", "y", "z", "relaxation", "dephasing", "mixed"):
            check_probability(f"the probability of {name}", getattr(self, name))
        if self.x + self.y + self.z > 1 + 1e-12:
            raise InputError("probabilities of X, Y and Z add up to more than 1")

    @property
    def kept(self) -> float:
        """Weight with which a qubit's phase keeps its sign, all losses included."""
        shrunk = math.sqrt(1 - self.relaxation) * (1 - 2 * self.dephasing)
        return (1 - self.x - self.y - 2 * self.z) * shrunk

    @property
    def turned(self) -> float:
        """Weight with which it turns its sign: zero unless X and Y errors differ in rate."""
        shrunk = math.sqrt(1 - self.relaxation) * (1 - 2 * self.dephasing)
        return (self.x - self.y) * shrunk

    def visibility(self, workers: int) -> float:
        """V of ``workers`` qubits. Standing: exact if X and Y are equally likely, else a bound.

        The bound is the least expectation at total phase 0, over all ways to split it.
        """
        kept, turned = abs(self.kept), abs(self.turned)
        straight = math.copysign(1, self.kept) ** workers * kept**workers
        least = straight - ((kept + turned) ** workers - kept**workers)
        return float((1 - self.mixed) * least)

    def straight(self, workers: int) -> float:
        """Factor of cos φ in the expected parity, where X and Y are equally likely."""
        return float((1 - self.mixed) * self.kept**workers)

    def disagreement(self) -> float:
        """Probability that two given workers' outcomes in Z differ.

        Standing: exact, but for relaxation, of which it is a bound.
        """
        flip = self.x + self.y
        flip += (1 - 2 * flip) * self.relaxation / 2
        return float(self.mixed / 2 + (1 - self.mixed) * 2 * flip * (1 - flip))

    def wrong_digit(self, workers: int) -> float:
        """Probability that the parity that shows a digit is wrong, at most."""
        return (1 - self.visibility(workers)) / 2

    def expectation(self, phases: NDArray[np.float64]) -> NDArray[np.float64]:
        """Expected parity of copies whose workers encode ``phases``, shape (workers, copies)."""
        turns = np.exp(1j * phases)
        product = np.prod(self.kept * turns + self.turned * turns.conj(), axis=0)
        return np.asarray((1 - self.mixed) * product.real, dtype=np.float64)

    @classmethod
    def white(cls, visibility: float) -> QubitNoise:
        """White noise of whole copies: V·GHZ + (1−V)·1/2ⁿ."""
        check_probability("a visibility", visibility, zero=False)
        return cls(mixed=1 - visibility)

    @classmethod
    def of_copies(cls, visibility: float, qubits: str) -> QubitNoise:
        """White noise of copies, and then ``qubits`` on each qubit, as :meth:`parse` reads it.

        Raises:
            InputError: a visibility outside (0, 1], or text that is no noise.
        """
        return replace(cls.parse(qubits), mixed=cls.white(visibility).mixed)

    @classmethod
    def parse(cls, text: str) -> QubitNoise:
        """Read ``"P"`` (depolarising each qubit with probability P) or ``"X,Y,Z"``.

        Raises:
            InputError: the text is neither, or the probabilities are impossible.
        """
        pair = BellDiagonal.parse(text)
        return cls(x=pair.x, y=pair.y, z=pair.z)

    @classmethod
    def depolarising(cls, error: float) -> QubitNoise:
        """White noise of each qubit with error probability ``error``: V = (1 − 4·error/3)ⁿ."""
        third = error / 3
        return cls(x=third, y=third, z=third)

    @classmethod
    def of_visibility(cls, visibility: float, workers: int) -> QubitNoise:
        """Dephasing that leaves a GHZ state of ``workers`` qubits this visibility, in (0, 1]."""
        check_probability("a visibility", visibility, zero=False)
        return cls(dephasing=(1 - visibility ** (1 / workers)) / 2)


PERFECT_QUBITS = QubitNoise()
"""GHZ qubits that arrive as they were made."""
