"""Masks from noisy copies: tails against SciPy, the theorem's figures, the rivals' table."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qring.errors import InputError
from qring.theory.mask_rivals import (
    CopyNoise,
    cheapest,
    detect_once,
    key_rate,
    noisy_prices,
    pair_visibility,
)
from qring.theory.noisy_masks import best_masks, masks_with, secrecy, typical, yield_limit
from qring.theory.tails import (
    largest,
    log_binomial_above,
    log_hypergeometric_above,
    log_hypergeometric_up_to,
    log_volume,
    smallest,
    smallest_with,
)


@settings(max_examples=100)
@given(st.integers(1, 400), st.integers(0, 400), st.integers(0, 400), st.integers(-2, 400))
def test_tails_are_bounds_and_tight_where_they_are_small(total, marked, drawn, count):
    stats = pytest.importorskip("scipy.stats")
    marked, drawn = min(marked, total), min(drawn, total)
    law = stats.hypergeom(total, marked, drawn)
    for found, exact in (
        (log_hypergeometric_up_to(total, marked, drawn, count), law.cdf(count)),
        (log_hypergeometric_above(total, marked, drawn, count), law.sf(count)),
        (log_binomial_above(drawn, 0.3, count), stats.binom(drawn, 0.3).sf(count)),
    ):
        assert 2.0**found >= exact - 1e-9
        if 0 < exact < 1e-6:
            assert 2.0**found < 2 * exact
        if exact == 0:
            assert 2.0**found < 1e-9


@given(st.integers(0, 60), st.integers(-1, 60))
def test_volumes_are_those_of_balls(n, radius):
    exact = sum(math.comb(n, k) for k in range(min(n, radius) + 1))
    found = log_volume(n, radius)
    if exact == 0:
        assert found == -math.inf
    else:
        assert (
            math.log2(exact) - 1e-9 <= found <= math.log2(exact) + (1.01 if 3 * radius < n else n)
        )


def test_searches_find_what_a_scan_finds():
    assert smallest(lambda k: k * k >= 50, 0, 100) == 8
    assert smallest(lambda k: k > 99, 3, 9) == 9
    assert largest(lambda a, b: 30 - (a - 7) ** 2 if a == b else 60, 0, 500) == 30
    for threshold in (5, 1000, 123_456):
        found = smallest_with(lambda k, t=threshold: k - t, 5, 10**6)
        assert threshold <= found <= threshold * 1.001 + 1
    assert smallest_with(lambda k: k - 200, 0, 100) is None


@pytest.mark.parametrize(
    ("visibility", "masks", "wanted"),
    [(0.999, 10**6, 0.962), (0.99, 10**6, 0.861), (0.95, 10**6, 0.569), (0.9, 10**6, 0.298),
     (0.88, 10**6, 0.205), (0.95, 10**3, 0.194), (0.95, 10**4, 0.405), (0.95, 10**5, 0.520),
     (0.95, 10**7, 0.589)],
)  # fmt: skip
def test_yields_are_those_of_the_theorem(visibility, masks, wanted):
    error = (1 - visibility) / 2
    best = best_masks(masks, workers=8, sum_bits=20, z_error=error, x_error=error)
    assert best.rate == pytest.approx(wanted, abs=0.002)
    assert best.rate < yield_limit(error, error)
    eta = best.epsilon**2 * (1 - 2 * best.epsilon)
    a1, a2 = math.log2(4 * 140 / eta), math.log2(16 * 140 / eta)
    reached = secrecy(
        workers=8, sum_bits=20, words=best.words, tests=best.tests, failures=best.failures,
        lost=best.lost, a1=a1, a2=a2,
    )  # fmt: skip
    assert reached <= best.epsilon


@pytest.mark.parametrize(("masks", "copies"), [(10**4, 1.176), (10**6, 1.014), (10**9, 1.0005)])
def test_noiseless_copies_cost_little_more_than_digits(masks, copies):
    best = best_masks(masks, workers=8, sum_bits=20, z_error=0, x_error=0)
    assert best.copies / (20 * masks) == pytest.approx(copies, abs=0.001)
    assert best.failures == best.pads == 0


def test_dephasing_costs_correctness_only():
    best = best_masks(10**6, workers=8, sum_bits=20, z_error=0.005, x_error=0.1)
    assert best.rate == pytest.approx(0.368, abs=0.002)


def test_limits_are_those_that_ever_longer_batches_approach():
    for visibility, count in ((0.99, 0.0503), (0.95, 0.1923), (0.9, 0.331)):
        error = (1 - visibility) / 2
        assert 1 - yield_limit(error, 0) == pytest.approx(count, abs=5e-4)
        counted = typical(10**10, 10**9, round(error * 10**9), 100, 100)
        assert counted.patterns / 10**10 == pytest.approx(count, abs=2e-3)
    assert yield_limit(0.2, 0.2) == 0
    assert best_masks(1000, workers=4, sum_bits=8, z_error=0.2, x_error=0.2) is None


def test_typical_patterns_by_brute_force():
    """w, φ, ρ, α from SciPy's exact laws, and C by a scan over κ with exact volumes."""
    stats = pytest.importorskip("scipy.stats")
    words, tests, failures, a1, a2 = 300, 200, 4, 12.0, 10.0
    found = typical(words, tests, failures, a1, a2)
    errors = next(
        w for w in range(words)
        if stats.hypergeom(words + tests, failures + w + 1, tests).cdf(failures) <= 2**-a1
    )  # fmt: skip
    signs = next(m for m in range(errors + 1) if stats.binom(errors, 0.5).sf(m) <= 2**-a2)
    law = stats.hypergeom(words, min(words, errors + signs), errors)
    overlap = next(m for m in range(errors + 1) if law.sf(m) <= 2**-a2)
    free = next(m for m in range(overlap + 1) if stats.binom(overlap, 0.5).sf(m) <= 2**-a2)
    assert errors <= found.errors <= errors + 1
    assert overlap <= found.overlap <= overlap + 2
    assert free <= found.free <= free + 2
    assert signs <= found.signs <= signs + 1
    theta, best = a2 * math.log(2), 0.0
    for kappa in range(found.errors + found.free + 1):
        x = found.errors * kappa / words
        radius = found.errors + found.free - math.floor(max(0, x - math.sqrt(2 * x * theta)))
        ball = sum(math.comb(words - kappa, k) for k in range(radius + 1))
        best = max(best, kappa + math.log2(ball))
    assert best <= found.patterns <= best + 1.5


