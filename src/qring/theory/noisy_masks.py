"""Masks from noisy GHZ copies: what the theorem costs, how copies are best spent, and its limits.

T of T + B·N copies are tested in Z; the run goes on if no two workers disagree on more than c of
them. Each of N words is summed on B copies, and a random Toeplitz matrix over Z_{2^B} leaves N − r
masks. Then ε_sec = √η + η with η = (n−1)·B·(2^−a1 + 4·2^−a2 + 2^(C−r)), C being the logarithm of
how many patterns of errors are typical for a level of digits. Standing: bounds at finite size, for
any source. Proof: the guide of private sums. Ours; tails by :mod:`qring.theory.tails`.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

from qring.errors import InputError
from qring.theory.capacity import binary_entropy
from qring.theory.tails import (
    largest,
    log_binomial_above,
    log_hypergeometric_above,
    log_hypergeometric_up_to,
    log_volume,
    smallest,
    smallest_with,
)

__all__ = [
    "EFFICIENCY",
    "MaskYield",
    "Typical",
    "best_masks",
    "masks_with",
    "secrecy",
    "typical",
    "yield_limit",
]

EFFICIENCY = 1.2
"""Rows of a syndrome over N·h(q): what codes for noisy digits were seen to need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typical:
    """Bounds for errors that pass the tests, on a level of N digits: see the theorem.

    ``errors`` is w, ``signs`` φ, ``overlap`` ρ, ``free`` α, ``patterns`` C.
    """

    errors: int
    signs: int
    overlap: int
    free: int
    patterns: float


