"""Privacy calculators against enumeration and independent figures."""

import itertools
import math

import numpy as np
import pytest

from qring.errors import InputError
from qring.theory import privacy


def stabilisers(n):
    """All non-identity stabilisers of the n-qubit GHZ state as (x-part, z-part, sign)."""
    for z in itertools.product((0, 1), repeat=n):
        if sum(z) % 2 == 0:
            if any(z):
                yield (0,) * n, z, 1
            yield (1,) * n, z, (-1) ** (sum(z) // 2)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_detection_by_counting_stabilisers(n):
    group = list(stabilisers(n))
    assert len(group) == 2**n - 1
    for error in itertools.product((0, 1), repeat=n):  # X errors, then a phase flip or not
        for flip in (0, 1):
            if flip == 0 and len(set(error)) == 1:
                continue  # the identity, up to the all-X stabiliser
            flags = sum(
                (sum(e * zz for e, zz in zip(error, z, strict=True)) + flip * x[0]) % 2
                for x, z, _ in group
            )
            assert flags / len(group) == pytest.approx(privacy.stabiliser_detection(n))


@pytest.mark.parametrize(
    ("bad", "accept", "with_bad", "left"),
    [(1, 0.75, 0.5, 0.5), (2, 0.5622, 0.5, 0.7487), (3, 0.4212, 0.4058, 0.8405),
     (4, 0.3153, 0.3116, 0.8381), (8, 0.0986, 0.0985, 0.5215)],
)  # fmt: skip
def test_cut_and_choose_table(bad, accept, with_bad, left):
    fate = privacy.cut_and_choose(bad, 100, 0.5)
    assert fate == pytest.approx((accept, with_bad, left), abs=6e-5)


def test_one_bad_copy_survives_with_probability_one_half_whatever_the_cost():
    for workers, tested in itertools.product((2, 3, 4, 10), (1, 10, 1000)):
        fate = privacy.cut_and_choose(1, tested, privacy.stabiliser_detection(workers))
        assert fate.accept_with_bad == pytest.approx(0.5)
        assert fate.accept == pytest.approx(1 - privacy.stabiliser_detection(workers) / 2)


def test_cut_and_choose_by_playing_it():
    rng, games, tested, bad = np.random.default_rng(0), 40_000, 5, 3
    caught = rng.hypergeometric(bad, 2 * tested - bad, tested, size=games)
    accepted = rng.random(games) < 0.5**caught
    fate = privacy.cut_and_choose(bad, tested, 0.5)
    spread = 6 * math.sqrt(0.25 / games)  # two-sided false alarm 2e-9
    assert accepted.mean() == pytest.approx(fate.accept, abs=spread)
    assert (accepted & (caught < bad)).mean() == pytest.approx(fate.accept_with_bad, abs=spread)
    mean = (accepted * (bad - caught)).mean()
    assert mean == pytest.approx(fate.bad_left, abs=3 * spread)


def test_the_average_never_vanishes_over_a_round():
    worst = max(privacy.cut_and_choose(k, 100, 0.5).bad_left for k in range(1, 30))
    assert worst == pytest.approx(0.843, abs=3e-3)


def test_hashed_checks():
    assert privacy.hashed_checks(1e-6) == 40
    assert privacy.hashed_checks(2**-40) == 80
    for epsilon in (1e-2, 1e-6, 1e-12):
        assert privacy.epsilon_of_checks(privacy.hashed_checks(epsilon)) <= epsilon
    figures = [privacy.distance_after_checks(s) for s in (1, 2, 3, 10)]
    assert figures == pytest.approx([0.37796, 0.25820, 0.17961, 0.01563], abs=6e-6)


@pytest.mark.parametrize(("share", "withstood", "lost"), [(0.5, 80, 2_400), (0.01, 5_518, 165_540)])
def test_mask_plans(share, withstood, lost):
    plan = privacy.mask_plan(10**9, 2**-40, share)
    assert (plan.withstood, plan.lost_to_code) == (withstood, lost)


@pytest.mark.parametrize(
    ("data", "tested", "slack"), [(10**6, 10**5, 0.0123), (10**8, 10**6, 0.0037)]
)
def test_serfling_slack(data, tested, slack):
    assert privacy.serfling_slack(data, tested, 1e-12) == pytest.approx(slack, abs=6e-5)


@pytest.mark.parametrize(
    ("flip", "phase", "rate"),
    [(0.001, 0.005, 0.934), (0.005, 0.02, 0.778), (0.01, 0.03, 0.665), (0.05, 0.05, 0.261)],
)
def test_distillation_yields(flip, phase, rate):
    assert privacy.distillation_yield(flip, phase) == pytest.approx(rate, abs=6e-4)


@pytest.mark.parametrize(("error", "bits"), [(0, 8), (0.01, 7.839), (0.1, 6.732)])
def test_what_classical_transcripts_leak(error, bits):
    assert privacy.classical_leak_at_least(8, error) == pytest.approx(bits, abs=6e-4)


def test_leaks_of_product_copies():
    figures = [privacy.leak_of_product_copy(j) for j in range(4)]
    assert figures == pytest.approx([1, 0.5, 0.4496, 0.4435], abs=6e-5)
    assert privacy.leak_of_product_copy(16) == pytest.approx(math.log2(math.e) - 1, abs=1e-4)


def test_product_copies_on_all_digits_leak_half_a_byte():
    """All eight copies of an 8-bit word replaced by |+⟩: 4.164 bits, by enumeration."""
    words = np.arange(256)
    odd = [(1 - np.cos(2 * np.pi * words / 2 ** (j + 1))) / 2 for j in range(8)]
    law = np.ones((256, 1))
    for p in odd:
        law = np.concatenate([law * (1 - p)[:, None], law * p[:, None]], axis=1)

    def entropy(p):
        p = p[p > 1e-300]
        return float(-(p * np.log2(p)).sum())

    leak = entropy(law.mean(axis=0)) - np.mean([entropy(row) for row in law])
    # The notes' figure; here outcomes are decoded without feed-forward.
    assert leak == pytest.approx(4.164, abs=0.01)


@pytest.mark.parametrize(
    ("workers", "bits"), [(2, 0.5), (3, 0.2925), (8, 0.0963), (10, 0.0760), (64, 0.0114)]
)
def test_static_gaussian_leak(workers, bits):
    assert privacy.leak_of_static_gaussian(workers) == pytest.approx(bits, abs=6e-5)


def test_pads():
    assert privacy.one_time_pad_bits(8, 20, coalitions=False) == 140
    assert privacy.one_time_pad_bits(8, 20, coalitions=True) == 560


@pytest.mark.parametrize(
    "broken",
    [
        lambda: privacy.hashed_checks(0),
        lambda: privacy.mask_plan(10, 2, 0.5),
        lambda: privacy.mask_plan(10, 0.1, 1.0),
        lambda: privacy.cut_and_choose(5, 2, 0.5),
        lambda: privacy.leak_of_static_gaussian(1),
    ],
)
def test_impossible_questions_are_refused(broken):
    with pytest.raises(InputError):
        broken()
