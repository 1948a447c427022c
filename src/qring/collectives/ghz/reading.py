"""Read one block of sums from GHZ copies, with its checksum, again if the checksum fails."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from qring.collectives.ghz.checksum import Checksum
from qring.collectives.ghz.outcome import GivenUpError
from qring.collectives.ghz.readout import Readout
from qring.network.ghz import GhzBatch, Words

__all__ = ["Reading", "read_block"]


class Reading(NamedTuple):
    """Sums mod 2^B, the copies they took, coordinates read again, and how likely they are wrong.

    ``wrong`` is the probability that any of them is, at most.
    """

    sums: Words
    copies: int
    repeated: int
    wrong: float


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

    Raises:
        GivenUpError: a part failed its checksum to the last attempt.
    """
    if checksum is None:
        sums = readout.read(batch, sum_bits)
        wrong = readout.wrong(len(batch), batch.visibility)
        return Reading(sums, batch.copies, 0, 1.0 if wrong is None else wrong)
    sums = np.zeros(len(batch), np.uint64)
    copies = repeated = 0
    passed = 0.0
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
            raise GivenUpError(coords, checksum.attempts)
        passed += _passes(readout, checksum, coords, batch.visibility)
        copies += data.copies
    return Reading(sums, copies, repeated, min(1.0, passed))


def _passes(readout: Readout, checksum: Checksum, coords: int, visibility: float) -> float:
    """Probability that a part with a wrong sum passes in any attempt, at most.

    The weights are independent of the sums' errors, so a right check misses them with 2^−t; it is
    read from copies of its own, so a wrong one meets wrong sums no oftener than the product says.
    """
    data, check = (readout.wrong(count, visibility) for count in (coords, 1))
    data, check = (1.0 if wrong is None else wrong for wrong in (data, check))
    return min(1.0, checksum.attempts * data * (2.0**-checksum.bits + check))
