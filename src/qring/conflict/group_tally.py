"""What each of a client's ties is told by copies that serve them all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qring.conflict.matching import Groups, RandomPairs
from qring.conflict.phase_state import state_qubits
from qring.conflict.signs import Signs
from qring.errors import InputError
from qring.ledger import Carrier, Ledger
from qring.network.network import Network

__all__ = ["GroupTally", "tally_groups"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupTally:
    """Of each group, how many copies hit it and how many of them found a pair that disagrees.

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
