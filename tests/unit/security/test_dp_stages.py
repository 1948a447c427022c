"""The stages of the mechanism, each alone: rotate, round, calibrate."""

import math
import sys
from fractions import Fraction

import dp_accounting
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

import qring
from qring import BudgetError, InputError, Plan, Promise, Unit
from qring.security.dp import calibration, encoding
from qring.security.dp.rotation import hadamard, padded, rotate, rotate_back
from qring.security.dp.rounding import norm_bound, round_at_random, squared_norm
from qring.theory import differential_privacy as dp_theory

SIX_SIGMA = 6.0


@pytest.mark.parametrize("bits", range(11))
def test_transform_is_that_of_hadamards_matrix(bits):
    vector = np.random.default_rng(bits).normal(size=1 << bits)
    dense = scipy.linalg.hadamard(1 << bits) @ vector / math.sqrt(1 << bits)
    assert hadamard(vector) == pytest.approx(dense, abs=1e-12)


@given(st.integers(1, 600), st.integers(0, 2**60))
def test_rotation_keeps_lengths_and_can_be_undone(coords, seed):
    vector = np.random.default_rng(coords).normal(size=coords)
    rotated = rotate(vector, seed)
    assert len(rotated) == padded(coords)
    assert np.linalg.norm(rotated) == pytest.approx(np.linalg.norm(vector))
    assert rotate_back(rotated, seed, coords) == pytest.approx(vector, abs=1e-12)


def test_rotation_spreads_a_single_spike_and_depends_on_its_seed():
    spike = np.eye(1000)[3]
    assert np.abs(rotate(spike, 1)) == pytest.approx(1 / 32)
    ramp = np.arange(4.0)
    assert (rotate(ramp, 1) != rotate(ramp, 2)).any()
    assert 2 * rotate(ramp, 5) == pytest.approx([0, 4, 2, -6])  # the same on every machine


def test_rounding_is_unbiased_and_moves_by_less_than_a_step():
    reals = np.full(400_000, 2.3)
    rounded = round_at_random(reals, math.inf, np.random.default_rng(0).bytes)
    assert set(rounded) == {2, 3}
    assert rounded.mean() == pytest.approx(2.3, abs=SIX_SIGMA * math.sqrt(0.21 / len(reals)))
    below = round_at_random(-reals, math.inf, np.random.default_rng(0).bytes)
    assert set(below) == {-2, -3}
    assert below.mean() == pytest.approx(-2.3, abs=SIX_SIGMA * math.sqrt(0.21 / len(reals)))


@pytest.mark.parametrize("epsilon", [0.0001, 0.001, 0.01, 1.0, 8.0])
@pytest.mark.parametrize("delta", [1e-12, 1e-8, 1e-5])
@pytest.mark.parametrize("word_bits", [24, 40])
def test_noise_is_the_least_that_the_bound_allows_at_any_epsilon(epsilon, delta, word_bits):
    plan = qring.calibrate(
        Promise(epsilon=epsilon, delta=delta, clip=1.0), workers=4, coords=100, word_bits=word_bits
    )
    promised = dp_theory.epsilon_of_distributed_gaussian(
        plan.sensitivity, plan.padded, 4, plan.sigma, delta=delta
    )
    assert promised == pytest.approx(epsilon, rel=1e-3)  # independent of the accountant
    assert promised <= epsilon
    assert calibration.spent(plan) <= epsilon
    # No noise of this kind beats the analytic Gaussian, and the Rényi bound is near it.
    least = dp_accounting.get_sigma_gaussian(epsilon, delta)
    assert dp_theory.analytic_gaussian(epsilon, delta) == pytest.approx(least, rel=1e-6)
    assert least <= plan.sum_std <= 1.3 * least


@pytest.mark.parametrize("size", [1e-320, 1e-300, 1e-160, 1e-9, 1.0, 1e30, 1e160, 1e308])
@pytest.mark.parametrize("clip", [1.0, 1e-200, 1e200])
def test_rows_of_any_size_are_shortened_to_the_clipping_length(size, clip):
    along = np.array([0.5, -0.25, 0.75, 0.125])
    row = size * along
    short = encoding._shortened(row, clip)
    squared, was = (sum(Fraction(x) ** 2 for x in v.tolist()) for v in (short, row))
    if was <= Fraction(clip) ** 2:
        assert (short == row).all()
        return
    assert abs(squared / Fraction(clip) ** 2 - 1) < 1e-12
    if size > 1e-307:  # below, a row has few bits
        assert short / clip == pytest.approx(along / np.linalg.norm(along))


def test_rows_that_round_too_long_round_again():
    reals = np.full(2, 0.5)
    draws = iter([b"\0" * 8, b"\xff" * 4 + b"\0" * 4])  # first up, up; then down, up
    assert list(round_at_random(reals, 1.0, lambda _: next(draws))) == [0, 1]
    with pytest.raises(ArithmeticError, match="longer than its bound"):
        round_at_random(np.full(2, 5.0), 1.0, np.random.default_rng(0).bytes)


