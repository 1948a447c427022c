"""Lower bounds of GapIP and TieAudit, and costs of their rivals, in closed form.

Source: paper section 5, theorems 4 and 5, with the constants that the paper leaves out (theory
notes, sections 7 and 8). Every function states the standing of its figure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError, MissingExtraError

__all__ = [
    "ERRORS",
    "TieCosts",
    "birthday_pairs",
    "birthday_variance",
    "crossover_coords",
    "crossover_margin",
    "fitted_exponent",
    "gap_angles",
    "group_disagreement",
    "hoeffding_copies",
    "index_constant",
    "johnson_lindenstrauss_constant",
    "lowest_reference",
    "maximum_of_normals",
    "noisy_fraction",
    "one_sided_constant",
    "optimal_error",
    "optimal_passes",
    "paper_margin",
    "paper_tie_ratio",
    "plain_acceptance",
    "tie_costs",
    "tie_index_bits",
    "two_sided_constant",
]

ERRORS = (1 / 3, 0.1, 0.01)
"""The error probabilities of the notes' tables."""

_NORMAL = NormalDist()


# GapIP, quantum ------------------------------------------------------------------------------


def gap_angles(margin: float, reference: float = 0.5) -> tuple[float, float]:
    """θ at s = τ and s = −τ; near π/3 ∓ τ/√3 for the paper's reference ½. Standing: exact."""
    if not 0 < margin < 1:
        raise InputError(f"a margin lies between 0 and 1, both excluded, not at {margin}")
    aligned, conflicting = (reference + (1 - reference) * s for s in (margin, -margin))
    return math.acos(aligned), math.acos(conflicting)


def lowest_reference(margin: float) -> float:
    """Reference weight at which s = −1 and s = −τ give the same |cos θ|. Standing: exact."""
    return (1 + margin) / (3 + margin)


def plain_acceptance(passes: int, s: float, reference: float = 0.5) -> float:
    """cos²(pθ): p passes with plain reflections in between. Standing: exact."""
    return math.cos(passes * math.acos(reference + (1 - reference) * s)) ** 2


