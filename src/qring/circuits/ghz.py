"""GHZ copies: how they are made, phases on them, and a whole sum read digit by digit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qring.circuits.portable import CHANNEL, Bits, if_odd, import_qiskit
from qring.errors import InputError
from qring.validate import check_enum, check_whole

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

__all__ = ["GhzCopy", "PhaseDigits", "Source", "check_workers", "link_registers", "share_copy"]

_MOST_WORKERS = 8
_WIDEST = 1e6  # radians: a float is within 10⁻¹⁰ of a larger turn's remainder up to here


class Source(Enum):
    """Preparation of a copy.

    ``CHAIN``: a CX from each worker to the next. ``CONSTANT_DEPTH``: every worker starts in |+⟩,
    the parity of each two neighbours is measured on a qubit of the link between them, and X on all
    later workers undoes an odd one; two layers of CX at any size. ``PLUS``: a tampered source that
    hands |+⟩ to everybody; the phase digits then show each worker's own.
    """

    CHAIN = "chain"
    CONSTANT_DEPTH = "constant-depth"
    PLUS = "plus"


def check_workers(workers: int) -> None:
    """Refuse a number of workers that no circuit here is written for."""
    if not 2 <= workers <= _MOST_WORKERS:
        raise InputError(f"these circuits are for 2 to {_MOST_WORKERS} workers, not {workers}")


def share_copy(circuit: QuantumCircuit, nodes: Any, source: Source) -> None:  # noqa: ANN401
    """Turn ``nodes``, one qubit a worker in |0⟩, into a copy that has just arrived.

    A constant-depth copy needs the registers that :class:`GhzCopy` and :class:`PhaseDigits` add.
    """
    if source is Source.CHAIN:
        circuit.h(nodes[0])
        for before, after in pairwise(nodes):
            circuit.cx(before, after)
    else:
        circuit.h(nodes)
    if source is Source.CONSTANT_DEPTH:
        links, parities = (
            next(r for r in registers if r.name == name)
            for registers, name in ((circuit.qregs, "link"), (circuit.cregs, "parity"))
        )
        circuit.cx(nodes[:-1], links)
        circuit.cx(nodes[1:], links)
        circuit.measure(links, parities)
        circuit.reset(links)
        for link, parity in enumerate(parities):
            with circuit.if_test((parity, 1)):
                circuit.x(nodes[link + 1 :])
    circuit.barrier(nodes, label=CHANNEL)


def link_registers(workers: int, source: Source) -> list[Any]:
    """Registers that the source needs besides the workers' qubits."""
    if source is not Source.CONSTANT_DEPTH:
        return []
    from qiskit import ClassicalRegister, QuantumRegister

    return [QuantumRegister(workers - 1, "link"), ClassicalRegister(workers - 1, "parity")]


@dataclass(frozen=True, slots=True, kw_only=True)
class GhzCopy:
    """One copy: worker i applies diag(1, e^{iθᵢ}), everybody measures X.

    ``phases`` are the θᵢ in radians, one a worker. Source: paper section 3.3, definition 1.
    """

    phases: tuple[float, ...]
    source: Source = Source.CHAIN

    def __post_init__(self) -> None:
        check_workers(len(self.phases))
        check_enum("source", self.source, Source)
        if not all(map(math.isfinite, self.phases)):
            raise InputError(f"phases are finite numbers of radians, not {self.phases}")
        if max(map(abs, self.phases)) > _WIDEST:
            raise InputError(
                f"a phase of {max(self.phases, key=abs):g} radians is too large for floats to tell "
                f"its turn: give it between -2π and 2π"
            )

    def build(self) -> QuantumCircuit:
        """Qubits ``node``, bits ``outcome``, one a worker."""
        template = self.template(len(self.phases), self.source)
        phases = dict(zip(template.parameters, self.phases, strict=True))
        return template.assign_parameters(phases)

    @staticmethod
    def template(workers: int, source: Source) -> QuantumCircuit:
        """Build the circuit with parameters ``phase[i]``, in the order of the workers."""
        import_qiskit()
        from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
        from qiskit.circuit import ParameterVector

        nodes, outcome = QuantumRegister(workers, "node"), ClassicalRegister(workers, "outcome")
        circuit = QuantumCircuit(nodes, outcome, *link_registers(workers, source), name="ghz")
        share_copy(circuit, nodes, source)
        for phase, node in zip(ParameterVector("phase", workers), nodes, strict=True):
            circuit.p(phase, node)
        circuit.h(nodes)
        circuit.measure(nodes, outcome)
        return circuit

    def read(self, bits: Bits) -> NDArray[np.uint8]:
        """Parity of the outcomes, shape (shots,)."""
        return np.asarray(bits["outcome"].sum(axis=1) % 2, np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseDigits:
    """A whole sum mod 2^``sum_bits``, one copy a binary digit, lowest first, with feed-forward.

    For digit j worker i turns by π·xᵢ/2^j; worker 0 turns back by π·2^(k−j) for every lower digit k
    that was odd. ``words`` are the xᵢ. Source: docs/mathematics/ghz.md.
    """

    words: tuple[int, ...]
    sum_bits: int
    source: Source = Source.CHAIN

    def __post_init__(self) -> None:
        check_workers(len(self.words))
        check_enum("source", self.source, Source)
        for word in self.words:
            check_whole("a word", word)
        if not 1 <= self.sum_bits <= 16:
            raise InputError(f"the circuit reads sums of 1 to 16 bits, not {self.sum_bits}")
        if min(self.words) < 0:
            raise InputError(f"words are not negative, but there is {min(self.words)}")
        if max(self.words) >> self.sum_bits:
            raise InputError(f"{max(self.words)} does not fit {self.sum_bits} bits: raise sum_bits")

    def build(self) -> QuantumCircuit:
        """Qubits ``node``, used anew for each digit; bits ``digit0``, ``digit1`` and so on."""
        import_qiskit()
        from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister

        workers = len(self.words)
        nodes = QuantumRegister(workers, "node")
        shown = [ClassicalRegister(workers, f"digit{j}") for j in range(self.sum_bits)]
        circuit = QuantumCircuit(
            nodes, *shown, *link_registers(workers, self.source), name="phase-digits"
        )
        for digit in range(self.sum_bits):
            if digit:
                circuit.reset(nodes)
            share_copy(circuit, nodes, self.source)
            turns = [math.pi * (word % (2 << digit)) / (1 << digit) for word in self.words]
            for turn, node in zip(turns, nodes, strict=True):
                if turn:
                    circuit.p(turn, node)
            for lower in range(digit):
                back = -math.pi / (1 << (digit - lower))
                if_odd(circuit, shown[lower], partial(circuit.p, back, nodes[0]))
            circuit.h(nodes)
            circuit.measure(nodes, shown[digit])
        return circuit

    def read(self, bits: Bits) -> NDArray[np.int64]:
        """Sums mod 2^``sum_bits``, shape (shots,)."""
        parities = [bits[f"digit{j}"].sum(axis=1) % 2 for j in range(self.sum_bits)]
        return np.asarray(sum(p.astype(np.int64) << j for j, p in enumerate(parities)), np.int64)
