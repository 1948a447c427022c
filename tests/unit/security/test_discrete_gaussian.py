"""The sampler's law is exact: its table digit by digit, its samples against two oracles."""

import math
from statistics import NormalDist

import mpmath
import numpy as np
import pytest
from scipy import stats

from qring import InputError
from qring.security.dp import discrete_gaussian as sampler
from qring.security.dp.discrete_gaussian import discrete_gaussian

FALSE_ALARM = 1e-6


def source(seed):
    """Bytes that repeat: for tests only."""
    return np.random.default_rng(seed).bytes


@pytest.mark.parametrize(("sigma", "width"), [(0.5, 1), (1.0, 1), (17.3, 1), (2590.7, 32)])
@pytest.mark.parametrize("bits", [64, 128])
def test_table_holds_the_digits_of_the_cumulative_weights(sigma, width, bits):
    table = sampler._thresholds(sigma, width, bits)
    with mpmath.workdps(120):
        weights = [mpmath.exp(-((k * width) ** 2) / (2 * mpmath.mpf(sigma) ** 2))
                   for k in range(2 * len(table))]  # fmt: skip
        total = mpmath.fsum(weights)
        cumulative = mpmath.mpf(0)
        for threshold, weight in zip(table, weights, strict=False):
            cumulative += weight
            assert threshold == int(mpmath.floor(cumulative / total * 2**bits))
    assert table[-1] == 2**bits - 1


def binned(sigma, samples):
    """Counts of at most 100 bins, and what they expect: at least 20 each."""
    reach = int(10 * sigma) + 2
    values = np.arange(-reach, reach + 1)
    law = np.exp(-0.5 * (values / sigma) ** 2)
    law /= law.sum()
    bins = np.minimum((100 * np.cumsum(law)).astype(int), 99)
    expected = np.bincount(bins, law) * len(samples)
    counts = np.bincount(bins[np.clip(samples, -reach, reach) + reach], minlength=len(expected))
    full = expected >= 20
    most = int(np.argmax(expected))  # what is left over joins the fullest bin
    for values in (counts, expected):
        values[most] += values[~full].sum()
    return counts[full], expected[full]


@pytest.mark.parametrize("sigma", [0.5, 1.0, 3.3, 700.0, 2590.7, 150_000.5])
def test_samples_fit_the_law(sigma):
    samples = discrete_gaussian(sigma, 200_000, source(7))
    assert np.abs(samples).max() < 10 * sigma  # beyond it: less than 1e-16 all together
    assert stats.chisquare(*binned(sigma, samples)).pvalue > FALSE_ALARM


def test_the_test_of_fit_sees_a_law_that_is_two_percent_too_wide():
    samples = discrete_gaussian(714.0, 200_000, source(7))
    assert stats.chisquare(*binned(700.0, samples)).pvalue < FALSE_ALARM


@pytest.mark.parametrize("sigma", [1.5, 2590.0])
def test_samples_agree_with_those_of_opendp(sigma):
    dp = pytest.importorskip("opendp.prelude")
    dp.enable_features("contrib")
    space = dp.vector_domain(dp.atom_domain(T=int)), dp.l2_distance(T=float)
    count = 4_000
    theirs = np.array(dp.m.make_gaussian(*space, scale=sigma)([0] * count))
    ours = discrete_gaussian(sigma, 20 * count, source(11))
    cuts = np.unique(np.quantile(ours, np.linspace(0, 1, 41)[1:-1]))
    table = [np.bincount(np.searchsorted(cuts, s), minlength=len(cuts) + 1) for s in (ours, theirs)]
    assert stats.chi2_contingency(table).pvalue > FALSE_ALARM


def test_digits_that_do_not_decide_are_followed_by_more():
    sigma, width, block = 17.3, 1, 5
    first = sampler._thresholds(sigma, width, 64)[block]
    further = sampler._thresholds(sigma, width, 128)[block] & (2**64 - 1)
    for digits, found in ((further - 1, block), (further + 1, block + 1)):
        stream = iter([first.to_bytes(8, "little"), digits.to_bytes(8, "big")])
        assert sampler._blocks(sigma, width, 1, lambda _, s=stream: next(s)) == [found]
    deep = sampler._thresholds(sigma, width, 192)[block] & (2**64 - 1)
    stream = iter([first.to_bytes(8, "little"), further.to_bytes(8, "big"),
                   (deep + 1).to_bytes(8, "big")])  # fmt: skip
    assert sampler._blocks(sigma, width, 1, lambda _: next(stream)) == [block + 1]


def test_coins_that_floats_cannot_decide_are_decided_exactly():
    sigma, first, offset = 5000.25, 8000, 3
    with mpmath.workdps(80):
        odds = mpmath.exp(-mpmath.mpf(offset * (2 * first + offset)) / (2 * mpmath.mpf(sigma) ** 2))
        digits = int(mpmath.floor(odds * 2**128))
    high, low = digits >> 64, digits & (2**64 - 1)
    where = np.array([first]), np.array([offset])
    for more, heads in ((low - 1, True), (low + 1, False)):
        stream = iter([high.to_bytes(8, "little"), more.to_bytes(8, "big")])
        assert sampler._coins(sigma, *where, lambda _, s=stream: next(s)) == [heads]
    stream = iter([b"\xff" * 8, b"\xff" * 8, b"\0" * 8])
    assert sampler._coins(sigma, where[0], np.array([0]), lambda _: next(stream)) == [True]


def test_float_coins_are_far_more_precise_than_they_need_to_be():
    sigma, rng = 3100.7, np.random.default_rng(3)
    first, offset = rng.integers(0, 40_000, 300), rng.integers(0, 64, 300)
    odds = np.exp(-offset * (2.0 * first + offset) / (2 * sigma * sigma))
    with mpmath.workdps(40):
        for f, o, p in zip(first, offset, odds, strict=True):
            exact = mpmath.exp(-mpmath.mpf(int(o * (2 * f + o))) / (2 * mpmath.mpf(sigma) ** 2))
            assert abs(exact - p) < 2.0**-50


def test_independent_draws_differ_and_signs_are_even():
    one, two = discrete_gaussian(100.0, 10_000), discrete_gaussian(100.0, 10_000)
    assert (one != two).any()
    positive = int((one > 0).sum())
    decided = int((one != 0).sum())
    assert abs(positive - decided / 2) < NormalDist().inv_cdf(1 - FALSE_ALARM) * math.sqrt(decided)


@pytest.mark.parametrize("sigma", [0.4, float("nan"), float("inf"), 2.0**41, -1.0])
def test_widths_out_of_range_are_refused(sigma):
    with pytest.raises(InputError, match="σ lies in"):
        discrete_gaussian(sigma, 1)
