"""Outcome of a secure aggregation: a sum, or an abort, with the evidence either way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from numpy.typing import NDArray

from qring.collectives.aggregate import Aborted, Aggregate, Told
from qring.validate import check_enum

__all__ = [
    "Reason",
    "Reveal",
    "SecAggAborted",
    "SecAggAggregate",
    "Stage",
    "Transcript",
]


class Stage(Enum):
    """The four messages of a worker, in order. Who drops out *at* a stage sent all before it."""

    ADVERTISE = "advertise"
    SHARE = "share"
    MASK = "mask"
    UNMASK = "unmask"


class Reason(Enum):
    """Cause of a run that ended without a sum."""

    TOO_FEW = "fewer workers than the threshold are left"
    DROPOUT = "a worker dropped out and on_dropout is abort"
    SERVER_LOST = "the server dropped out"
    NEIGHBOURS = "a worker has fewer neighbours left than the threshold of its graph"
    CUT = "lost workers cut the graph in two: sums of parts would be told"


class Reveal(NamedTuple):
    """Disclosure of one worker to the server: its shares of others' secrets, by owner.

    ``seeds`` are shares of self-masks, of workers whose masked words arrived; ``keys`` are shares
    of mask keys, of workers lost before. No owner is in both.
    """

    seeds: Mapping[int, int]
    keys: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """Participants by stage, and the shares revealed to the server, by holder."""

    present: Mapping[Stage, tuple[int, ...]]
    revealed: Mapping[int, Reveal]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class SecAggAggregate(Aggregate):
    """The sum over ``contributors``, in the hands of ``holders``.

    ``sums`` has a row a holder, in their order: all workers, but for those that dropped out.
    """

    contributors: tuple[int, ...]
    holders: tuple[int, ...]
    transcript: Transcript

    @property
    def mean(self) -> NDArray[Any]:
        """The sum over the number of contributors, shape (coords,)."""
        total: NDArray[Any] = self.sum / self.sum.dtype.type(len(self.contributors))
        return total

    @property
    def told(self) -> tuple[Told, ...]:
        """The sum over the contributors."""
        return (Told(0, self.sums.shape[1], self.contributors),)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class SecAggAborted(Aborted):
    """A secure aggregation that ended without a sum.

    ``stage`` is where it ended, ``present`` who was still there, of ``workers`` workers of which
    ``threshold`` are needed. Before the last stage nothing was told; in it shares were revealed
    that may have told the sum over ``contributors``: sum them again with the same workers only.
    """

    reason: Reason
    stage: Stage
    present: tuple[int, ...]
    threshold: int
    contributors: tuple[int, ...] = ()

    @property
    def told(self) -> tuple[Told, ...]:
        """Nothing, or at the last stage perhaps the sum over the contributors."""
        if self.stage is not Stage.UNMASK:
            return ()
        return (Told(0, self.coords, self.contributors),)

    def __post_init__(self) -> None:
        check_enum("reason", self.reason, Reason)
        check_enum("stage", self.stage, Stage)

    def __str__(self) -> str:
        text = (
            f"aborted at the stage '{self.stage.value}': {self.reason.value} "
            f"({len(self.present)} of {self.workers} present, threshold {self.threshold})"
        )
        if self.told:
            names = ", ".join(map(str, self.contributors))
            text += f"; the sum of workers {names} may be known: repeat it with these only"
        return text

    def evidence(self) -> dict[str, Any]:
        """Why, where, and who was still there."""
        return {
            "aborted": self.reason.value,
            "stage": self.stage.value,
            "present": list(self.present),
            "threshold": self.threshold,
        }
