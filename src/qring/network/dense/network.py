"""The referee network: every pair and every copy is simulated as qubits, gate by gate.

Slow, and for few qubits; it shares no formula with the fast network that it is there to check.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError
from qring.ledger import Meter
from qring.network.adversary.base import History
from qring.network.copies import PERFECT, Tampered
from qring.network.dense.copies import DenseCopy, DenseSupply, measure_x, receive
from qring.network.dense.memory import CX, H, Memory, Representation, X, Z, kraus
from qring.network.dense.pool import DensePool
from qring.network.explicit import ExplicitBatch, ExplicitLink
from qring.network.ghz import Words
from qring.network.links import Faults, Link
from qring.network.network import Network
from qring.network.noise import BellDiagonal
from qring.network.supply import Supply
from qring.network.view import Announced
from qring.network.wiring import Wiring
from qring.validate import check_enum

__all__ = ["DenseNetwork"]

_PHI = np.eye(2) / np.sqrt(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseNetwork(Network):
    """A network like :class:`~qring.network.network.Network`, simulated qubit by qubit.

    ``representation`` says whether states are vectors, noise being drawn, or density matrices.
    It records no view, and its nodes are honest.
    """

    representation: Representation = Representation.VECTOR

    def __post_init__(self) -> None:
        Network.__post_init__(self)
        check_enum("representation", self.representation, Representation)
        if self.record_view or (self.adversary is not None and self.adversary.nodes):
            raise InputError("the referee records no view and knows no dishonest nodes")

    @property
    def needs_words(self) -> bool:
        """Every worker's own words are encoded, each on its own qubit."""
        return True

    def pair_link(
        self,
        src: int,
        dst: int,
        *,
        meter: Meter,
        rng: np.random.Generator | None,
        faults: list[Faults] | None = None,
    ) -> Link:
        """Open the superdense link from ``src`` to ``dst``; it charges ``meter``."""
        if rng is None:
            raise InputError("the referee measures: pass rng=numpy.random.default_rng(...)")
        send = partial(_send, self.representation, self.noise_between(src, dst), rng)
        kept = faults if self.record_faults else None
        link = ExplicitLink(src, dst, meter, send=send, faults=kept)
        return self.intercepted(link, src, dst, meter)

    def ghz_supply(self, workers: int, *, wiring: Wiring, rng: np.random.Generator) -> Supply:
        """Copies that are shared as they are needed, untested."""
        return DenseSupply(self._fresh(workers, wiring, rng), self.visibility(workers))  # type: ignore[return-value]

    def ghz_pool(
        self,
        count: int,
        *,
        workers: int,
        wiring: Wiring,
        rng: np.random.Generator,
        history: History = (),
        first: int = 0,
    ) -> DensePool:
        """Share ``count`` copies, numbered from ``first``, and keep them as qubits."""
        wiring.share(count)
        copies = self._received(first, count, workers, history, rng)
        return DensePool(
            count=count,
            workers=workers,
            visibility=self.visibility(workers),
            copies=tuple(copies),
        )

    def ghz_batch(
        self,
        total: Words,
        words: Words | None,
        *,
        workers: int,
        wiring: Wiring,
        rng: np.random.Generator,
        supply: Supply | None = None,
        view: list[Announced] | None = None,
    ) -> ExplicitBatch:
        """Get ready to encode every worker's ``words`` on copies of ``supply``, or fresh ones."""
        if words is None:
            raise InputError("the referee encodes every worker's own words; hand them in")
        return ExplicitBatch(
            words,
            workers=workers,
            wiring=wiring,
            rng=rng,
            supply=supply or self.ghz_supply(workers, wiring=wiring, rng=rng),
            measure=measure_x,
        )

    def _fresh(self, workers: int, wiring: Wiring, rng: np.random.Generator) -> Iterator[DenseCopy]:
        shared = 0
        while True:
            wiring.share(1)
            yield from self._received(shared, 1, workers, (), rng)
            shared += 1

    def _received(
        self, first: int, count: int, workers: int, history: History, rng: np.random.Generator
    ) -> list[DenseCopy]:
        tampered: Tampered = PERFECT
        if self.adversary is not None:
            self.adversary.check(workers)
            if self.adversary.source is not None:
                tampered = self.adversary.source.tamper(first, count, workers, history, rng)
        memory = Memory(self.representation, rng)
        return receive(memory, count, workers, self.qubit_noise, tampered, rng)


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
