"""Guarantees of verified GHZ copies, leakage by tampering, and the cost of privacy.

Sources: paper section 4; Bouman and Fehr 2010 (sampling); Barnum et al. 2002 (purity testing);
Bonawitz et al. 2017 (pairwise masks). What is marked "ours" is not in the paper.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from qring.errors import InputError
from qring.theory.capacity import binary_entropy

__all__ = [
    "CutAndChoose",
    "MaskPlan",
    "classical_leak_at_least",
    "cut_and_choose",
    "distance_after_checks",
    "distillation_yield",
    "epsilon_of_checks",
    "hashed_checks",
    "leak_of_product_copy",
    "leak_of_static_gaussian",
    "mask_plan",
    "one_time_pad_bits",
    "serfling_slack",
    "stabiliser_detection",
]


def stabiliser_detection(workers: int) -> float:
    """Probability that a random non-identity stabiliser flags an orthogonal GHZ-basis state.

    2^(n−1)/(2^n−1). Standing: exact. Source: paper section 4.3.
    """
    return (1 << (workers - 1)) / ((1 << workers) - 1)


class CutAndChoose(NamedTuple):
    """Fate of bad copies: P(accept), P(accept and some left), E[number left; accept]."""

    accept: float
    accept_with_bad: float
    bad_left: float


def cut_and_choose(bad: int, tested: int, detection: float) -> CutAndChoose:
    """``bad`` tampered copies among 2m, of which m = ``tested`` are tested once each.

    Standing: exact. One bad copy is accepted and used with probability ½ for every m: the paper's
    claim that doubling the copies certifies the ensemble is false. Source: paper section 4.3.
    """
    if not 0 <= bad <= 2 * tested:
        raise InputError(f"{bad} bad copies among {2 * tested} are impossible")
    whole = math.comb(2 * tested, tested)
    accept = with_bad = left = 0.0
    for caught in range(max(0, bad - tested), min(bad, tested) + 1):
        ways = math.comb(bad, caught) * math.comb(2 * tested - bad, tested - caught) / whole
        passes = ways * (1 - detection) ** caught
        accept += passes
        if caught < bad:
            with_bad += passes
        left += passes * (bad - caught)
    return CutAndChoose(accept, with_bad, left)


def hashed_checks(epsilon: float) -> int:
    """Extra copies that hashed verification takes for any number of data copies: ⌈2·log2(1/ε)⌉.

    40 at 1e-6, 80 at 2^−40. Standing: bound, finite size. Ours.
    """
    _check_epsilon(epsilon)
    return math.ceil(2 * math.log2(1 / epsilon) - 1e-9)


def distance_after_checks(checks: int) -> float:
    """Trace distance of the accepted state from clean copies, at most √(k/(4−k)), k = 2^−checks.

    Standing: bound, finite size. Ours.
    """
    k = 2.0**-checks
    return math.sqrt(k / (4 - k))


def epsilon_of_checks(checks: int) -> float:
    """Composable ε after ``checks`` hashed checks: 2^(−s/2−1) + 2^−s. Standing: bound. Ours."""
    return float(2 ** (-checks / 2 - 1) + 2.0**-checks)


class MaskPlan(NamedTuple):
    """Offline coded masks: tested share, corrupted coordinates withstood, and coordinates lost."""

    tested_share: float
    withstood: int
    lost_to_code: int


def mask_plan(coords: int, epsilon: float, tested_share: float) -> MaskPlan:
    """Masks whose tests on a random share of the copies leave ε for the whole round.

    K = ⌈2·log2(1/ε)/log2(1/(1−f))⌉ corrupted coordinates are withstood by a BCH code of distance
    above 2K, which costs at most K·⌈log2(N+1)⌉ coordinates. Standing: bound, finite size. Ours.
    """
    _check_epsilon(epsilon)
    if not 0 < tested_share < 1:
        raise InputError(f"the tested share lies in (0, 1), not at {tested_share}")
    withstood = math.ceil(2 * math.log2(1 / epsilon) / -math.log2(1 - tested_share))
    return MaskPlan(tested_share, withstood, withstood * math.ceil(math.log2(coords + 1)))


def serfling_slack(data: int, tested: int, delta: float) -> float:
    """Excess of the untested error rate over the tested one, but for probability δ.

    √((N+T)(T+1)·ln(1/δ)/(2NT²)). Standing: bound, finite size. Source: Serfling 1974.
    """
    factor = (data + tested) * (tested + 1) / (2 * data * tested**2)
    return math.sqrt(factor * math.log(1 / delta))


def distillation_yield(qubit_flip: float, phase_flip: float) -> float:
    """GHZ copies left a raw copy by hashing: 1 − h(2q(1−q)) − h(f), at least 0.

    Standing: exact, asymptotic rate. Source: Maneva and Smolin 2000.
    """
    amplitude = 2 * qubit_flip * (1 - qubit_flip)
    return max(0.0, 1 - binary_entropy(amplitude) - binary_entropy(phase_flip))


def one_time_pad_bits(workers: int, sum_bits: int, *, coalitions: bool) -> int:
    """Secret bits a coordinate that pairwise quantum keys would spend instead.

    (n−1)·B on a spanning tree against an outside eavesdropper, n(n−1)/2·B on the complete graph
    against coalitions. Standing: exact. The rival that verified GHZ aggregation has to beat.
    """
    links = workers * (workers - 1) // 2 if coalitions else workers - 1
    return links * sum_bits


def classical_leak_at_least(word_bits: int, error: float) -> float:
    """Bits on one worker's word that any classical transcript tells, every channel wiretapped.

    H(X) − h(ε) − ε·log2(|X|−1) for a uniform word. Standing: bound. Source: paper theorem 2.
    """
    return word_bits - binary_entropy(error) - error * math.log2((1 << word_bits) - 1)


def leak_of_product_copy(digit: int) -> float:
    """Bits a worker's outcome tells on its uniform word when copy ``digit`` was |+⟩ⁿ instead.

    1, .5, .4496, .4435 … towards log2(e) − 1. Standing: exact. Ours.
    """
    phases = 2 << digit
    noise = math.fsum(
        binary_entropy((1 + math.cos(2 * math.pi * k / phases)) / 2) for k in range(phases)
    )
    return 1 - noise / phases


def leak_of_static_gaussian(workers: int) -> float:
    """Bits a coordinate that any number of equal-weight sums tell on one Gaussian constant.

    ½·log2(n/(n−1)), for any number of rounds. Standing: exact, for static inputs and weights: it
    fails where weights or participation vary. Source: paper theorem 3.
    """
    if workers < 2:
        raise InputError("a sum hides nothing of a single worker")
    return 0.5 * math.log2(workers / (workers - 1))


def _check_epsilon(epsilon: float) -> None:
    if not 0 < epsilon < 1:
        raise InputError(f"ε lies in (0, 1), not at {epsilon}")
