"""GapIP: one register that two workers pass to and fro and reflect, and how its phase is read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qring.circuits.portable import SENT, Bits, import_qiskit, spelled_out, unit_vector
from qring.errors import InputError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

__all__ = ["GapIPPasses", "GapIPPhase"]

_MOST_COORDS = 63
_Vectors = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GapIPPasses:
    """The register crosses ``len(phases) + 1`` times; no ancilla.

    Worker 0 prepares (√(1−w)·u, √w), w = ``reference``. Between crossings the worker that holds
    it, worker 1 first, applies 1 + (e^{iφ}−1)|x⟩⟨x| for its own encoded vector x, φ = π being the
    plain reflection. The last one accepts if it finds its own vector. ``vectors`` are u and v, of
    any length but 0. Source: docs/mathematics/conflict.md.
    """

    vectors: _Vectors
    phases: tuple[float, ...] = (math.pi, math.pi)
    reference: float = 0.5

    def __post_init__(self) -> None:
        _check(self.vectors)
        if not 0 <= self.reference < 1:
            raise InputError(f"the reference weight lies in [0, 1), not at {self.reference}")

    def build(self) -> QuantumCircuit:
        """Qubits ``state``, bits ``outcome``: all zero where the last worker accepts."""
        import_qiskit()
        from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister

        qubits = _qubits(self.vectors)
        state, outcome = QuantumRegister(qubits, "state"), ClassicalRegister(qubits, "outcome")
        circuit = QuantumCircuit(state, outcome, name="gap-ip")
        workers = [_preparation(x, self.reference) for x in self.vectors]
        circuit.append(workers[0], state)
        holder = 0
        for crossing in range(len(self.phases) + 1):
            circuit.barrier(state, label=SENT)
            holder = 1 - holder
            if crossing < len(self.phases):
                _turn(circuit, state, workers[holder], self.phases[crossing])
        circuit.append(workers[holder].inverse(), state)
        circuit.measure(state, outcome)
        return spelled_out(circuit)

    def read(self, bits: Bits) -> NDArray[np.bool_]:
        """Whether the last worker accepted, shape (shots,)."""
        return np.asarray(~bits["outcome"].any(axis=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class GapIPPhase:
    """Iterative estimation of the Grover operator's eigenphase ±2θ to ``digits`` binary digits.

    One ancilla, measured and reset for every digit, lowest first; each outcome turns the ancilla
    back in the tests that follow. cos θ = (1+s)/2 of the unit vectors' inner product s.
    Source: paper appendix D.4; Kitaev, quant-ph/9511026; Griffiths and Niu, PRL 76, 3228 (1996).
    """

    vectors: _Vectors
    digits: int = 3

    def __post_init__(self) -> None:
        _check(self.vectors)
        if not 1 <= self.digits <= 8:
            raise InputError(f"the circuit estimates 1 to 8 digits, not {self.digits}")

    def build(self) -> QuantumCircuit:
        """Qubits ``state`` and ``ancilla``; bits ``digits``, lowest digit first."""
        import_qiskit()
        from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister

        state = QuantumRegister(_qubits(self.vectors), "state")
        ancilla, phase = QuantumRegister(1, "ancilla"), ClassicalRegister(self.digits, "digits")
        circuit = QuantumCircuit(state, ancilla, phase, name="gap-ip-phase")
        a, c = (_preparation(x, 0.5) for x in self.vectors)
        circuit.append(a, state)
        for digit in range(self.digits):
            if digit:
                circuit.reset(ancilla)
            circuit.h(ancilla)
            for _ in range(1 << (self.digits - 1 - digit)):
                # G = R_a R_c with R_x = 2|x⟩⟨x| − 1; the two signs cancel.
                for vector in (c, a):
                    circuit.barrier([*state, *ancilla], label=SENT)
                    _turn(circuit, state, vector, math.pi, control=ancilla[0])
            for lower in range(digit):
                with circuit.if_test((phase[lower], 1)):
                    circuit.p(-math.pi / (1 << (digit - lower)), ancilla[0])
            circuit.h(ancilla)
            circuit.measure(ancilla[0], phase[digit])
        return spelled_out(circuit)

    def read(self, bits: Bits) -> NDArray[np.float64]:
        """Estimated eigenphase in [0, 2π), in steps of 2π/2^digits; shape (shots,)."""
        value = bits["digits"].astype(np.int64) @ (1 << np.arange(self.digits))
        return np.asarray(value * (2 * math.pi / (1 << self.digits)), np.float64)


def _check(vectors: _Vectors) -> None:
    coords = [len(vector) for vector in vectors]
    if len(coords) != 2 or coords[0] != coords[1] or not 1 <= coords[0] <= _MOST_COORDS:
        raise InputError(
            f"the circuit is for two vectors of 1 to {_MOST_COORDS} coordinates, not {coords}"
        )
    for name, vector in zip("uv", vectors, strict=True):
        unit_vector(vector, name)


def _qubits(vectors: _Vectors) -> int:
    """⌈log2(d+1)⌉: the amplitudes and the reference."""
    return len(vectors[0]).bit_length()


def _preparation(vector: tuple[float, ...], reference: float) -> Any:  # noqa: ANN401
    """Gate that makes (√(1−w)·x, √w) from |0…0⟩."""
    from qiskit.circuit.library import StatePreparation

    unit = unit_vector(vector, "a worker's vector")
    state = np.zeros(1 << len(unit).bit_length())
    state[: len(unit)] = math.sqrt(1 - reference) * unit
    state[len(unit)] = math.sqrt(reference)
    return StatePreparation(state)


def _turn(
    circuit: QuantumCircuit,
    state: Any,  # noqa: ANN401
    preparation: Any,  # noqa: ANN401
    phase: float,
    control: Any = None,  # noqa: ANN401
) -> None:
    """Apply 1 + (e^{iφ}−1)|x⟩⟨x|, on condition of a qubit if one is given.

    Undo x's preparation, turn |0…0⟩, prepare again; only the turn needs the condition.
    """
    circuit.append(preparation.inverse(), state)
    circuit.x(state)
    qubits = [*state] if control is None else [control, *state]
    if len(qubits) == 1:
        circuit.p(phase, qubits[0])
    else:
        circuit.mcp(phase, qubits[:-1], qubits[-1])
    circuit.x(state)
    circuit.append(preparation, state)
