"""Attacks on GHZ copies on their way, one frozen value each.

Each says what it leaves the workers with and what she knows or holds afterwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from qring.errors import InputError
from qring.network.adversary.aim import Aim, Every, check_aim
from qring.network.adversary.base import History, Source
from qring.network.copies import Kind, Tampered, odd_bits, random_patterns
from qring.validate import check_able, check_enum, check_real, check_whole

__all__ = [
    "Basis",
    "BitFlips",
    "EprHalves",
    "InterceptResend",
    "PhaseRotation",
    "PlusState",
    "Purification",
    "UntilNoticed",
]


class Basis(Enum):
    """The basis in which an eavesdropper measures every qubit of a copy."""

    X = "x"
    Y = "y"
    Z = "z"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlusState:
    """Send |+⟩ on every qubit in place of a copy. She knows the state; she holds nothing.

    Each outcome is then a measurement of one worker's phase alone.
    """

    aim: Aim = field(default_factory=Every)

    def __post_init__(self) -> None:
        check_aim(self.aim)

    def tamper(
        self, first: int, count: int, workers: int, history: History, rng: np.random.Generator
    ) -> Tampered:
        """Replace the copies aimed at by |+⟩ⁿ."""
        return Tampered.of(self.aim.choose(first, count, rng), kind=Kind.PRODUCT)


@dataclass(frozen=True, slots=True, kw_only=True)
class InterceptResend:
    """Measure every qubit of a copy in one basis and send on what was found. She knows it.

    In Z the workers get |0…0⟩ or |1…1⟩, and what they announce is pure noise. In X (or Y) they
    get a product of |±⟩ (|±i⟩) whose parity is that of the copy.
    """

    basis: Basis = Basis.X
    aim: Aim = field(default_factory=Every)

    def __post_init__(self) -> None:
        check_enum("basis", self.basis, Basis)
        check_aim(self.aim)

    def tamper(
        self, first: int, count: int, workers: int, history: History, rng: np.random.Generator
    ) -> Tampered:
        """Measure and resend the copies aimed at."""
        where = self.aim.choose(first, count, rng)
        if self.basis is Basis.Z:
            return Tampered.of(where, kind=Kind.DEPHASED)
        signs = random_patterns(len(where), workers, rng)
        if self.basis is Basis.X:  # an even number of minus signs
            return Tampered.of(
                where, kind=Kind.PRODUCT, bits=signs ^ odd_bits(signs).astype(np.uint64)
            )
        if workers % 2 == 0:  # the string Y…Y is a stabiliser, with sign (−1)^(n/2)
            wrong = odd_bits(signs) ^ (workers % 4 == 2)
            signs ^= wrong.astype(np.uint64)
        return Tampered.of(where, kind=Kind.PRODUCT, bits=signs, turn=math.pi / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purification:
    """Entangle one qubit more with a copy, and keep it. Measured in X, it tells her a phase flip.

    The workers see phase noise: Σ of the words is disturbed, no single word shows.
    """

    aim: Aim = field(default_factory=Every)

    def __post_init__(self) -> None:
        check_aim(self.aim)

    def tamper(
        self, first: int, count: int, workers: int, history: History, rng: np.random.Generator
    ) -> Tampered:
        """Keep a qubit of the copies aimed at; ``turn`` is what hers shows in X."""
        where = self.aim.choose(first, count, rng)
        return Tampered.of(where, turn=np.float64(math.pi) * rng.integers(2, size=len(where)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRotation:
    """Turn |1…1⟩ of a copy by ``angle`` (radians). She knows it."""

    angle: float = math.pi
    aim: Aim = field(default_factory=Every)

    def __post_init__(self) -> None:
        check_real("angle", self.angle)
        check_aim(self.aim)

    def tamper(
        self, first: int, count: int, workers: int, history: History, rng: np.random.Generator
    ) -> Tampered:
        """Rotate the copies aimed at."""
        return Tampered.of(self.aim.choose(first, count, rng), turn=self.angle)


@dataclass(frozen=True, slots=True, kw_only=True)
class EprHalves:
    """Send every worker half of a Φ+ of its own and keep the other halves.

    When outcomes are announced her halves hold the workers' phases, and she measures each one
    in a basis turned by what she knows of that worker's lower digits.
    """

    aim: Aim = field(default_factory=Every)

    def __post_init__(self) -> None:
        check_aim(self.aim)

    def tamper(
        self, first: int, count: int, workers: int, history: History, rng: np.random.Generator
    ) -> Tampered:
        """Replace the copies aimed at by halves of pairs."""
        return Tampered.of(self.aim.choose(first, count, rng), kind=Kind.HALVES)


@dataclass(frozen=True, slots=True, kw_only=True)
class BitFlips:
    """Apply X to the qubits of ``workers``: their phases then count backwards. She knows it.

    With ``aim=These((k,))`` this is the one bad copy of theory: a GHZ-basis state orthogonal to
    the right one.
    """

    workers: frozenset[int]
    aim: Aim = field(default_factory=Every)

    def __post_init__(self) -> None:
        check_aim(self.aim)
        for worker in self.workers:
            check_whole("a worker", worker)
        if not self.workers or min(self.workers) < 0:
            raise InputError("X errors fall on at least one worker, numbered from 0")

    def tamper(
        self, first: int, count: int, workers: int, history: History, rng: np.random.Generator
    ) -> Tampered:
        """Flip the copies aimed at."""
        pattern = sum(1 << worker for worker in self.workers if worker < workers)
        return Tampered.of(self.aim.choose(first, count, rng), bits=pattern)


@dataclass(frozen=True, slots=True, kw_only=True)
class UntilNoticed:
    """Do as ``source`` does while no test has ever failed; from then on leave copies alone."""

    source: Source

    def __post_init__(self) -> None:
        check_able("source", self.source, ("tamper",), "a source such as PlusState()")

    def tamper(
        self, first: int, count: int, workers: int, history: History, rng: np.random.Generator
    ) -> Tampered:
        """Tamper, unless the public history says that somebody noticed."""
        if any(public.failed for public in history):
            return Tampered.of(np.empty(0, np.int64))
        return self.source.tamper(first, count, workers, history, rng)
