"""Gate set of circuits that every exporter and every device can follow.

One-qubit gates, CX, measurements, resets, delays, and ``if`` on single bits, nested where more than
one bit decides: no operator ever stands in a condition. Registers are named after what they hold;
qubit i of a register over workers, and bit i of what it measures, belong to worker i.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

__all__ = [
    "CHANNEL",
    "SENT",
    "Bits",
    "ProtocolCircuit",
    "if_odd",
    "import_qiskit",
    "spelled_out",
    "unit_vector",
]

Bits = Mapping[str, NDArray[np.uint8]]
"""Outcomes by classical register, 0 or 1, shape (shots, bits of the register)."""

CHANNEL, SENT = "channel", "sent"
"""Labels of barriers where qubits of a shared state arrive, and where an encoded qubit does."""

_BASIS = ["h", "x", "z", "s", "sdg", "p", "u", "cx", "measure", "reset", "delay", "if_else"]


class ProtocolCircuit(Protocol):
    """A circuit as a frozen value: what it is built from, and how its outcomes are read."""

    def build(self) -> QuantumCircuit:
        """Write the circuit down for Qiskit."""

    def read(self, bits: Bits) -> Any:  # noqa: ANN401 - each protocol reads something else
        """Turn outcomes, one row a shot, into what the protocol learns from them."""


def import_qiskit() -> Any:  # noqa: ANN401 - an optional module
    """Import Qiskit, or say which extra brings it."""
    try:
        import qiskit
    except ImportError:
        raise MissingExtraError("building circuits", "qiskit") from None
    return qiskit


def if_odd(circuit: QuantumCircuit, bits: Sequence[Any], body: Callable[[], object]) -> None:
    """Do ``body`` where an odd number of ``bits`` is set: a nest of ``if`` on single bits.

    ``body`` is written down 2^(bits−1) times.
    """
    _where(circuit, list(bits), True, body)


def _where(circuit: QuantumCircuit, bits: list[Any], odd: bool, body: Callable[[], object]) -> None:
    if len(bits) == 1 and odd:
        with circuit.if_test((bits[0], 1)):
            body()
        return
    with circuit.if_test((bits[0], 1)) as otherwise:
        if len(bits) > 1:
            _where(circuit, bits[1:], not odd, body)
    with otherwise:
        if len(bits) > 1:
            _where(circuit, bits[1:], odd, body)
        else:
            body()


def spelled_out(circuit: QuantumCircuit) -> QuantumCircuit:
    """The same circuit in portable gates; a diagonal or a state on k qubits takes about 2^k."""
    from qiskit import transpile

    return transpile(circuit, basis_gates=_BASIS, optimization_level=1, seed_transpiler=0)


def unit_vector(values: Sequence[float], what: str) -> NDArray[np.float64]:
    """Scale real numbers to length 1, shape (d,).

    Raises:
        InputError: not a vector of finite numbers, or all of them zero.
    """
    vector = np.asarray(values, np.float64)
    largest = float(np.abs(vector).max(initial=0))
    if 0 < largest < np.inf:
        vector = np.ldexp(vector, -int(np.frexp(largest)[1]))  # squares neither overflow nor vanish
    length = float(np.linalg.norm(vector)) if vector.ndim == 1 and len(vector) else 0.0
    if not np.isfinite(length) or length == 0:
        raise InputError(f"{what} must be a vector of finite numbers that are not all zero")
    return np.asarray(vector / length)
