"""Qubits as state vectors or density matrices, kept apart as long as nothing entangles them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qring.errors import InputError
from qring.network.noise import BellDiagonal, QubitNoise

__all__ = [
    "CX",
    "ONE",
    "H",
    "Memory",
    "Representation",
    "X",
    "Y",
    "Z",
    "ghz_state",
    "kraus",
    "phase",
]

Matrix = NDArray[np.complex128]

ONE: Matrix = np.eye(2, dtype=np.complex128)
X: Matrix = np.array([[0, 1], [1, 0]], np.complex128)
Y: Matrix = np.array([[0, -1j], [1j, 0]])
Z: Matrix = np.diag([1, -1]).astype(np.complex128)
H: Matrix = (X + Z) / math.sqrt(2)
CX: Matrix = np.eye(4, dtype=np.complex128)[[0, 1, 3, 2]]
"""Control first."""


class Representation(Enum):
    """Representation of a state: as a vector, noise then being drawn, or as a density matrix."""

    VECTOR = "state vector"
    MATRIX = "density matrix"


_MOST_QUBITS = {Representation.VECTOR: 20, Representation.MATRIX: 10}


def phase(angle: float) -> Matrix:
    """diag(1, e^{i·angle})."""
    return np.diag([1, np.exp(1j * angle)])


def ghz_state(workers: int) -> Matrix:
    """Amplitudes of (|0…0⟩+|1…1⟩)/√2, shape (2,)·workers; worker 0 is the first axis."""
    state = np.zeros((2,) * workers, np.complex128)
    state[(0,) * workers] = state[(1,) * workers] = 1 / math.sqrt(2)
    return state


def kraus(noise: QubitNoise | BellDiagonal) -> list[list[Matrix]]:
    """Channels of one qubit, in the order in which they strike; each a list of Kraus operators."""
    rest = max(0.0, 1 - noise.x - noise.y - noise.z)
    odds = (rest, noise.x, noise.y, noise.z)
    channels = [[math.sqrt(p) * pauli for p, pauli in zip(odds, (ONE, X, Y, Z), strict=True)]]
    if isinstance(noise, QubitNoise):
        lost, flip = noise.relaxation, noise.dephasing
        fallen: Matrix = np.array([[0, math.sqrt(lost)], [0, 0]], np.complex128)
        channels.append([(ONE + Z) / 2 + math.sqrt(1 - lost) * (ONE - Z) / 2, fallen])
        channels.append([math.sqrt(1 - flip) * ONE, math.sqrt(flip) * Z])
    return [channel for channel in channels if not np.array_equal(channel[0], ONE)]


@dataclass(slots=True, eq=False)
class _Group:
    """Qubits that may be entangled, and their state: one axis a qubit, or two (kets, then bras)."""

    qubits: list[int]
    state: Matrix


class Memory:
    """Qubits of all workers, by number. Measured qubits are gone."""

    __slots__ = ("_groups", "_matrix", "_most", "_next", "_rng")

    def __init__(self, representation: Representation, rng: np.random.Generator) -> None:
        self._matrix = representation is Representation.MATRIX
        self._most = _MOST_QUBITS[representation]
        self._rng = rng
        self._groups: dict[int, _Group] = {}
        self._next = 0

    @property
    def mixed(self) -> bool:
        """Whether states are density matrices, so that noise leaves nothing to be drawn."""
        return self._matrix

    def add(self, amplitudes: ArrayLike) -> tuple[int, ...]:
        """Put new qubits in a pure state of shape (2,)·k; return their numbers.

        Raises:
            InputError: more qubits than are followed together.
        """
        state = np.asarray(amplitudes, np.complex128)
        qubits = tuple(range(self._next, self._next + state.ndim))
        self._check(state.ndim)
        self._next += state.ndim
        if self._matrix:
            state = np.multiply.outer(state, state.conj())
        group = _Group(list(qubits), state)
        self._groups.update(dict.fromkeys(qubits, group))
        return qubits

    def again(self, qubits: tuple[int, ...]) -> tuple[int, ...]:
        """Put new qubits in the state that the whole group of ``qubits``, in order, is in."""
        state = self._groups[qubits[0]].state
        new = tuple(range(self._next, self._next + len(qubits)))
        self._next += len(qubits)
        self._groups.update(dict.fromkeys(new, _Group(list(new), state)))
        return new

    def apply(self, matrix: Matrix, *qubits: int) -> None:
        """Apply a unitary; the first qubit is the highest bit of its index.

        Raises:
            InputError: it entangles more qubits than are followed together.
        """
        group = self._together(qubits)
        group.state = self._transformed(group, matrix, qubits)

    def strike(self, channels: Sequence[Sequence[Matrix]], qubit: int) -> None:
        """Let noise act on one qubit: exactly on a density matrix, drawn on a vector."""
        group = self._groups[qubit]
        for operators in channels:
            options = [self._transformed(group, op, (qubit,)) for op in operators]
            if self._matrix:
                group.state = np.sum(options, axis=0)
                continue
            odds = np.array([float(np.vdot(option, option).real) for option in options])
            chosen = int(self._rng.choice(len(odds), p=odds / odds.sum()))
            group.state = options[chosen] / math.sqrt(odds[chosen])

    def measure(self, qubit: int) -> int:
        """Measure in Z; the qubit is gone."""
        group = self._groups.pop(qubit)
        place, count = group.qubits.index(qubit), len(group.qubits)
        parts, odds = [], []
        for outcome in (0, 1):
            part = np.take(group.state, outcome, axis=place)
            if self._matrix:
                part = np.take(part, outcome, axis=count - 1 + place)
            parts.append(part)
            odds.append(self._weight(part, count - 1))
        outcome = int(self._rng.random() * sum(odds) < odds[1])
        group.qubits.remove(qubit)
        scale = odds[outcome] if self._matrix else math.sqrt(odds[outcome])
        group.state = parts[outcome] / scale
        return outcome

    def _weight(self, state: Matrix, qubits: int) -> float:
        if not self._matrix:
            return float(np.vdot(state, state).real)
        return float(np.trace(state.reshape(1 << qubits, 1 << qubits)).real)

    def _transformed(self, group: _Group, matrix: Matrix, qubits: tuple[int, ...]) -> Matrix:
        places = [group.qubits.index(qubit) for qubit in qubits]
        state = _on_axes(group.state, matrix, places)
        if self._matrix:
            state = _on_axes(state, matrix.conj(), [len(group.qubits) + p for p in places])
        return state

    def _together(self, qubits: tuple[int, ...]) -> _Group:
        """The group that holds all of ``qubits``; groups that did not are joined."""
        group = self._groups[qubits[0]]
        for qubit in qubits[1:]:
            other = self._groups[qubit]
            if other is group:
                continue
            ours, theirs = len(group.qubits), len(other.qubits)
            self._check(ours + theirs)
            state = np.multiply.outer(group.state, other.state)
            if self._matrix:  # kets and bras of the one, then of the other: all kets first
                a, b = range(2 * ours), range(2 * ours, 2 * (ours + theirs))
                state = state.transpose(*a[:ours], *b[:theirs], *a[ours:], *b[theirs:])
            group.state, group.qubits = state, group.qubits + other.qubits
            self._groups.update(dict.fromkeys(other.qubits, group))
        return group

    def _check(self, qubits: int) -> None:
        if qubits > self._most:
            raise InputError(
                f"the referee follows at most {self._most} entangled qubits, not {qubits}; take "
                "fewer workers or copies, or the fast network"
            )


def _on_axes(state: Matrix, matrix: Matrix, places: list[int]) -> Matrix:
    k = len(places)
    if k == 1:  # what nearly all gates are, several times faster
        left = 1 << places[0]
        changed = matrix @ state.reshape(left, 2, -1)
        return changed.reshape(state.shape)
    operator: Any = matrix.reshape((2,) * (2 * k))
    moved = np.tensordot(operator, state, (range(k, 2 * k), places))
    return np.moveaxis(moved, range(k), places)
