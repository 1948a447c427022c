"""Time of training over hardware, without values: the same hops over the same links."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from qring.collectives.ring import schedule_of
from qring.errors import InputError
from qring.network.coded.coding import Code, Coding, Emulation
from qring.network.hardware.supply import Hardware
from qring.network.links import classical, superdense
from qring.network.network import Network
from qring.network.timed import TimedClassicalLink, TimedSuperdenseLink
from qring.network.timeline import Timeline
from qring.schedule import ring
from qring.schedule.chunks import even_chunks
from qring.schedule.schedule import Collective
from qring.schedule.topology import Topology
from qring.validate import check_instance, check_whole

__all__ = ["grain_for", "rehearse"]

_GRAINS = 2048  # of a message, that are followed


def rehearse(
    hardware: Hardware, *, workers: int, coords: int, compute_s: Sequence[float],
    rng: np.random.Generator, word_bits: int = 32, coding: Coding | None = None,
    quantum: bool = True, topology: Topology | None = None,
) -> Timeline:  # fmt: skip
    """Timeline of ``len(compute_s)`` steps: compute for so long, then sum ``coords`` words.

    Losses of coded frames are drawn at calibrated rates, or sampled for BCH codes. Bits go over
    classical links unless ``quantum``. Standing: sampled; grains of pairs round times.

    Raises:
        InputError: figures that cannot be.
    """
    check_instance("hardware", hardware, Hardware, "Hardware.of('ions-rate')")
    check_whole("workers", workers, least=1)
    check_whole("coords", coords, least=1)
    check_whole("word_bits", word_bits, least=1)
    if coding is not None:
        way = Emulation.SAMPLED if coding.code is Code.BCH else Emulation.CALIBRATED
        coding = replace(coding, emulation=way, adaptive=False)
    run = Network(hardware=hardware, coding=coding).open(workers, rng)
    schedule = schedule_of(topology or Topology(), workers)
    if schedule is None:
        schedule = ring.schedule(Collective.ALL_REDUCE, workers)
    lengths = [part.stop - part.start for part in even_chunks(coords, schedule.chunks)]
    kind = superdense if quantum else classical
    for seconds in compute_s:
        run.clock.compute(seconds)
        for hops in schedule.rounds:
            for hop in hops:
                bits = word_bits * sum(lengths[hop.chunk + k] for k in range(hop.span))
                link = run.link(kind, hop.src, hop.dst) if hop.src != hop.dst else None
                if isinstance(link, TimedSuperdenseLink | TimedClassicalLink):
                    link.spend(bits)
            run.end_rounds()
    timeline = run.timeline()
    if timeline is None:
        raise InputError("no link takes time: give hardware")
    return timeline


def grain_for(workers: int, coords: int, word_bits: int = 32) -> int:
    """Pairs to follow together, so that a message of a ring is a few thousand grains."""
    pairs = coords * word_bits / max(1, workers) / 2
    return max(1, math.floor(pairs / _GRAINS))
