"""Privacy and variance of noise on sums: the distributed discrete Gaussian and its rivals.

Sources: Bun and Steinke 2016 (zCDP); Canonne, Kamath and Steinke 2020 (conversion to (ε, δ));
Kairouz, Liu and Steinke 2021 (sums of discrete Gaussians); Balle and Wang 2018 (the analytic
Gaussian); Duchi, Jordan and Wainwright 2018 (the best pure local release of a unit vector).
"""

from __future__ import annotations

import math

from qring.errors import InputError

__all__ = [
    "analytic_gaussian",
    "classical_gaussian",
    "epsilon_of_distributed_gaussian",
    "epsilon_of_zcdp",
    "local_vector_variance",
    "sum_noise_variance",
    "wrap_probability",
]


def epsilon_of_zcdp(rho: float, delta: float, xi: float = 0.0) -> float:
    """ε at ``delta`` of a mechanism whose Rényi divergences stay below ξ + ρ·α for all α > 1.

    min over α of ξ + ρα + (ln(1/δ) − ln α)/(α−1) + ln(1 − 1/α). Standing: bound.
    Source: Canonne, Kamath and Steinke 2020, proposition 12.
    """
    if rho == 0:
        return max(0.0, xi)

    def at(log_excess: float) -> float:
        excess = math.exp(log_excess)  # α − 1
        alpha = 1 + excess
        cost = (-math.log(delta) - math.log(alpha)) / excess + math.log(excess / alpha)
        return xi + rho * alpha + cost

    low, high = math.log(1e-6), math.log(1e9)
    for _ in range(200):  # golden-section search: one minimum
        third = (high - low) * 0.381966
        if at(low + third) < at(high - third):
            high -= third
        else:
            low += third
    return max(0.0, at((low + high) / 2))


def epsilon_of_distributed_gaussian(
    length: float, dimension: int, workers: int, sigma: float, *, delta: float, rounds: int = 1
) -> float:
    """ε of ``rounds`` sums of ``workers`` integer vectors, each with its own N_Z(0, σ²) noise.

    ``length`` is the L2 length of what a neighbour changes; it and ``sigma`` are in steps.
    Standing: bound, least of three. Source: Kairouz, Liu and Steinke 2021, proposition 14.
    """
    tau = 10 * math.fsum(
        math.exp(-2 * math.pi**2 * sigma**2 * k / (k + 1)) for k in range(1, workers)
    )
    noise = math.sqrt(workers) * sigma
    two, one = length / noise, min(length * math.sqrt(dimension), length**2) / noise
    return min(
        epsilon_of_zcdp(rounds * two**2 / 2, delta, rounds * tau * dimension),
        epsilon_of_zcdp(rounds * (two**2 + 2 * one * tau + tau**2 * dimension) / 2, delta),
        epsilon_of_zcdp(rounds * (two + math.sqrt(dimension) * tau) ** 2 / 2, delta),
    )


def sum_noise_variance(workers: int, local_std: float, step: float) -> float:
    """Greatest variance of a coordinate of the sum: n·(σ² + γ²/4), rounding included.

    Standing: bound; for coordinates that wrap never. A coordinate far from the grid's half steps
    is rounded with less.
    """
    return workers * (local_std**2 + step**2 / 4)


def wrap_probability(margin: float) -> float:
    """Probability that a coordinate of the sum is ``margin`` standard deviations from 0 or more.

    Standing: asymptotic, for rotated coordinates that are Gaussian. 6.3e-5 at 4.
    """
    return 2 * _below(-margin)


def analytic_gaussian(epsilon: float, delta: float) -> float:
    """Least σ, in units of the sensitivity, of Gaussian noise that is (ε, δ) private.

    Φ(1/2σ − εσ) − e^ε·Φ(−1/2σ − εσ) = δ. Standing: exact. Source: Balle and Wang 2018.
    """

    def excess(sigma: float) -> float:
        half, shift = 1 / (2 * sigma), epsilon * sigma
        return _below(half - shift) - math.exp(epsilon) * _below(-half - shift) - delta

    low, high = 1e-6, 1.0
    while excess(high) > 0:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return high


def classical_gaussian(epsilon: float, delta: float) -> float:
    """σ of the textbook's Gaussian mechanism: √(2·ln(1.25/δ))/ε, for ε ≤ 1.

    Standing: bound; larger than needed. Source: Dwork and Roth 2014, theorem 3.22.
    """
    if epsilon > 1:
        raise InputError(f"the classical bound holds for ε ≤ 1, not at {epsilon}")
    return math.sqrt(2 * math.log(1.25 / delta)) / epsilon


def local_vector_variance(epsilon: float, dimension: int) -> float:
    """Variance a coordinate of the best known unbiased pure ε release of a vector of length ≤ 1.

    Against replacing the vector by zero, as everywhere here: the release is Duchi's at the ε'
    whose odds stay below e^ε against the uniform direction that zero becomes,
    e^ε' = min(2e^ε − 1, e^ε/(2 − e^ε) where e^ε < 2). Squared length over d. Standing: exact for
    this mechanism. Source: Duchi, Jordan and Wainwright 2018, section 4.2.3; the ε' is ours.
    """
    odds = 2 * math.exp(epsilon) - 1
    if math.exp(epsilon) < 2:
        odds = min(odds, math.exp(epsilon) / (2 - math.exp(epsilon)))
    gain = (odds + 1) / (odds - 1)
    log_ratio = math.lgamma((dimension + 1) / 2) - math.lgamma(dimension / 2 + 1)
    length = gain * math.sqrt(math.pi) / 2 * dimension * math.exp(log_ratio)
    return length**2 / dimension


def _below(deviations: float) -> float:
    """Standard normal distribution function, precise far below 0."""
    return math.erfc(-deviations / math.sqrt(2)) / 2
