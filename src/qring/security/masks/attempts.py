"""Attempts to sum the same words under masks, each with the workers that the last one left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from qring.collectives.aggregate import Progress
from qring.encoding.formats import WordFormat
from qring.ledger import Ledger
from qring.network.links import superdense
from qring.network.run import Run
from qring.schedule.ring import Direction
from qring.security.masks.chains import ride
from qring.security.masks.gathering import Words
from qring.security.masks.integrity import IntegrityCheck, IntegrityVerdict
from qring.security.masks.losses import Settlement, Summed, summed_by

__all__ = ["Attempts"]


class Attempts:
    """One sum of ``words``, shape (workers, words), mod 2^B, run after run until it is settled.

    ``run`` is charged for all of them; rounds of checks stand in accounts of their own.
    """

    def __init__(
        self,
        words: Words,
        sum_bits: int,
        *,
        gather: Direction,
        dropouts: Mapping[int, int],
        run: Run,
        progress: Progress,
    ) -> None:
        self._words, self._sum_bits, self._gather = words, sum_bits, gather
        self._dropouts, self._progress = dropouts, progress
        self.run, self._others = run, Ledger()
        self._unchecked: list[Summed] = []
        self.settlement = Settlement.of(*words.shape)

    def ride(self, own: Words, total: Words, *, end_at_loss: bool) -> None:
        """Sum what still wants a sum, over all that are left, under fresh masks.

        ``own`` masks have shape (workers left, words that want a sum); ``total`` are their sums.
        """
        ran = self.settlement.left
        masked = self._words[np.ix_(np.array(ran), self.settlement.wanted)] + own
        masked &= np.uint64((1 << self._sum_bits) - 1)

        ridden = ride(
            masked,
            wire=WordFormat(word_bits=self._sum_bits, workers=len(ran), carry=False),
            gather=self._gather,
            link=lambda src, dst: self.run.link(superdense, ran[src], ran[dst]),
            run=self.run,
            silent_from={k: self._dropouts[w] for k, w in enumerate(ran) if w in self._dropouts},
            end_at_loss=end_at_loss,
            progress=self._progress,
        )
        self._unchecked += summed_by(ridden, masked, ran, self._sum_bits)
        self.settlement.absorb(ridden, total, self._sum_bits)

    def charge(self, run: Run, workers: Sequence[int]) -> None:
        """Add what was sent in a ``run`` of these workers alone."""
        self._others += run.ledger().renamed(workers)

    def checked(self, epsilon: float, batch: int) -> IntegrityVerdict | None:
        """Check what the last run summed, of a ``batch`` of masks; a verdict if it failed.

        Each group of equal contributors has a check of its own. Of a lost worker's word its
        neighbours announce what they received and sent: that is charged to everybody, a bound.
        What an eavesdropper did to its messages then shifts the sum, as a dishonest worker could.
        """
        groups, self._unchecked = self._unchecked, []
        for ran, holders, masked, results in groups:
            check = IntegrityCheck.plan(masked.shape[1], self._sum_bits, epsilon, masks=batch)
            alive = [ran.index(holder) for holder in holders]
            held = np.repeat(results[:1], len(ran), axis=0)
            held[alive] = results
            others, liars = self.run.among(holders), self.run.conditions.liars
            broadcast = others.copies().broadcast
            if len(ran) > len(holders):
                broadcast((len(ran) - len(holders)) * check.bits)
            verdict, _ = check.run(
                masked,
                held,
                coins=self.run.rng,
                broadcast=broadcast,
                liars=frozenset(k for k, worker in enumerate(ran) if worker in liars),
            )
            self.charge(others, holders)
            if not verdict.passed:
                return verdict
        return None

    @property
    def ledger(self) -> Ledger:
        """Ledger of all runs and their checks."""
        return self.run.ledger() + self._others

    @property
    def lost(self) -> tuple[int, ...]:
        """Workers that have fallen silent."""
        return self.settlement.lost(len(self._words))
