"""Terms of a batch of masks from noisy copies.

All figures follow from the noise that is expected, ε, and the rate at which honest runs may abort;
they are chosen before anything is shared. Proof of the bound:
:mod:`qring.security.masks.typical` and the guide.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

from qring.encoding.values import MAX_SUM_BITS
from qring.errors import InputError
from qring.security.masks.powers import HashSize
from qring.security.masks.syndrome import rows_for
from qring.security.masks.typical import failures_allowed, patterns
from qring.validate import check_probability, check_whole

__all__ = ["ABORT_RATE", "NoisyTerms"]

ABORT_RATE = 1e-6
"""Probability with which honest noise fails the tests, at most."""

_LONGEST_BLOCK = 1 << 15
_WORST = 0.13  # disagreement from which on masks have no yield, whatever the batch


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyTerms:
    """A batch of ``masks`` masks mod 2^B from noisy copies, private but for ``epsilon``.

    ``words`` N are summed, B copies each, and ``lost`` r of them go into amplification; ``tests``
    T copies are measured, and no pair of workers may disagree on more than ``failures`` c of them.
    Digits that are wrong with probability ``x_error`` are corrected in ``blocks`` of equal length
    by ``rows`` syndrome words each and, where that fails, ``more_rows`` more, in up to
    ``repairs`` blocks; each syndrome word takes a pad. ``z_error`` is the probability that two
    workers disagree on a copy. ``before`` is the ε of earlier batches and keys whose masks are its
    pads. Standing: bound, finite size.
    """

    workers: int
    sum_bits: int
    masks: int
    epsilon: float
    z_error: float
    x_error: float
    words: int
    tests: int
    failures: int
    lost: int
    blocks: int
    rows: int
    more_rows: int
    repairs: int
    check: HashSize
    before: float = 0.0

    @classmethod
    def plan(
        cls, masks: int, *, workers: int, sum_bits: int, epsilon: float,
        z_error: float = 0.0, x_error: float = 0.0, abort: float = ABORT_RATE,
    ) -> NoisyTerms:  # fmt: skip
        """Choose the batch that takes fewest copies.

        Raises:
            InputError: no masks, one worker, words too wide, ε outside (0, 1), or noise that leaves
                no masks.
        """
        check_whole("masks", masks)
        if workers < 2:
            raise InputError(f"masks of known sum need at least 2 workers, not {workers}")
        check_whole("the bits of a mask", sum_bits, most=MAX_SUM_BITS)
        check_probability("epsilon", epsilon, zero=False, one=False)
        check_probability("the share of wrong digits", x_error)
        check_probability("the share of disagreements", z_error)
        found = _best(masks, workers, sum_bits, epsilon, z_error, x_error, abort)
        if found is None:
            raise InputError(
                f"workers disagree on {z_error:.3g} of the copies and {x_error:.3g} of the digits "
                f"are wrong: no mask is left of {masks:,}. White noise leaves some above a "
                "visibility of 0.84, in batches of 1e6 above 0.86; detect errors or distil the "
                "copies first, or make a larger batch"
            )
        return found

    @property
    def secrecy(self) -> float:
        """ε of this batch and of all that hides its syndromes."""
        return self.epsilon + self.before

    @property
    def withstood(self) -> int:
        """w: corrupted digits of one level, which amplification leaves nothing of."""
        eta = self.epsilon**2 * (1 - 2 * min(self.epsilon, 0.25))
        levels = (self.workers - 1) * self.sum_bits
        a1, a2 = math.log2(4 * levels / eta), math.log2(16 * levels / eta)
        return patterns(self.words, self.tests, self.failures, a1, a2).errors

    @property
    def checks(self) -> int:
        """Masks that are spent on finding wrong sums."""
        return self.check.rows

    @property
    def correctness(self) -> float:
        """Probability that wrong sums pass their check, if all workers are honest: k/2^m."""
        return self.check.missed(self.masks)

    @property
    def length(self) -> int:
        """Words of a block."""
        return self.words // self.blocks

    @property
    def pads(self) -> int:
        """Syndrome words that have to be hidden, by masks of an earlier batch or by keys."""
        return self.blocks * self.rows + self.repairs * self.more_rows

    @property
    def used_copies(self) -> int:
        """Copies that words are encoded on."""
        return self.words * self.sum_bits

    @property
    def copies(self) -> int:
        """Copies in all, those that are tested included."""
        return self.used_copies + self.tests

    @property
    def rate(self) -> float:
        """Digits of masks a copy, pads that a batch of this size needs taken off."""
        return (self.masks - self.pads) * self.sum_bits / self.copies


@functools.lru_cache(maxsize=256)
def _best(
    masks: int, workers: int, sum_bits: int, epsilon: float,
    z_error: float, x_error: float, abort: float,
) -> NoisyTerms | None:  # fmt: skip
    if z_error >= _WORST or x_error >= 0.5:
        return None
    levels = (workers - 1) * sum_bits
    eta = epsilon**2 * (1 - 2 * min(epsilon, 0.25))
    a1, a2 = math.log2(4 * levels / eta), math.log2(16 * levels / eta)
    check = HashSize.enough(masks, epsilon)
    net = masks + check.rows

    def with_tests(tests: int) -> NoisyTerms | None:
        failures = failures_allowed(tests, z_error, workers, abort)

        def lost(words: int) -> int:
            bits = patterns(words, tests, failures, a1, a2).bits
            return math.ceil(bits + math.log2(2 * levels / eta))

        low, high = net, 2 * net + 64
        while lost(high) > high - net:
            if high > 40 * net + 10**6:
                return None
            low, high = high, 2 * high
        while high - low > max(1, high >> 11):
            middle = (low + high) // 2
            low, high = (low, middle) if lost(middle) <= middle - net else (middle, high)
        blocks = -(-high // _LONGEST_BLOCK)
        words = blocks * -(-high // blocks)
        rows, more_rows = rows_for(words // blocks, x_error)
        return NoisyTerms(
            workers=workers, sum_bits=sum_bits, masks=masks, epsilon=epsilon, z_error=z_error,
            x_error=x_error, words=words, tests=tests, failures=failures, lost=words - net,
            blocks=blocks, rows=rows, more_rows=more_rows,
            repairs=(2 + blocks // 8) if rows else 0, check=check,
        )  # fmt: skip

    tried: dict[int, NoisyTerms | None] = {}
    best: int | None = None
    for stride in (12, 6, 3, 1):
        for step in range(-84, 61, 12) if best is None else (best - stride, best + stride):
            if step not in tried:
                tried[step] = with_tests(max(1, round(masks * sum_bits * 2 ** (step / 6))))
        found = {step: each.copies for step, each in tried.items() if each is not None}
        if not found:
            return None
        best = min(found, key=lambda step: found[step])
    return None if best is None else tried[best]
