"""One-time pads for syndromes: masks of an earlier batch, or the keys of pairs of workers.

A batch's pads are a part of what a batch before it left; the first one, small, takes pairwise keys
from pairs of the same noise, one-way, kept until their tests are named. Their bound is the masks'
theorem for two workers and one digit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from qring.errors import InputError
from qring.ledger import Carrier, Phase
from qring.network.run import Run
from qring.security.masks.gathering import Gathering, Words
from qring.security.masks.noisy_terms import NoisyTerms
from qring.security.masks.typical import ball_bits, failures_allowed, undetected

__all__ = ["EarlierMasks", "KeyPads", "KeyTerms", "chain"]

_FIRST = 6_000
"""Pads from keys at most, where an earlier batch can give them instead."""
_EFFICIENCY = 1.25


class KeyTerms(NamedTuple):
    """One key: ``pairs`` shared, ``tests`` of them only tested, ``told`` syndrome bits."""

    pairs: int
    tests: int
    told: int

    @classmethod
    def plan(cls, bits: int, *, error: float, epsilon: float) -> KeyTerms:
        """Fewest pairs for a key of so many bits; ε is secrecy and correctness together.

        Raises:
            InputError: errors that leave no key.
        """
        share = (
            0.0 if error == 0 else -error * math.log2(error) - (1 - error) * math.log2(1 - error)
        )
        reserve = 3 * math.log2(2 / epsilon) + 4
        best: KeyTerms | None = None
        for step in range(-8, 9):
            tests = max(64, round(bits * 2 ** (step / 2)))
            failures = failures_allowed(tests, error, 2, 1e-6)
            low, high = bits, 2 * bits + 4096
            while high < 64 * bits + 10**6 and not _enough(
                high, bits, tests, failures, share, reserve, epsilon
            ):
                low, high = high, 2 * high
            if high >= 64 * bits + 10**6:
                continue
            while high - low > max(1, high >> 10):
                middle = (low + high) // 2
                if _enough(middle, bits, tests, failures, share, reserve, epsilon):
                    high = middle
                else:
                    low = middle
            found = cls(high + tests, tests, math.ceil(_EFFICIENCY * share * high))
            if best is None or found.pairs < best.pairs:
                best = found
        if best is None:
            raise InputError(
                f"pairs whose bits differ with probability {error:.3g} leave no key to hide "
                "syndromes with; distil them first"
            )
        return best


def _enough(
    words: int, bits: int, tests: int, failures: int, share: float, reserve: float, epsilon: float
) -> bool:
    wanted = -2 * math.log(2 / epsilon) - 3
    low, high = 0, words
    while low < high:
        middle = (low + high) // 2
        if undetected(tests + words, failures + middle + 1, tests, failures) <= wanted:
            high = middle
        else:
            low = middle + 1
    return words - ball_bits(words, low) - _EFFICIENCY * share * words - reserve >= bits


@dataclass(slots=True)
class EarlierMasks:
    """Masks of an earlier batch, ``own`` of shape (rows, count), handed out once."""

    own: Words
    total: Words
    used: int = 0

    def take(self, count: int) -> tuple[Words, Words]:
        """Use up the next pads.

        Raises:
            InputError: they were used before.
        """
        if self.used + count > len(self.total):
            raise InputError(
                f"{count:,} pads are needed and {len(self.total) - self.used:,} are left: no pad "
                "is used twice; make a new batch"
            )
        here = slice(self.used, self.used + count)
        self.used = here.stop
        own, total = self.own[:, here].copy(), self.total[here].copy()
        self.own[:, here] = 0
        return own, total


class KeyPads:
    """Pads of known sum from keys between all pairs of workers, charged to a run."""

    __slots__ = ("_draw", "_gathering", "_left")

    def __init__(
        self, terms: NoisyTerms, run: Run, draw: Callable[[int], Words], gathering: Gathering
    ) -> None:
        self._draw, self._gathering, self._left = draw, gathering, terms.pads
        if terms.pads == 0:
            return
        workers = terms.workers
        links = workers * (workers - 1) // 2
        key = KeyTerms.plan(
            terms.pads * terms.sum_bits,
            error=max(terms.z_error, terms.x_error),
            epsilon=terms.epsilon / links,
        )
        for first in range(workers):
            for second in range(first + 1, workers):
                there = run.wire(first, second, Phase.SETUP)
                there.send(Carrier.QUBIT, key.pairs)
                there.send(Carrier.BIT, key.tests + key.told)
                run.wire(second, first, Phase.SETUP).send(Carrier.BIT, key.tests)

    def take(self, count: int) -> tuple[Words, Words]:
        """Use up the next pads.

        Raises:
            InputError: they were used before.
        """
        if count > self._left:
            raise InputError(f"{count:,} pads are needed and {self._left:,} are left")
        self._left -= count
        own = self._draw(count)
        return own, self._gathering.total(own)


def chain(masks: int, plan: Callable[[int, float], NoisyTerms]) -> tuple[NoisyTerms, ...]:
    """Batches, first to last, each of which hides the next one's syndromes; the last has ``masks``.

    ``plan(masks, share)`` plans a batch with a share of the whole ε; keys take a share too.
    """
    length = 1
    while True:
        share = 1 / length if length == 1 and plan(masks, 1.0).pads == 0 else 1 / (length + 1)
        found = [plan(masks, share)]
        while found[-1].pads > _FIRST and len(found) <= length:
            before = plan(found[-1].pads, share)
            if before.copies >= found[-1].copies:
                break  # at this noise no smaller batch would do
            found.append(before)
        if len(found) <= length:
            spent, ready = 0.0, []
            for number, terms in enumerate(reversed(found)):
                if terms.pads and number == 0:
                    spent += terms.epsilon  # of the keys
                ready.append(replace(terms, before=spent))
                spent += terms.epsilon
            return tuple(ready)
        length = len(found)
