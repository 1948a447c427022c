"""Masks from noisy copies: the bound on corrupted words, and the code that withstands them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from qring.errors import InputError
from qring.theory.masks import noisy_masks


def test_rates_fall_with_the_error_and_vanish():
    clean, low, high = (
        noisy_masks(10**6, sum_bits=20, tests=10**7, copy_error=q) for q in (0, 1e-3, 5e-3)
    )
    assert clean.rate > low.rate > high.rate > 0
    # By hand: Serfling's ν = sqrt((N+T)(T+1)·ln(4^40)/(2·N·T²)) with N = 2e7, T = 1e7
    excess = np.sqrt(3e7 * (1e7 + 1) * 40 * np.log(4) / (2 * 2e7 * 1e14))
    assert low.withstood == pytest.approx(2e7 * (1e-3 + excess), abs=1)
    share = 2 * low.withstood / 10**6
    entropy = -share * np.log2(share) - (1 - share) * np.log2(1 - share)
    assert low.masks == pytest.approx(10**6 * (1 - entropy) - 40, abs=1)
    assert low.epsilon == 2.0**-39


@pytest.mark.parametrize(("error", "bits"), [(0.0125, 20), (0.1, 20), (0.26, 1)])
def test_noise_that_no_code_withstands_is_refused(error, bits):
    with pytest.raises(InputError, match="codes withstand fewer than a quarter"):
        noisy_masks(10**6, sum_bits=bits, tests=10**6, copy_error=error)


def test_random_toeplitz_codes_fall_short_of_the_distance_as_seldom_as_counted():
    """The union bound behind the rate, on codes small enough to enumerate."""
    rng, kept, length, light = np.random.default_rng(0), 4, 16, 3
    combinations = np.array(list(itertools.product((0, 1), repeat=kept))[1:])
    short, codes = 0, 2000
    for _ in range(codes):
        band = rng.integers(2, size=length + kept - 1)
        matrix = np.stack([band[kept - 1 - row : kept - 1 - row + length] for row in range(kept)])
        short += (combinations @ matrix % 2).sum(axis=1).min() <= light
    ball = sum(len(list(itertools.combinations(range(length), w))) for w in range(light + 1))
    bound = len(combinations) * ball / 2**length
    assert 0 < short / codes < bound + 5.5 * np.sqrt(bound * (1 - bound) / codes)
