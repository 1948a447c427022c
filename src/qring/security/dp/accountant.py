"""Accountant of noisy rounds: ε from noise, noise from ε, central or shared out, and a budget.

Central: a Gaussian added once by a trusted server, to sums of clients that take part with
probability q each (Poisson sampling). That sampling amplifies privacy is the theorem of Mironov,
Talwar and Zhang, Rényi differential privacy of the sampled Gaussian mechanism (2019), and of
Koskela et al. (2020) and Doroshenko et al. (2022) for loss distributions, which are used here; it
needs samples that whoever sees the result does not know. Distributed: proposition 14 of Kairouz,
Liu and Steinke (2021), full participation only: no theorem covers sampled sums of discrete
Gaussians, and a server that masks are sent to knows who took part.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qring.errors import InputError, MissingExtraError
from qring.security.dp.calibration import spent
from qring.security.dp.plan import Plan
from qring.validate import check_probability, check_real, check_whole

__all__ = ["Central", "central_epsilon", "central_noise", "spent_after"]

_PRECISION = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Central:
    """Rounds of a central Gaussian mechanism.

    Args:
        rounds: sums that are released.
        sample: probability with which a unit takes part in a round, each time anew.
        delta: of the promise.

    Neighbours differ in one unit, added or removed. The noise's standard deviation is
    ``noise_multiplier`` times the clipping length.
    """

    rounds: int
    sample: float = 1.0
    delta: float = 1e-5

    def __post_init__(self) -> None:
        check_whole("rounds", self.rounds, least=1)
        check_probability("sample", self.sample, zero=False)
        check_probability("δ", self.delta, zero=False, one=False)


@functools.lru_cache(maxsize=256)
def central_epsilon(central: Central, noise_multiplier: float) -> float:
    """ε of all rounds together. Standing: bound, numerically tight (pessimistic discretisation).

    Raises:
        InputError: no noise.
        MissingExtraError: the package dp-accounting is not installed.
    """
    check_real("the noise multiplier", noise_multiplier, above=0)
    coarse = _renyi(central, noise_multiplier)
    if not 1e-3 < coarse < 100:  # the grid of losses would be too fine, or too long
        return coarse
    from dp_accounting.pld import PLDAccountant

    losses = PLDAccountant(value_discretization_interval=min(1e-3, coarse / 2_000))
    losses.compose(_event(central, noise_multiplier), central.rounds)
    return min(coarse, float(losses.get_epsilon(central.delta)))


def _renyi(central: Central, noise_multiplier: float) -> float:
    """ε by Rényi's divergence: quick, and a little above the least."""
    event = _event(central, noise_multiplier)
    from dp_accounting.rdp import RdpAccountant

    accountant = RdpAccountant()
    accountant.compose(event, central.rounds)
    return float(accountant.get_epsilon(central.delta))


def _event(central: Central, noise_multiplier: float) -> Any:  # noqa: ANN401 - it has no types
    try:
        import dp_accounting
    except ImportError:
        raise MissingExtraError("accounting for privacy", "dp") from None
    event = dp_accounting.GaussianDpEvent(noise_multiplier)
    if central.sample < 1:
        return dp_accounting.PoissonSampledDpEvent(central.sample, event)
    return event


@functools.lru_cache(maxsize=64)
def central_noise(central: Central, epsilon: float) -> float:
    """Least noise multiplier for ε, above the least by no more than a thousandth.

    Raises:
        InputError: no noise that is found gives ε.
        MissingExtraError: the package dp-accounting is not installed.
    """
    check_real("ε", epsilon, above=0)
    high = 1.0
    while _renyi(central, high) > epsilon:
        high *= 2
        if high > 2.0**40:
            raise InputError(f"no noise gives ε={epsilon:g} at δ={central.delta:g}: raise either")
    low, high = _bisected(lambda noise: _renyi(central, noise) > epsilon, 0.0, high)
    low *= 0.9  # loss distributions are tighter
    while central_epsilon(central, low) <= epsilon:
        low, high = 0.9 * low, low
    return _bisected(lambda noise: central_epsilon(central, noise) > epsilon, low, high)[1]


def _bisected(short: Callable[[float], bool], low: float, high: float) -> tuple[float, float]:
    """Narrow down where noise stops being ``short``; the upper end is not."""
    while high - low > _PRECISION * high:
        middle = (low + high) / 2
        if short(middle):
            low = middle
        else:
            high = middle
    return low, high


@functools.lru_cache(maxsize=4096)
def spent_after(plan: Plan, rounds: int) -> float:
    """ε of the first ``rounds`` sums of a distributed discrete Gaussian, at the plan's δ.

    Standing: bound, also when as many clients as ``plan.may_drop`` were lost each time.

    Raises:
        InputError: no rounds.
        MissingExtraError: the package dp-accounting is not installed.
    """
    check_whole("rounds", rounds, least=0)
    if rounds == 0:
        return 0.0
    promise = dataclasses.replace(plan.promise, rounds=rounds)
    return spent(dataclasses.replace(plan, promise=promise))
