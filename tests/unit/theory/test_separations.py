"""Closed forms of section 5 against the notes' tables and other routes to the same figures."""

import math

import numpy as np
import pytest

from qring.errors import InputError
from qring.theory import separations


@pytest.mark.parametrize(
    ("margin", "passes"), [(0.2, (3, 8, 17)), (0.1, (5, 15, 32)), (0.05, (9, 28, 64))]
)
def test_linear_programme_optimum(margin, passes):
    pytest.importorskip("scipy")
    for error, expected in zip(separations.ERRORS, passes, strict=True):
        # Both neighbours of the optimum, rather than the search for it.
        assert separations.optimal_error(expected, margin) <= error
        assert separations.optimal_error(expected - 1, margin) > error


@pytest.mark.slow
def test_linear_programme_optimum_at_a_small_margin():
    pytest.importorskip("scipy")
    found = [separations.optimal_passes(0.02, error) for error in separations.ERRORS]
    assert found == [20, 70, 159]


def test_a_lower_reference_needs_fewer_passes():
    pytest.importorskip("scipy")
    lowest = separations.lowest_reference(0.1)
    assert separations.optimal_passes(0.1, 0.01) == 32
    assert separations.optimal_passes(0.1, 0.01, lowest) == 28


def test_angles_of_the_gap():
    for margin in (0.05, 0.01):
        aligned, conflicting = separations.gap_angles(margin)
        assert aligned == pytest.approx(math.pi / 3 - margin / math.sqrt(3), abs=margin**2)
        assert conflicting == pytest.approx(math.pi / 3 + margin / math.sqrt(3), abs=margin**2)


@pytest.mark.parametrize(
    ("error", "both", "one", "sixteen", "limit", "words"),
    [(1 / 3, 0.458, 0.291, 0.161, 0.134, 0.186), (0.01, 13.35, 8.50, 4.70, 3.90, 5.41)],
)
def test_constants_of_the_classical_rivals(error, both, one, sixteen, limit, words):
    found = (
        separations.two_sided_constant(error),
        separations.one_sided_constant(error),
        separations.index_constant(error, 16),
        separations.index_constant(error),
        separations.johnson_lindenstrauss_constant(error),
    )
    assert found == pytest.approx((both, one, sixteen, limit, words), rel=5e-3)


def test_crossovers_of_the_notes():
    # Their quantum constants: 0.905 and 5.4 passes·τ of the Bayesian sequential strategy.
    for coords, error, quantum, sign, index in (
        (10**6, 1 / 3, 0.905, 0.016, 0.0074),
        (10**6, 0.01, 5.4, 0.079, 0.036),
        (10**9, 1 / 3, 0.905, 0.011, 0.005),
        (10**9, 0.01, 5.4, 0.053, 0.024),
    ):
        one, best = separations.one_sided_constant(error), separations.index_constant(error)
        assert separations.crossover_margin(one, quantum, coords) == pytest.approx(sign, rel=0.03)
        assert separations.crossover_margin(best, quantum, coords) == pytest.approx(index, rel=0.03)


def test_crossovers_in_the_margin_and_in_the_size_agree():
    classical, quantum = 3.9, 2.7
    margin = separations.crossover_margin(classical, quantum, 2**30 - 1)
    assert separations.crossover_coords(classical, quantum, margin) == pytest.approx(2**30)
    assert separations.paper_margin(2**20) == 0.05


@pytest.mark.parametrize(
    ("coords", "bits", "qubits", "ratio"),
    [(10**4, 1415, 1400, 1.01), (10**6, 14_143, 2000, 7.07), (10**9, 447_215, 3000, 149),
     (10**11, 4.47e6, 3700, 1208)],
)  # fmt: skip
def test_tie_costs(coords, bits, qubits, ratio):
    costs = separations.tie_costs(coords, 100)
    assert costs.classical_bits == pytest.approx(bits, rel=1e-3)
    assert costs.qubits == qubits
    assert costs.ratio == pytest.approx(ratio, rel=5e-3)
    k = costs.classical_bits
    assert separations.birthday_pairs(coords, coords, k - 1) < 100
    assert separations.birthday_pairs(coords, coords, k) >= 100


def test_how_optimistic_the_paper_is():
    ours = separations.tie_costs(10**9, 100).ratio
    assert separations.paper_tie_ratio(10**9, 100) / ours == pytest.approx(2200, rel=0.03)


def test_disagreement_within_a_group_counts_its_pairs():
    for signs in ([1, 1, -1], [1, -1, 1, -1], [1] * 5):
        array = np.array(signs)
        pairs = [(a, b) for i, a in enumerate(signs) for b in signs[i + 1 :]]
        share = sum(a != b for a, b in pairs) / len(pairs)
        assert separations.group_disagreement(array.mean(), len(signs)) == pytest.approx(share)


def test_hoeffding():
    assert separations.hoeffding_copies(0.1, 0.05) == 185
    assert separations.hoeffding_copies(0.2, 1 / 3) == 23


def test_nonsense_is_refused():
    with pytest.raises(InputError):
        separations.gap_angles(1.0)
    with pytest.raises(InputError):
        separations.one_sided_constant(0.5)
    with pytest.raises(InputError):
        separations.noisy_fraction(np.ones(6), np.arange(6), 0.1, 0, 0)
