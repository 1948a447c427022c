"""SubspaceAudit: the server's state and the client's measurement {P, 1 − P}, as circuits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qring.circuits.portable import CHANNEL, SENT, Bits, import_qiskit, spelled_out
from qring.errors import InputError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

__all__ = ["SubspaceCopy", "TangentCopy"]

_MOST_COORDS = 256


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SubspaceCopy:
    """One copy of Σ g_i|i⟩/|g|; the client turns W into the first k basis states and measures.

    ``vector`` has shape (d,), ``basis`` orthonormal rows (k, d). A copy is inside W if the value
    that is measured is below k.
    """

    vector: NDArray[Any]
    basis: NDArray[Any]

    def __post_init__(self) -> None:
        _check_vector(self.vector, len(self.vector))
        rows = self.basis
        if rows.ndim != 2 or rows.shape[1] != len(self.vector) or not 0 < len(rows) < rows.shape[1]:
            raise InputError(
                f"a basis has shape (k, {len(self.vector)}), 0 < k < d, not {rows.shape}"
            )
        if np.abs(rows @ rows.T - np.eye(len(rows))).max() > 1e-8:
            raise InputError("the rows of the basis must be orthonormal")

    @property
    def qubits(self) -> int:
        """⌈log2 d⌉."""
        return max(1, (len(self.vector) - 1).bit_length())

    def build(self) -> QuantumCircuit:
        """Qubits ``state``, bits ``outcome``, lowest first."""
        import_qiskit()
        from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister

        state = QuantumRegister(self.qubits, "state")
        outcome = ClassicalRegister(self.qubits, "outcome")
        circuit = QuantumCircuit(state, outcome, name="subspace-audit")
        _prepare(circuit, self.vector, list(state))
        wide = np.zeros((len(self.basis), 1 << self.qubits))
        wide[:, : len(self.vector)] = self.basis
        circuit.unitary(_completed(wide), state)
        circuit.measure(state, outcome)
        return spelled_out(circuit)

    def read(self, bits: Bits) -> NDArray[np.bool_]:
        """Whether each copy was found inside."""
        value = bits["outcome"].astype(np.int64) @ (1 << np.arange(self.qubits))
        return np.asarray(value < len(self.basis))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TangentCopy:
    """The same for an adapter's tangent space: local turns of the rows' and the columns' qubits.

    ``matrix`` (n1, n2) with both sizes powers of two; ``rows`` (n1, r) and ``columns`` (n2, s) of
    orthonormal columns. U becomes the first r basis states of the rows' register and V the first s
    of the columns'; a copy is inside if either value is below its rank: no gate joins the two.
    """

    matrix: NDArray[Any]
    rows: NDArray[Any]
    columns: NDArray[Any]

    def __post_init__(self) -> None:
        n1, n2 = self.matrix.shape
        _check_vector(self.matrix.reshape(-1), n1 * n2)
        for size, basis in ((n1, self.rows), (n2, self.columns)):
            if size < 2 or size & (size - 1):
                raise InputError(f"a matrix of {n1}x{n2} does not fill qubits; use powers of two")
            if basis.shape[0] != size or not 0 < basis.shape[1] < size:
                raise InputError(f"a basis {basis.shape} does not fit {size} rows or columns")

    def build(self) -> QuantumCircuit:
        """Qubits ``columns`` and ``rows``, bits of the same names, lowest first."""
        import_qiskit()
        from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister

        n1, n2 = self.matrix.shape
        registers = {
            name: QuantumRegister(size.bit_length() - 1, name)
            for name, size in (("columns", n2), ("rows", n1))
        }
        told = {
            name: ClassicalRegister(len(register), f"{name}_told")
            for name, register in registers.items()
        }
        circuit = QuantumCircuit(*registers.values(), *told.values(), name="tangent-audit")
        _prepare(circuit, self.matrix.reshape(-1), [*registers["columns"], *registers["rows"]])
        for name, basis in (("columns", self.columns), ("rows", self.rows)):
            circuit.unitary(_completed(basis.T), registers[name])
            circuit.measure(registers[name], told[name])
        return spelled_out(circuit)

    def read(self, bits: Bits) -> NDArray[np.bool_]:
        """Whether each copy was found inside."""

        def value(name: str) -> NDArray[np.int64]:
            told = bits[f"{name}_told"].astype(np.int64)
            return np.asarray(told @ (1 << np.arange(told.shape[1])))

        ranks = self.rows.shape[1], self.columns.shape[1]
        return np.asarray((value("rows") < ranks[0]) | (value("columns") < ranks[1]))


def _check_vector(vector: NDArray[Any], coords: int) -> None:
    if vector.ndim != 1 or not 2 <= coords <= _MOST_COORDS:
        raise InputError(f"the circuit is for 2 to {_MOST_COORDS} coordinates, not {coords}")
    if not np.isfinite(vector).all() or not np.any(vector):
        raise InputError("a vector of zeros, or one that is not finite, has no state")


def _prepare(circuit: QuantumCircuit, vector: NDArray[Any], qubits: list[Any]) -> None:
    from qiskit.circuit.library import StatePreparation

    amplitudes = np.zeros(1 << len(qubits))
    amplitudes[: len(vector)] = vector / math.sqrt(float(vector @ vector))
    circuit.append(StatePreparation(amplitudes / np.linalg.norm(amplitudes)), qubits)
    circuit.barrier(qubits, label=SENT)
    circuit.barrier(qubits, label=CHANNEL)


def _completed(rows: NDArray[Any]) -> NDArray[np.float64]:
    """An orthogonal matrix whose first rows are these."""
    count = len(rows)
    full, triangle = np.linalg.qr(rows.T.astype(np.float64), mode="complete")
    turned: NDArray[np.float64] = full.T.copy()
    turned[:count] *= np.sign(np.diag(triangle))[:, None]
    return turned
