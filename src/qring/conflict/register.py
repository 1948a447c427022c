"""GapIP as it would happen: a state vector of d+1 amplitudes moved between two workers.

The referee of :mod:`qring.conflict.plane`, and much slower. Each worker touches the register only
by reflections about its own vector, and only while it holds the register.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.conflict.courier import Courier
from qring.conflict.plane import HALF, Circuit

__all__ = ["Register", "RegisterRun", "encoded", "turn"]


class Register:
    """Runs GapIP's circuits on the state vector; ``u`` and ``v`` are unit vectors, shape (d,).

    Amplitudes beyond d of the ⌈log2(d+1)⌉ qubits stay zero and are not stored. Real circuits run
    in the vectors' type, others in the complex type of the same precision.
    """

    __slots__ = ("_courier", "_vectors")

    def __init__(self, u: NDArray[Any], v: NDArray[Any], courier: Courier) -> None:
        self._vectors, self._courier = (u, v), courier

    @property
    def courier(self) -> Courier:
        """Link kind that carries the register."""
        return self._courier

    def probability(self, circuit: Circuit) -> float:
        """Move the register through ``circuit`` and return the probability that it accepts."""
        return self._run(circuit, times=0)

    def accepts(self, circuit: Circuit, shots: int, rng: np.random.Generator) -> int:
        """Number of ``shots`` independent runs that accept; charges all their passes.

        All runs of one circuit evolve alike up to the measurement, so they are evolved once.
        """
        return int(rng.binomial(shots, self._run(circuit, times=shots)))

    def phase_run(self, rng: np.random.Generator) -> RegisterRun:
        """Prepare the register for phase estimation on the Grover operator."""
        a, c = (encoded(x, HALF) for x in self._vectors)
        return RegisterRun(a, c, self._courier)

    def _run(self, circuit: Circuit, times: int) -> float:
        workers = [encoded(x, circuit.reference) for x in self._vectors]
        state = workers[0].copy()
        if circuit.phases is not None:
            state = state.astype(np.result_type(state, np.complex64))
        holder = 0
        for crossing in range(circuit.passes):
            self._courier.carry(holder, times=times)
            holder = 1 - holder
            if crossing < circuit.passes - 1:
                phase = math.pi if circuit.phases is None else circuit.phases[crossing]
                turn(state, workers[holder], phase)
        return float(min(1.0, abs(np.dot(workers[holder], state)) ** 2))


class RegisterRun:
    """Phase estimation on one register that is kept, and collapses, from test to test."""

    __slots__ = ("_courier", "_state", "_workers")

    def __init__(self, a: NDArray[Any], c: NDArray[Any], courier: Courier) -> None:
        self._workers, self._courier = (a, c), courier
        self._state = a.astype(np.result_type(a, np.complex64))

    def tests(
        self, powers: NDArray[np.int64], shots: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Zeros among Hadamard tests, as :meth:`qring.conflict.plane.PlaneRun.tests`."""
        counts = np.zeros((2, len(powers)), np.int64)
        for level, (power, times) in enumerate(zip(powers.tolist(), shots.tolist(), strict=True)):
            for quadrature in (0, 1):
                for _ in range(times):
                    counts[quadrature, level] += self._test(power, quadrature, rng)
        return counts[0], counts[1]

    def _test(self, power: int, quadrature: int, rng: np.random.Generator) -> bool:
        """Apply G^power where the ancilla is 1, measure the ancilla, and keep what is left."""
        a, c = self._workers
        controlled = self._state.copy()
        for _ in range(power):
            self._courier.carry(0, ancillas=1)
            turn(controlled, c, math.pi)
            self._courier.carry(1, ancillas=1)
            turn(controlled, a, math.pi)
        if quadrature:
            controlled *= -1j
        zero = (self._state + controlled) / 2
        weight = float(np.vdot(zero, zero).real)
        outcome = rng.random() < weight
        if not outcome:
            zero = (self._state - controlled) / 2
            weight = float(np.vdot(zero, zero).real)
        self._state = zero / math.sqrt(weight)
        return outcome


def encoded(unit: NDArray[Any], reference: float) -> NDArray[Any]:
    """The state (√(1−w)·x, √w) that a worker prepares; shape (d+1,), in the type of ``unit``."""
    state = np.empty(len(unit) + 1, unit.dtype)
    np.multiply(unit, unit.dtype.type(math.sqrt(1 - reference)), out=state[:-1])
    state[-1] = math.sqrt(reference)
    return state


def turn(state: NDArray[Any], vector: NDArray[Any], phase: float) -> None:
    """Apply 1 + (e^{iφ}−1)|x⟩⟨x| in place; a real reflection 1 − 2|x⟩⟨x| at φ = π."""
    factor: complex = -2.0 if phase == math.pi else np.exp(1j * phase) - 1
    state += vector * state.dtype.type(factor * np.dot(vector, state))
