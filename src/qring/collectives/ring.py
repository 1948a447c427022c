"""The ring all-reduce with all workers in one process, over classical or superdense links."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from numpy.typing import NDArray

from qring.collectives.aggregate import Aggregate, Progress
from qring.collectives.scheduled import LinkKind, carry_out
from qring.encoding.formats import Values, WireFormat
from qring.encoding.values import Encoding, FloatBits
from qring.errors import InputError
from qring.network.links import Link, classical, superdense
from qring.network.run import Run
from qring.schedule import ring
from qring.schedule.check import check
from qring.schedule.ring import Direction
from qring.schedule.schedule import Collective, Schedule
from qring.schedule.topology import Topology
from qring.validate import check_able, check_enum

__all__ = [
    "Classical", "Superdense", "around_the_ring", "by_level", "noise_caveats",
    "over_the_topology", "schedule_of",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Classical:
    """All-reduce over noiseless classical links, around the ring or over the topology."""

    follows_topology: ClassVar[bool] = True
    takes_time: ClassVar[bool] = True

    encoding: Encoding = field(default_factory=FloatBits)
    gather: Direction = Direction.COUNTER_CLOCKWISE

    def __post_init__(self) -> None:
        _check(self.encoding, self.gather)

    def run(self, gradients: NDArray[Any], run: Run, progress: Progress) -> Aggregate:
        """Sum ``gradients`` of shape (workers, coords)."""
        values, wire = self.encoding.encode(gradients)
        sums = over_the_topology(values, wire, self.gather, run, classical, progress)
        return Aggregate(
            sums=self.encoding.decode(sums, len(gradients)),
            ledger=run.ledger(),
            timeline=run.timeline(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Superdense:
    """All-reduce with two bits a qubit over pre-shared pairs, around the ring or over the topology.

    Halves what each link carries *online*; the pairs cost as much again in the setup phase, so
    the lifetime total is not smaller. Errors of noisy pairs are not corrected. Source: paper
    section 3.2, remark 1.
    """

    follows_topology: ClassVar[bool] = True
    takes_time: ClassVar[bool] = True

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
        kind = superdense if run.conditions.inside is None else by_level
        sums = over_the_topology(values, wire, self.gather, run, kind, progress)
        return Aggregate(
            sums=self.encoding.decode(sums, len(gradients)),
            ledger=run.ledger(),
            faults=tuple(run.faults),
            caveats=noise_caveats(run),
            timeline=run.timeline(),
        )


def _check(encoding: Encoding, gather: Direction) -> None:
    check_able("encoding", encoding, ("encode", "decode"), "an encoding such as qring.FloatBits()")
    check_enum("gather", gather, Direction)


def noise_caveats(run: Run) -> tuple[str, ...]:
    """Say what noisy pairs do to sums, if they are noisy."""
    worst = run.conditions.worst_pair
    timeline = run.timeline()
    if timeline is not None and run.corrections is None and not run.conditions.is_noiseless:
        return (
            f"noise without error correction: pairs were used at a mean fidelity of "
            f"{timeline.mean_fidelity:.4g}, and every error that fell is in the sums",
            *run.caveats,
        )
    if worst == 0 and run.corrections is None:
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


def over_the_topology(
    values: Values,
    wire: WireFormat,
    gather: Direction,
    run: Run,
    kind: LinkKind,
    progress: Progress,
) -> Values:
    """Sum ``values``, shape (workers, count), by the schedule of the run's topology.

    ``gather`` is the direction of the ring's all-gather, if the topology does not name one.

    Raises:
        InputError: sizes that the topology does not have, a schedule that is wrong or of another
            collective, or what links of this kind refuse.
    """
    schedule = schedule_of(run.conditions.topology, len(values))
    if schedule is None:
        return around_the_ring(values, wire, gather, run, kind, progress)
    total = sum(1 for _ in schedule.rounds)
    return carry_out(schedule, values, wire, run, kind, lambda done, _: progress(done, total))


def schedule_of(topology: Topology | Schedule, workers: int) -> Schedule | None:
    """The all-reduce of a topology, or the schedule itself, checked; ``None`` for the ring.

    Raises:
        InputError: sizes that do not fit, or a schedule that is wrong or of another collective.
    """
    if isinstance(topology, Schedule):
        if topology.collective is not Collective.ALL_REDUCE:
            raise InputError(
                f"the schedule {topology.name} is of {topology.collective.value}; give one of an "
                "all-reduce"
            )
        if topology.workers != workers:
            raise InputError(
                f"the schedule {topology.name} is for {topology.workers} workers; there are "
                f"{workers}"
            )
        check(topology)
        return topology
    if topology.name == "ring" and not topology.option:
        return None
    return topology.schedule(Collective.ALL_REDUCE, workers)


def by_level(run: Run, src: int, dst: int) -> Link:
    """Open the link of a hierarchy: inside a host what the conditions say, else superdense."""
    inside = run.conditions.inside
    if (
        inside is not None
        and inside.carrier == "classical"
        and run.conditions.on_one_host(src, dst)
    ):
        return classical(run, src, dst)
    return superdense(run, src, dst)
