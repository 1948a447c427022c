"""The verb: what fraction of a client's tied coordinates gets conflicting signs?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qring.conflict import binomial
from qring.conflict.matching import Groups, Matching, as_ties
from qring.conflict.phase_state import (
    Outcomes,
    measure_groups,
    measure_pairs,
    pauli_errors,
    state_qubits,
)
from qring.conflict.signs import RelativeSigns, Signs, ZeroRule, as_signs
from qring.errors import InputError
from qring.ledger import Carrier, Ledger
from qring.network.network import Network
from qring.network.noise import NOISELESS, BellDiagonal
from qring.validate import check_enum, check_instance, check_rng

__all__ = ["CopyPlan", "TieAudit", "plan_copies", "tie_audit"]

_RESERVE = 0.1  # share of δ kept for copies that miss the ties of a partial matching


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyPlan:
    """``copies`` to send so that ``hits`` of them, but for a failure within δ, hit a tie."""

    copies: int
    hits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TieAudit:
    """Outcome of one audit, and what it took.

    ``fraction`` estimates the share of disagreeing pairs within a tie, averaged over ties by
    their number of coordinates (for pairs: the share of pairs that disagree). ``interval`` holds
    it with probability at least ``confidence``, exactly, on a noiseless network. ``hits`` copies
    out of ``copies`` told something. The ledger has the server as node 0, the client as node 1.
    """

    fraction: float
    interval: tuple[float, float]
    confidence: float
    copies: int
    hits: int
    qubits: int
    ledger: Ledger
    caveats: tuple[str, ...] = ()


def tie_audit(
    signs: ArrayLike | Signs,
    ties: ArrayLike | Matching | Groups,
    *,
    epsilon: float,
    delta: float,
    rng: np.random.Generator,
    noise: BellDiagonal = NOISELESS,
    zeros: ZeroRule = ZeroRule.REFUSE,
) -> TieAudit:
    """Estimate the fraction of conflicting ties within ``epsilon``, but with ``delta``.

    Args:
        signs: the server's ±1, shape (d,), or any :class:`Signs`.
        ties: the client's pairs, (M, 2) integers, or one group label a coordinate, (d,).
        epsilon: accuracy of the fraction, in (0, 1).
        delta: probability of a larger error, in (0, 1); exact for pairs and groups of one size.
        rng: source of the measurements' outcomes, and of the noise.
        noise: probabilities of X, Y and Z on each qubit sent.
        zeros: what a zero among the signs counts as.

    Raises:
        InputError: signs other than ±1, ties that overlap or leave the range, ε or δ outside.

    Source: paper section 5.3, theorem 5, appendix C.
    """
    check_rng(rng)
    check_instance("noise", noise, BellDiagonal, "BellDiagonal.depolarising(...)")
    check_enum("zeros", zeros, ZeroRule)
    values = as_signs(signs, zeros)
    tied = as_ties(ties, values.coords)
    plan = plan_copies(tied, epsilon, delta)
    qubits = state_qubits(values.coords)
    run = Network().open(2, rng)
    run.wire(0, 1).send(Carrier.QUBIT, plan.copies * qubits)
    run.end_rounds()
    errors = None
    if noise.error_probability > 0:
        if isinstance(values, RelativeSigns):
            raise InputError("ties of opposite signs are audited without noise only")
        errors = pauli_errors(plan.copies, qubits, noise, rng)
    if isinstance(tied, Groups):
        outcomes = measure_groups(values, tied, plan.copies, rng, errors)
    else:
        outcomes = measure_pairs(values, tied, plan.copies, rng, errors)
    fraction, interval, hits = _estimate(outcomes, plan.hits, delta)
    return TieAudit(
        fraction=fraction,
        interval=interval,
        confidence=1 - delta,
        copies=plan.copies,
        hits=hits,
        qubits=plan.copies * qubits,
        ledger=run.ledger(),
        caveats=_caveats(noise, hits, plan),
    )


def plan_copies(ties: Matching | Groups, epsilon: float, delta: float) -> CopyPlan:
    """Copies for an error above ``epsilon`` with probability at most ``delta``.

    Every copy of a perfect matching hits; of a partial one with M pairs a share 2M/d does, so
    d/(2M) times as many are sent, and some more. Standing: exact, by the binomial law, for ties
    of one size; by Hoeffding's bound for mixed sizes.

    Raises:
        InputError: ε or δ outside (0, 1), or too many copies.
    """
    binomial.check_accuracy(epsilon, delta)
    share = ties.tied / ties.coords
    failure = delta if share == 1 else (1 - _RESERVE) * delta
    hits = _hits(ties, epsilon, failure)
    if share == 1:
        return CopyPlan(copies=hits, hits=hits)
    return CopyPlan(copies=_copies_for(hits, share, _RESERVE * delta), hits=hits)


def _hits(ties: Matching | Groups, epsilon: float, delta: float) -> int:
    sizes = np.unique(ties.sizes) if isinstance(ties, Groups) else np.array([2])
    if len(sizes) == 1:
        scale = float(_scale(sizes)[0])
        return binomial.sample_size(epsilon / scale, delta) if epsilon < scale else 1
    return math.ceil(math.log(2 / delta) / (2 * epsilon**2))


@lru_cache(maxsize=256)
def _copies_for(hits: int, share: float, failure: float) -> int:
    """Fewest copies of which ``hits`` hit but with probability ``failure``.

    Searched between the mean and a Chernoff bound on the lower tail, which no copies exceed.
    """
    log = math.log(1 / failure)
    low = math.ceil(hits / share) - 1
    high = math.ceil((hits + log + math.sqrt(log * (log + 2 * hits))) / share)
    if high > 20_000_000:
        raise InputError(
            f"ties cover {share:.3g} of the coordinates: about {high:,} copies would be needed; "
            "raise epsilon or delta, or send the signs of the tied coordinates"
        )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _too_few(hits, middle, share) <= failure else (middle, high)
    return high


def _too_few(hits: int, copies: int, share: float) -> float:
    """P(K < hits) of a binomial K, summed over its ``hits`` smallest values only."""
    k = np.arange(hits)
    factorial = np.array([math.lgamma(i + 1) + math.lgamma(copies - i + 1) for i in range(hits)])
    logs = math.lgamma(copies + 1) - factorial + k * math.log(share)
    return float(np.exp(logs + (copies - k) * math.log1p(-share)).sum())


def _scale(sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weight of a tie of g found in the complement: g/(2(g−1))."""
    scale: NDArray[np.float64] = sizes / (2 * (sizes - 1))
    return scale


def _estimate(
    outcomes: Outcomes, wanted: int, delta: float
) -> tuple[float, tuple[float, float], int]:
    """Fraction and interval from the first ``wanted`` copies that hit."""
    used = np.flatnonzero(outcomes.hit)[:wanted]
    hits = len(used)
    if not hits:
        return 0.5, (0.0, 1.0), 0
    differs, scale = outcomes.differs[used], _scale(outcomes.size[used])
    fraction = float((differs * scale).mean())
    if (scale == scale[0]).all() and hits == wanted:
        low, high = binomial.interval(int(differs.sum()), hits, delta)
        return fraction, (low * float(scale[0]), high * float(scale[0])), hits
    radius = math.sqrt(math.log(2 / delta) / (2 * hits))
    return fraction, (max(0.0, fraction - radius), min(1.0, fraction + radius)), hits


def _caveats(noise: BellDiagonal, hits: int, plan: CopyPlan) -> tuple[str, ...]:
    found = []
    if noise.error_probability > 0:
        found.append("noise biases the fraction; the interval does not cover that")
    if hits < plan.hits:
        found.append(f"only {hits} of {plan.hits} wanted copies hit a tie; the interval is wider")
    return tuple(found)