@pytest.mark.parametrize("beta", [math.exp(-0.5), 1e-3])
def test_rounded_lengths_exceed_their_bound_no_more_often_than_beta(beta):
    rng, tries, coords, length = np.random.default_rng(4), 4000, 64, 30.0
    bound, over = norm_bound(length, coords, beta), 0
    for _ in range(tries):
        reals = rng.normal(size=coords)
        reals *= length / np.linalg.norm(reals)
        over += squared_norm(round_at_random(reals, math.inf, rng.bytes)) > bound**2
    assert over <= tries * beta + SIX_SIGMA * math.sqrt(tries * beta * (1 - beta))
    assert norm_bound(length, coords, 1e-300) == length + math.sqrt(coords)


@given(st.lists(st.integers(-(2**40), 2**40), max_size=20))
def test_squared_norms_are_exact_beyond_64_bits(values):
    assert squared_norm(np.array(values, np.int64)) == sum(v * v for v in values)


# Calibration. The figures are those of a worked example: 10 workers, 100,000 coordinates.


def worked(epsilon, word_bits=16, **more):
    pytest.importorskip("dp_accounting")
    promise = Promise(epsilon=epsilon, delta=1e-5, clip=1.0)
    return qring.calibrate(promise, workers=10, coords=100_000, word_bits=word_bits, **more)


@pytest.mark.parametrize(
    ("epsilon", "step", "local", "total"),
    [(1, 4.96e-4, 1.285, 4.063), (4, 1.41e-4, 0.366, 1.158), (8, 7.8e-5, 0.202, 0.638)],
)
def test_worked_table(epsilon, step, local, total):
    plan = worked(epsilon)
    assert plan.padded == 131072
    assert plan.step == pytest.approx(step, rel=5e-3)
    assert plan.local_std == pytest.approx(local, abs=6e-4)
    assert plan.sum_std == pytest.approx(total, abs=1.2e-3)


def test_words_too_small_are_refused_with_the_size_that_would_do():
    with pytest.raises(BudgetError, match=r"12-bit words.*use at least 13 bits"):
        worked(1, word_bits=12)
    assert worked(1, word_bits=13).word_bits == 13


def test_calibration_is_kept_and_its_noise_is_just_enough():
    plan = worked(1)
    assert worked(1) is plan
    assert 0.9995 < qring.security.dp.calibration.spent(plan) <= 1
    less = Plan(**{f: getattr(plan, f) for f in plan.__slots__} | {"local_std": 1.28})
    assert qring.security.dp.calibration.spent(less) > 1


def test_missing_noise_is_made_up_for_and_rounds_add_up():
    alone, dropped = worked(1), worked(1, may_drop=4)
    assert dropped.local_std / alone.local_std == pytest.approx(math.sqrt(10 / 6), rel=0.02)
    assert dropped.fewest == 6
    promise = Promise(epsilon=1, delta=1e-5, clip=1.0, rounds=16)
    many = qring.calibrate(promise, workers=10, coords=100_000, word_bits=20)
    assert many.local_std / alone.local_std == pytest.approx(4, rel=0.1)


def test_an_example_costs_as_much_noise_as_a_worker_but_leaves_room_for_many():
    pytest.importorskip("dp_accounting")
    promise = Promise(epsilon=1, delta=1e-5, clip=1.0, unit=Unit.EXAMPLE, examples=400)
    plan = qring.calibrate(promise, workers=10, coords=100_000, word_bits=20)
    assert plan.sum_std == pytest.approx(4.05, rel=0.01)
    assert plan.step * 2**20 > 8 * 4000 / math.sqrt(131072)
    assert plan.longest_row == math.inf
    assert promise.beta + promise.delta_of_noise == pytest.approx(1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epsilon": 0}, "ε must be positive"),
        ({"epsilon": math.inf}, "ε must be positive"),
        ({"delta": 1}, "δ lies in"),
        ({"clip": -1}, "clipping length"),
        ({"rounds": 0}, "0 rounds"),
        ({"examples": 3}, "counts as one example"),
    ],
)
def test_promises_nobody_can_keep_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        Promise(**({"epsilon": 1, "delta": 1e-5, "clip": 1.0} | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"workers": 1}, "hides nobody"),
        ({"may_drop": 3}, "some must remain"),
        ({"word_bits": 50}, "2..40 bits"),
    ],
)
def test_settings_that_cannot_be_are_refused(change, message):
    promise = Promise(epsilon=1, delta=1e-5, clip=1.0)
    with pytest.raises(InputError, match=message):
        qring.calibrate(promise, **({"workers": 3, "coords": 5, "word_bits": 12} | change))


def test_a_plan_says_what_it_promises_and_where_the_bits_go():
    text = str(worked(1))
    assert "(ε=1, δ=1e-05) for each worker, clipped to 1" in text
    assert "16-bit words of 0.000496 mod 2^16, 131,072 for 100,000 coordinates" in text


def test_without_the_accountant_the_error_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    promise = Promise(epsilon=1, delta=1e-5, clip=1.0)
    with pytest.raises(qring.MissingExtraError, match=r"pip install 'qring\[dp\]'"):
        qring.calibrate(promise, workers=3, coords=7, word_bits=11)
