"""Claims on phases of GHZ states: section 3.3."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from qring.collectives.all_reduce import all_reduce
from qring.collectives.ghz.digits import Digits
from qring.collectives.ghz.method import Ghz
from qring.collectives.ghz.shots import Shots
from qring.encoding.values import Integers
from qring.network.network import Network
from qring.network.noise import QubitNoise
from qring.paper.claim import Claim, Exact, Relation, Sampled, Standing, Sums, Verdict
from qring.theory.precision import (
    fisher_bound,
    fisher_with_leak,
    shot_copies,
    split_quadrature_information,
)

__all__ = ["CLAIMS"]

_WEIGHTS = (1.0, 2.0, -1.5)


def _sums_right(rng: np.random.Generator, trials: int) -> Sums:
    words = rng.integers(0, 2**14, size=(4, trials))
    method = Ghz(encoding=Integers(word_bits=14, signed=False), readout=Digits())
    result = all_reduce(words, method=method, rng=rng)
    return Sums.of(result.sum == words.sum(axis=0))


def _copies(readout: Digits | Shots) -> float:
    rng = np.random.default_rng(0)
    method = Ghz(encoding=Integers(word_bits=6, signed=False), readout=readout)
    result = all_reduce(rng.integers(0, 2**6, size=(4, 50)), method=method, rng=rng)
    return float(result.copies_per_coordinate)


def _squared_error(rng: np.random.Generator, trials: int) -> Sums:
    """Squared error, in words, of the paper's readout at copies far too few to round right."""
    copies = 2 * _FEW
    words = rng.integers(0, 2**6, size=(4, trials))
    counts = _tally(words.sum(axis=0), rng)
    cosine, sine = 1 - 2 * counts / _FEW
    read = np.arctan2(sine, cosine) * 2**8 / (2 * np.pi)
    error = (read - words.sum(axis=0) + 128) % 256 - 128
    return Sums.of(error**2 * copies)


_FEW = 200


