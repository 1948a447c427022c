"""The ring all-reduce with all workers in one process, over classical or superdense links."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.collectives.aggregate import Aggregate, Progress
from qring.encoding.formats import Values, WireFormat
from qring.encoding.values import Encoding, FloatBits
from qring.errors import InputError
from qring.ledger import Meter
from qring.network.links import ClassicalLink, Faults, Link
from qring.network.network import Network
from qring.schedule import ring
from qring.schedule.chunks import even_chunks
from qring.schedule.hops import Action, Round
from qring.schedule.ring import Direction
from qring.validate import check_able, check_enum

__all__ = ["Classical", "Superdense", "around_the_ring", "noise_caveats"]

LinkFactory = Callable[[int, int], Link]


@dataclass(frozen=True, slots=True, kw_only=True)
class Classical:
    """Ring all-reduce over noiseless classical links: the baseline."""

    encoding: Encoding = field(default_factory=FloatBits)
    gather: Direction = Direction.COUNTER_CLOCKWISE

    def __post_init__(self) -> None:
        _check(self.encoding, self.gather)

    def run(
        self,
        gradients: NDArray[Any],
        network: Network,
        rng: np.random.Generator | None,
        progress: Progress,
    ) -> Aggregate:
        """Sum ``gradients`` of shape (workers, coords)."""
        meter = Meter()
        link = partial(ClassicalLink, meter=meter)
        values, wire = self.encoding.encode(gradients)
        sums = around_the_ring(values, wire, self.gather, meter, link, progress)
        return Aggregate(sums=self.encoding.decode(sums, len(gradients)), ledger=meter.ledger())


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

    def run(
        self,
        gradients: NDArray[Any],
        network: Network,
        rng: np.random.Generator | None,
        progress: Progress,
    ) -> Aggregate:
        """Sum ``gradients`` of shape (workers, coords).

        Raises:
            InputError: the network is noisy and ``rng`` is missing.
        """
        network.check_links(len(gradients))
        if not network.is_noiseless and rng is None:
            raise InputError("a noisy network draws errors: pass rng=numpy.random.default_rng(...)")
        meter = Meter()
        faults: list[Faults] = []
        link = partial(network.pair_link, meter=meter, rng=rng, faults=faults)
        values, wire = self.encoding.encode(gradients)
        sums = around_the_ring(values, wire, self.gather, meter, link, progress)
        return Aggregate(
            sums=self.encoding.decode(sums, len(gradients)),
            ledger=meter.ledger(),
            faults=tuple(faults),
            caveats=noise_caveats(network),
        )


def _check(encoding: Encoding, gather: Direction) -> None:
    check_able("encoding", encoding, ("encode", "decode"), "an encoding such as qring.FloatBits()")
    check_enum("gather", gather, Direction)


def noise_caveats(network: Network) -> tuple[str, ...]:
    """Say what noisy pairs do to sums, if they are noisy."""
    if network.is_noiseless:
        return network.caveats
    worst = max(n.error_probability for n in (network.noise, *network.noise_on.values()))
    return (
        f"noise without error correction: a pair is wrong with probability up to {worst:g}, and "
        "every error that fell is in the sums",
        *network.caveats,
    )


def around_the_ring(
    values: Values,
    wire: WireFormat,
    gather: Direction,
    meter: Meter,
    link: LinkFactory,
    progress: Progress,
) -> Values:
    """Sum ``values``, shape (workers, count), over links; return every worker's sums."""
    workers = len(values)
    own = np.array(values)  # each worker's memory; rows are overwritten as chunks arrive
    chunks = even_chunks(values.shape[1], workers)
    rounds = ring.all_reduce(workers, gather=gather)
    for done, hops in enumerate(rounds, 1):
        _run_round(hops, own, chunks, wire, link)
        meter.rounds = done
        progress(done, 2 * (workers - 1))
    return own


def _run_round(
    hops: Round, own: Values, chunks: Sequence[slice], wire: WireFormat, link: LinkFactory
) -> None:
    """Run one round on all workers' memories, ``own`` of shape (workers, coords), in place."""
    arrived = []
    for hop in hops:  # every message leaves before any arrives
        values = own[hop.src, chunks[hop.chunk]]
        message = wire.pack(values, hop.summed)
        link(hop.src, hop.dst).carry(message, wire.bits(len(values), hop.summed))
        arrived.append(message)
    for hop, message in zip(hops, arrived, strict=True):
        target = own[hop.dst, chunks[hop.chunk]]
        received = wire.unpack(message, len(target), hop.summed)
        target[:] = wire.add(received, target) if hop.action is Action.ADD else received
