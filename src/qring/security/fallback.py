"""What becomes of a sum that a lost worker spoils: no sum, or one by classical secure aggregation.

A GHZ copy has no masks to recover: the outcome of a worker that falls silent is missing from every
parity, so the round is lost for all. The others can only start again, by whatever means.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.collectives.aggregate import Aborted, Aggregate, Method, Progress
from qring.errors import InputError
from qring.network.run import Run
from qring.security.dp.encoding import DistributedGaussian
from qring.security.secagg.method import SecAgg
from qring.security.secagg.outcome import Stage
from qring.validate import check_able, check_instance, check_whole

__all__ = ["Fallback", "Spoiled"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spoiled(Aborted):
    """A round that ``lost`` workers spoiled, with nothing to fall back on."""

    lost: tuple[int, ...]

    def __str__(self) -> str:
        return f"aborted: {_named(self.lost)} fell silent, and a GHZ copy has nothing to recover"

    def evidence(self) -> dict[str, Any]:
        """Who was lost."""
        return {"aborted": "a worker fell silent", "lost": list(self.lost)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """Sum by ``method``; where a worker is lost, sum the others' gradients by ``secagg``.

    ``lost`` is a scenario: these workers fall silent before their last message. The spoiled
    round is charged in full, a bound on what it had sent by then. Without ``secagg`` the run ends
    :class:`Spoiled`. What falls back is private as ``secagg`` is: computationally, no longer by
    the laws of physics.
    """

    method: Method
    lost: tuple[int, ...] = ()
    secagg: SecAgg | None = None

    def __post_init__(self) -> None:
        check_able("method", self.method, ("run",), "a method such as qring.Ghz(encoding=...)")
        for worker in self.lost:
            check_whole("a lost worker", worker)
        if self.secagg is not None:
            check_instance("secagg", self.secagg, SecAgg, "qring.SecAgg(encoding=...) or None")

    def run(self, gradients: NDArray[Any], run: Run, progress: Progress) -> Aggregate:
        """Sum ``gradients`` of shape (workers, coords).

        Raises:
            InputError: lost workers that are none, or what the two methods refuse.
            MissingExtraError: the package ``cryptography`` is not installed.
        """
        workers = len(gradients)
        for worker in self.lost:
            if not 0 <= worker < workers:
                raise InputError(f"worker {worker} cannot be lost: workers are 0..{workers - 1}")
        if self.lost and self.secagg is not None:
            self.secagg.terms(workers)  # refuse early
        first = self.method.run(gradients, run, progress)
        if not self.lost:
            return first
        if self.secagg is None:
            nothing = np.empty((0, gradients.shape[1]))
            return Spoiled(sums=nothing, ledger=first.ledger, workers=workers, lost=self.lost)
        without = dict.fromkeys(self.lost, Stage.ADVERTISE)
        rest = dataclasses.replace(self.secagg, dropouts={**self.secagg.dropouts, **without})
        second = rest.run(gradients, run.again(), progress)
        return dataclasses.replace(
            second,
            ledger=first.ledger + second.ledger,
            caveats=(*second.caveats, *self._caveats()),
        )

    def _caveats(self) -> tuple[str, ...]:
        found = [
            f"{_named(self.lost)} spoiled the first round: classical secure aggregation summed"
        ]
        if self.secagg is not None and isinstance(self.secagg.encoding, DistributedGaussian):
            found.append(
                "the spoiled round may have told low digits of a sum with other noise: "
                "count it as one of the rounds"
            )
        return tuple(found)


def _named(lost: tuple[int, ...]) -> str:
    return f"worker {', '.join(map(str, lost))}"
