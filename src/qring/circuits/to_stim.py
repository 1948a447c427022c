"""Circuits for stim: the Clifford ones, with Pauli noise where shared states arrive."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qring.circuits.portable import CHANNEL, Bits
from qring.errors import InputError, MissingExtraError
from qring.network.noise import NOISELESS, BellDiagonal

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from stim import Circuit

__all__ = ["StimProgram", "to_stim"]

_GATES = {"h": "H", "x": "X", "z": "Z", "s": "S", "sdg": "S_DAG", "cx": "CX", "reset": "R"}
_QUARTER_TURNS = ("I", "S", "Z", "S_DAG")


@dataclass(frozen=True, slots=True, kw_only=True)
class StimProgram:
    """A stim circuit, and which of its measurements each bit of each register is."""

    circuit: Circuit
    places: dict[str, list[int]]

    def sample(self, shots: int, seed: int) -> Bits:
        """Outcomes by register, as any other sampler gives them."""
        found = self.circuit.compile_sampler(seed=seed).sample(shots).astype(np.uint8)
        return {name: found[:, columns] for name, columns in self.places.items()}


def to_stim(circuit: QuantumCircuit, noise: BellDiagonal = NOISELESS) -> StimProgram:
    """Translate a circuit; ``noise`` strikes every qubit at a barrier labelled ``channel``.

    ``if`` becomes a Pauli controlled by a measurement; delays and barriers become ``TICK``.

    Raises:
        InputError: the circuit is not Clifford, or a condition does more than apply X or Z.
        MissingExtraError: stim is not installed.
    """
    try:
        import stim
    except ImportError:
        raise MissingExtraError("exporting to stim", "stim") from None
    program, places = stim.Circuit(), dict[Any, int]()
    wires = {qubit: k for k, qubit in enumerate(circuit.qubits)}
    for step in circuit.data:
        name, targets = step.operation.name, [wires[qubit] for qubit in step.qubits]
        if name in _GATES:
            program.append(_GATES[name], targets)
        elif name == "p":
            program.append(_phase_gate(float(step.operation.params[0])), targets)
        elif name == "measure":
            places[step.clbits[0]] = program.num_measurements
            program.append("M", targets)
        elif name == "barrier":
            program.append("TICK")
            if step.operation.label == CHANNEL and noise.error_probability > 0:
                program.append("PAULI_CHANNEL_1", targets, (noise.x, noise.y, noise.z))
        elif name == "delay":
            program.append("TICK")
        elif name == "if_else":
            _controlled(program, stim, step, wires, places)
        else:
            raise InputError(
                f"stim has no {name!r}; it carries Clifford circuits only. Export this one as qasm3"
            )
    return StimProgram(
        circuit=program,
        places={
            register.name: [places[bit] for bit in register if bit in places]
            for register in circuit.cregs
        },
    )


def _phase_gate(angle: float) -> str:
    """The Clifford gate that turns by ``angle``."""
    turns = angle / (math.pi / 2)
    if abs(turns - round(turns)) > 1e-9:
        raise InputError(
            f"a turn by {angle:.6g} is not Clifford, and stim carries Clifford circuits only; use "
            "phases in multiples of π/2, or export as qasm3"
        )
    return _QUARTER_TURNS[round(turns) % 4]


def _controlled(program: Any, stim: Any, step: Any, wires: Any, places: Any) -> None:  # noqa: ANN401
    """Paulis on condition that a measured bit was 1."""
    bit, wanted = step.operation.condition
    body, *otherwise = (block for block in step.operation.blocks if block is not None)
    outer = dict(zip(body.qubits, step.qubits, strict=True))
    for inner in body.data:
        gate = inner.operation.name
        if gate not in ("x", "z") or int(wanted) != 1 or otherwise or bit not in places:
            raise InputError(
                "stim can apply X and Z on condition of an outcome, and nothing else; fix the "
                "choice (a stabiliser test: --stabiliser), or export as qasm3"
            )
        record = stim.target_rec(places[bit] - program.num_measurements)
        for qubit in inner.qubits:
            program.append("C" + gate.upper(), [record, wires[outer[qubit]]])
