"""Superdense coding of two bits on one pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qring.circuits.portable import CHANNEL, SENT, Bits, import_qiskit
from qring.errors import InputError
from qring.validate import check_real

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

__all__ = ["SuperdensePair"]


_LONGEST_S = 1e6
"""No memory stores for longer; formats of circuits could not write it down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuperdensePair:
    """Share Φ+, store both halves, apply Z^b1 X^b2 to the sender's, send it, measure in Bell basis.

    ``label`` is 2·b1 + b2, as in :mod:`qring.encoding.superdense`; ``storage_s`` is the time in
    seconds that the pair waits before it is used, and ``fault`` the label of a Pauli error that
    strikes the sender's half on its way. Source: paper section 3.2.
    """

    label: int = 0
    storage_s: float = 0.0
    fault: int = 0

    def __post_init__(self) -> None:
        if self.label not in range(4) or self.fault not in range(4):
            raise InputError(
                f"labels and faults are 0, 1, 2 or 3 (two bits), not {self.label} and {self.fault}"
            )
        check_real("the seconds that a pair is stored", self.storage_s, least=0, most=_LONGEST_S)

    def build(self) -> QuantumCircuit:
        """Qubits ``half`` (sender, receiver), bits ``bits`` (b1, b2)."""
        import_qiskit()
        from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister

        half, bits = QuantumRegister(2, "half"), ClassicalRegister(2, "bits")
        circuit = QuantumCircuit(half, bits, name="superdense")
        sender, receiver = half
        circuit.h(sender)
        circuit.cx(sender, receiver)
        circuit.barrier(sender, label=CHANNEL)
        _pauli(circuit, sender, self.fault)
        if self.storage_s:
            circuit.delay(self.storage_s * 1e6, half, unit="us")
        _pauli(circuit, sender, self.label)
        circuit.barrier(sender, label=SENT)
        circuit.cx(sender, receiver)
        circuit.h(sender)
        circuit.measure(half, bits)
        return circuit

    def read(self, bits: Bits) -> NDArray[np.uint8]:
        """Labels that the receiver finds, shape (shots,)."""
        return np.asarray(2 * bits["bits"][:, 0] + bits["bits"][:, 1], np.uint8)


def _pauli(circuit: QuantumCircuit, qubit: Any, label: int) -> None:  # noqa: ANN401
    """Apply Z^b1 X^b2 for label 2·b1 + b2."""
    if label & 1:
        circuit.x(qubit)
    if label & 2:
        circuit.z(qubit)
