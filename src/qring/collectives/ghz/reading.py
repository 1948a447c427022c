"""Read one block of sums from GHZ copies, with its checksum, again if the checksum fails."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from qring.collectives.ghz.checksum import Checksum
from qring.collectives.ghz.readout import Readout
from qring.network.ghz import GhzBatch, Words

__all__ = ["Reading", "read_block"]


class Reading(NamedTuple):
    """Sums mod 2^B, the copies they took, coordinates read again, and coordinates given up."""

    sums: Words
    copies: int
    repeated: int
    failed: int


def read_block(
    batch: GhzBatch,
    *,
    sum_bits: int,
    readout: Readout,
    checksum: Checksum | None,
    rng: np.random.Generator,
) -> Reading:
    """Read a batch; with a checksum, in parts that are each read until it is right.

    ``rng`` draws the public weights of checksums.
    """
    if checksum is None:
        return Reading(readout.read(batch, sum_bits), batch.copies, 0, 0)
    sums = np.zeros(len(batch), np.uint64)
    copies = repeated = failed = 0
    for start in range(0, len(batch), checksum.block):
        part = slice(start, min(start + checksum.block, len(batch)))
        coords = part.stop - part.start
        data = batch.part(part)
        for attempt in range(checksum.attempts):
            if attempt:
                repeated += coords
            sums[part] = readout.read(data, sum_bits)
            weights = checksum.weights(coords, rng)  # only now: they test what was just announced
            check = data.mapped(partial(checksum.of, weights=weights, sum_bits=sum_bits))
            expected = readout.read(check, sum_bits + checksum.bits)
            copies += check.copies
            if checksum.of(sums[part], weights, sum_bits) == expected:
                break
        else:
            failed += coords
        copies += data.copies
    return Reading(sums, copies, repeated, failed)
