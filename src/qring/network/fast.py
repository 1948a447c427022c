"""Fast engine: errors and outcomes drawn from closed laws, at a cost an error and not a qubit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError
from qring.network import pauli
from qring.network.adversary.base import History
from qring.network.conditions import Conditions
from qring.network.copies import PERFECT, Tampered, check_workers
from qring.network.engine import Pairs
from qring.network.faults import noisy_copies
from qring.network.ghz import GhzBatch, Words
from qring.network.noise import BellDiagonal, QubitNoise
from qring.network.pool import Pool
from qring.network.supply import Supply
from qring.network.view import Announced

__all__ = ["FAST", "FastEngine"]


@dataclass(frozen=True, slots=True)
class FastEngine:
    """Pauli frames for pairs, and expected parities for GHZ copies. Exact in law.

    With ``ahead`` a link draws errors for several messages at once, which pays where it carries
    many of one length.
    """

    ahead: bool = False

    @property
    def needs_words(self) -> bool:
        """False: sums suffice, unless the conditions tell phases apart."""
        return False

    @property
    def caveats(self) -> tuple[str, ...]:
        """None."""
        return ()

    def check(self, conditions: Conditions) -> None:
        """Accept all conditions."""

    def visibility(self, noise: QubitNoise, workers: int) -> float:
        """V of the noise."""
        return noise.visibility(workers)

    def pairs(self, noise: BellDiagonal, rng: np.random.Generator | None) -> Pairs | None:
        """The errors of these pairs; none without noise.

        Raises:
            InputError: noise, and no generator to draw its errors.
        """
        if noise.error_probability == 0:
            return None
        if rng is None:
            raise InputError("a noisy network draws errors: pass rng=numpy.random.default_rng(...)")
        return pauli.ErrorStream(noise, rng) if self.ahead else _Errors(noise, rng)

    def fresh(
        self, conditions: Conditions, workers: int, rng: np.random.Generator
    ) -> Supply[Tampered]:
        """Untested copies, made as they are asked for."""
        return _FreshCopies(conditions, workers, rng)

    def pool(
        self,
        count: int,
        conditions: Conditions,
        *,
        workers: int,
        rng: np.random.Generator,
        history: History,
        first: int,
    ) -> Pool:
        """Copies as they are received: an adversary's as she made them, others under the noise.

        Raises:
            InputError: noise that is not followed copy by copy, or more than 64 workers.
        """
        check_workers(workers)
        tampered = noisy_copies(count, workers, conditions.qubit_noise, rng)
        nodes: frozenset[int] = frozenset()
        if conditions.adversary is not None:
            conditions.adversary.check(workers)
            nodes = conditions.adversary.nodes
            hers = conditions.adversary.tampered(first, count, workers, history, rng)
            tampered = hers.and_also(tampered)
        return Pool(
            count=count,
            workers=workers,
            tampered=tampered,
            visibility=self.visibility(conditions.qubit_noise, workers),
            nodes=nodes,
        )

    def batch(
        self,
        total: Words,
        words: Words | None,
        *,
        workers: int,
        supply: Supply[Tampered],
        announce: Callable[[int], None],
        rng: np.random.Generator,
        view: list[Announced] | None,
    ) -> GhzBatch:
        """Words about to be encoded on copies of ``supply``."""
        return GhzBatch(
            total, words, workers=workers, supply=supply, announce=announce, rng=rng, view=view
        )


FAST = FastEngine()
"""The engine of a network that names none."""


class _Errors:
    """Errors of pairs, drawn message by message."""

    __slots__ = ("_noise", "_rng")

    def __init__(self, noise: BellDiagonal, rng: np.random.Generator) -> None:
        self._noise, self._rng = noise, rng

    def disturb(self, frame: NDArray[np.uint8], pairs: int) -> None:
        pauli.disturb(frame, pairs, self._noise, self._rng)


class _FreshCopies:
    """Copies made as a readout asks for them. Nobody tests them."""

    __slots__ = ("_adversary", "_made", "_rng", "_workers", "noise")

    def __init__(self, conditions: Conditions, workers: int, rng: np.random.Generator) -> None:
        self._workers, self._rng, self._made = workers, rng, 0
        self.noise, self._adversary = conditions.qubit_noise, conditions.adversary
        if self._adversary is not None:
            self._adversary.check(workers)
            check_workers(workers)

    @property
    def visibility(self) -> float:
        """V that a readout may count on, if nobody tampers."""
        return self.noise.visibility(self._workers)

    def take(self, count: int) -> Tampered:
        """Make ``count`` copies more; an adversary's source sees to them on their way."""
        first, self._made = self._made, self._made + count
        if self._adversary is None:
            return PERFECT
        return self._adversary.tampered(first, count, self._workers, (), self._rng)