@lru_cache(maxsize=256)
def optimal_error(passes: int, margin: float, reference: float = 0.5) -> float:
    """Least worst-case error of any acceptance of degree ``passes`` in cos 2θ, within [0, 1].

    A linear programme on a grid of angles; no protocol of that many reflections can do better.
    Standing: exact, to the grid's 1e-4.

    Raises:
        MissingExtraError: SciPy is not installed.
    """
    try:
        from scipy.optimize import linprog
    except ImportError:
        raise MissingExtraError("the linear programme of GapIP's optimum", "conflict") from None
    aligned, conflicting = (2 * angle for angle in gap_angles(margin, reference))
    # |cos θ| is what counts: at a low reference s = −1 lies beyond θ = π/2, and folds back.
    folded = 2 * math.acos(min(1.0, abs(2 * reference - 1)))
    conflicting = min(conflicting, folded) if reference < 0.5 else conflicting
    last = math.pi if reference <= 0.5 else folded
    count = 16 * passes + 100
    accept = np.linspace(0, aligned, count)
    reject = np.linspace(conflicting, last, count)
    between = np.linspace(aligned, conflicting, count // 4)
    harmonics = np.arange(passes + 1)

    def rows(angles: NDArray[np.float64], sign: int, slack: int) -> NDArray[np.float64]:
        waves = sign * np.cos(np.outer(angles, harmonics))
        return np.column_stack([waves, np.full(len(angles), float(-slack))])

    everywhere = np.concatenate([accept, between, reject])
    constraints = np.concatenate(
        [rows(everywhere, 1, 0), rows(everywhere, -1, 0), rows(reject, 1, 1), rows(accept, -1, 1)]
    )
    bounds = np.concatenate(
        [np.ones(len(everywhere)), np.zeros(len(everywhere)), np.zeros(count), -np.ones(count)]
    )
    goal = np.zeros(passes + 2)
    goal[-1] = 1
    limits = [(None, None)] * (passes + 1) + [(0, None)]
    found = linprog(goal, A_ub=constraints, b_ub=bounds, bounds=limits, method="highs")
    return float(found.x[-1])


def optimal_passes(margin: float, error: float, reference: float = 0.5) -> int:
    """Fewest passes whose :func:`optimal_error` is at most ``error``. Standing: exact.

    Raises:
        MissingExtraError: SciPy is not installed.
    """
    # The optimum never gets worse with passes: bracket, then halve.
    low, high = 0, max(1, round(0.7 * math.log(0.5 / error) / margin))
    while optimal_error(high, margin, reference) > error:
        low, high = high, math.ceil(1.3 * high)
    while high - low > 1:
        middle = (low + high) // 2
        below = optimal_error(middle, margin, reference) <= error
        low, high = (low, middle) if below else (middle, high)
    return high


# GapIP, classical: bits are a constant over τ² -----------------------------------------------


def two_sided_constant(error: float) -> float:
    """Signs of both vectors' projections: z²π²/4. Standing: asymptotic in τ."""
    return _z2(error) * math.pi**2 / 4


def one_sided_constant(error: float) -> float:
    """Signs of one side, real projections on the other: z²π/2. Standing: asymptotic in τ."""
    return _z2(error) * math.pi / 2


def index_constant(error: float, index_bits: int | None = None) -> float:
    """Index of the largest of 2^R projections: z²R/M², M its mean; z²/(2 ln 2) in the limit.

    ``index_bits`` None is the limit. Standing: asymptotic in τ.
    """
    if index_bits is None:
        return _z2(error) / (2 * math.log(2))
    return _z2(error) * index_bits / maximum_of_normals(index_bits) ** 2


def johnson_lindenstrauss_constant(error: float) -> float:
    """Words, not bits, of real projections: z². Standing: asymptotic in τ."""
    return _z2(error)


def _z2(error: float) -> float:
    if not 0 < error < 0.5:
        raise InputError(f"an error lies between 0 and 1/2, both excluded, not at {error}")
    return _NORMAL.inv_cdf(error) ** 2


def maximum_of_normals(index_bits: int) -> float:
    """E max of 2^R normals = ∫ (1 − Φ^n) − ∫ Φ^n over both half-lines."""
    x = np.linspace(0, 12, 6001)
    above = np.array([0.5 * math.erfc(t / math.sqrt(2)) for t in x])
    n = 2.0**index_bits
    upper = -np.expm1(n * np.log1p(-above))
    lower = np.exp(n * np.log(np.maximum(above, 1e-300)))
    height = upper - lower
    return float((height[:-1] + height[1:]).sum() * (x[1] - x[0]) / 2)


def crossover_margin(classical: float, quantum: float, coords: int) -> float:
    """τ* below which passes·qubits = ``quantum``/τ·⌈log2(d+1)⌉ beat ``classical``/τ² bits.

    Both constants are those of the same error. Standing: asymptotic in τ.
    """
    return classical / (quantum * coords.bit_length())


def crossover_coords(classical: float, quantum: float, margin: float) -> float:
    """d* above which one register is so wide that ``classical``/τ² bits win: 2^q, q = c/(κτ).

    Standing: asymptotic in τ.
    """
    return 2 ** min(1000.0, classical / (quantum * margin))


def paper_margin(coords: int) -> float:
    """Crossover if all constants were one, as the paper's bounds read: 1/log2 d.

    Standing: asymptotic; the paper states orders only.
    """
    return 1 / math.log2(coords)


def fitted_exponent(margins: list[float], costs: list[float]) -> float:
    """Slope of log cost against log τ, by least squares."""
    x, y = np.log(margins), np.log(costs)
    x = x - x.mean()
    return float(x @ (y - y.mean()) / (x @ x))


# TieAudit ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TieCosts:
    """Bits of the birthday broadcast against qubits of as many samples; perfect matching.

    The notes' rival; :func:`tie_index_bits` has the best one we know.
    """

    classical_bits: int
    qubits: int

    @property
    def ratio(self) -> float:
        """Bits a qubit; also the number of clients up to which qubits win."""
        return self.classical_bits / self.qubits


def hoeffding_copies(epsilon: float, delta: float) -> int:
    """⌈ln(2/δ)/(2ε²)⌉ copies. Standing: bound."""
    return math.ceil(math.log(2 / delta) / (2 * epsilon**2))


def birthday_pairs(coords: int, tied: int, signs: int, size: int = 2) -> float:
    """Mean pairs within ties of ``size`` complete among random positions. Standing: exact."""
    return tied * (size - 1) / 2 * signs * (signs - 1) / (coords * (coords - 1))


def birthday_variance(coords: int, size: int, mean_square: float, signs: int) -> float:
    """Variance of the conflicting fraction from ``signs`` signs at random positions.

    All coordinates lie in ties of ``size`` whose signs average to ±√``mean_square``. Hoeffding's
    decomposition of a U-statistic of k independent positions, 2(2(k−2)ζ₁ + ζ₂)/(k(k−1)), over four.
    Standing: asymptotic, k small against d.
    """
    others = size - 1
    mean = (size * mean_square - 1) / others
    squared = (size * (size - 2) * mean_square + 1) / others**2
    first, second = squared - mean**2, coords / others - mean**2
    return (2 * (signs - 2) * first + second) / (2 * signs * (signs - 1))


def tie_index_bits(
    coords: int, size: int, epsilon: float, delta: float, index_bits: int | None = None
) -> float:
    """Bits of the index sketch for ties of ``size`` that cover all d coordinates.

    Its variance is d/(2(g−1)y²) + u/y at y = t·M² and the worst u over the signs; bits are y·R/M²,
    y/(2 ln 2) in the limit of long indices (None), and half of that dense-coded. Standing:
    asymptotic, many terms.
    """
    others = size - 1
    # u = |Bg|² − (gᵀBg)², the variance of B's eigenvalues 1 and −1/(g−1) under the signs' weights.
    worst = ((1 + 1 / others) / 2) ** 2
    goal = (epsilon / -_NORMAL.inv_cdf(delta / 2)) ** 2
    y = (worst + math.sqrt(worst**2 + 2 * goal * coords / others)) / (2 * goal)
    if index_bits is None:
        return y / (2 * math.log(2))
    return y * index_bits / maximum_of_normals(index_bits) ** 2


def tie_costs(coords: int, copies: int) -> TieCosts:
    """Both costs of ``copies`` sampled pairs of a perfect matching. Standing: exact."""
    root = 0.5 + math.sqrt(0.25 + 2 * copies * (coords - 1))
    return TieCosts(
        classical_bits=min(coords, math.ceil(root - 1e-9)),
        qubits=copies * (coords - 1).bit_length(),
    )


def paper_tie_ratio(coords: int, copies: int) -> float:
    """d/(m log2 d), all signs against m copies: the advantage as the paper has it."""
    return coords / (copies * math.log2(coords))


def group_disagreement(mean: float, size: int) -> float:
    """Share of a group's pairs that disagree, if its signs average to ``mean``: exact."""
    return (1 - mean**2) * size / (2 * (size - 1))


def noisy_fraction(
    signs: NDArray[np.int8], partners: NDArray[np.int64], x: float, y: float, z: float
) -> float:
    """Mean outcome of perfect pairs under i.i.d. Pauli noise; d = 2^q coordinates of ±1.

    Sums all 4^q errors. Standing: exact.
    """
    d = len(signs)
    q = d.bit_length() - 1
    if d != 1 << q:
        raise InputError(f"all errors are summed for powers of two only, not for {d} coordinates")
    index = np.arange(d)
    total = 0.0
    for e in range(d):
        for f in range(d):
            weight = 1.0
            for bit in range(q):
                kind = (e >> bit & 1, f >> bit & 1)
                weight *= {(0, 0): 1 - x - y - z, (1, 0): x, (1, 1): y, (0, 1): z}[kind]
            if weight:
                flip = np.array([bin(f & int(i ^ j)).count("1") % 2 for i, j in
                                 zip(index, partners, strict=True)])  # fmt: skip
                differs = (signs[index ^ e] != signs[partners ^ e]) ^ (flip == 1)
                total += weight * float(differs.mean())
    return total
