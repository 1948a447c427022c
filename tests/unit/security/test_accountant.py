"""The accountant: equal to dp-accounting, never below what an attack achieves, and refusals."""

import json
import math

import numpy as np
import pytest

import qring
from qring import Promise, calibrate
from qring.cli.main import main
from qring.security.dp.accountant import Central, central_epsilon, central_noise, spent_after
from qring.security.dp.calibration import with_noise

dp_accounting = pytest.importorskip("dp_accounting")
stats = pytest.importorskip("scipy.stats")


def exact_epsilon(noise, delta):
    """ε of one Gaussian, by bisection on its exact δ (Balle and Wang 2018)."""

    def at(epsilon):
        a, b = 1 / (2 * noise), epsilon * noise
        return stats.norm.cdf(a - b) - math.exp(epsilon) * stats.norm.cdf(-a - b)

    low, high = 0.0, 100.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if at(middle) > delta else (low, middle)
    return high


@pytest.mark.parametrize("noise", [0.7, 2.0, 10.0])
@pytest.mark.parametrize("rounds", [1, 25])
def test_composed_gaussians_are_those_of_the_exact_formula(noise, rounds):
    # T Gaussians of noise z are one of noise z/√T.
    found = central_epsilon(Central(rounds=rounds), noise)
    exact = exact_epsilon(noise / math.sqrt(rounds), 1e-5)
    assert exact * (1 - 1e-7) <= found <= exact * 1.002 + 1e-6


@pytest.mark.parametrize(("sample", "noise", "rounds"), [(0.01, 1.0, 200), (0.3, 2.0, 10)])
def test_sampled_gaussians_agree_with_dp_accounting(sample, noise, rounds):
    from dp_accounting.pld import PLDAccountant

    event = dp_accounting.PoissonSampledDpEvent(sample, dp_accounting.GaussianDpEvent(noise))
    theirs = PLDAccountant()  # its own grid
    theirs.compose(event, rounds)
    found = central_epsilon(Central(rounds=rounds, sample=sample), noise)
    assert found == pytest.approx(theirs.get_epsilon(1e-5), rel=2e-2)
    assert found < central_epsilon(Central(rounds=rounds), noise)


def test_distributed_noise_agrees_with_the_events_of_dp_accounting():
    from dp_accounting.rdp import RdpAccountant

    plan = calibrate(Promise(epsilon=4.0, delta=1e-5, clip=1.0, rounds=5),
                     workers=20, coords=500, word_bits=20, may_drop=2)  # fmt: skip
    for rounds in (1, 3, 5):
        length = plan.sensitivity / (math.sqrt(18) * plan.sigma)
        tau = 10 * sum(
            math.exp(-2 * math.pi**2 * plan.sigma**2 * k / (k + 1)) for k in range(1, 20)
        )
        theirs = RdpAccountant(orders=[1 + x / 20 for x in range(1, 2000)])
        theirs.compose(dp_accounting.ZCDpEvent(length**2 / 2, tau * plan.padded), rounds)
        assert spent_after(plan, rounds) == pytest.approx(theirs.get_epsilon(1e-5), rel=1e-3)
    assert spent_after(plan, 5) == pytest.approx(4.0, rel=1e-3)
    assert spent_after(plan, 0) == 0


def lower_bound(present, absent, delta, confidence=1e-6):
    """ε that thresholds on the likelihood ratio show (Clopper and Pearson)."""
    cuts = np.quantile(np.concatenate([present, absent]), np.linspace(0.02, 0.98, 25))
    found, count = 0.0, len(present)
    for cut in cuts:
        for a, b in ((present > cut, absent > cut), (absent <= cut, present <= cut)):
            hits, misses = int(a.sum()), int(b.sum())
            each = confidence / (4 * len(cuts))
            low = stats.beta.ppf(each, hits, count - hits + 1) if hits else 0.0
            high = stats.beta.isf(each, misses + 1, count - misses) if misses < count else 1.0
            if low > delta:
                found = max(found, math.log((low - delta) / high))
    return found


