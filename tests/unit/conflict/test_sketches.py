"""Classical rivals of GapIP: what they cost, and that they do what they claim."""

import math

import numpy as np
import pytest
from scipy import stats

from qring.conflict.finding import Decision
from qring.conflict.phases import cheapest
from qring.conflict.sketches import (
    SketchKind,
    best_rival,
    maximum_moments,
    rivals,
    sketch,
    sketch_law,
)
from qring.errors import InputError
from qring.theory import separations

SAMPLED = (SketchKind.TWO_SIDED, SketchKind.ONE_SIDED, SketchKind.INDEX, SketchKind.WORDS)


def wrong(results, s):
    return sum((r.decision is Decision.ALIGNED) != (s > 0) for r in results)


slow = pytest.mark.slow


@pytest.mark.parametrize("error", [1 / 3, 0.01])
@pytest.mark.parametrize(
    ("margin", "runs"),
    [(0.2, 1500), (0.1, 400), pytest.param(0.05, 1500, marks=slow),
     pytest.param(0.02, 300, marks=slow)],
)  # fmt: skip
def test_sketches_err_no_more_than_asked(margin, runs, error):
    rng = np.random.default_rng(7)
    for rival in rivals(10_000, margin, error, index_bits=6):
        for s in (margin, -margin, 1.0, -1.0):
            seen = wrong([sketch_law(s, rival, rng) for _ in range(runs)], s)
            # 160 comparisons in all; a fiftieth of the rate is left to the normal approximation.
            assert seen <= stats.binom.isf(1e-6 / 160, runs, error * 1.02), (rival.name, s)


def test_sketches_on_vectors_follow_the_same_law():
    rng = np.random.default_rng(1)
    u = rng.normal(size=40)
    v = rng.normal(size=40) + 0.3 * u
    s = float(u @ v / np.linalg.norm(u) / np.linalg.norm(v))
    for rival in rivals(40, 0.25, 0.2, index_bits=4):
        runs = 1500
        on_vectors = wrong([sketch(u, v, rival, rng) for _ in range(runs)], s)
        by_law = wrong([sketch_law(s, rival, rng) for _ in range(runs)], s)
        table = [[on_vectors + 1, runs + 1], [by_law + 1, runs + 1]]
        assert stats.fisher_exact(table)[1] > 1e-7, rival.name


def test_costs_tend_to_the_notes_constants():
    for error in (1 / 3, 0.01):
        found = {r.name: r.bits * 0.005**2 for r in rivals(10**9, 0.005, error, word_bits=1)}
        expected = {
            SketchKind.TWO_SIDED: separations.two_sided_constant(error),
            SketchKind.ONE_SIDED: separations.one_sided_constant(error),
            SketchKind.INDEX: separations.index_constant(error, 16),
            SketchKind.WORDS: separations.johnson_lindenstrauss_constant(error),
        }
        for name, constant in expected.items():
            assert found[name] == pytest.approx(constant, rel=0.02), name


def test_exponent_of_bits_in_the_margin():
    margins = [0.2, 0.1, 0.05, 0.02]
    for name in SAMPLED:
        costs = [
            next(r.bits for r in rivals(10**6, margin, 0.01, index_bits=4) if r.name == name)
            for margin in margins
        ]
        assert separations.fitted_exponent(margins, costs) == pytest.approx(-2, abs=0.05), name


def test_the_best_rival_is_the_cheapest_and_caps_at_sending_everything():
    best = best_rival(10**6, 0.05, 0.01)
    assert best.name == SketchKind.INDEX
    assert all(best.bits <= r.bits for r in rivals(10**6, 0.05, 0.01))
    assert best.bits * 0.05**2 >= separations.index_constant(0.01)  # the limit is not beaten
    small = best_rival(10, 0.01, 0.01)
    assert (small.name, small.bits) == (SketchKind.EVERYTHING, 160)
    assert small.dense_coded_qubits == 80


def test_moments_of_a_maximum():
    sample = np.random.default_rng(0).normal(size=(40_000, 16)).max(axis=1)
    mean, variance = maximum_moments(4)
    assert sample.mean() == pytest.approx(mean, abs=5.5 * math.sqrt(variance / len(sample)))
    assert sample.var() == pytest.approx(variance, rel=0.06)
    assert maximum_moments(1)[0] == pytest.approx(1 / math.sqrt(math.pi), abs=1e-6)


def test_who_wins_depends_on_the_margin():
    quantum = {t: cheapest(t, 0.01).circuit.passes * 20 for t in (0.2, 0.02)}
    classical = {t: best_rival(10**6, t, 0.01).bits for t in (0.2, 0.02)}
    assert classical[0.2] < quantum[0.2]
    assert quantum[0.02] < classical[0.02]


@pytest.mark.parametrize(
    "arguments", [(0, 0.1, 0.1), (10, 0.0, 0.1), (10, 0.1, 0.5), (10, math.nan, 0.1)]
)
def test_impossible_tasks_are_refused(arguments):
    with pytest.raises(InputError):
        best_rival(*arguments)


def test_the_message_is_charged():
    rival = rivals(50, 0.3, 0.1)[0]
    ledger = sketch(np.ones(50), np.ones(50), rival, np.random.default_rng(0)).ledger
    assert ledger.totals.online_bits == rival.bits
    assert ledger.rounds == 1