@functools.lru_cache(maxsize=4096)
def typical(words: int, tests: int, failures: int, a1: float, a2: float) -> Typical:
    """w, φ, ρ, α and C for N words, T tests of which c may fail, and tails 2^−a1, 2^−a2.

    Standing: bound.
    """
    errors = smallest(
        lambda w: log_hypergeometric_up_to(tests + words, failures + w + 1, tests, failures) <= -a1,
        0,
        words,
    )
    signs = smallest(lambda m: log_binomial_above(errors, 0.5, m) <= -a2, errors // 2, errors)
    either = min(words, errors + signs)
    overlap = smallest(
        lambda m: log_hypergeometric_above(words, either, errors, m) <= -a2,
        errors * either // max(1, words),
        errors,
    )
    free = smallest(lambda m: log_binomial_above(overlap, 0.5, m) <= -a2, overlap // 2, overlap)
    spread = a2 * math.log(2)

    def bound(low: int, high: int) -> float:
        expected = errors * low / words
        fewer = math.floor(max(0.0, expected - math.sqrt(2 * expected * spread)))
        return high + log_volume(words - low, errors + free - fewer)

    patterns = largest(bound, 0, min(words, errors + free))
    return Typical(
        errors=errors, signs=signs, overlap=overlap, free=free, patterns=min(patterns, words)
    )


def secrecy(
    *, workers: int, sum_bits: int, words: int, tests: int, failures: int, lost: int,
    a1: float, a2: float,
) -> float:  # fmt: skip
    """ε_sec of N words less r = ``lost``. Standing: bound."""
    counted = typical(words, tests, failures, a1, a2)
    levels = (workers - 1) * sum_bits
    tails: float = 2.0**-a1 + 4 * 2.0**-a2
    eta: float = levels * (tails + 2.0 ** min(0.0, counted.patterns - lost))
    return min(1.0, math.sqrt(eta) + eta)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskYield:
    """A batch of ``masks`` net masks: ``words`` N, ``tests`` T, ``failures`` c, ``lost`` r.

    ``pads`` masks go into the next batch's syndromes, ``checks`` into the check of sums.
    """

    workers: int
    sum_bits: int
    masks: int
    words: int
    tests: int
    failures: int
    lost: int
    pads: int
    checks: int
    epsilon: float

    @property
    def copies(self) -> int:
        """Copies shared: T + B·N."""
        return self.tests + self.sum_bits * self.words

    @property
    def rate(self) -> float:
        """Y: net mask digits a copy, k/(N + T/B)."""
        return self.masks * self.sum_bits / self.copies


def best_masks(
    masks: int,
    *,
    workers: int,
    sum_bits: int,
    z_error: float,
    x_error: float,
    epsilon: float = 2.0**-41,
    correctness: float = 2.0**-41,
    abort: float = 1e-6,
    efficiency: float = EFFICIENCY,
) -> MaskYield | None:
    """Batch that takes fewest copies for so many net masks; ``None`` if no batch has any.

    ``z_error`` is the probability that two workers disagree on a copy, ``x_error`` that a digit is
    wrong; ``abort`` that honest noise fails the tests. Standing: bound, finite size.

    Raises:
        InputError: no masks, too few workers or bits, or figures that are no probabilities.
    """
    if masks < 1 or workers < 2 or sum_bits < 1:
        raise InputError(
            f"{masks} masks of {sum_bits} bits for {workers} workers: at least one mask, one bit "
            "and two workers are needed"
        )
    for name, value in (("epsilon", epsilon), ("correctness", correctness), ("abort", abort)):
        if not 0 < value < 1:
            raise InputError(f"{name} lies in (0, 1), not at {value}")
    if not 0 <= z_error < 0.5 or not 0 <= x_error < 0.5:
        raise InputError(f"error rates lie in [0, 1/2), not at {z_error} and {x_error}")
    digits = masks * sum_bits

    def offer(step: int) -> MaskYield | None:
        return masks_with(
            masks, max(1, round(digits * 2 ** (step / 8))), workers=workers, sum_bits=sum_bits,
            z_error=z_error, x_error=x_error, epsilon=epsilon, correctness=correctness,
            abort=abort, efficiency=efficiency,
        )  # fmt: skip

    tried: dict[int, MaskYield | None] = {}
    best: int | None = None
    for stride in (16, 8, 4, 2, 1):
        around = range(-112, 81, 16) if best is None else (best - stride, best + stride)
        tried.update({step: offer(step) for step in around if step not in tried})
        found = {step: each.copies for step, each in tried.items() if each is not None}
        if not found:
            return None
        best = min(found, key=lambda step: found[step])
    return tried[best] if best is not None else None


def masks_with(
    masks: int, tests: int, *, workers: int, sum_bits: int, z_error: float, x_error: float,
    epsilon: float, correctness: float, abort: float, efficiency: float,
) -> MaskYield | None:  # fmt: skip
    """Smallest batch with so many tests; ``None`` if none has so many net masks."""
    eta = epsilon**2 * (1 - 2 * epsilon)
    levels = (workers - 1) * sum_bits
    a1, a2 = math.log2(4 * levels / eta), math.log2(16 * levels / eta)
    pairs = workers * (workers - 1) / 2
    failures = smallest(
        lambda c: math.log2(pairs) + log_binomial_above(tests, z_error, c) <= math.log2(abort),
        math.floor(tests * z_error),
        tests,
    )
    checks = math.ceil(math.log2(masks) - math.log2(correctness))
    syndrome = efficiency * binary_entropy(x_error)
    net, limit = masks + checks, yield_limit(z_error, x_error, efficiency=efficiency)
    if limit <= 0 or tests < 64:
        return None

    def spare(words: int) -> int:
        counted = typical(words, tests, failures, a1, a2)
        lost = math.ceil(counted.patterns + math.log2(2 * levels / eta))
        return words - net - lost - math.ceil(syndrome * words)

    enough = smallest_with(spare, net, 8 * round(net / limit) + 20_000)
    if enough is None:
        return None
    pads = math.ceil(syndrome * enough)
    return MaskYield(
        workers=workers, sum_bits=sum_bits, masks=masks, words=enough, tests=tests,
        failures=failures, lost=enough - net - pads, pads=pads, checks=checks, epsilon=epsilon,
    )  # fmt: skip


def yield_limit(z_error: float, x_error: float, *, efficiency: float = EFFICIENCY) -> float:
    """Y for ever longer batches: 1 − f·h(q_x) − κ − (1−κ)·h(μ/(1−κ)), κ = q + ¾q², μ = (1−q)·κ.

    Standing: asymptotic. Zero where masks have no yield at all.
    """
    typical_share = z_error + 0.75 * z_error**2
    radius = (1 - z_error) * typical_share / (1 - typical_share)
    count = 1.0 if radius >= 0.5 else binary_entropy(radius)
    loss = typical_share + (1 - typical_share) * count
    return max(0.0, 1 - efficiency * binary_entropy(x_error) - loss)
