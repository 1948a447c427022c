"""Variance of estimates from pairs of indices: the universal classical sketch of a quadratic form.

In each of t messages the server names that of 2^R shared standard normal directions which lies
best along its unit vector g: c_j = μ_j·g + z_j, z_j standard normal across g, μ_j the largest of
2^R normals, of mean m and variance v. For a symmetric A the client computes
Σ_{i≠j} c_iᵀA·c_j/(t(t−1)m²), which is unbiased for gᵀAg.
"""

from __future__ import annotations

from qring.conflict.sketches import maximum_moments

__all__ = ["pair_variance"]


def pair_variance(
    terms: int, index_bits: int, value: float, turned: float, squares: float
) -> float:
    """Variance of the estimate of gᵀAg = ``value`` with |Ag|² = ``turned``, tr A² = ``squares``.

    Standing: exact.
    """
    t = terms
    mean, spread = maximum_moments(index_bits)
    square, pairs = mean**2, t * (t - 1)
    lengths = 2 * pairs * (spread**2 + 2 * spread * square) + 4 * pairs * (t - 2) * spread * square
    along = 4 * t * ((t - 1) ** 2 * square + (t - 1) * spread) * (turned - value**2)
    across = 2 * pairs * max(0.0, squares - 2 * turned + value**2)
    return (value**2 * lengths + along + across) / (pairs * square) ** 2
