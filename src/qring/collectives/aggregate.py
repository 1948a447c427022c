"""What an all-reduce returns, and what a method must be able to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from qring.errors import InputError
from qring.ledger import Ledger
from qring.network.run import Run
from qring.network.wires import Faults

__all__ = ["Aborted", "Aggregate", "Method", "Progress", "Told"]

Progress = Callable[[int, int], None]
"""Called after every round with the rounds done and the rounds there are."""


class Told(NamedTuple):
    """Coordinates from ``start`` to ``stop``, exclusive, whose sum over ``workers`` is known.

    Known to whoever heard everything that was sent and announced; or it may be.
    """

    start: int
    stop: int
    workers: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Aggregate:
    """Every worker's copy of the sum, and what it took.

    ``sums`` has shape (workers, coords). On a noiseless network all rows are equal; errors that
    are not corrected may leave workers with different sums. ``faults`` is empty unless the
    network records them. ``caveats`` says in words what weakens the result.
    """

    sums: NDArray[Any]
    ledger: Ledger
    faults: tuple[Faults, ...] = ()
    caveats: tuple[str, ...] = ()

    @property
    def agreed(self) -> bool:
        """Whether all workers hold the same sum, bit for bit."""
        first = self.sums[:1].tobytes()
        return all(row.tobytes() == first for row in self.sums[1:])

    @property
    def sum(self) -> NDArray[Any]:
        """Worker 0's sum, shape (coords,)."""
        first: NDArray[Any] = self.sums[0]
        return first

    @property
    def mean(self) -> NDArray[Any]:
        """Worker 0's sum over the number of workers, shape (coords,)."""
        total: NDArray[Any] = self.sum / self.sum.dtype.type(len(self.sums))
        return total

    @property
    def told(self) -> tuple[Told, ...]:
        """All that whoever listens may learn of the gradients: every worker's, unless hidden."""
        return tuple(Told(0, self.sums.shape[1], (worker,)) for worker in range(len(self.sums)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Aborted(Aggregate):
    """A run that ended without a sum; every method that can abort has its own kind.

    ``sums`` has no rows. The ledger holds what had been sent by then, and ``str()`` says in one
    line why the run ended.
    """

    workers: int

    def evidence(self) -> dict[str, Any]:
        """What ended the run, as plain values ready for JSON."""
        raise NotImplementedError

    @property
    def told(self) -> tuple[Told, ...]:
        """All that whoever listens may have learned: every worker's gradient, unless hidden."""
        return tuple(Told(0, self.sums.shape[1], (worker,)) for worker in range(self.workers))

    @property
    def agreed(self) -> bool:
        """False: there is nothing to agree on."""
        return False

    @property
    def sum(self) -> NDArray[Any]:
        """Refused.

        Raises:
            InputError: always; there is no sum.
        """
        raise InputError(f"{self}; there is no sum: ask isinstance(result, Aborted) first")


class Method(Protocol):
    """A way to sum gradients: a frozen value that knows how to run itself."""

    def run(self, gradients: NDArray[Any], run: Run, progress: Progress) -> Aggregate:
        """Sum ``gradients`` of shape (workers, coords) over ``run``, opened for as many workers.

        What is charged to the run is the result's account.
        """
