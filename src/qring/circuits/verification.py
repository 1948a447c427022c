"""Tests of GHZ copies that spend them: random stabilisers, hashed amplitude checks, Z tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.circuits.ghz import Source, check_workers, link_registers, share_copy
from qring.circuits.portable import Bits, import_qiskit
from qring.errors import InputError
from qring.validate import check_enum

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

__all__ = ["HashedCheck", "StabiliserOutcomes", "StabiliserTest", "ZTest", "turn_to"]

_LETTERS = "XYZ_"


class StabiliserOutcomes(NamedTuple):
    """One entry a shot: whether more than the identity was measured, and whether it failed."""

    tested: NDArray[np.bool_]
    failed: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class StabiliserTest:
    """Measure a stabiliser of the copy: one given, or one that public coins choose.

    ``stabiliser`` is a sign and one letter a worker, ``"+XX"`` or ``"-YXY"`` or ``"+Z_Z"``. The
    stabilisers of a GHZ state are +Z on an even-size set, and Y on an even-size set z with X
    elsewhere and the sign (−1)^(|z|/2). With ``None`` one coin chooses between the two kinds and
    others the set, uniformly; the identity is drawn once in 2ⁿ times, and then nothing is tested.
    Source: paper section 4.3; docs/mathematics/verification.md.
    """

    workers: int
    stabiliser: str | None = None
    source: Source = Source.CHAIN

    def __post_init__(self) -> None:
        check_workers(self.workers)
        check_enum("source", self.source, Source)
        if self.stabiliser is None:
            return
        sign, letters = self.stabiliser[:1], self.stabiliser[1:].replace("I", "_")
        if sign not in ("+", "-") or len(letters) != self.workers or set(letters) - set(_LETTERS):
            raise InputError(
                f"a stabiliser of {self.workers} workers is a sign and {self.workers} letters "
                f"X, Y, Z or _, like +{'X' * self.workers}; not {self.stabiliser!r}"
            )
        if sign != _sign_of(letters):
            raise InputError(f"{self.stabiliser} does not stabilise a GHZ state of +XX…X and +ZZ")

    def build(self) -> QuantumCircuit:
        """Qubits ``node``, bits ``outcome``; coins are qubits ``coin``, bits ``kind``, ``set``."""
        import_qiskit()
        from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister

        n = self.workers
        nodes, outcome = QuantumRegister(n, "node"), ClassicalRegister(n, "outcome")
        circuit = QuantumCircuit(
            nodes, outcome, *link_registers(n, self.source), name="stabiliser-test"
        )
        share_copy(circuit, nodes, self.source)
        if self.stabiliser is not None:
            turn_to(circuit, nodes, self.stabiliser[1:])
        else:
            coins = QuantumRegister(2, "coin")
            kind, chosen = ClassicalRegister(1, "kind"), ClassicalRegister(n, "set")
            circuit.add_register(coins, kind, chosen)
            _toss(circuit, coins, kind, chosen)
            for worker, node in enumerate(nodes):
                with circuit.if_test((kind[0], 1)):
                    with circuit.if_test((chosen[worker], 1)):
                        circuit.sdg(node)
                    circuit.h(node)
        circuit.measure(nodes, outcome)
        return circuit

    def read(self, bits: Bits) -> StabiliserOutcomes:
        """Shots that tested a stabiliser, and shots that failed."""
        outcome = bits["outcome"].astype(np.int64)
        if self.stabiliser is not None:
            letters = self.stabiliser[1:].replace("I", "_")
            counted = np.array([letter != "_" for letter in letters], np.int64)
            odd = (outcome @ counted + (self.stabiliser[0] == "-")) % 2
            return StabiliserOutcomes(np.full(len(odd), counted.any()), odd == 1)
        phased, chosen = bits["kind"][:, 0] == 1, bits["set"].astype(np.int64)
        size = chosen.sum(axis=1)
        counted = np.where(phased[:, None], 1, chosen)
        minus = np.where(phased, size // 2 % 2, 0)
        odd = ((outcome * counted).sum(axis=1) + minus) % 2
        return StabiliserOutcomes(phased | (size > 0), odd == 1)


def turn_to(circuit: QuantumCircuit, nodes: Any, letters: str) -> None:  # noqa: ANN401
    """Turn the bases of X and Y, one letter a worker, to Z."""
    for letter, node in zip(letters, nodes, strict=True):
        if letter == "Y":
            circuit.sdg(node)
        if letter in "XY":
            circuit.h(node)


def _toss(circuit: QuantumCircuit, coins: Any, kind: Any, chosen: Any) -> None:  # noqa: ANN401
    """Draw a fair bit ``kind`` and a uniformly random ``chosen`` set of even size.

    One qubit is tossed again and again; the other keeps the parity of what fell.
    """
    coin, parity = coins
    circuit.h(coin)
    circuit.measure(coin, kind[0])
    for bit in chosen[:-1]:
        circuit.reset(coin)
        circuit.h(coin)
        circuit.cx(coin, parity)
        circuit.measure(coin, bit)
    circuit.measure(parity, chosen[-1])


def _sign_of(letters: str) -> str | None:
    """Sign with which these letters stabilise the GHZ state, None if they do not."""
    ys, zs = letters.count("Y"), letters.count("Z")
    if set(letters) <= set("Z_"):
        return "+" if zs % 2 == 0 else None
    if set(letters) <= set("XY") and ys % 2 == 0:
        return "-" if ys // 2 % 2 else "+"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class HashedCheck:
    """One hashed amplitude check: a random subset of copies, folded into a fresh one.

    Every worker applies CX from its qubit of each chosen copy to its qubit of the check copy and
    measures that in Z. All outcomes are equal if no chosen copy has an amplitude error; one
    check misses any pattern of errors with probability ½ over the subset. ``subset`` says for
    each data copy whether public coins chose it. Source: docs/mathematics/verification.md.
    """

    workers: int
    subset: tuple[bool, ...]
    source: Source = Source.CHAIN

    def __post_init__(self) -> None:
        check_workers(self.workers)
        check_enum("source", self.source, Source)
        if not 1 <= len(self.subset) <= 8:
            raise InputError(f"the circuit checks 1 to 8 copies, not {len(self.subset)}")

    def build(self) -> QuantumCircuit:
        """Qubits ``copy0``, ``copy1``, … and ``check``; bits ``outcome``. Data copies are kept."""
        import_qiskit()
        from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister

        n = self.workers
        copies = [QuantumRegister(n, f"copy{k}") for k in range(len(self.subset))]
        check, outcome = QuantumRegister(n, "check"), ClassicalRegister(n, "outcome")
        circuit = QuantumCircuit(
            *copies, check, outcome, *link_registers(n, self.source), name="hashed-check"
        )
        for copy in (*copies, check):
            share_copy(circuit, copy, self.source)
        for copy, chosen in zip(copies, self.subset, strict=True):
            if chosen:
                circuit.cx(copy, check)
        circuit.measure(check, outcome)
        return circuit

    def read(self, bits: Bits) -> NDArray[np.bool_]:
        """Whether the check passed, shape (shots,)."""
        return _all_equal(bits["outcome"])


@dataclass(frozen=True, slots=True, kw_only=True)
class ZTest:
    """Measure a copy in Z, as the offline masks test a random fraction of theirs.

    All outcomes are equal unless the copy has an amplitude error. Source:
    docs/mathematics/verification.md.
    """

    workers: int
    source: Source = Source.CHAIN

    def __post_init__(self) -> None:
        check_workers(self.workers)
        check_enum("source", self.source, Source)

    def build(self) -> QuantumCircuit:
        """Qubits ``node``, bits ``outcome``, one a worker."""
        import_qiskit()
        from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister

        nodes = QuantumRegister(self.workers, "node")
        outcome = ClassicalRegister(self.workers, "outcome")
        circuit = QuantumCircuit(
            nodes, outcome, *link_registers(self.workers, self.source), name="z-test"
        )
        share_copy(circuit, nodes, self.source)
        circuit.measure(nodes, outcome)
        return circuit

    def read(self, bits: Bits) -> NDArray[np.bool_]:
        """Whether the test passed, shape (shots,)."""
        return _all_equal(bits["outcome"])


def _all_equal(outcome: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray((outcome == outcome[:, :1]).all(axis=1))
