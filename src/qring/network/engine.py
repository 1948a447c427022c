"""Engine of a run: how pairs and GHZ copies are simulated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qring.network.adversary.base import History
from qring.network.conditions import Conditions
from qring.network.ghz import GhzBatch, Words
from qring.network.noise import BellDiagonal, QubitNoise
from qring.network.pool import Pool
from qring.network.supply import Supply
from qring.network.view import Announced

__all__ = ["Engine", "Pairs"]


class Pairs(Protocol):
    """Shared pairs of one link, in use."""

    def disturb(self, frame: NDArray[np.uint8], pairs: int) -> None:
        """Send ``pairs`` pairs; ``frame``, four a byte, is left as it is received."""


class Engine(Protocol):
    """A way to simulate what a network carries. A frozen value; it charges nothing.

    Engines are held to agree: every one must pass ``tests/contracts``.
    """

    @property
    def needs_words(self) -> bool:
        """Whether a batch needs every worker's own words, whatever the noise."""

    @property
    def caveats(self) -> tuple[str, ...]:
        """Statements to print with every result of this engine."""

    def check(self, conditions: Conditions) -> None:
        """Refuse conditions that the engine cannot simulate.

        Raises:
            InputError: as said.
        """

    def visibility(self, noise: QubitNoise, workers: int) -> float:
        """V that a readout of ``workers`` workers' copies may count on, if nobody tampers."""

    def pairs(self, noise: BellDiagonal, rng: np.random.Generator | None) -> Pairs | None:
        """Pairs of this noise for one link; ``None`` where nothing can happen to a message."""

    def fresh(self, conditions: Conditions, workers: int, rng: np.random.Generator) -> Supply[Any]:
        """Untested copies, made as they are asked for."""

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
        """Copies ``first`` … ``first + count − 1``, received and kept; ``history`` is public.

        Raises:
            InputError: noise or a number of workers that single copies are not followed under.
        """

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
    ) -> GhzBatch:
        """Words about to be encoded on copies of ``supply``, as :class:`GhzBatch` describes.

        Raises:
            InputError: every worker's own words are needed, and missing.
        """
