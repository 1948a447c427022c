"""Terms of a batch of masks: the copies, tests and words it takes.

Of M copies, T random ones are measured in Z after all were received. Were more than K of them
corrupted, all tests pass with probability at most (1−T/M)^K; by the square root that coherent
attacks are worth, what is left is ε-close to copies of which at most K are corrupted, as soon as
(1−T/M)^K ≤ ε². From there on nothing leaks: see :mod:`qring.security.masks.amplify`. Source of
the square root: Bouman and Fehr, Sampling in a quantum population (CRYPTO 2010).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qring.collectives.ghz.digits import majority_copies
from qring.collectives.ghz.readout import check_visibility, digit_failure
from qring.encoding.codes import bch_polynomial as bch
from qring.encoding.values import MAX_SUM_BITS
from qring.errors import InputError
from qring.security.masks.powers import HashSize

__all__ = ["DEFAULT_EPSILON", "MaskTerms"]

DEFAULT_EPSILON = 2.0**-40

_UNREADABLE = 1e-3  # probability that noise spoils a batch, which its checks then find


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskTerms:
    """A batch of ``masks`` masks mod 2^B for ``workers`` workers, private but for ``epsilon``.

    ``withstood`` is K, the corrupted words that leave the masks perfect; ``degree`` is m, of the
    code's field; ``check`` is the hash that finds wrong sums, which as many masks hide as it has
    rows; ``repeats`` copies are read a digit; ``tests`` copies are measured and thrown away.
    Standing: bound, finite size.
    """

    workers: int
    sum_bits: int
    masks: int
    epsilon: float
    withstood: int
    degree: int
    check: HashSize | None
    repeats: int
    tests: int

    @classmethod
    def plan(
        cls,
        masks: int,
        *,
        workers: int,
        sum_bits: int,
        epsilon: float = DEFAULT_EPSILON,
        tested_share: float | None = None,
        visibility: float = 1.0,
    ) -> MaskTerms:
        """Choose K, the code and the tests for ε; the share of tests that costs fewest copies.

        ``epsilon`` bounds what an eavesdropper learns over *all* uses of the batch, and the
        probability that wrong mask sums pass unseen. ``visibility`` is that of the copies.

        Raises:
            InputError: no masks, one worker, ε or the share outside (0, 1), words too wide, copies
                without visibility, or too many coordinates for any code.
        """
        if masks < 1:
            raise InputError(f"a batch holds at least one mask, not {masks}")
        if workers < 2:
            raise InputError(f"masks of known sum need at least 2 workers, not {workers}")
        if not 1 <= sum_bits <= MAX_SUM_BITS:
            raise InputError(f"masks have 1..{MAX_SUM_BITS} bits, not {sum_bits}")
        if not 0 < epsilon < 1:
            raise InputError(f"epsilon lies in (0, 1), not at {epsilon}")
        if tested_share is not None and not 0 < tested_share < 1:
            raise InputError(f"the tested share lies in (0, 1), not at {tested_share}")
        check = HashSize.enough(masks, epsilon)
        checks = check.rows
        wrong = (1 - check_visibility(visibility)) / 2
        offers: list[MaskTerms] = []
        for degree in range(2, bch.LARGEST_DEGREE + 1):
            withstood = _withstood(masks + checks, degree, epsilon, tested_share)
            length = (1 << degree) - 1
            if masks + checks + withstood > length or 2 * withstood >= length:
                continue
            words = masks + checks + bch.redundancy(degree, withstood)
            if words > length:
                continue
            repeats = majority_copies(wrong, digit_failure(_UNREADABLE / words, sum_bits))
            used = words * sum_bits * repeats
            share = tested_share or -math.expm1(2 * math.log(epsilon) / withstood)
            offers.append(
                cls(
                    workers=workers,
                    sum_bits=sum_bits,
                    masks=masks,
                    epsilon=epsilon,
                    withstood=withstood,
                    degree=degree,
                    check=check,
                    repeats=repeats,
                    tests=math.ceil(used * share / (1 - share)),
                )
            )
            if len(offers) == 2:  # a longer code may allow a better K, but only just
                return min(offers, key=lambda offer: offer.copies)
        if offers:
            return offers[0]
        raise InputError(
            f"{masks:,} masks are more than a code of 2^{bch.LARGEST_DEGREE} words holds at this "
            "epsilon; make several batches"
        )

    @property
    def redundancy(self) -> int:
        """r: words that privacy amplification costs."""
        return bch.redundancy(self.degree, self.withstood)

    @property
    def secrecy(self) -> float:
        """ε of all uses of the batch."""
        return self.epsilon

    @property
    def checks(self) -> int:
        """Masks that are spent on finding wrong sums."""
        return 0 if self.check is None else self.check.rows

    @property
    def correctness(self) -> float:
        """Probability that wrong sums pass their check, if all workers are honest: k/2^m."""
        return 1.0 if self.check is None else self.check.missed(self.masks)

    @property
    def taps(self) -> NDArray[np.uint8]:
        """Coefficients of the code's generator, for :func:`~qring.security.masks.amplify`."""
        return bch.generator(self.degree, self.withstood)

    @property
    def words(self) -> int:
        """N: random words that are summed on copies."""
        return self.masks + self.checks + self.redundancy

    @property
    def used_copies(self) -> int:
        """Copies that words are encoded on."""
        return self.words * self.sum_bits * self.repeats

    @property
    def copies(self) -> int:
        """M: copies in all, those that are tested included."""
        return self.used_copies + self.tests

    @property
    def escape(self) -> float:
        """Probability that K+1 corrupted copies pass all tests, classically; at most ε²."""
        left = np.arange(self.withstood + 1, dtype=np.float64)
        return float(np.exp(np.log1p(-self.tests / (self.copies - left)).sum()))


def _withstood(kept: int, degree: int, epsilon: float, share: float | None) -> int:
    """K that the tests ensure; without a share, the K at which fewest copies are needed.

    With L = ln(1/ε), (kept + m·K)/(1−f) for 1−f = ε^(2/K) is least at K = L + √(L² + 2L·kept/m).
    """
    loss = -math.log(epsilon)
    if share is not None:
        return max(1, math.ceil(2 * loss / -math.log1p(-share) - 1e-9))
    return max(1, round(loss + math.sqrt(loss * loss + 2 * loss * kept / degree)))
