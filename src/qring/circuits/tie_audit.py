"""TieAudit: the server's phase state and the client's matching measurement."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.circuits.portable import CHANNEL, SENT, Bits, import_qiskit, spelled_out
from qring.errors import InputError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

__all__ = ["PairOutcomes", "TieAuditCopy"]

_MOST_COORDS = 256


class PairOutcomes(NamedTuple):
    """One entry a shot: the pair that was hit (−1: none), and whether its signs differ."""

    pair: NDArray[np.int64]
    differs: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class TieAuditCopy:
    """One copy of d^{−1/2} Σ (−1)^{x_i} |i⟩, measured in (|i⟩±|j⟩)/√2 over the client's pairs.

    ``signs`` are ±1, one a coordinate; ``pairs`` are disjoint pairs of coordinates. The client
    moves pair t to the basis states 2t and 2t+1, applies H to the lowest qubit and measures: t
    comes out, and 1 if the signs differ. Source: paper theorem 5, appendix C.3.
    """

    signs: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        coords = len(self.signs)
        if not 2 <= coords <= _MOST_COORDS:
            raise InputError(f"the circuit is for 2 to {_MOST_COORDS} coordinates, not {coords}")
        if set(self.signs) - {1, -1}:
            raise InputError("signs are +1 or -1")
        named = [i for pair in self.pairs for i in pair]
        if not named or not set(named) <= set(range(coords)) or len(set(named)) < len(named):
            raise InputError(f"pairs are one or more disjoint pairs of coordinates 0..{coords - 1}")

    @property
    def qubits(self) -> int:
        """⌈log2 d⌉."""
        return (len(self.signs) - 1).bit_length()

    def build(self) -> QuantumCircuit:
        """Qubits ``state``, bits ``outcome``, lowest first."""
        import_qiskit()
        from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
        from qiskit.circuit.library import DiagonalGate, StatePreparation

        size, coords = 1 << self.qubits, len(self.signs)
        state, outcome = (
            QuantumRegister(self.qubits, "state"),
            ClassicalRegister(self.qubits, "outcome"),
        )
        circuit = QuantumCircuit(state, outcome, name="tie-audit")
        if coords == size:
            circuit.h(state)
        else:
            uniform = np.where(np.arange(size) < coords, 1 / math.sqrt(coords), 0.0)
            circuit.append(StatePreparation(uniform), state)
        signs = np.ones(size)
        signs[:coords] = self.signs
        circuit.append(DiagonalGate(signs.tolist()), state)
        circuit.barrier(state, label=SENT)
        circuit.barrier(state, label=CHANNEL)
        places = self._places()
        if places != list(range(size)):
            move = np.zeros((size, size))
            move[np.arange(size), places] = 1
            circuit.unitary(move, state)
        circuit.h(state[0])
        circuit.measure(state, outcome)
        return spelled_out(circuit)

    def _places(self) -> list[int]:
        """Coordinates in the order of the basis states they are moved to: pairs first."""
        tied = [i for pair in self.pairs for i in pair]
        return tied + sorted(set(range(1 << self.qubits)) - set(tied))

    def read(self, bits: Bits) -> PairOutcomes:
        """Pairs hit, and whether their signs differ."""
        value = bits["outcome"].astype(np.int64) @ (1 << np.arange(self.qubits))
        pair = np.where(value >> 1 < len(self.pairs), value >> 1, -1)
        return PairOutcomes(pair, (pair >= 0) & (value & 1 == 1))
