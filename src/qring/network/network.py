"""The network a protocol runs on: a frozen value that is opened into a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from qring.errors import InputError
from qring.network.conditions import Conditions
from qring.network.engine import Engine
from qring.network.fast import FAST, FastEngine
from qring.network.run import Run
from qring.validate import check_able

__all__ = ["Network"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network(Conditions):
    """A simulated network: conditions (:class:`~qring.network.conditions.Conditions`) and engine.

    ``noise`` is that of every shared pair, unless ``noise_on`` names the directed link
    (src, dst). ``qubit_noise`` is that of every qubit of a GHZ state. Classical bits are
    noiseless. With ``record_faults`` the result carries every sampled error of a pair.
    ``adversary`` sits where copies are made and shared; see :mod:`qring.network.adversary`. With
    ``record_view`` the result carries all that she sees and holds. With ``coding`` links correct
    the noise of their pairs. ``engine`` says how pairs and
    copies are simulated.

    Raises:
        InputError: conditions that the engine cannot simulate.
    """

    engine: Engine = FAST

    def __post_init__(self) -> None:
        Conditions.__post_init__(self)
        check_able("engine", self.engine, ("check", "pairs", "pool", "batch"),
                   "an engine such as FAST or DenseEngine()")  # fmt: skip
        self.engine.check(self)
        if self.hardware is not None and not isinstance(self.engine, FastEngine):
            raise InputError("hardware gives time to links of the fast engine: leave out engine")

    def open(self, workers: int, rng: np.random.Generator | None = None) -> Run:
        """Open a run for ``workers`` workers; ``rng`` draws all that happens at random.

        Raises:
            InputError: ``noise_on`` names a link that they do not have.
        """
        return Run(self, self.engine, workers, rng)

    def visibility(self, workers: int) -> float:
        """V that a readout of ``workers`` workers' copies may count on, if nobody tampers."""
        return self.engine.visibility(self.qubit_noise, workers)

    @property
    def caveats(self) -> tuple[str, ...]:
        """Statements to print with every result of this network."""
        return self.engine.caveats

    def among(self, workers: Sequence[int]) -> Network:
        """The network of these workers only, numbered anew in this order."""
        conditions = Conditions.among(self, workers)
        return replace(self, noise_on=conditions.noise_on, adversary=conditions.adversary)