RIVALS = {
    (0.99, 4): (3.48, 6.31, 3.44, 3.44, 6.88, 3.26, 6.53),
    (0.99, 8): (8.13, 14.5, 8.03, 8.03, 32.1, 7.40, 29.6),
    (0.95, 4): (5.27, 7.22, 4.99, 4.99, 9.98, 3.97, 7.95),
    (0.95, 8): (12.3, 15.9, 11.7, 11.7, 46.6, 8.24, 33.0),
    (0.9, 4): (10.1, 8.58, 8.60, 8.59, 17.2, 5.05, 10.1),
    (0.9, 8): (23.5, 17.8, 20.1, 20.0, 80.3, 9.33, 37.3),
}


@pytest.mark.parametrize("case", RIVALS)
def test_rivals_cost_what_the_table_says(case):
    visibility, workers = case
    priced = noisy_prices(
        CopyNoise(visibility=visibility), workers=workers, sum_bits=20, masks=10**6
    )
    for price, wanted in zip(priced, RIVALS[case], strict=True):
        assert price.qubits == pytest.approx(wanted, rel=0.006), price.protocol
    assert pair_visibility(visibility, workers) == visibility ** (2 / workers)
    once = "detect once, then masks"
    assert cheapest(priced, coalitions=False) == (once if visibility == 0.9 else "keys, tree")
    assert cheapest(priced, coalitions=True) == (once if visibility == 0.9 else "masks")


@pytest.mark.parametrize("workers", [2, 3, 4])
@pytest.mark.parametrize("visibility", [0.5, 0.9, 1.0])
def test_detection_by_a_table_of_all_pairs_of_syndromes_and_phases(workers, visibility):
    classes = 1 << (workers - 1)
    law = np.full((classes, 2), (1 - visibility) / (2 * classes))
    law[0, 0] += visibility
    kept, wrong_z, wrong_x = 0.0, 0.0, 0.0
    for s in range(classes):
        for f in range(2):
            for g in range(2):
                weight = law[s, f] * law[s, g]  # syndromes agree; phases add
                kept += weight
                wrong_z += weight * (s & 1)  # the first bit of a syndrome: one pair of workers
                wrong_x += weight * (0.5 if s else (f ^ g))
    found = detect_once(visibility, workers)
    assert found.kept == pytest.approx(kept / 2)
    assert found.z_error == pytest.approx(wrong_z / kept)
    assert found.x_error == pytest.approx(wrong_x / kept)


def test_keys_vanish_where_errors_are_too_many():
    assert key_rate(10**5, 0.12, secrecy=1e-12, correctness=1e-12) == 0
    assert key_rate(10**5, 0.5, secrecy=1e-12, correctness=1e-12) == 0
    dead = noisy_prices(CopyNoise(visibility=0.5), workers=4, sum_bits=20, masks=1000)
    assert all(price.qubits is None for price in dead if "qubit" not in price.protocol)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"masks": 0}, "at least one mask"),
        ({"workers": 1}, "two workers"),
        ({"epsilon": 0.0}, "epsilon lies in"),
        ({"z_error": 0.5}, "error rates lie in"),
    ],
)
def test_impossible_batches_are_refused(change, said):
    wanted = {"workers": 3, "sum_bits": 8, "z_error": 0.01, "x_error": 0.01, "masks": 10} | change
    with pytest.raises(InputError, match=said):
        best_masks(wanted.pop("masks"), **wanted)
    with pytest.raises(InputError, match="a visibility lies in"):
        detect_once(1.5, 3)


def test_more_tests_than_needed_cost_copies():
    best = best_masks(10**5, workers=8, sum_bits=20, z_error=0.025, x_error=0.025)
    for factor in (0.25, 4):
        other = masks_with(
            10**5, round(best.tests * factor), workers=8, sum_bits=20, z_error=0.025,
            x_error=0.025, epsilon=2.0**-41, correctness=2.0**-41, abort=1e-6, efficiency=1.2,
        )  # fmt: skip
        assert other is None or other.copies > best.copies


@given(
    st.floats(0, 0.1), st.floats(0, 0.1), st.floats(0, 0.1), st.floats(0.5, 1), st.integers(2, 9)
)
def test_rates_of_errors_are_those_of_the_network(x, y, z, visibility, workers):
    from qring.network.noise import QubitNoise

    noise = QubitNoise(x=x, y=y, z=z, mixed=1 - visibility)
    own = CopyNoise(visibility=visibility, x=x, y=y, z=z)
    assert own.z_error == pytest.approx(noise.disagreement())
    assert own.x_error(workers) == pytest.approx(noise.wrong_digit(workers))
