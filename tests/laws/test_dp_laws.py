"""What must hold for noise that workers share out: every protocol carries it, and it suffices."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

import qring
from qring import (
    Classical,
    DistributedGaussian,
    Ghz,
    InputError,
    Plan,
    Private,
    Promise,
    SecAgg,
    Stage,
    Superdense,
    Unit,
    Vga,
)
from qring.security.dp.discrete_gaussian import discrete_gaussian
from qring.theory import differential_privacy as theory

pytest.importorskip("dp_accounting")
pytest.importorskip("cryptography")

FALSE_ALARM = 1e-6
WORKERS, COORDS, BITS = 5, 300, 16


def plan(workers=WORKERS, coords=COORDS, word_bits=BITS, may_drop=0, **promise):
    promise = Promise(**({"epsilon": 2.0, "delta": 1e-5, "clip": 1.0} | promise))
    return qring.calibrate(
        promise, workers=workers, coords=coords, word_bits=word_bits, may_drop=may_drop
    )


def encoding(seed=0, **settings):
    """Noise that repeats, so that protocols can be compared bit for bit: for tests only."""
    return DistributedGaussian(plan=plan(**settings), source=np.random.default_rng(seed).bytes)


def rows(workers=WORKERS, coords=COORDS, seed=1):
    values = np.random.default_rng(seed).normal(size=(workers, coords))
    return 0.9 * values / np.linalg.norm(values, axis=1, keepdims=True)


METHODS = {
    "classical": lambda e: Classical(encoding=e),
    "superdense": lambda e: Superdense(encoding=e),
    "ghz": lambda e: Ghz(encoding=e),
    "secagg": lambda e: SecAgg(encoding=e),
    "vga": lambda e: Vga(ghz=Ghz(encoding=e)),
    "private": lambda e: Private(encoding=e),
}


@pytest.mark.parametrize("name", METHODS)
def test_every_protocol_returns_the_same_noisy_sum_bit_for_bit(name):
    expected, wire = encoding().encode(rows())
    total = expected.sum(axis=0, dtype=np.uint64) & np.uint64(2**BITS - 1)
    result = qring.all_reduce(
        rows(), method=METHODS[name](encoding()), rng=np.random.default_rng(0)
    )
    assert (result.sum == encoding().decode(total, WORKERS)).all()
    assert result.sum.shape == (COORDS,)
    assert wire.sum_bits == BITS
    assert result.agreed


def test_sums_are_the_true_ones_but_for_the_noise():
    noisy = encoding(epsilon=50.0)
    result = qring.all_reduce(rows(), method=Classical(encoding=noisy))
    error = result.sum - rows().sum(axis=0)
    assert np.abs(error).max() < 6 * noisy.plan.sum_std
    assert np.linalg.norm(rows().sum(axis=0)) > 2 * noisy.plan.sum_std * math.sqrt(COORDS) / 4


def test_words_wrap_at_b_bits_and_no_carry_travels():
    noisy = encoding()
    ledger = qring.all_reduce(rows(), method=Classical(encoding=noisy)).ledger
    words = noisy.plan.padded
    assert ledger.totals.classical_bits == 2 * (WORKERS - 1) * words * BITS
    copies = qring.all_reduce(
        rows(), method=Ghz(encoding=encoding()), rng=np.random.default_rng(0)
    ).copies
    assert copies == words * BITS


@pytest.mark.parametrize(("workers", "epsilon"), [(10, 1.0), (3, 4.0)])
def test_variance_of_the_sum_is_as_predicted(workers, epsilon):
    coords = 1 << 12
    noisy = encoding(workers=workers, coords=coords, epsilon=epsilon, word_bits=18)
    zeros = np.zeros((workers, coords))
    error = np.concatenate(
        [qring.all_reduce(zeros, method=Classical(encoding=noisy)).sum for _ in range(4)]
    )
    predicted = theory.sum_noise_variance(workers, noisy.plan.local_std, 0.0)
    squared = (error**2).sum() / predicted
    low, high = stats.chi2(len(error)).interval(1 - FALSE_ALARM)
    assert low < squared < high


@pytest.mark.parametrize(("epsilon", "ratio"), [(1.0, 1.186), (4.0, 1.147), (8.0, 1.129)])
def test_price_over_one_central_gaussian(epsilon, ratio):
    p = plan(workers=10, coords=100_000, epsilon=epsilon)
    central = theory.analytic_gaussian(epsilon, 1e-5)
    variance = theory.sum_noise_variance(10, p.local_std, p.step)
    assert variance / central**2 == pytest.approx(ratio, abs=2e-3)


@pytest.mark.parametrize(("bits", "ratio"), [(14, 1.35), (13, 2.43)])
def test_price_of_smaller_words(bits, ratio):
    p = plan(workers=10, coords=100_000, epsilon=1.0, word_bits=bits)
    assert (p.sum_std / theory.analytic_gaussian(1.0, 1e-5)) ** 2 == pytest.approx(ratio, abs=0.01)


@pytest.mark.parametrize(
    ("workers", "classical", "analytic", "best"), [(10, 14.2, 8.43, 2.38), (64, 91.0, 54.0, 15.2)]
)
def test_gain_over_local_releases_of_the_same_epsilon(workers, classical, analytic, best):
    p = plan(workers=workers, coords=100_000, epsilon=1.0)
    variance = theory.sum_noise_variance(workers, p.local_std, p.step)
    rivals = (
        theory.classical_gaussian(1.0, 1e-5) ** 2,
        theory.analytic_gaussian(1.0, 1e-5) ** 2,
        theory.local_vector_variance(1.0, 131072),
    )
    gains = [workers * rival / variance for rival in rivals]
    assert gains == pytest.approx([classical, analytic, best], rel=5e-3)
    assert gains[0] > 14


@pytest.mark.parametrize("unit", [Unit.WORKER, Unit.EXAMPLE])
@pytest.mark.parametrize("rounds", [1, 30])
def test_accountant_and_closed_form_agree(unit, rounds):
    p = plan(unit=unit, rounds=rounds, word_bits=20, examples=1 if unit is Unit.WORKER else 50)
    closed = theory.epsilon_of_distributed_gaussian(
        p.sensitivity, p.padded, p.workers, p.sigma, delta=p.promise.delta_of_noise, rounds=rounds
    )
    assert 0.98 * 2.0 < closed <= 2.0


# The guarantee itself: with and without worker 0, nobody can tell better than ε and δ allow.


def exact_law(p, row):
    """Law of the sum mod 2^b of one coordinate, worker 0's value ``row``, the others' zero."""
    size = 1 << p.word_bits
    values = np.arange(size) - size // 2
    reach = int(14 * p.sigma) + 1
    noise = np.zeros(size)
    grid = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (grid / p.sigma) ** 2)
    np.add.at(noise, grid % size, weights / weights.sum())
    scaled = row / p.step
    low, share = math.floor(scaled), scaled - math.floor(scaled)
    signal = np.zeros(size)
    kept = {low: 1 - share, low + 1: share}
    kept = {v: w for v, w in kept.items() if abs(v) <= p.longest_row}
    for v, w in kept.items():
        signal[v % size] += w / sum(kept.values())
    law = np.fft.ifft(np.fft.fft(signal) * np.fft.fft(noise) ** p.workers).real
    return np.clip(law, 0, None), values


def exact_delta(p, epsilon, row):
    """Least δ for that ε between a row and none, both ways: the hockey-stick divergence."""
    (with_it, _), (without, _) = exact_law(p, row), exact_law(p, 0.0)
    one = np.clip(with_it - math.exp(epsilon) * without, 0, None).sum()
    other = np.clip(without - math.exp(epsilon) * with_it, 0, None).sum()
    return max(one, other)


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 4.0, 8.0])
@pytest.mark.parametrize("workers", [2, 10])
def test_exact_divergence_stays_below_delta(epsilon, workers):
    p = plan(workers=workers, coords=1, epsilon=epsilon, word_bits=12)
    for row in (1.0, -1.0, 0.6):
        assert exact_delta(p, epsilon, row) <= 1e-5
    silent = dataclasses.replace(p, local_std=0.6 * p.local_std)
    assert exact_delta(silent, epsilon, 1.0) > 1e-5


def told_apart(p, trials, seed):
    """Lower bound on ε, at confidence 1 − 10^−6, that a distinguisher proves by playing."""
    source = np.random.default_rng(seed).bytes
    noisy = DistributedGaussian(plan=p, source=source)
    present, absent = np.zeros((p.workers, 1)), np.zeros((p.workers, 1))
    present[0] = p.promise.clip
    guesses = []
    for world in (present, absent):
        words = np.stack([noisy.encode(world)[0] for _ in range(trials)])
        sums = noisy.decode(words.sum(axis=1, dtype=np.uint64), p.workers)[:, 0]
        guesses.append(int((sums > 1.2 * p.promise.clip).sum()))
    hits, alarms = guesses
    rate = stats.beta.ppf(FALSE_ALARM / 2, hits, trials - hits + 1)
    false = stats.beta.isf(FALSE_ALARM / 2, alarms + 1, trials - alarms)
    return math.log(max(rate - p.promise.delta, 1e-300) / false)


def test_distinguishing_game_stays_below_the_claimed_epsilon():
    p = plan(workers=3, coords=1, epsilon=1.0, word_bits=12)
    assert told_apart(p, 400, seed=5) < 1.0
    weak = dataclasses.replace(p, local_std=p.local_std / 6)
    assert told_apart(weak, 400, seed=5) > 1.0  # the game does find too little noise


def test_examples_differ_by_no_more_than_their_bound_under_the_same_coins():
    """The coupling behind the promise for examples: the same coins round both rows."""
    p = plan(unit=Unit.EXAMPLE, examples=20, word_bits=20, coords=256)
    rng = np.random.default_rng(2)
    for seed in range(50):
        row = rng.normal(size=256)
        example = rng.normal(size=256)
        row *= 15 / np.linalg.norm(row)
        example /= np.linalg.norm(example)
        pair = []
        for values in (row, row + example):
            noisy = DistributedGaussian(plan=p, source=np.random.default_rng(seed).bytes)
            pair.append(noisy.encode(values[None])[0][0].view(np.int64))
        difference = (pair[1] - pair[0] + 2**19) % 2**20 - 2**19
        assert 0 < np.linalg.norm(difference) <= p.sensitivity


def test_rows_are_clipped_to_what_was_promised():
    noisy = encoding(epsilon=200.0)
    long = 1000 * rows()
    short = long / np.linalg.norm(long, axis=1, keepdims=True)
    result = qring.all_reduce(long, method=Classical(encoding=noisy))
    assert np.abs(result.sum - short.sum(axis=0)).max() < 6 * noisy.plan.sum_std


def test_dropouts_within_the_plan_are_summed_and_more_are_refused():
    noisy = encoding(may_drop=1, epsilon=100.0)
    method = SecAgg(encoding=noisy, dropouts={3: Stage.MASK})
    result = qring.all_reduce(rows(), method=method)
    assert result.contributors == (0, 1, 2, 4)
    kept = rows()[[0, 1, 2, 4]].sum(axis=0)
    assert np.abs(result.sum - kept).max() < 6 * noisy.plan.sum_std
    lost = {3: Stage.MASK, 4: Stage.SHARE}
    two = qring.all_reduce(rows(), method=SecAgg(encoding=noisy, dropouts=lost))
    assert isinstance(two, qring.Aborted)
    with pytest.raises(InputError, match=r"threshold of 3.*4\.\.5"):
        qring.all_reduce(rows(), method=SecAgg(encoding=noisy, threshold=3))
    with pytest.raises(InputError, match=r"noise of 4\.\.5 workers was promised, but 3"):
        noisy.decode(np.zeros(noisy.plan.padded, np.uint64), 3)


@pytest.mark.parametrize(
    ("method", "shape", "message"),
    [
        (lambda e: Ghz(encoding=e, checksum=qring.Checksum()), (5, 300), "these wrap"),
        (lambda e: Ghz(encoding=e, weights=(1, 1, 1, 1, 2)), (5, 300), "workers of weight 1"),
        (lambda e: Classical(encoding=e), (4, 300), "among 5 workers"),
        (lambda e: Classical(encoding=e), (5, 299), "300 coordinates, not 299"),
        (lambda e: SecAgg(encoding=e), (6, 300), "among 5 workers"),
    ],
)
def test_what_the_plan_is_not_for_is_refused(method, shape, message):
    with pytest.raises(InputError, match=message):
        qring.all_reduce(np.zeros(shape), method=method(encoding()), rng=np.random.default_rng(0))


def test_gradients_that_are_not_finite_are_refused():
    bad = rows()
    bad[2, 7] = np.nan
    with pytest.raises(InputError, match="worker 2 holds nan at coordinate 7"):
        qring.all_reduce(bad, method=Classical(encoding=encoding()))


def test_noise_comes_from_the_operating_system_unless_a_test_asks_otherwise():
    fresh = DistributedGaussian(plan=plan())
    first, second = (fresh.encode(rows())[0] for _ in range(2))
    assert (first != second).mean() > 0.99


def test_plans_hold_only_noise_that_can_be_drawn():
    p = plan()
    with pytest.raises(InputError, match="outside"):
        Plan(**{f: getattr(p, f) for f in p.__slots__} | {"local_std": 0.1 * p.step})
    assert len(discrete_gaussian(p.sigma, 3)) == 3
