"""Making masks: copies are shared and tested, random words are summed on them and amplified.

    share → test in Z → sum random words, digit by digit → amplify → check the sums of the masks

Every step is a value or a function of its own, and nothing here needs a gradient. Words are drawn
from a cryptographic source; the coins that choose which copies are tested, and how masks are
checked, are public; each is drawn after all that it tests is fixed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from qring.collectives.ghz.digits import majority_digit
from qring.collectives.ghz.readout import set_digit
from qring.errors import InputError
from qring.ledger import Ledger, Phase
from qring.network.conditions import Conditions
from qring.network.ghz import GhzBatch
from qring.network.pool import Pool, Verdict
from qring.network.run import Run, SharedCopies
from qring.network.supply import Supply
from qring.network.wiring import Announcement, Distribution
from qring.security.masks.amplify import amplify
from qring.security.masks.check import SumCheck
from qring.security.masks.commitment import Opened, announce_at_once
from qring.security.masks.gathering import EVERYBODY, Gathering, Words
from qring.security.masks.noisy import Pads, Plane, UndecodedError, noisy_masks
from qring.security.masks.noisy_terms import NoisyTerms
from qring.security.masks.outcome import Reason
from qring.security.masks.pads import EarlierMasks, KeyPads
from qring.security.masks.terms import MaskTerms

__all__ = ["Made", "MaskMaking", "MaskStore", "Source", "Store", "check_noise", "make_masks"]

Source = Callable[[int], bytes]
"""Gives that many random bytes, as ``os.urandom`` does."""

_WORDS_AT_ONCE = 1 << 16
_OVERLAPS_AT_ONCE = 4  # parts overlap by what amplification costs; longer parts waste less


@dataclass(slots=True, kw_only=True)
class MaskMaking:
    """One batch of masks under way, for the ``rows`` workers that live here, from ``first`` on.

    ``run`` is charged, and its generator draws public coins and what measurements show; where
    workers live in different processes all must open it with generators in the same state.
    ``source`` gives the secret words. Batches of ``earlier`` terms are made first; they give the
    ``pads`` that hide syndromes. Without any, pads come from keys between all pairs of workers.
    """

    terms: MaskTerms | NoisyTerms
    run: Run
    source: Source = os.urandom
    rows: int
    gathering: Gathering = EVERYBODY
    distribution: Distribution = Distribution.STAR
    announcement: Announcement = Announcement.XOR_RING
    first: int = 0
    earlier: tuple[NoisyTerms, ...] = ()
    pads: Pads | None = None
    _shared: SharedCopies = field(init=False)

    def __post_init__(self) -> None:
        self._shared = self.run.copies(
            distribution=self.distribution, announcement=self.announcement, phase=Phase.SETUP
        )

    @property
    def ledger(self) -> Ledger:
        """Account of the run so far; what making masks sends is all setup."""
        return self.run.ledger()

    def share(self) -> Pool:
        """Share all M copies, and have them received and kept.

        Raises:
            InputError: noise under which the tests cannot pass.
        """
        if isinstance(self.terms, MaskTerms):
            check_noise(self.terms, self.run.conditions)
        return self._shared.pool(self.terms.copies)

    def test(self, pool: Pool) -> tuple[Verdict, Pool]:
        """Measure T random copies in Z, and hand back the others in random order.

        Which ones is announced once all are received. Everybody hears every outcome. Noisy copies
        are twirled: signs of their phases are public coins as well.
        """
        tested, kept = pool.shuffled(self.run.rng).cut(self.terms.tests)
        self._shared.broadcast(self.terms.tests)
        if isinstance(self.terms, NoisyTerms):
            verdict = tested.test_pairs(self.terms.failures, self.run.rng)
            return verdict, kept.twirled(self.run.rng)
        return tested.test_z(self.run.rng), kept

    def masks(self, pool: Pool) -> Iterator[tuple[Words, Words]]:
        """Turn tested copies into masks, part by part: (own, shape (rows, count); their sums).

        The last ``terms.checks`` of them are for :class:`~qring.security.masks.check.SumCheck`.
        """
        terms, supply = self.terms, pool.supply()
        if isinstance(terms, NoisyTerms):
            yield from self._corrected(terms, supply, len(pool.tampered) > 0)
            return
        told_apart = self.run.needs_words or len(pool.tampered) > 0
        redundancy = terms.redundancy
        at_once = max(_WORDS_AT_ONCE, _OVERLAPS_AT_ONCE * redundancy)
        own = np.empty((self.rows, 0), np.uint64)
        total = np.empty(0, np.uint64)
        for start in range(0, terms.words, at_once):
            count = min(at_once, terms.words - start)
            words = self._draw(count)
            own = np.concatenate([own, words], axis=1)
            total = np.concatenate([total, self._sum(words, supply, told_apart)])
            if len(total) <= redundancy:
                continue
            yield (
                amplify(own, terms.taps, terms.sum_bits),
                amplify(total, terms.taps, terms.sum_bits),
            )
            done = len(total) - redundancy
            own, total = own[:, done:], total[done:]

    def _corrected(
        self, terms: NoisyTerms, supply: Supply[Any], tampered: bool
    ) -> Iterator[tuple[Words, Words]]:
        told_apart = self.run.needs_words or tampered

        def read(own: Words) -> tuple[Plane, Words]:
            batch, total = self._batch(own, supply, told_apart)
            return lambda digit, known: majority_digit(batch, digit, known, 1), total

        yield from noisy_masks(
            terms,
            draw=self._draw,
            read=read,
            pads=self.pads or KeyPads(terms, self.run, self._draw, self.gathering),
            gathering=self.gathering,
            broadcast=self._shared.broadcast,
            coins=self.run.rng,
        )

    def _draw(self, count: int) -> Words:
        """Draw secret words mod 2^B, a row for each worker here."""
        kind = np.uint32 if self.terms.sum_bits <= 32 else np.uint64
        size = self.rows * count
        drawn = np.frombuffer(self.source(size * np.dtype(kind).itemsize), kind)
        low_bits = np.uint64((1 << self.terms.sum_bits) - 1)
        return drawn.astype(np.uint64).reshape(self.rows, count) & low_bits

    def _sum(self, own: Words, supply: Supply[Any], told_apart: bool) -> Words:
        """Read the sums of words on the next copies, lowest digit first."""
        batch, _ = self._batch(own, supply, told_apart)
        repeats = self.terms.repeats if isinstance(self.terms, MaskTerms) else 1
        sums = np.zeros(len(batch), np.uint64)
        for digit in range(self.terms.sum_bits):
            set_digit(sums, digit, majority_digit(batch, digit, sums, repeats))
        return sums

    def _batch(self, own: Words, supply: Supply[Any], told_apart: bool) -> tuple[GhzBatch, Words]:
        """Get copies ready for words; and what these add up to, which a simulation knows."""
        everyone = self.gathering.everyone(own) if told_apart else None
        total = self.gathering.total(own) if everyone is None else everyone.sum(axis=0)
        return self._shared.batch(total, everyone, supply), total

    def announce(self, said: Words) -> Opened:
        """Have every worker commit to its hash of masks, shape (rows, checks), then open it."""
        return announce_at_once(
            said,
            first=self.first,
            bits=self.terms.checks * self.terms.sum_bits,
            broadcast=self._shared.broadcast,
            gathering=self.gathering,
        )


class Made(NamedTuple):
    """Outcome of making a batch: well, without a ``reason``, or not.

    ``liars`` did not open what they had committed to.
    """

    verdict: Verdict
    reason: Reason | None
    liars: tuple[int, ...] = ()


class MaskStore:
    """Masks in memory: ``own``, shape (rows, masks), a row a worker, and their sums ``total``."""

    __slots__ = ("_done", "own", "total")

    def __init__(self, rows: int, masks: int) -> None:
        self.own = np.empty((rows, masks), np.uint64)
        self.total = np.empty(masks, np.uint64)
        self._done = 0

    def keep(self, own: Words, total: Words) -> None:
        """Take in the next masks and their sums."""
        here = slice(self._done, self._done + len(total))
        self.own[:, here], self.total[here] = own, total
        self._done = here.stop

    def parts(self) -> Iterator[tuple[Words, Words]]:
        """All that was kept, in order."""
        yield self.own[:, : self._done], self.total[: self._done]


class Store(Protocol):
    """Store that masks go to as they are made, and come from once more to be checked."""

    def keep(self, own: Words, total: Words) -> None:
        """Take in the next masks, shape (rows, count), and their sums, shape (count,)."""

    def parts(self) -> Iterator[tuple[Words, Words]]:
        """All that was kept, in order."""


def make_masks(making: MaskMaking, store: Store) -> Made:
    """Run all steps, and leave what may be used in ``store``.

    What it holds must be thrown away unless the end is good. Coins of the check are drawn after
    the last sum is public.

    Raises:
        InputError: noise under which the tests cannot pass.
    """
    if making.earlier:
        first = replace(making, terms=making.earlier[-1], earlier=making.earlier[:-1])
        hiding = MaskStore(making.rows, first.terms.masks)
        made = make_masks(first, hiding)
        if made.reason is not None:
            return made
        making.pads = EarlierMasks(hiding.own, hiding.total)
    terms = making.terms
    verdict, pool = making.test(making.share())
    if not verdict.passed:
        return Made(verdict, Reason.TAMPERED)
    if terms.check is None:
        for own, total in making.masks(pool):
            store.keep(own, total)
        return Made(verdict, None)
    check = SumCheck(terms.masks, terms.sum_bits, terms.check, making.rows)
    try:
        for own, total in making.masks(pool):
            store.keep(*check.absorb(own, total))
    except UndecodedError:
        return Made(verdict, Reason.UNDECODED)
    said, liars = making.announce(check.said(store.parts(), making.run.rng))
    if liars:
        return Made(verdict, Reason.BROKEN_PROMISE, liars)
    right = check.agrees_with(said.sum(axis=0, dtype=np.uint64))
    return Made(verdict, None if right else Reason.WRONG_SUMS)


def check_noise(terms: MaskTerms, conditions: Conditions) -> None:
    """Refuse noise under which tests that must all pass will not.

    Raises:
        InputError: tests are expected to fail though nobody tampers.
    """
    noise = conditions.qubit_noise
    flip = noise.x + noise.y
    failing = terms.tests * (1 - (1 - flip) ** terms.workers - flip**terms.workers)
    if failing > 0.1:
        raise InputError(
            f"all {terms.tests:,} tests must pass, but at bit flips of probability {flip:.3g} a "
            f"qubit {failing:,.1f} fail on average; distil the copies first, or make fewer masks"
        )
