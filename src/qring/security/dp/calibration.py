"""Find the least noise that keeps a promise, by the accountant of the package dp-accounting.

Source: Kairouz, Liu and Steinke (2021), proposition 14 (the divergence of sums of discrete
Gaussians) and section 5 (the choice of the step).
"""

from __future__ import annotations

import functools
import math

from qring.errors import BudgetError, InputError, MissingExtraError
from qring.security.dp.plan import MARGIN, Plan, Promise, Unit
from qring.security.dp.rotation import padded
from qring.security.dp.rounding import norm_bound
from qring.validate import check_instance, check_whole

__all__ = ["calibrate", "spent", "with_noise"]

_TOO_MUCH = 2.0**60  # noise over clip, where the search for feasible noise ends
_ORDERS = 24  # orders of Rényi's divergence an octave: ε is then above the least by < 1e-4
_PRECISION = 1e-4  # relative; the noise found is above the least by no more


@functools.lru_cache(maxsize=64)
def calibrate(
    promise: Promise, *, workers: int, coords: int, word_bits: int, may_drop: int = 0
) -> Plan:
    """Least noise for sums of ``workers`` vectors of ``coords`` in words of ``word_bits`` bits.

    Takes about a tenth of a second; results are kept.

    Raises:
        InputError: workers or coordinates that cannot be.
        BudgetError: no noise keeps the promise in words this small.
        MissingExtraError: the package dp-accounting is not installed.
    """
    check_instance("promise", promise, Promise, "qring.Promise(epsilon=..., delta=...)")
    for name, value in (("workers", workers), ("coords", coords), ("word_bits", word_bits),
                        ("may_drop", may_drop)):  # fmt: skip
        check_whole(name, value)
    if workers < 2 or coords < 1:
        raise InputError(f"noise for {workers} workers and {coords} coordinates hides nobody")
    if not 0 <= may_drop < workers:
        raise InputError(f"{may_drop} of {workers} workers may drop out: some must remain")
    if not 2 <= word_bits <= 40:
        raise BudgetError(f"noisy words have 2..40 bits, not {word_bits}")
    best = _search(promise, workers, coords, word_bits, may_drop)
    if best is None:
        enough = next(
            (b for b in range(word_bits + 1, 41)
             if _search(promise, workers, coords, b, may_drop) is not None), None
        )  # fmt: skip
        cure = f"use at least {enough} bits" if enough else "raise epsilon"
        raise BudgetError(
            f"no noise gives ε={promise.epsilon:g} in {word_bits}-bit words of {coords:,} "
            f"coordinates ({workers} workers, {promise.rounds} rounds): rounding alone tells "
            f"more; {cure}"
        )
    return best


def with_noise(
    promise: Promise, noise_multiplier: float, *, workers: int, coords: int, word_bits: int,
    may_drop: int = 0,
) -> Plan:  # fmt: skip
    """The mechanism whose sum has noise of ``noise_multiplier`` clipping lengths.

    The promise's ε plays no part: :func:`spent` says what this noise keeps.

    Raises:
        InputError: workers or noise that cannot be.
        BudgetError: words too small for it.
    """
    if not 0 <= may_drop < workers:
        raise InputError(f"{may_drop} of {workers} workers may drop out: some must remain")
    std = noise_multiplier * promise.clip / math.sqrt(workers)
    step = _step(promise, workers, coords, word_bits, std)
    if not math.isfinite(step) or std / step < 0.5:
        raise BudgetError(
            f"noise of {std:.3g} a worker is below half a step in {word_bits}-bit words: "
            "use wider words, or more noise"
        )
    return Plan(
        promise=promise, workers=workers, may_drop=may_drop, coords=coords,
        word_bits=word_bits, step=step, local_std=std,
    )  # fmt: skip


def spent(plan: Plan) -> float:
    """ε of all rounds at the plan's own δ, for its noise as it is. Standing: bound.

    Raises:
        MissingExtraError: the package dp-accounting is not installed.
    """
    return _epsilon(plan.promise, plan.workers, plan.coords, plan.may_drop, plan.sigma, plan.step)


def _search(
    promise: Promise, workers: int, coords: int, word_bits: int, may_drop: int
) -> Plan | None:
    def epsilon(std: float) -> float:
        grid = _step(promise, workers, coords, word_bits, std)
        if not math.isfinite(grid) or std / grid < 0.5:
            return math.inf
        return _epsilon(promise, workers, coords, may_drop, std / grid, grid)

    low, high = 0.0, promise.clip
    while epsilon(high) > promise.epsilon:
        low, high = high, 4 * high
        if high > _TOO_MUCH * promise.clip:
            return None
    while high - low > _PRECISION * high:
        middle = (low + high) / 2
        if epsilon(middle) > promise.epsilon:
            low = middle
        else:
            high = middle
    return Plan(
        promise=promise, workers=workers, may_drop=may_drop, coords=coords,
        word_bits=word_bits, step=_step(promise, workers, coords, word_bits, high), local_std=high,
    )  # fmt: skip


def _step(promise: Promise, workers: int, coords: int, word_bits: int, std: float) -> float:
    """Step at which a sum strays ``MARGIN`` standard deviations before it wraps; or infinite."""
    signal = (promise.row_length * workers) ** 2 / padded(coords)
    room = 4.0**word_bits / (2 * MARGIN) ** 2 - workers / 4
    return math.sqrt((signal + workers * std**2) / room) if room > 0 else math.inf


def _epsilon(
    promise: Promise, workers: int, coords: int, may_drop: int, sigma: float, step: float
) -> float:
    """Least of the three bounds of proposition 14, ``sigma`` in steps.

    The sum may hold any number of workers from the fewest up. A larger one has more noise, but a
    larger τ: the least noise is taken with the largest τ.
    """
    try:
        import dp_accounting
        from dp_accounting.rdp import RdpAccountant
    except ImportError:
        raise MissingExtraError("calibrating noise", "dp") from None
    words = padded(coords)
    beta = {} if promise.unit is Unit.WORKER else {"beta": promise.beta}
    length = norm_bound(promise.clip / step, words, **beta)
    noise = math.sqrt(workers - may_drop) * sigma
    a, a1 = length / noise, min(math.sqrt(words) * length, length**2) / noise
    tau = 10 * math.fsum(
        math.exp(-2 * math.pi**2 * sigma**2 * k / (k + 1)) for k in range(1, workers)
    )
    found = []
    delta = promise.delta_of_noise
    for rho, xi in (
        (a**2 / 2, tau * words),
        ((a**2 + 2 * a1 * tau + tau**2 * words) / 2, 0.0),
        ((a + math.sqrt(words) * tau) ** 2 / 2, 0.0),
    ):
        accountant = RdpAccountant(orders=_orders(rho * promise.rounds, delta))
        accountant.compose(dp_accounting.ZCDpEvent(rho, xi), promise.rounds)
        found.append(float(accountant.get_epsilon(delta)))
    return min(found)


def _orders(rho: float, delta: float) -> list[float]:
    """Orders α at which to look for the least ε of ρ-zCDP: closely around the best one.

    ρα + ln(1/δ)/(α−1) is least at α − 1 = √(ln(1/δ)/ρ), far beyond the accountant's own orders
    (they end at 1,024) where ε is small; the terms left out move it by less than a factor of 8.
    """
    centre = math.sqrt(math.log(1 / delta) / rho)
    return [1 + centre * 2.0 ** (k / _ORDERS) for k in range(-3 * _ORDERS, 3 * _ORDERS + 1)]
