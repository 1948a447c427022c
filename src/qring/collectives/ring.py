"""The ring all-reduce with all workers in one process, over classical or superdense links."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from qring.collectives.aggregate import Aggregate, Progress
from qring.collectives.scheduled import LinkKind, carry_out
from qring.encoding.formats import Values, WireFormat
from qring.encoding.values import Encoding, FloatBits
from qring.network.links import classical, superdense
from qring.network.run import Run
from qring.schedule import ring
from qring.schedule.ring import Direction
from qring.schedule.schedule import Collective
from qring.validate import check_able, check_enum

__all__ = ["Classical", "Superdense", "around_the_ring", "noise_caveats"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Classical:
    """Ring all-reduce over noiseless classical links: the baseline."""

    encoding: Encoding = field(default_factory=FloatBits)
    gather: Direction = Direction.COUNTER_CLOCKWISE

    def __post_init__(self) -> None:
        _check(self.encoding, self.gather)

    def run(self, gradients: NDArray[Any], run: Run, progress: Progress) -> Aggregate:
        """Sum ``gradients`` of shape (workers, coords)."""
        values, wire = self.encoding.encode(gradients)
        sums = around_the_ring(values, wire, self.gather, run, classical, progress)
        return Aggregate(sums=self.encoding.decode(sums, len(gradients)), ledger=run.ledger())


@dataclass(frozen=True, slots=True, kw_only=True)
class Superdense:
    """Ring all-reduce with two bits a qubit over pre-shared pairs.

    Halves what each link carries *online*; the pairs cost as much again in the setup phase, so
    the lifetime total is not smaller. Errors of noisy pairs are not corrected. Source: paper
    section 3.2, remark 1.
    """

    encoding: Encoding = field(default_factory=FloatBits)
    gather: Direction = Direction.COUNTER_CLOCKWISE

    def __post_init__(self) -> None:
        _check(self.encoding, self.gather)

    def run(self, gradients: NDArray[Any], run: Run, progress: Progress) -> Aggregate:
        """Sum ``gradients`` of shape (workers, coords).

        Raises:
            InputError: the network is noisy and the run has no generator.
        """
        values, wire = self.encoding.encode(gradients)
        sums = around_the_ring(values, wire, self.gather, run, superdense, progress)
        return Aggregate(
            sums=self.encoding.decode(sums, len(gradients)),
            ledger=run.ledger(),
            faults=tuple(run.faults),
            caveats=noise_caveats(run),
        )


def _check(encoding: Encoding, gather: Direction) -> None:
    check_able("encoding", encoding, ("encode", "decode"), "an encoding such as qring.FloatBits()")
    check_enum("gather", gather, Direction)


def noise_caveats(run: Run) -> tuple[str, ...]:
    """Say what noisy pairs do to sums, if they are noisy."""
    worst = run.conditions.worst_pair
    if worst == 0:
        return run.caveats
    if run.corrections is not None:
        return (str(run.corrections), *run.caveats)
    return (
        f"noise without error correction: a pair is wrong with probability up to {worst:g}, and "
        "every error that fell is in the sums",
        *run.caveats,
    )


def around_the_ring(
    values: Values,
    wire: WireFormat,
    gather: Direction,
    run: Run,
    kind: LinkKind,
    progress: Progress,
) -> Values:
    """Sum ``values``, shape (workers, count), over links of one kind; return every worker's sums.

    Raises:
        InputError: what links of this kind refuse.
    """
    total = 2 * (len(values) - 1)
    schedule = ring.schedule(Collective.ALL_REDUCE, len(values), gather=gather)
    return carry_out(schedule, values, wire, run, kind, lambda done, _: progress(done, total))
