"""GHZ copies as qubits in a memory: how they are made, and measured in X, Y or Z."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.network.copies import Kind, Tampered
from qring.network.dense.memory import ONE, H, Matrix, Memory, X, Y, Z, ghz_state, kraus, phase
from qring.network.noise import PERFECT_QUBITS, QubitNoise
from qring.network.supply import RanOutError

__all__ = ["DenseCopy", "DenseSupply", "eigenvalue", "measure", "measure_x", "receive"]


class DenseCopy(NamedTuple):
    """A copy in the workers' hands: one qubit each, and its number when it was shared."""

    memory: Memory
    qubits: tuple[int, ...]
    origin: int


def receive(
    memory: Memory,
    count: int,
    workers: int,
    noise: QubitNoise,
    tampered: Tampered,
    rng: np.random.Generator,
) -> list[DenseCopy]:
    """Put ``count`` copies into the memory; noise strikes those that nobody tampered with."""
    hers = dict(zip(tampered.where.tolist(), range(len(tampered)), strict=True))
    channels = kraus(noise)
    copies: list[DenseCopy] = []
    last: tuple[int, ...] | None = None  # a copy just like the next one
    for number in range(count):
        if number in hers:
            place = hers[number]
            qubits = _tampered(
                memory,
                workers,
                Kind(int(tampered.kind[place])),
                int(tampered.bits[place]),
                float(tampered.turn[place]),
                rng,
            )
        elif last is not None:
            qubits = memory.again(last)
        else:
            qubits = memory.add(ghz_state(workers))
            for qubit in qubits:
                memory.strike(channels, qubit)
            last = qubits if memory.mixed or not channels else None
        copies.append(DenseCopy(memory, qubits, number))
    return copies


def _tampered(
    memory: Memory, workers: int, kind: Kind, bits: int, turn: float, rng: np.random.Generator
) -> tuple[int, ...]:
    """Put in the state that :mod:`qring.network.copies` says this copy is."""
    pattern = [bits >> worker & 1 for worker in range(workers)]
    if kind is Kind.HALVES:  # whose other halves stay in the memory, and nobody touches them
        return tuple(memory.add(np.eye(2) / math.sqrt(2))[0] for _ in range(workers))
    if kind is Kind.PRODUCT:
        singles = [np.array([1, (-1) ** b * np.exp(1j * turn)]) / math.sqrt(2) for b in pattern]
        return tuple(memory.add(single)[0] for single in singles)
    state = np.zeros((2,) * workers, np.complex128)
    here, there = tuple(pattern), tuple(1 - b for b in pattern)
    if kind is Kind.DEPHASED:
        state[here if rng.integers(2) else there] = 1
    else:
        state[here], state[there] = 1 / math.sqrt(2), np.exp(1j * turn) / math.sqrt(2)
    return memory.add(state)


def measure(copy: DenseCopy, letters: Sequence[str]) -> list[int]:
    """Measure every qubit in the basis of its letter, X, Y or Z; any other letter is Z too."""
    outcomes = []
    for qubit, letter in zip(copy.qubits, letters, strict=True):
        if letter == "Y":
            copy.memory.apply(phase(-math.pi / 2), qubit)
        if letter in "XY":
            copy.memory.apply(H, qubit)
        outcomes.append(copy.memory.measure(qubit))
    return outcomes


def measure_x(copies: Sequence[DenseCopy], phases: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Encode ``phases``, shape (workers, copies), measure X, and return outcomes of that shape."""
    outcomes = np.empty(phases.shape, np.uint8)
    for number, copy in enumerate(copies):
        for qubit, angle in zip(copy.qubits, phases[:, number].tolist(), strict=True):
            copy.memory.apply(phase(angle), qubit)
        outcomes[:, number] = measure(copy, "X" * len(copy.qubits))
    return outcomes


def eigenvalue(letters: str) -> int:
    """Expectation of this product of Paulis in the GHZ state: +1, −1, or 0 if it has no value."""
    paulis: dict[str, Matrix] = {"X": X, "Y": Y, "Z": Z}
    operator: Matrix = np.ones((1, 1), np.complex128)
    for letter in letters:
        operator = np.kron(operator, paulis.get(letter, ONE)).astype(np.complex128)
    state = ghz_state(len(letters)).ravel()
    return round(float(np.vdot(state, operator @ state).real))


class DenseSupply:
    """Copies handed out in order. Noise has struck already."""

    __slots__ = ("_copies", "noise", "visibility")

    def __init__(self, copies: Iterator[DenseCopy], visibility: float) -> None:
        self._copies, self.visibility, self.noise = copies, visibility, PERFECT_QUBITS

    def take(self, count: int) -> list[DenseCopy]:
        """Hand out the next ``count`` copies.

        Raises:
            RanOutError: there are not as many.
        """
        handed = list(islice(self._copies, count))
        if len(handed) < count:
            raise RanOutError(f"{count} copies asked for, {len(handed)} left")
        return handed
