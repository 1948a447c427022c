"""A batch of masks in memory, for workers that all live here."""

from __future__ import annotations

import os
from typing import NamedTuple

from qring.network.run import Run
from qring.network.view import View
from qring.network.wiring import Distribution
from qring.security.masks.gathering import Words
from qring.security.masks.making import Made, MaskMaking, MaskStore, Source, make_masks
from qring.security.masks.noisy_terms import NoisyTerms
from qring.security.masks.outcome import PrivateAborted
from qring.security.masks.terms import MaskTerms

__all__ = ["Masks", "aborted", "fresh_masks"]


class Masks(NamedTuple):
    """Masks of all workers, shape (workers, count), number ``first`` and on of a batch.

    ``total`` are their public sums mod 2^B; the batch held ``batch`` masks. ``epsilon`` is their
    secrecy, ``correctness`` the probability that wrong sums passed their check.
    """

    own: Words
    total: Words
    first: int
    batch: int
    epsilon: float
    correctness: float
    withstood: int
    terms: MaskTerms | NoisyTerms | None = None
    view: View = ()


def fresh_masks(
    terms: MaskTerms | NoisyTerms,
    run: Run,
    source: Source = os.urandom,
    *,
    earlier: tuple[NoisyTerms, ...] = (),
    distribution: Distribution = Distribution.STAR,
) -> Masks | PrivateAborted:
    """Make a batch of masks for workers that all live here, in memory; ``earlier`` ones first.

    Raises:
        InputError: noise under which the tests cannot pass.
    """
    making = MaskMaking(
        terms=terms, run=run, source=source, rows=terms.workers, earlier=earlier,
        distribution=distribution,
    )  # fmt: skip
    store = MaskStore(terms.workers, terms.masks)
    made = make_masks(making, store)
    return aborted(making, made) or Masks(
        store.own,
        store.total,
        0,
        terms.masks,
        terms.secrecy,
        terms.correctness,
        terms.withstood,
        terms,
        run.seen(),
    )


def aborted(making: MaskMaking, made: Made) -> PrivateAborted | None:
    """The outcome of a batch that cannot be used, if it cannot."""
    if made.reason is None:
        return None
    return PrivateAborted(
        coords=making.terms.masks,
        ledger=making.ledger,
        workers=making.terms.workers,
        reason=made.reason,
        verdict=made.verdict,
        liars=made.liars,
    )
