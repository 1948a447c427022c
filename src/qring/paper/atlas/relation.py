"""Statistics that relate the aggregate to what a client holds in private."""

from __future__ import annotations

import math

import numpy as np

from qring.conflict import binomial
from qring.conflict.sketches import best_rival
from qring.conflict.subspace.rivals import index_rival
from qring.conflict.tie_rivals import BIRTHDAY, Shape, best_tie_rival
from qring.paper.atlas.entry import Bound, Cost, Entry, Point, Regime, Rounds, Side
from qring.paper.claim import Standing
from qring.theory.separations import index_constant

__all__ = ["ENTRIES"]

_SHARED = "shared random directions"
_OPTIMAL = "Hadar, Liu, Polyanskiy and Shayevitz 2019 (arXiv 1901.09100), interactive too"


def _copies(point: Point) -> float:
    return float(binomial.sample_size(point.epsilon, point.delta) * point.register)


def _pairs(point: Point) -> Shape:
    return Shape(point.coords, np.array([2]), np.array([point.coords // 2]))


def _grouped(point: Point) -> Shape:
    size = point.coords // point.groups
    return Shape(point.coords, np.array([size]), np.array([point.groups]))


def _group_copies(point: Point) -> float:
    """Copies measured in the groups' uniform vectors: a disagreement counts g/(2(g−1))."""
    size = point.coords // point.groups
    scale = size / (2 * (size - 1))
    needed = point.epsilon / scale
    copies = binomial.sample_size(needed, point.delta) if needed < 1 else 1
    return float(copies * point.register)


def _upstream(point: Point) -> float:
    samples = binomial.sample_size(point.epsilon, point.delta)
    return float(math.ceil(samples * (2 * math.log2(point.coords) + 1)))


def _passes(point: Point) -> float:
    """1.25/τ passes at error .1; log(1/2error) elsewhere, as the designs go."""
    scale = 1.25 * math.log(0.5 / point.error) / math.log(5)
    return scale / point.margin * point.coords.bit_length()


def _inner(point: Point) -> float:
    """Additive accuracy ε of a cosine: z²/(2 ln 2·ε²), two-sided."""
    return index_constant(point.delta / 2) / point.epsilon**2


def _tangent(point: Point) -> float:
    side = math.isqrt(point.coords)
    rank = min(point.rank, side - 1)
    dimension = rank * (2 * side - rank)
    return float(index_rival(side * side, dimension, point.epsilon, point.delta).bits)


def _half(point: Point) -> float:
    return float(index_rival(point.coords, point.coords // 2, point.epsilon, point.delta).bits)


_COPIES = Cost(side=Side.QUANTUM, bound=Bound.UPPER, rounds=Rounds.ONE_WAY,
               formula="m·⌈log2 d⌉", value=_copies, standing=Standing.EXACT,
               source="exact binomial law; Kremer 1995 for such states")  # fmt: skip

ENTRIES = (
    Entry(
        id="inner-product",
        title="The cosine with my vector",
        regime=Regime.RELATION,
        asked="⟨u, v⟩ of unit vectors of two workers, within ε but with δ.",
        advantage="Quadratic in ε with messages both ways, log d qubits a pass: it pays below a "
        "crossover of about 1/log d. One-way: none.",
        command="qring gapip",
        costs=(
            Cost(side=Side.QUANTUM, bound=Bound.UPPER, rounds=Rounds.INTERACTIVE,
                 formula="about π/ε·⌈log2(d+1)⌉·ln(1/δ)",
                 value=lambda p: math.pi / p.epsilon * p.coords.bit_length()
                 * max(1.0, math.log(1 / p.delta)),
                 standing=Standing.ASYMPTOTIC, source="paper appendix D; Brassard et al. 2002"),
            Cost(side=Side.QUANTUM, bound=Bound.LOWER, rounds=Rounds.INTERACTIVE,
                 formula="1/ε, constant unknown", value=lambda p: 1 / p.epsilon,
                 standing=Standing.ASYMPTOTIC, source="Razborov 2003", resources="entanglement"),
            Cost(side=Side.CLASSICAL, bound=Bound.UPPER, rounds=Rounds.ONE_WAY,
                 formula="z²/(2 ln 2·ε²)", value=_inner, standing=Standing.ASYMPTOTIC,
                 source="indices of maxima, their limit", resources=_SHARED),
            Cost(side=Side.CLASSICAL, bound=Bound.LOWER, rounds=Rounds.INTERACTIVE,
                 formula="z²/(2 ln 2·ε²)", value=_inner, standing=Standing.ASYMPTOTIC,
                 source=_OPTIMAL, resources=_SHARED),
        ),
    ),
    Entry(
        id="gap-ip",
        title="Do two gradients conflict?",
        regime=Regime.RELATION,
        asked="The side of ⟨u, v⟩, promised to be ±τ or farther, wrong with the given error.",
        advantage="Quadratic in τ with messages both ways, below a crossover (.05 at d = 10⁶ and "
        "error .1; half of that if the sketch is dense-coded).",
        command="qring gapip",
        costs=(
            Cost(side=Side.QUANTUM, bound=Bound.UPPER, rounds=Rounds.INTERACTIVE,
                 formula="about 1.25/τ·⌈log2(d+1)⌉ at error .1", value=_passes,
                 standing=Standing.ASYMPTOTIC, source="theorem 4; designed phases, ours"),
            Cost(side=Side.QUANTUM, bound=Bound.LOWER, rounds=Rounds.INTERACTIVE,
                 formula="1/τ, constant unknown", value=lambda p: 1 / p.margin,
                 standing=Standing.ASYMPTOTIC, source="Razborov 2003", resources="entanglement"),
            Cost(side=Side.CLASSICAL, bound=Bound.UPPER, rounds=Rounds.ONE_WAY,
                 formula="indices of maxima of up to 32 bits",
                 value=lambda p: float(best_rival(p.coords, p.margin, p.error,
                                                  word_bits=p.word_bits).bits),
                 standing=Standing.ASYMPTOTIC, source="ours; Hadar and Shayevitz 2019",
                 resources=_SHARED),
            Cost(side=Side.CLASSICAL, bound=Bound.LOWER, rounds=Rounds.INTERACTIVE,
                 formula="z²/(2 ln 2·τ²)", value=lambda p: index_constant(p.error) / p.margin**2,
                 standing=Standing.ASYMPTOTIC, source=_OPTIMAL, resources=_SHARED),
        ),
    ),
    Entry(
        id="ties",
        title="Do my tied pairs conflict?",
        regime=Regime.RELATION,
        asked="The share of a private perfect matching's pairs with unlike signs, within ε but δ.",
        advantage="Exponential if only the server speaks, for one client; with one message up, in "
        "which the client names pairs, a factor of two is left.",
        command="qring tieaudit",
        costs=(
            _COPIES,
            Cost(side=Side.CLASSICAL, bound=Bound.UPPER, rounds=Rounds.ONE_WAY,
                 formula="about z·√(d/2)/(2 ln 2·ε); all d signs at most",
                 value=lambda p: float(best_tie_rival(_pairs(p), p.epsilon, p.delta).bits),
                 standing=Standing.ASYMPTOTIC, source="indices of maxima, ours", resources=_SHARED),
            Cost(side=Side.CLASSICAL, bound=Bound.LOWER, rounds=Rounds.ONE_WAY,
                 formula="√d, constant unknown", value=lambda p: math.sqrt(p.coords),
                 standing=Standing.ASYMPTOTIC, source="Gavinsky, Kempe, Kerenidis, Raz and de Wolf "
                 "2008, by a corrected reduction", resources="shared random bits"),
            Cost(side=Side.CLASSICAL, bound=Bound.UPPER, rounds=Rounds.INTERACTIVE,
                 formula="m·(2 log2 d + 1)", value=_upstream, standing=Standing.EXACT,
                 source="the client names sampled pairs"),
        ),
    ),
    Entry(
        id="groups",
        title="Do my codebook's groups conflict?",
        regime=Regime.RELATION,
        asked="The same for a few groups of equal size that are tied together.",
        advantage="None for few groups: random signs pair up inside them. At d = 10⁶ quantum sends "
        "less from about 1,700 groups on, and from 8,000 on if the rival is dense-coded.",
        command="qring tieaudit",
        costs=(
            Cost(side=Side.QUANTUM, bound=Bound.UPPER, rounds=Rounds.ONE_WAY,
                 formula="m_g·⌈log2 d⌉, in the groups' uniform vectors", value=_group_copies,
                 standing=Standing.EXACT, source="exact binomial law"),
            Cost(side=Side.CLASSICAL, bound=Bound.UPPER, rounds=Rounds.ONE_WAY,
                 formula="about (z/2ε)·max(√(2G), z/2ε)/(2 ln 2)",
                 value=lambda p: float(best_tie_rival(_grouped(p), p.epsilon, p.delta).bits),
                 standing=Standing.ASYMPTOTIC, source="indices of maxima, ours", resources=_SHARED),
        ),
    ),
    Entry(
        id="hidden-matching",
        title="Boolean Hidden Matching",
        regime=Regime.RELATION,
        asked="Whether the parities of a private matching of d/4 pairs equal a private target, or "
        "its complement; δ.",
        advantage="Exponential if only the server speaks; none with messages both ways. A perfect "
        "matching of an odd number of pairs is decided by one bit.",
        costs=(
            Cost(side=Side.QUANTUM, bound=Bound.UPPER, rounds=Rounds.ONE_WAY,
                 formula="⌈log2(1/δ)⌉ copies of ⌈log2 d⌉",
                 value=lambda p: math.ceil(math.log2(1 / p.delta)) * p.register,
                 standing=Standing.EXACT, source="paper appendix C.3; half of the copies hit"),
            Cost(side=Side.CLASSICAL, bound=Bound.UPPER, rounds=Rounds.ONE_WAY,
                 formula="√(4·d·ln(1/2δ)), one complete pair",
                 value=lambda p: math.ceil(math.sqrt(
                     4 * p.coords * max(math.log(0.5 / p.delta), 0.1))),
                 standing=Standing.ASYMPTOTIC, source=f"{BIRTHDAY}", resources="shared positions"),
            Cost(side=Side.CLASSICAL, bound=Bound.LOWER, rounds=Rounds.ONE_WAY,
                 formula="√d, constant unknown", value=lambda p: math.sqrt(p.coords),
                 standing=Standing.ASYMPTOTIC, source="Gavinsky et al. 2008",
                 resources="shared random bits"),
            Cost(side=Side.CLASSICAL, bound=Bound.UPPER, rounds=Rounds.INTERACTIVE,
                 formula="2⌈log2 d⌉ + 1", value=lambda p: 2.0 * p.register + 1,
                 standing=Standing.EXACT, source="the client names one pair"),
        ),
    ),
    Entry(
        id="subspace",
        title="What share lies in my subspace?",
        regime=Regime.RELATION,
        asked="|P·g|² for a private subspace of d/2 dimensions in any position, within ε but δ.",
        advantage="Exponential, proven also against messages both ways; for one client.",
        command="qring subspace",
        costs=(
            _COPIES,
            Cost(side=Side.CLASSICAL, bound=Bound.UPPER, rounds=Rounds.ONE_WAY,
                 formula="about z·√(d/2)/(2 ln 2·ε)", value=_half, standing=Standing.ASYMPTOTIC,
                 source="indices of maxima, traceless, ours", resources=_SHARED),
            Cost(side=Side.CLASSICAL, bound=Bound.LOWER, rounds=Rounds.INTERACTIVE,
                 formula="d^(1/3), constant unknown", value=lambda p: p.coords ** (1 / 3),
                 standing=Standing.ASYMPTOTIC, source="Klartag and Regev 2011; √d above: Raz 1999",
                 resources="shared random bits"),
        ),
    ),
    Entry(
        id="adapter",
        title="What share can my adapter take?",
        regime=Regime.RELATION,
        asked="The same for the tangent space of a rank-r adapter of a √d × √d matrix.",
        advantage="A factor of about three at d = 1.7·10⁷; none where the gradient has few "
        "singular values, which the server describes. No lower bound is known.",
        command="qring subspace",
        costs=(
            _COPIES,
            Cost(side=Side.CLASSICAL, bound=Bound.UPPER, rounds=Rounds.ONE_WAY,
                 formula="about z·√(2r·2√d)/(2 ln 2·ε)", value=_tangent,
                 standing=Standing.ASYMPTOTIC, source="indices of maxima, traceless, ours; fewer "
                 "for gradients of few singular values", resources=_SHARED),
        ),
    ),
    Entry(
        id="mask-energy",
        title="What share survives my mask?",
        regime=Regime.RELATION,
        asked="Σ g_i² over a private set of coordinates, over |g|², within ε but δ.",
        advantage="None: the server samples coordinates by g_i².",
        costs=(
            _COPIES,
            Cost(side=Side.CLASSICAL, bound=Bound.UPPER, rounds=Rounds.ONE_WAY,
                 formula="m·⌈log2 d⌉; m·D(g²‖uniform) with shared randomness", value=_copies,
                 standing=Standing.EXACT, source="samples; Harsha, Jain, McAllester and "
                 "Radhakrishnan 2010 for the second"),
        ),
    ),
    Entry(
        id="sampling",
        title="A coordinate drawn by g²",
        regime=Regime.RELATION,
        asked="One coordinate i with probability g_i²/|g|², at the client.",
        advantage="None in the basis of coordinates; in a private one it is the subspace question.",
        costs=(
            Cost(side=Side.QUANTUM, bound=Bound.UPPER, rounds=Rounds.ONE_WAY, formula="⌈log2 d⌉",
                 value=lambda p: float(p.register), standing=Standing.EXACT, source="one copy"),
            Cost(side=Side.CLASSICAL, bound=Bound.UPPER, rounds=Rounds.ONE_WAY,
                 formula="⌈log2 d⌉; D(g²‖uniform) with shared randomness",
                 value=lambda p: float(p.register), standing=Standing.EXACT,
                 source="the server samples; Harsha et al. 2010"),
        ),
    ),
    Entry(
        id="disjointness",
        title="Do two masks overlap?",
        regime=Regime.RELATION,
        asked="Whether two private sets of coordinates have one in common, both of any size.",
        advantage="Quadratic with messages both ways; none one-way. Sparse sets of s: s bits "
        "against √s qubits.",
        costs=(
            Cost(side=Side.QUANTUM, bound=Bound.UPPER, rounds=Rounds.INTERACTIVE,
                 formula="√d, constant unknown", value=lambda p: math.sqrt(p.coords),
                 standing=Standing.ASYMPTOTIC, source="Aaronson and Ambainis 2003"),
            Cost(side=Side.QUANTUM, bound=Bound.LOWER, rounds=Rounds.INTERACTIVE,
                 formula="√d, constant unknown", value=lambda p: math.sqrt(p.coords),
                 standing=Standing.ASYMPTOTIC, source="Razborov 2003", resources="entanglement"),
            Cost(side=Side.CLASSICAL, bound=Bound.UPPER, rounds=Rounds.ONE_WAY, formula="d",
                 value=lambda p: float(p.coords), standing=Standing.EXACT, source="one set, a bit "
                 "a coordinate"),
            Cost(side=Side.CLASSICAL, bound=Bound.LOWER, rounds=Rounds.INTERACTIVE,
                 formula=".4827·d", value=lambda p: 0.4827 * p.coords, standing=Standing.ASYMPTOTIC,
                 source="Braverman, Garg, Pankratov and Weinstein 2013; Razborov 1992",
                 resources="shared random bits"),
        ),
    ),
)  # fmt: skip
