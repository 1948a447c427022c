"""Many rounds: the bound that does not grow, and the two ways it fails."""

from __future__ import annotations

import numpy as np
import pytest

from qring.errors import InputError
from qring.theory import rounds
from qring.theory.privacy import leak_of_static_gaussian


def log_det(matrix):
    return np.linalg.slogdet(matrix)[1] / np.log(2)


@pytest.mark.parametrize("seed", range(4))
def test_the_formula_is_a_difference_of_entropies(seed):
    rng = np.random.default_rng(seed)
    weights, noise = rng.normal(size=(30, 4)), 0.3
    everything = noise * np.eye(30) + weights @ weights.T
    others = noise * np.eye(30) + weights[:, 1:] @ weights[:, 1:].T
    expected = (log_det(everything) - log_det(others)) / 2
    assert rounds.leak_of_weighted_gaussian(weights, noise) == pytest.approx(expected)


@pytest.mark.parametrize("workers", [2, 3, 8, 10, 64])
def test_equal_weights_never_tell_more_than_the_bound(workers):
    bound = leak_of_static_gaussian(workers)
    told = [
        rounds.leak_of_weighted_gaussian(np.ones((count, workers)))
        for count in (1, 10, 1000, 10_000)
    ]
    assert told == sorted(told)
    assert told[-1] <= bound
    assert told[-1] == pytest.approx(bound, abs=1e-3)


def test_it_fails_where_weights_drift_or_workers_come_and_go():
    def mean(draw, argument):
        return np.mean([
            rounds.leak_of_weighted_gaussian(
                draw(1000, 10, argument, np.random.default_rng(seed))
            )
            for seed in range(40)
        ])  # fmt: skip

    fixed = rounds.leak_of_weighted_gaussian(np.ones((1000, 10)))
    assert fixed == pytest.approx(0.0760, abs=5e-5)
    # The notes' figures are of one draw each; means over 40 draws lie within .05 of them.
    assert mean(rounds.drifting_weights, 0.1) == pytest.approx(1.82, abs=0.05)
    assert mean(rounds.participation, 0.8) == pytest.approx(3.73, abs=0.05)


def test_and_then_it_grows_without_limit():
    rng = np.random.default_rng(0)
    told = [
        rounds.leak_of_weighted_gaussian(rounds.participation(count, 10, 0.8, rng))
        for count in (100, 1_000, 10_000)
    ]
    assert np.diff(told) == pytest.approx([np.log2(10) / 2] * 2, abs=0.25)


def test_a_simulation_of_theorem_3_with_an_estimator():
    """Whoever fits a worker's constant to the sums is off by what the information allows."""
    rng, workers, count = np.random.default_rng(1), 6, 400
    weights = rounds.participation(count, workers, 0.8, rng)
    errors = []
    for _ in range(400):
        constants = rng.normal(size=workers)
        sums = weights @ constants + rng.normal(size=count)
        fitted = np.linalg.solve(weights.T @ weights + np.eye(workers), weights.T @ sums)
        errors.append(constants[0] - fitted[0])
    told = rounds.leak_of_weighted_gaussian(weights)
    expected = 2 ** (-2 * told)  # variance left of a standard Gaussian
    # A variance from 400 draws has a relative standard error of 1/√200: 5.5 of them, 4e-8
    assert np.mean(np.square(errors)) == pytest.approx(expected, rel=5.5 / np.sqrt(200))


def test_verifications_add_up():
    assert rounds.epsilon_of_rounds(1000, 2.0**-40) == 1000 * 2.0**-40
    assert rounds.epsilon_of_rounds(10, 1e-3, per_round=7) == pytest.approx(0.07)
    assert rounds.epsilon_of_rounds(10**9, 1e-3) == 1
    with pytest.raises(InputError):
        rounds.epsilon_of_rounds(-1, 0.1)
