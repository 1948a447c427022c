"""Closed forms of private sums, against the accountant of dp-accounting and against integrals."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from qring import InputError
from qring.theory import differential_privacy as theory

accounting = pytest.importorskip("dp_accounting")

ORDERS = tuple(1 + np.geomspace(1e-2, 1e4, 600))


@given(st.floats(0.05, 10), st.floats(1e-9, 0.1))
def test_analytic_gaussian_is_that_of_the_accountant(epsilon, delta):
    assert theory.analytic_gaussian(epsilon, delta) == pytest.approx(
        accounting.get_sigma_gaussian(epsilon, delta), rel=1e-6
    )


@pytest.mark.parametrize(("epsilon", "sigma"), [(1, 3.731), (4, 1.081), (8, 0.600)])
def test_analytic_gaussian_at_known_points(epsilon, sigma):
    assert theory.analytic_gaussian(epsilon, 1e-5) == pytest.approx(sigma, abs=5e-4)


@given(st.floats(1e-4, 20), st.floats(1e-9, 0.01), st.floats(0, 0.1))
def test_conversion_is_never_above_the_accountants_which_tries_fewer_orders(rho, delta, xi):
    accountant = accounting.rdp.RdpAccountant(orders=ORDERS)
    accountant.compose(accounting.ZCDpEvent(rho, xi))
    theirs = accountant.get_epsilon(delta)
    ours = theory.epsilon_of_zcdp(rho, delta, xi)
    assert theirs * 0.999 - 1e-6 <= ours <= theirs + 1e-6


def test_no_divergence_tells_nothing():
    assert theory.epsilon_of_zcdp(0, 1e-5) == 0


def test_zcdp_bound_lies_above_the_exact_gaussian():
    for epsilon in (0.5, 1, 4):
        sigma = theory.analytic_gaussian(epsilon, 1e-5)
        assert theory.epsilon_of_zcdp(1 / (2 * sigma**2), 1e-5) > epsilon


def test_classical_gaussian_is_known_and_only_claimed_up_to_one():
    assert theory.classical_gaussian(1, 1e-5) == pytest.approx(4.8448, abs=1e-4)
    with pytest.raises(InputError, match="ε ≤ 1"):
        theory.classical_gaussian(2, 1e-5)


def test_wraps_are_as_rare_as_a_gaussian_beyond_four():
    assert theory.wrap_probability(4) == pytest.approx(6.33e-5, rel=1e-3)


@pytest.mark.parametrize("epsilon", [0.3, 1.0, 3.0])
def test_local_release_is_unbiased_at_its_length_and_keeps_epsilon(epsilon):
    dimension, rng = 6, np.random.default_rng(0)
    length = math.sqrt(theory.local_vector_variance(epsilon, dimension) * dimension)
    # E⟨Z, x⟩ = B·(2p−1)·E|⟨U, x⟩| must be 1, with p the weight of x's own half of the sphere.
    density = stats.beta(0.5, (dimension - 1) / 2)
    mean = integrate.quad(lambda s: math.sqrt(s) * density.pdf(s), 0, 1)[0]
    p = (1 + 1 / (length * mean)) / 2
    assert 0.5 < p < 1
    assert max(math.log(2 * p), -math.log(2 * (1 - p))) == pytest.approx(epsilon)
    directions = rng.normal(size=(40_000, dimension))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    own = rng.random(len(directions)) < p
    directions[:, 0] = np.where(own, 1, -1) * np.abs(directions[:, 0])
    error = length / math.sqrt(len(directions))  # no coordinate has a larger standard error
    assert (length * directions).mean(axis=0) == pytest.approx(np.eye(dimension)[0], abs=6 * error)