@pytest.mark.parametrize(("sample", "noise", "rounds"), [(1.0, 1.0, 4), (0.25, 0.6, 6)])
def test_no_attack_shows_more_than_the_accountant_says(sample, noise, rounds):
    rng, plays, delta = np.random.default_rng(3), 40_000, 1e-3
    noises = rng.normal(size=(2, plays, rounds)) * noise
    noises[0] += rng.random((plays, rounds)) < sample  # present: 1 in the rounds it is drawn for
    ratio = np.log1p(sample * np.expm1((noises - 0.5) / noise**2)).sum(axis=2)
    shown = lower_bound(ratio[0], ratio[1], delta)
    said = central_epsilon(Central(rounds=rounds, sample=sample, delta=delta), noise)
    assert 0.25 * said < shown <= said  # and the audit is no blunt one


@pytest.mark.parametrize("lost", [0, 2])
def test_no_attack_on_distributed_sums_shows_more(lost):
    rng, delta = np.random.default_rng(4), 1e-3
    rounds = 3
    plan = calibrate(Promise(epsilon=3.0, delta=delta, clip=1.0, rounds=rounds),
                     workers=6, coords=1, word_bits=12, may_drop=2)  # fmt: skip
    one = round(plan.promise.clip / plan.step)
    present, absent = [], []
    width = plan.local_std / plan.step
    for told, here in ((present, 1), (absent, 0)):
        sums = np.rint(rng.normal(size=(40_000, rounds, 6 - lost)) * width).sum(axis=2) + here * one
        told.append((sums * one / ((6 - lost) * width**2)).sum(axis=1))
    shown = lower_bound(present[0], absent[0], delta)
    assert shown <= spent_after(plan, rounds) <= 3.0
    if lost == 2:
        assert shown > 0.2 * 3.0


@pytest.mark.parametrize("sample", [1.0, 0.05])
def test_both_directions_agree(sample):
    rounds = Central(rounds=4, sample=sample)
    noise = central_noise(rounds, 2.0)
    assert 2.0 * 0.99 < central_epsilon(rounds, noise) <= 2.0
    promise = Promise(epsilon=2.0, delta=1e-5, clip=0.5, rounds=10)
    size = {"workers": 30, "coords": 1000, "word_bits": 20, "may_drop": 3}
    plan = calibrate(promise, **size)
    again = with_noise(promise, plan.sum_std / 0.5, **size)
    assert again.step == pytest.approx(plan.step)
    assert spent_after(again, 10) == pytest.approx(2.0, rel=1e-3)


def told(capsys, *words):
    status = main(["dp", *map(str, words)])
    out, err = capsys.readouterr()
    return status, out, err


def test_the_command_answers_both_ways(capsys):
    status, out, _ = told(capsys, "--epsilon", 4, "--rounds", 3, "--clients", 20, "--coords", 100,
                          "--drop", 2, "--collude", 1, "--json")  # fmt: skip
    found = json.loads(out)
    assert status == 0
    assert found["epsilon"] == pytest.approx(4, rel=1e-3)
    assert found["noise_std_after_losses"] == pytest.approx(found["noise_std"] * math.sqrt(17 / 20))
    assert found["may_be_missing"] == 3
    _, out, _ = told(capsys, "--noise", found["noise_multiplier"], "--rounds", 3, "--clients", 20,
                     "--coords", 100, "--drop", 2, "--collude", 1, "--json")  # fmt: skip
    assert json.loads(out)["epsilon"] == pytest.approx(4, rel=1e-3)
    status, out, _ = told(capsys, "--mechanism", "central", "--noise", 1, "--sample", 0.1)
    assert status == 0
    assert "Mironov" in out
    assert "epsilon without sampling" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--epsilon", 1, "--sample", 0.1], "no theorem covers sampled sums"),
        (["--epsilon", 1, "--mechanism", "central", "--drop", 1], "--drop is not used by central"),
        (["--epsilon", 1, "--drop", 6, "--collude", 4], "10 of 10 workers may drop out"),
        (["--noise", 1e-9], "below half a step in 16-bit words"),
        (["--epsilon", 0.001, "--word-bits", 4], "no noise gives"),
    ],
)
def test_what_no_theorem_covers_is_refused_in_one_line(capsys, words, message):
    status, out, err = told(capsys, *words)
    assert (status, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_values_are_checked_at_birth():
    for wrong in ({"rounds": 0}, {"sample": 0.0}, {"delta": 1.0}):
        with pytest.raises(qring.InputError):
            Central(**{"rounds": 1, **wrong})
    with pytest.raises(qring.InputError, match="noise multiplier"):
        central_epsilon(Central(rounds=1), 0.0)
