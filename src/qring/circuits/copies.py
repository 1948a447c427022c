"""GHZ copies of the network's kinds as circuits: tampered with or struck by noise on their way."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from qring.circuits.ghz import Source, link_registers, share_copy
from qring.circuits.portable import import_qiskit
from qring.circuits.verification import turn_to
from qring.network.copies import Kind, Tampered, random_patterns

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

__all__ = ["Prepared", "measured_in", "prepared", "with_phases"]

_BASIS = -1
"""Not a kind of the network's: a basis state, which is what an eavesdropper's halves leave."""


class Prepared(NamedTuple):
    """Preparation of one copy: see :mod:`qring.network.copies`; ``kind`` GHZ, PRODUCT or −1.

    A mixture is drawn before it is run: ``DEPHASED`` is a GHZ copy turned by 0 or π, and
    ``HALVES``, whose other halves are not run, are a random basis state.
    """

    kind: int
    bits: int
    turn: float


_PERFECT = Prepared(Kind.GHZ, 0, 0.0)


def prepared(
    count: int, workers: int, tampered: Tampered, rng: np.random.Generator
) -> list[Prepared]:
    """Preparation of each of ``count`` copies."""
    copies = [_PERFECT] * count
    coins = rng.integers(2, size=len(tampered))
    loose = random_patterns(len(tampered), workers, rng)
    for k, where in enumerate(tampered.where.tolist()):
        kind, turn = Kind(tampered.kind[k]), float(tampered.turn[k])
        if kind is Kind.HALVES:
            copies[where] = Prepared(_BASIS, int(loose[k]), 0.0)
        elif kind is Kind.DEPHASED:
            copies[where] = Prepared(Kind.GHZ, int(tampered.bits[k]), math.pi * int(coins[k]))
        else:
            copies[where] = Prepared(kind, int(tampered.bits[k]), turn)
    return copies


def with_phases(workers: int, source: Source, kind: int, bits: int) -> QuantumCircuit:
    """A copy with parameters ``angle`` and ``phase[i]``, measured in X."""
    circuit, nodes, outcome = _shared(workers, source, kind, bits)
    from qiskit.circuit import ParameterVector

    for phase, node in zip(ParameterVector("phase", workers), nodes, strict=True):
        circuit.p(phase, node)
    circuit.h(nodes)
    circuit.measure(nodes, outcome)
    return circuit


def measured_in(letters: str, source: Source, kind: int, bits: int) -> QuantumCircuit:
    """A copy with the parameter ``angle``, measured in the bases of ``letters``, one a worker."""
    circuit, nodes, outcome = _shared(len(letters), source, kind, bits)
    turn_to(circuit, nodes, letters)
    circuit.measure(nodes, outcome)
    return circuit


def _shared(workers: int, source: Source, kind: int, bits: int) -> tuple[Any, Any, Any]:
    """A circuit in which the copy has just arrived; ``angle`` is its first parameter."""
    import_qiskit()
    from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
    from qiskit.circuit import Parameter

    nodes, outcome = QuantumRegister(workers, "node"), ClassicalRegister(workers, "outcome")
    circuit = QuantumCircuit(nodes, outcome, *link_registers(workers, source), name="copy")
    turn = Parameter("angle")  # sorts before "phase"
    if kind == Kind.GHZ:
        share_copy(circuit, nodes, source)
        circuit.p(turn, nodes[0])
    elif kind == Kind.PRODUCT:
        circuit.h(nodes)
        circuit.p(turn, nodes)
    else:
        circuit.p(turn, nodes[0])  # of |0⟩: nothing
    for worker, node in enumerate(nodes):
        if bits >> worker & 1:
            if kind == Kind.PRODUCT:
                circuit.z(node)
            else:
                circuit.x(node)
    return circuit, nodes, outcome
