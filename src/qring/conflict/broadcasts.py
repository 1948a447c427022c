"""TieAudit's rivals run on signs: one classical broadcast, and what a client makes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qring.conflict.matching import Groups, Matching
from qring.conflict.rival import Rival
from qring.conflict.signs import Signs
from qring.conflict.sketches import maximum_moments
from qring.errors import InputError
from qring.ledger import Carrier, Ledger
from qring.network.network import Network

__all__ = ["TieSketch", "birthday_broadcast", "index_broadcast"]

_BLOCK_WORDS = 1 << 22  # shared directions that are drawn at once


@dataclass(frozen=True, slots=True, kw_only=True)
class TieSketch:
    """A client's estimate of the disagreeing share of its ties' pairs, and the account.

    ``fraction`` is unbiased, and may leave [0, 1]. ``complete`` pairs within ties had both signs
    broadcast, of which ``differ`` disagree; both are 0 where no single sign is sent.
    """

    fraction: float
    complete: int
    differ: int
    ledger: Ledger


def birthday_broadcast(
    signs: Signs, ties: Matching | Groups, count: int, rng: np.random.Generator
) -> TieSketch:
    """Send ``count`` signs at positions that ``rng`` shares with the client.

    Raises:
        InputError: fewer than two positions, or more than there are coordinates.
    """
    if not 2 <= count <= signs.coords:
        raise InputError(
            f"{count} positions of {signs.coords} coordinates; at least 2, at most all"
        )
    places: NDArray[np.int64] = np.sort(rng.choice(signs.coords, size=count, replace=False))
    sent = signs.negative(places)
    if isinstance(ties, Groups):
        complete, differ, weighed = _in_groups(ties, places, sent)
    else:
        partner = ties.partner(places)
        found = np.searchsorted(places, partner).clip(max=count - 1)
        whole = (places[found] == partner) & (places < partner)
        complete = int(whole.sum())
        differ = int((sent[whole] ^ sent[found[whole]]).sum())
        weighed = complete - 2 * differ
    d = signs.coords
    both = count * (count - 1) / (d * (d - 1))
    return TieSketch(
        fraction=0.5 - weighed / (ties.tied * both),
        complete=complete,
        differ=differ,
        ledger=_charged(count, rng),
    )


def _in_groups(
    ties: Groups, places: NDArray[np.int64], sent: NDArray[np.bool_]
) -> tuple[int, int, float]:
    """Complete pairs, those that disagree, and Σ x_i·x_j/(g−1) over the complete."""
    group = ties.of_coordinate(places)
    inside = group >= 0
    minus = np.bincount(group[inside], sent[inside], minlength=len(ties.sizes)).astype(np.int64)
    all_sent = np.bincount(group[inside], minlength=len(ties.sizes))
    pairs, differ = all_sent * (all_sent - 1) // 2, minus * (all_sent - minus)
    return (
        int(pairs.sum()),
        int(differ.sum()),
        float(((pairs - 2 * differ) / (ties.sizes - 1)).sum()),
    )


def index_broadcast(
    signs: Signs, ties: Matching | Groups, rival: Rival, rng: np.random.Generator
) -> TieSketch:
    """Send indices of the largest of 2^R shared normal directions along the signs.

    ``rng`` is the randomness that both share; time and memory are those of 2^R·d words a message.
    """
    d, width = signs.coords, rival.bits // rival.messages
    values = np.where(signs.negative(np.arange(d)), -1.0, 1.0)
    mean, _ = maximum_moments(width)
    total, own = np.zeros(d), 0.0
    for _ in range(rival.messages):
        best, chosen = -np.inf, total
        for start in range(0, 1 << width, max(1, _BLOCK_WORDS // d)):
            count = min((1 << width) - start, max(1, _BLOCK_WORDS // d))
            directions = rng.standard_normal((count, d))
            along = directions @ values
            top = int(along.argmax())
            if along[top] > best:
                best, chosen = float(along[top]), directions[top].copy()
        total = total + chosen
        own += _within(ties, chosen)
    crossed = _within(ties, total) - own
    t = rival.messages
    return TieSketch(
        fraction=0.5 - d / (2 * ties.tied) * crossed / (t * (t - 1) * mean**2),
        complete=0,
        differ=0,
        ledger=_charged(rival.bits, rng),
    )


def _within(ties: Matching | Groups, vector: NDArray[np.float64]) -> float:
    """vᵀBv, B with 1/(g−1) between different members of a tie of g."""
    if isinstance(ties, Groups):
        mine = vector[ties.members]
        sums = np.add.reduceat(mine, ties.starts[:-1])
        squares = np.add.reduceat(mine**2, ties.starts[:-1])
        return float(((sums**2 - squares) / (ties.sizes - 1)).sum())
    partner = ties.partner(np.arange(len(vector)))
    return float((vector * np.where(partner >= 0, vector[partner], 0.0)).sum())


def _charged(bits: int, rng: np.random.Generator) -> Ledger:
    """The account of one message of ``bits`` from the server, node 0, to a client."""
    run = Network().open(2, rng)
    run.wire(0, 1).send(Carrier.BIT, bits)
    run.end_rounds()
    return run.ledger()
