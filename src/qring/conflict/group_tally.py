"""Tallies of each of a client's ties: by phase states, or by a broadcast of random signs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.conflict.matching import Groups, RandomPairs
from qring.conflict.phase_state import state_qubits
from qring.conflict.signs import Signs
from qring.errors import InputError
from qring.ledger import Carrier, Ledger
from qring.network.network import Network

__all__ = ["GroupTally", "signs_for_pairs", "tally_energy", "tally_groups", "tally_signs"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupTally:
    """Of each group, how many pairs were seen in it and how many of them disagree.

    Shapes (groups,). differ/hits is unbiased for the share of disagreeing pairs of the group.
    """

    hits: NDArray[np.int64]
    differ: NDArray[np.int64]
    ledger: Ledger


def tally_groups(signs: Signs, ties: Groups, copies: int, rng: np.random.Generator) -> GroupTally:
    """Measure ``copies`` phase states in the pairs of a random matching within groups.

    An audit whose client writes down which of its pairs every copy showed. Noiseless.

    Raises:
        InputError: fewer than one copy, or ties for another number of coordinates.
    """
    if copies < 1 or ties.coords != signs.coords:
        raise InputError(
            f"{copies} copies of {signs.coords} signs cannot tell about {ties.coords} coordinates"
        )
    run = Network().open(2, rng)
    run.wire(0, 1).send(Carrier.QUBIT, copies * state_qubits(signs.coords))
    run.end_rounds()
    source = rng.integers(signs.coords, size=copies)
    partner = RandomPairs(ties, rng).partner(source)
    hit = partner >= 0
    source, partner = source[hit], partner[hit]
    groups, count = ties.of_coordinate(source), len(ties.sizes)
    differs = signs.negative(source) ^ signs.negative(partner)
    return GroupTally(
        hits=np.bincount(groups, minlength=count),
        differ=np.bincount(groups[differs], minlength=count),
        ledger=run.ledger(),
    )


def tally_energy(
    gradient: NDArray[Any], ties: Groups, copies: int, rng: np.random.Generator
) -> GroupTally:
    """Measure ``copies`` of Σ g_i|i⟩/|g| in each group's uniform vector and its complement.

    ``hits`` counts copies that fell on a group, ``differ`` those of them outside its uniform
    vector: with probability Σ (g_i − mean)²/|g|², sizes included. Noiseless.

    Raises:
        InputError: fewer than one copy, another number of coordinates, or zeros only.
    """
    if copies < 1 or gradient.shape != (ties.coords,):
        raise InputError(
            f"{copies} copies of {gradient.shape} values tell nothing of {ties.coords} coordinates"
        )
    values = gradient.astype(np.float64)
    norm = float(values @ values)
    if not 0 < norm < math.inf:
        raise InputError("a gradient of zeros, or one that is not finite, has no state")
    run = Network().open(2, rng)
    run.wire(0, 1).send(Carrier.QUBIT, copies * state_qubits(ties.coords))
    run.end_rounds()
    members = values[ties.members]
    whole = np.add.reduceat(members**2, ties.starts[:-1])
    along = np.add.reduceat(members, ties.starts[:-1]) ** 2 / ties.sizes
    outside = np.maximum(whole - along, 0.0)
    law = np.concatenate([outside, along]) / norm
    count = len(ties.sizes)
    law = np.append(law, max(0.0, 1 - law.sum()))  # the last: in no group
    drawn = rng.multinomial(copies, law / law.sum())
    return GroupTally(
        hits=drawn[:count] + drawn[count : 2 * count], differ=drawn[:count], ledger=run.ledger()
    )


def tally_signs(signs: Signs, ties: Groups, count: int, rng: np.random.Generator) -> GroupTally:
    """Broadcast ``count`` signs at shared random positions; all pairs within groups count.

    The classical rival of :func:`tally_groups`, and one broadcast serves every client.

    Raises:
        InputError: fewer than two signs or more than there are, or ties for other coordinates.
    """
    if not 2 <= count <= signs.coords or ties.coords != signs.coords:
        raise InputError(
            f"{count} of {signs.coords} signs cannot tell about {ties.coords} coordinates"
        )
    run = Network().open(2, rng)
    run.wire(0, 1).send(Carrier.BIT, count)
    run.end_rounds()
    places = rng.choice(signs.coords, size=count, replace=False)
    groups, minus = ties.of_coordinate(places), signs.negative(places)
    inside, size = groups >= 0, len(ties.sizes)
    sent = np.bincount(groups[inside], minlength=size)
    negative = np.bincount(groups[inside & minus], minlength=size)
    return GroupTally(
        hits=sent * (sent - 1) // 2, differ=negative * (sent - negative), ledger=run.ledger()
    )


def signs_for_pairs(ties: Groups, pairs: int) -> int:
    """Fewest signs at random positions among which so many pairs within groups are expected."""
    d = ties.coords
    within = int((ties.sizes * (ties.sizes - 1)).sum())  # twice the pairs there are
    needed = -(-2 * pairs * d * (d - 1) // within)  # k(k−1) is at least this
    k = (1 + math.isqrt(4 * needed + 1)) // 2
    return min(d, k if k * (k - 1) >= needed else k + 1)
