"""The classical rivals of TieAudit: what the server could send instead of phase states."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qring.conflict.matching import Matching
from qring.conflict.rival import Rival
from qring.conflict.signs import Signs
from qring.errors import InputError
from qring.ledger import Carrier, Ledger
from qring.network.network import Network

__all__ = ["BIRTHDAY", "best_tie_rival", "birthday_broadcast", "birthday_signs", "tie_rivals"]

BIRTHDAY = "birthday broadcast"


def tie_rivals(coords: int, tied: int, samples: int) -> tuple[Rival, ...]:
    """Bits of four rivals that give ``samples`` sampled pairs (or all), M = ``tied``/2 pairs.

    The first two are one-way and know as little of the ties as the quantum server; the others
    know more. Standing: exact; the birthday's number of pairs is a mean.

    Raises:
        InputError: fewer than two tied coordinates, or more than there are.
    """
    if not 2 <= tied <= coords or samples < 1:
        raise InputError(f"{tied} of {coords} coordinates tied and {samples} samples make no sense")
    k = birthday_signs(coords, tied, samples)
    # An upstream message names sampled pairs; the server answers with their parities.
    asked = math.ceil(samples * (2 * math.log2(coords) + 1))
    return (
        Rival(name=BIRTHDAY, bits=k, messages=k, shared_random_words=k,
              caveat="shared random positions; one broadcast serves every client"),
        Rival(name="all signs", bits=coords, messages=coords,
              caveat="exact; one broadcast serves every client"),
        Rival(name="server knows the ties", bits=samples, messages=samples,
              caveat="the ties are no longer private"),
        Rival(name="one upstream message", bits=asked, messages=samples,
              caveat="not one-way: the client names its pairs"),
    )  # fmt: skip


def best_tie_rival(coords: int, tied: int, samples: int) -> Rival:
    """The cheapest rival that is one-way and knows nothing of the ties.

    Raises:
        InputError: as :func:`tie_rivals`.
    """
    return min(tie_rivals(coords, tied, samples)[:2], key=lambda rival: rival.bits)


def birthday_signs(coords: int, tied: int, samples: int) -> int:
    """Signs at shared random positions of which ``samples`` pairs are complete on average.

    The least k with M·k(k−1)/(d(d−1)) ≥ m; all d if that is not enough.
    """
    needed = -(-samples * coords * (coords - 1) // (tied // 2))  # k(k−1) ≥ this
    k = math.isqrt(needed)
    while k * (k - 1) < needed:
        k += 1
    return min(k, coords)


def birthday_broadcast(
    signs: Signs, ties: Matching, count: int, rng: np.random.Generator
) -> tuple[int, int, Ledger]:
    """Send ``count`` signs at positions that ``rng`` shares with the client.

    Returns the complete pairs, how many of them disagree, and the ledger.

    Raises:
        InputError: more positions than coordinates.
    """
    if not 0 < count <= signs.coords:
        raise InputError(f"{count} positions out of {signs.coords} coordinates")
    places: NDArray[np.int64] = np.sort(rng.choice(signs.coords, size=count, replace=False))
    run = Network().open(2, rng)
    run.wire(0, 1).send(Carrier.BIT, count)
    run.end_rounds()
    sent = signs.negative(places)
    partner = ties.partner(places)
    found = np.searchsorted(places, partner).clip(max=count - 1)
    complete = (places[found] == partner) & (places < partner)
    differs = sent[complete] ^ sent[found[complete]]
    return int(complete.sum()), int(differs.sum()), run.ledger()