def _tally(sums: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    batch = Network().open(4, rng).copies().batch(sums.astype(np.uint64), None)
    return np.asarray(batch.tally([7], _FEW)[0])


def _levels(weights: tuple[float, ...]) -> NDArray[np.float64]:
    """Eigenvalues of ½·Σ w_i·Z_i over all bit strings."""
    levels = np.zeros(1)
    for weight in weights:
        levels = np.concatenate([levels + weight / 2, levels - weight / 2])
    return levels


def _information(state: NDArray[np.complex128], weights: tuple[float, ...]) -> float:
    """Quantum Fisher information by its definition: curvature of the overlap with a near state."""
    step = 1e-4
    turned = np.exp(-1j * step * _levels(weights)) * state
    overlap = abs(np.vdot(state, turned)) ** 2
    return float(4 * (1 - overlap) / step**2)


def _random_state(rng: np.random.Generator) -> NDArray[np.complex128]:
    state = rng.normal(size=8) + 1j * rng.normal(size=8)
    return np.asarray(state / np.linalg.norm(state), np.complex128)


def _best_by_ascent() -> float:
    """Largest information that a random search climbs to, each step kept if it gains."""
    rng = np.random.default_rng(0)
    state = _random_state(rng)
    best, reach = _information(state, _WEIGHTS), 1.0
    for _ in range(6000):
        tried = state + reach * _random_state(rng)
        tried /= np.linalg.norm(tried)
        found = _information(tried, _WEIGHTS)
        if found > best:
            state, best = tried, found
        else:
            reach = max(1e-3, reach * 0.998)
    return best


def _ghz_type() -> NDArray[np.complex128]:
    """(|s⟩+i|s̄⟩)/√2 with s the signs of the weights; the last weight is the highest bit."""
    state = np.zeros(8, np.complex128)
    state[0b100], state[0b011] = 1, 1j
    return np.asarray(state / math.sqrt(2), np.complex128)


def _leaky() -> NDArray[np.complex128]:
    """Mass .2 at |000⟩, whose eigenvalue is (1+2−1.5)/2 = .75; the rest balanced."""
    state = _ghz_type()
    state *= math.sqrt(0.8)
    state[0] = math.sqrt(0.2)
    return state


def _variance_formula_gap() -> float:
    rng = np.random.default_rng(1)
    gaps = []
    for _ in range(200):
        state = _random_state(rng)
        law, levels = abs(state) ** 2, _levels(_WEIGHTS)
        variance = law @ levels**2 - (law @ levels) ** 2
        gaps.append(abs(_information(state, _WEIGHTS) - 4 * float(variance)))
    return max(gaps)


def _measured_information(visibility: float, phase: float, quadratures: tuple[float, ...]) -> float:
    """Fisher information a copy of parities, from the simulated law by finite differences."""
    noise = QubitNoise.of_visibility(visibility, 3)

    def even(total: float) -> float:
        return float((1 + noise.expectation(np.array([[total], [0.0], [0.0]]))[0]) / 2)

    step, found = 1e-5, 0.0
    for quarter in quadratures:
        p = even(phase + quarter)
        slope = (even(phase + quarter + step) - even(phase + quarter - step)) / (2 * step)
        found += slope**2 / (p * (1 - p)) if 0 < p < 1 else 0.0
    return found / len(quadratures)


_BOTH = (0.0, -np.pi / 2)

CLAIMS = (
    Claim(
        id="definition-1",
        source="definition 1",
        title="Sums from parities",
        says="Nodes turn their qubits of a GHZ state by phases that encode their words, measure X "
        "and announce; the parity gives everyone the sum.",
        checked="Sums of 4 workers' 14-bit words, read from simulated copies.",
        standing=Standing.EXACT,
        verdict=Verdict.DEFINITION,
        open_="One parity is one bit. Estimating the phase of a B-bit word takes about 4^B "
        "copies; reading the sum digit by digit with feed-forward takes B copies and is exact.",
        figures=(
            Sampled(name="sums read right, one copy a digit", draw=_sums_right, trials=2000,
                    predicted=lambda: 1.0),
            Exact(name="copies a coordinate for an 8-bit sum, digits", unit="copies",
                  measured=lambda: _copies(Digits()), predicted=lambda: 8),
            Exact(name="copies a coordinate for an 8-bit sum, the paper's shots", unit="copies",
                  measured=lambda: _copies(Shots(failure=0.32)),
                  predicted=lambda: shot_copies(8, lsb=0.5), relation=Relation.AT_LEAST,
                  standing=Standing.BOUND),
        ),
        see="qring allreduce w0.npy w1.npy --protocol ghz --word-bits 16",
    ),
    Claim(
        id="definition-2",
        source="definition 2",
        title="Quantum Fisher information",
        says="For a family generated by G the information is 4·Var(G), and every locally unbiased "
        "estimate from ν copies has a variance of at least one over ν times that.",
        checked="Curvature of overlaps of 200 random states; errors of the paper's readout.",
        standing=Standing.BOUND,
        verdict=Verdict.DEFINITION,
        figures=(
            Exact(name="largest gap between curvature and 4·Var(G)", measured=_variance_formula_gap,
                  predicted=lambda: 0, tolerance=1e-5, paper=lambda: 0),
            Sampled(name="squared error times copies, in words²", draw=_squared_error, trials=5000,
                    predicted=lambda: shot_copies(8, lsb=1.0), relation=Relation.AT_LEAST),
        ),
    ),
    Claim(
        id="theorem-1",
        source="theorem 1",
        title="GHZ states are the best probes",
        says="The information on Σ w_i x_i is at most (Σ|w_i|)², reached by GHZ-type states and no "
        "others; amplitude on a middle eigenspace costs a stated penalty.",
        checked="What a search over three-qubit states with weights (1, 2, −1.5) climbs to, the "
        "optimum, and a state with a fifth of its mass in the middle.",
        standing=Standing.BOUND,
        verdict=Verdict.HOLDS,
        open_="Uniqueness needs every weight to be non-zero. With mass p at eigenvalue λ and the "
        "rest balanced the information is Λ² − p(Λ²−4λ²) − 4p²λ².",
        figures=(
            Exact(name="what a search over all states climbs to", measured=_best_by_ascent,
                  predicted=lambda: fisher_bound(_WEIGHTS), tolerance=2e-3,
                  paper=lambda: sum(map(abs, _WEIGHTS)) ** 2),
            Exact(name="GHZ-type state", measured=lambda: _information(_ghz_type(), _WEIGHTS),
                  predicted=lambda: fisher_bound(_WEIGHTS), tolerance=1e-6,
                  paper=lambda: sum(map(abs, _WEIGHTS)) ** 2),
            Exact(name="mass .2 at eigenvalue .75",
                  measured=lambda: _information(_leaky(), _WEIGHTS),
                  predicted=lambda: fisher_with_leak(_WEIGHTS, 0.2, 0.75), tolerance=1e-6),
        ),
    ),
    Claim(
        id="precision-cost",
        source="section 3.3, after theorem 1",
        title="Precision costs 1/ε² copies",
        says="Reaching precision ε takes of the order of 1/ε² encoded copies.",
        checked="Copies that a run uses, for an 8-bit sum.",
        standing=Standing.EXACT,
        verdict=Verdict.CORRECTED,
        corrected="True for identical copies. Workers that know their words may turn each copy by "
        "another multiple: B copies give all B digits, exactly. One bit a copy is the most.",
        figures=(
            Exact(name="copies a digit", unit="copies", measured=lambda: _copies(Digits()) / 8,
                  predicted=lambda: 1),
            Exact(name="shots over digits, error of a quarter of the last bit",
                  measured=lambda: shot_copies(8) / _copies(Digits()),
                  predicted=lambda: 3320, relation=Relation.AT_LEAST, standing=Standing.ASYMPTOTIC,
                  tolerance=1e-3),
        ),
    ),
    Claim(
        id="remark-2",
        source="remark 2",
        title="Parities saturate the bound",
        says="Measuring X and taking the parity attains the quantum Fisher information, with no "
        "further assumptions.",
        checked="Information of the simulated law at several phases and visibilities.",
        standing=Standing.EXACT,
        verdict=Verdict.CORRECTED,
        corrected="Locally, and at visibility 1. The sign of the phase stays open unless a second "
        "quadrature is measured, and below V = 1 the information of one quadrature vanishes at "
        "φ = 0 and π.",
        figures=(
            Exact(name="V = 1, φ = 1, one quadrature", tolerance=1e-6, paper=lambda: 1,
                  measured=lambda: _measured_information(1.0, 1.0, (0.0,)), predicted=lambda: 1),
            Exact(name="V = .9, φ = 0, one quadrature", tolerance=1e-6, paper=lambda: 0.9**2,
                  measured=lambda: _measured_information(0.9, 0.0, (0.0,)), predicted=lambda: 0),
            *(
                Exact(name=f"V = .9, φ = {phase}, both quadratures", tolerance=1e-6,
                      measured=functools.partial(_measured_information, 0.9, phase, _BOTH),
                      predicted=functools.partial(split_quadrature_information, 0.9, phase))
                for phase in (0.0, 0.7)
            ),
        ),
    ),
)  # fmt: skip
