"""Results of an all-reduce, and the interface of its methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple, NoReturn, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from qring.ledger import Ledger, html_table, summary
from qring.network.run import Run
from qring.network.timeline import Timeline
from qring.network.wires import Faults

__all__ = ["Aborted", "Aggregate", "Ending", "Method", "Outcome", "Progress", "Told"]

Progress = Callable[[int, int], None]
"""Called after every round with the rounds done and the rounds there are."""


class Told(NamedTuple):
    """Coordinates from ``start`` to ``stop``, exclusive, whose sum over ``workers`` is known.

    Known to whoever heard everything that was sent and announced; or it may be.
    """

    start: int
    stop: int
    workers: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Ending:
    """Fields that an :class:`Aggregate` and an :class:`Aborted` run share.

    ``ledger`` is what the run sent, ``faults`` the errors of its pairs, empty unless the network
    records them, ``caveats`` what weakens the
    outcome, in words, ``timeline`` what its time went into, where the network has hardware.
    """

    ledger: Ledger
    faults: tuple[Faults, ...] = ()
    caveats: tuple[str, ...] = ()
    timeline: Timeline | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._summary()}; {summary(self.ledger)})"

    def _repr_html_(self) -> str:
        """The outcome as a table, for notebooks."""
        rows = {"outcome": self._summary(), "account": summary(self.ledger)}
        rows.update({f"caution {k}": text for k, text in enumerate(self.caveats, 1)})
        return html_table(type(self).__name__, rows)

    def _summary(self) -> str:
        """The outcome in a few words."""
        raise NotImplementedError

    @property
    def told(self) -> tuple[Told, ...]:
        """All that whoever listens may learn of the gradients."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Plain values ready for JSON; arrays of sums are left out."""
        return {
            "outcome": "aborted" if isinstance(self, Aborted) else "accepted",
            "caveats": list(self.caveats),
            "told": [{**told._asdict(), "workers": list(told.workers)} for told in self.told],
            **self.ledger.to_dict(),
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Aggregate(Ending):
    """Every worker's copy of the sum, and what it took.

    ``sums`` has shape (workers, coords). On a noiseless network all rows are equal; errors that
    are not corrected may leave workers with different sums.
    """

    sums: NDArray[Any]

    def _summary(self) -> str:
        workers, coords = self.sums.shape
        agreed = "agreed" if self.agreed else "sums DIFFER"
        return f"{workers} workers, {coords:,} coordinates of {self.sums.dtype.name}, {agreed}"

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

    def to_dict(self) -> dict[str, Any]:
        """Plain values ready for JSON; of the sums their shape, type and digest (sha256)."""
        workers, coords = self.sums.shape
        digest = sha256(np.ascontiguousarray(self.sums[0]).tobytes()).hexdigest()
        return {
            **super(Aggregate, self).to_dict(),
            "workers": workers,
            "coords": coords,
            "dtype": self.sums.dtype.name,
            "agreed": self.agreed,
            "result_hash": digest,
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Aborted(Ending):
    """A run that ended without a sum; every method that can abort has its own kind.

    The sum would have been one of ``workers`` workers over ``coords`` coordinates. The ledger holds
    what had been sent by then, and ``str()`` says in one line why the run ended.
    """

    workers: int
    coords: int

    def __getattr__(self, name: str) -> NoReturn:
        if name in ("sum", "sums", "mean", "agreed"):
            raise AttributeError(
                f"{self}; there is no {name}: ask isinstance(result, qring.Aborted) first"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _summary(self) -> str:
        return str(self)

    def evidence(self) -> dict[str, Any]:
        """Evidence of the abort, as plain values ready for JSON."""
        raise NotImplementedError

    @property
    def told(self) -> tuple[Told, ...]:
        """All that whoever listens may have learned: every worker's gradient, unless hidden."""
        return tuple(Told(0, self.coords, (worker,)) for worker in range(self.workers))

    def to_dict(self) -> dict[str, Any]:
        """Plain values ready for JSON, with the evidence."""
        return {
            **super(Aborted, self).to_dict(),
            "workers": self.workers,
            "coords": self.coords,
            "reason": str(self),
            **self.evidence(),
        }


Outcome = Aggregate | Aborted
"""Outcome of a run: a sum, or an abort."""

Result_co = TypeVar("Result_co", bound=Outcome, covariant=True)


class Method(Protocol[Result_co]):
    """A way to sum gradients: a frozen value that knows how to run itself."""

    def run(self, gradients: NDArray[Any], run: Run, progress: Progress) -> Result_co:
        """Sum ``gradients`` of shape (workers, coords) over ``run``, opened for as many workers.

        What is charged to the run is the result's account.
        """
