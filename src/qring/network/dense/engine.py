"""The referee: an engine that simulates every pair and every copy as qubits, gate by gate.

Slow, and for few qubits; it shares no formula with the fast engine that it is there to check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError
from qring.network.adversary.base import History
from qring.network.conditions import Conditions
from qring.network.copies import PERFECT, Tampered
from qring.network.dense.copies import DenseCopy, DenseSupply, measure_x, receive
from qring.network.dense.memory import CX, H, Memory, Representation, X, Z, kraus
from qring.network.dense.pool import DensePool
from qring.network.explicit import ExplicitBatch, ExplicitPairs
from qring.network.ghz import Words
from qring.network.network import Network
from qring.network.noise import BellDiagonal, QubitNoise
from qring.network.supply import Supply
from qring.network.view import Announced
from qring.validate import check_enum

__all__ = ["DenseEngine", "DenseNetwork"]

_PHI = np.eye(2) / np.sqrt(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseEngine:
    """Qubits written out; ``representation`` says whether as vectors or as density matrices.

    With vectors noise is drawn. It records no view, and its nodes are honest.
    """

    representation: Representation = Representation.VECTOR

    def __post_init__(self) -> None:
        check_enum("representation", self.representation, Representation)

    @property
    def needs_words(self) -> bool:
        """Every worker's own words are encoded, each on its own qubit."""
        return True

    @property
    def caveats(self) -> tuple[str, ...]:
        """None."""
        return ()

    def check(self, conditions: Conditions) -> None:
        """Refuse a view or dishonest nodes.

        Raises:
            InputError: as said.
        """
        adversary = conditions.adversary
        if conditions.record_view or (adversary is not None and adversary.nodes):
            raise InputError("the referee records no view and knows no dishonest nodes")

    def visibility(self, noise: QubitNoise, workers: int) -> float:
        """V of the noise."""
        return noise.visibility(workers)

    def pairs(self, noise: BellDiagonal, rng: np.random.Generator | None) -> ExplicitPairs:
        """Pairs that are measured one by one.

        Raises:
            InputError: no generator.
        """
        if rng is None:
            raise InputError("the referee measures: pass rng=numpy.random.default_rng(...)")
        return ExplicitPairs(partial(_send, self.representation, noise, rng))

    def fresh(self, conditions: Conditions, workers: int, rng: np.random.Generator) -> DenseSupply:
        """Untested copies, made one by one as they are asked for."""
        copies = self._one_by_one(conditions, workers, rng)
        return DenseSupply(copies, self.visibility(conditions.qubit_noise, workers))

    def pool(
        self,
        count: int,
        conditions: Conditions,
        *,
        workers: int,
        rng: np.random.Generator,
        history: History,
        first: int,
    ) -> DensePool:
        """Copies as qubits, numbered from ``first``."""
        copies = self._received(first, count, conditions, workers, history, rng)
        return DensePool(
            count=count,
            workers=workers,
            visibility=self.visibility(conditions.qubit_noise, workers),
            copies=tuple(copies),
        )

    def batch(
        self,
        total: Words,
        words: Words | None,
        *,
        workers: int,
        supply: Supply[Any],
        announce: Callable[[int], None],
        rng: np.random.Generator,
        view: list[Announced] | None,
    ) -> ExplicitBatch:
        """Every worker's ``words``, about to be encoded on copies of ``supply``.

        Raises:
            InputError: the words are missing.
        """
        if words is None:
            raise InputError("the referee encodes every worker's own words; hand them in")
        return ExplicitBatch(
            words, workers=workers, supply=supply, announce=announce, rng=rng, measure=measure_x
        )

    def _one_by_one(
        self, conditions: Conditions, workers: int, rng: np.random.Generator
    ) -> Iterator[DenseCopy]:
        made = 0
        while True:
            yield from self._received(made, 1, conditions, workers, (), rng)
            made += 1

    def _received(
        self,
        first: int,
        count: int,
        conditions: Conditions,
        workers: int,
        history: History,
        rng: np.random.Generator,
    ) -> list[DenseCopy]:
        tampered: Tampered = PERFECT
        adversary = conditions.adversary
        if adversary is not None:
            adversary.check(workers)
            tampered = adversary.tampered(first, count, workers, history, rng)
        if conditions.qubit_noise.mixed:
            raise InputError("the referee knows noise of single qubits only: set mixed to 0")
        memory = Memory(self.representation, rng)
        return receive(memory, count, workers, conditions.qubit_noise, tampered, rng)


def DenseNetwork(  # noqa: N802 - reads like the class of networks that it makes
    *,
    representation: Representation = Representation.VECTOR,
    **conditions: Any,  # noqa: ANN401 - the fields of a network
) -> Network:
    """A :class:`~qring.network.network.Network` whose engine is the referee.

    Args:
        representation: whether states are vectors, noise being drawn, or density matrices.
        **conditions: fields of the network.

    Raises:
        InputError: a view or dishonest nodes, which the referee does not know.
    """
    return Network(engine=DenseEngine(representation=representation), **conditions)


def _send(
    representation: Representation,
    noise: BellDiagonal,
    rng: np.random.Generator,
    labels: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Superdense-code one label a pair: noise on the sender's half, Z^b1 X^b2, Bell measurement."""
    channels, arrived = kraus(noise), np.empty_like(labels)
    for place, label in enumerate(labels.tolist()):
        memory = Memory(representation, rng)
        sender, receiver = memory.add(_PHI)
        memory.strike(channels, sender)
        if label & 1:
            memory.apply(X, sender)
        if label & 2:
            memory.apply(Z, sender)
        memory.apply(CX, sender, receiver)
        memory.apply(H, sender)
        arrived[place] = 2 * memory.measure(sender) + memory.measure(receiver)
    return arrived
