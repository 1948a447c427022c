"""Guarantees of accepted tests, in figures and in words.

For a protocol's own use: what to print, and how many tests to make. Closed forms of what will be
*observed* live in :mod:`qring.theory`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from qring.validate import check_probability

__all__ = [
    "Guarantee",
    "checks_for",
    "epsilon_after",
    "of_hashed",
    "of_perfect_pass",
    "of_tolerated",
]

_FLAGGED = 0.5
"""A random stabiliser flags a copy in a wrong GHZ-basis state with more than this probability."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarantee:
    """Guarantee on copies that were accepted.

    Either ``epsilon``, the whole round's distance from learning sums only; or, where there is
    none, that but for probability ``failure`` at most ``bad_copies`` of the copies are bad. A bad
    copy can show one bit of every worker's words, so that many bits may leak, a worker.
    ``statement`` says it in a sentence, with its standing.
    """

    epsilon: float | None
    bad_copies: int
    failure: float
    statement: str

    def __str__(self) -> str:
        return self.statement


def checks_for(epsilon: float) -> int:
    """Hashed amplitude checks that make a whole round ε-private: ⌈2·log2(1/ε)⌉, at least 2.

    Standing: bound, finite size, for any number of copies.
    """
    check_probability("ε", epsilon, zero=False, one=False)
    return max(2, math.ceil(-2 * math.log2(epsilon) - 1e-9))


def epsilon_after(checks: int) -> float:
    """ε of a whole round after ``checks`` amplitude checks: 2^(−s/2−1) + 2^−s. Bound."""
    return float(2.0 ** (-checks / 2 - 1) + 2.0**-checks)


def of_hashed(checks: int, phase_checks: int) -> Guarantee:
    """Guarantee of passing these checks, against dishonest nodes as well."""
    epsilon = epsilon_after(checks)
    return Guarantee(
        epsilon=epsilon,
        bad_copies=0,
        failure=0.0,
        statement=f"sums only: the whole round is within ε = {epsilon:.3g} of showing the honest "
        f"workers' sums and nothing else, whatever the source and dishonest nodes did (bound, "
        f"finite size); copies with flipped phases, which could spoil sums, passed with "
        f"probability at most {2.0**-phase_checks:.2g} if all nodes are honest",
    )


def of_perfect_pass(data: int, tested: int, failure: float) -> Guarantee:
    """Guarantee if ``tested`` copies passed a random stabiliser each, and ``data`` are used.

    A bad copy among k is caught with probability at least p·T/(N+T), and the fates of copies
    drawn without replacement are less spread than with: P(accept) ≤ (1 − p·T/(N+T))^k.
    """
    share = tested / (data + tested)
    passes = 1 - _FLAGGED * share
    most = min(data, math.ceil(math.log(1 / failure) / -math.log(passes)))
    mean = max(k * (1 - share) * passes ** (k - 1) for k in range(1, most + 2))
    return Guarantee(
        epsilon=None,
        bad_copies=most,
        failure=failure,
        statement=f"no ε for the round: one bad copy is accepted and used with probability "
        f"{1 - share:.3g}, however many are tested. Bad copies used in accepted rounds: {mean:.3g} "
        f"on average at worst, at most {most} of {data:,} but for probability {failure:.2g}; each "
        f"may show one bit of every worker (bound, finite size, for copies that are each in a "
        f"GHZ-basis state; square root of the probability for entangled ones)",
    )


def of_tolerated(data: int, tested: int, tolerated: float, failure: float) -> Guarantee:
    """Guarantee if at most a fraction ``tolerated`` of the tests failed.

    Serfling: had all copies been tested, at most τ + ν of the data would have failed; Hoeffding:
    so at most b are bad, where b/2 − √(b·ln(2/δ)/2) = (τ+ν)·N.
    """
    log = math.log(2 / failure)
    slack = math.sqrt((data + tested) * (tested + 1) * log / (2 * data * tested**2))
    would_fail = (tolerated + slack) * data
    root = math.sqrt(log / 2)
    most = math.ceil((root + math.sqrt(root**2 + 4 * _FLAGGED * would_fail)) ** 2 / 4 / _FLAGGED**2)
    most = min(data, most)
    return Guarantee(
        epsilon=None,
        bad_copies=most,
        failure=failure,
        statement=f"no ε for the round: a tolerance of {tolerated:.3g} lets up to {most:,} of "
        f"{data:,} copies be bad, but for probability {failure:.2g}, and each may show one bit of "
        f"every worker (bound, finite size: Serfling and Hoeffding, for copies that are each in a "
        f"GHZ-basis state; square root of the probability for entangled ones). Noise below the "
        f"threshold hides tampering below the threshold",
    )
