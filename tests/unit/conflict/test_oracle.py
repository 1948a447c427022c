"""Pairwise conflicts and their Gramian: against exact products, and against impossible ones."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qring import Carrier, InputError, Phase
from qring.conflict.oracle import ConflictOracle, positive_semidefinite
from qring.conflict.strategies.kitaev import Kitaev

TASK = {"margin": 0.1, "error": 0.01}


def rows(count=3, d=500, seed=0):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=d)
    return np.stack([rng.normal(size=d) + (-1) ** k * 0.8 * shared for k in range(count)])


def test_conflicts_are_those_of_the_signs_of_products():
    gradients = rows(4)
    oracle = ConflictOracle.of(gradients, rng=np.random.default_rng(1), **TASK)
    # Six decisions, wrong with probability at most 1 % each; cosines are well outside the margin.
    for i in range(4):
        for j in range(i):
            assert oracle.conflicts(i, j) == (gradients[i] @ gradients[j] < 0)
            assert oracle.conflicts(j, i) == (gradients[i] @ gradients[j] < 0)


def test_the_gramian_has_exact_lengths_and_cosines_within_their_interval():
    gradients = rows().astype(np.float32)
    exact = gradients.astype(float) @ gradients.T.astype(float)
    misses = 0
    for seed in range(40):
        oracle = ConflictOracle.of(
            gradients, margin=0.05, error=0.01, rng=np.random.default_rng(seed), estimate=Kitaev()
        )
        found = oracle.gramian()
        assert np.diag(found) == pytest.approx(np.diag(exact), rel=1e-6)
        assert np.array_equal(found, found.T)
        scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
        misses += int((np.abs(found - exact) / scale > 0.12).any())
    assert misses <= 10  # 3 intervals of at most .12 each side, 1 % each: false alarm below 1e-7


def test_every_pair_is_charged_to_its_own_link():
    oracle = ConflictOracle.of(rows(), rng=np.random.default_rng(0), **TASK)
    oracle.conflicts(0, 2)
    first = oracle.ledger
    assert {(e.src, e.dst) for e in first} == {(0, 2), (2, 0)}
    assert first.totals.online_qubits % 9 == 0
    oracle.gramian()
    told = oracle.ledger.on(1, 0, Phase.ONLINE, Carrier.BIT)
    assert told == 32
    assert oracle.ledger.on(1, 2, Phase.ONLINE, Carrier.QUBIT) > 0


def test_a_task_without_gradient_conflicts_with_nobody_and_costs_nothing():
    gradients = rows(2)
    gradients[1] = 0
    oracle = ConflictOracle.of(gradients, rng=np.random.default_rng(0), **TASK)
    assert not oracle.conflicts(0, 1)
    assert oracle.cosine(0, 1) == 0
    assert oracle.ledger.totals.online_qubits == 0
    assert oracle.gramian()[1].tolist() == [0, 0]


@given(st.integers(1, 6), st.integers(0, 999), st.floats(0, 3))
def test_whatever_was_measured_the_matrix_is_positive_semidefinite(count, seed, noise):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 3))
    vectors /= np.linalg.norm(vectors, axis=1)[:, None]
    off = noise * rng.normal(size=(count, count))
    measured = np.clip(vectors @ vectors.T + off, -1, 1)
    measured = (measured + measured.T) / 2
    np.fill_diagonal(measured, 1.0)
    made = positive_semidefinite(measured)
    assert np.linalg.eigvalsh(made)[0] >= -1e-12
    assert np.diag(made) == pytest.approx(1)
    assert np.array_equal(made, made.T)
    if np.linalg.eigvalsh(measured)[0] >= 0:
        assert np.array_equal(made, measured)


def test_three_that_all_oppose_become_the_closest_that_can():
    impossible = np.array([[1, -0.9, -0.9], [-0.9, 1, -0.9], [-0.9, -0.9, 1]])
    assert positive_semidefinite(impossible)[0, 1] == pytest.approx(-0.5)


@pytest.mark.parametrize(
    ("gradients", "message"),
    [
        (np.ones(3), "shape"),
        (np.ones((2, 3), int), "real numbers"),
        (np.array([[1.0, 2.0], [math.nan, 1.0]]), "gradient 1 holds"),
        (np.zeros((2, 0)), "shape"),
    ],
)
def test_what_has_no_products_is_refused(gradients, message):
    with pytest.raises(InputError, match=message):
        ConflictOracle.of(gradients, rng=np.random.default_rng(0), **TASK)


def test_pairs_and_matrices_that_do_not_exist_are_refused():
    oracle = ConflictOracle.of(rows(), rng=np.random.default_rng(0), **TASK)
    for pair in ((0, 0), (0, 3), (-1, 1)):
        with pytest.raises(InputError, match="no pair"):
            oracle.conflicts(*pair)
    with pytest.raises(InputError, match="symmetric"):
        positive_semidefinite(np.array([[1.0, 0.2], [0.1, 1.0]]))
    with pytest.raises(InputError, match="finite"):
        positive_semidefinite(np.array([[1.0, math.inf], [math.inf, 1.0]]))
