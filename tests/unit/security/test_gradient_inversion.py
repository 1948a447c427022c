"""Sums of gradients show images, the fewer clients the more; noise at ε ≤ 8 leaves none."""

import math

import numpy as np
import pytest

import qring
from qring import DistributedGaussian, InputError, Promise
from qring.data.images import ImageSet, load
from qring.security.gradient_inversion import (
    RECOVERED_DB,
    Inversion,
    Victim,
    gradient_inversion,
    invert_first_layer,
    likeness_db,
)


@pytest.fixture(scope="module")
def digits():
    pytest.importorskip("sklearn")
    return load(ImageSet.DIGITS, seed=0, test_share=0.2)[0]


def attack(digits, clients, method=None, images=1437, seed=0):
    part = digits.images[:images], digits.labels[:images]
    rng = np.random.default_rng(seed)
    return gradient_inversion(*part, clients=clients, method=method, rng=rng)


def noisy(clients, epsilon, word_bits=20):
    pytest.importorskip("dp_accounting")
    plan = qring.calibrate(
        Promise(epsilon=epsilon, delta=1e-5, clip=1.0),
        workers=clients, coords=9610, word_bits=word_bits,
    )  # fmt: skip
    source = np.random.default_rng(3).bytes
    return qring.Classical(encoding=DistributedGaussian(plan=plan, source=source))


def test_gradients_are_those_of_central_differences():
    rng = np.random.default_rng(0)
    victim = Victim(6, hidden=5, classes=3, rng=rng)
    image, label = rng.random(6), 2

    def loss():
        hidden = np.maximum(victim._w1 @ image + victim._b1, 0)
        logits = victim._w2 @ hidden + victim._b2
        return math.log(np.exp(logits).sum()) - logits[label]

    numeric, step = [], 1e-6
    for parameter in (victim._w1, victim._b1, victim._w2, victim._b2):
        for k in np.ndindex(parameter.shape):
            kept = parameter[k]
            parameter[k] = kept + step
            above = loss()
            parameter[k] = kept - step
            numeric.append((above - loss()) / (2 * step))
            parameter[k] = kept
    assert victim.gradient(image, label) == pytest.approx(numeric, abs=1e-8)
    assert victim.coords == len(numeric)


def test_likeness_is_the_peak_signal_to_noise_ratio_of_the_best_guess():
    image = np.full((1, 4), 0.5)
    guesses = np.array([[0.6, 0.6, 0.6, 0.6], [0.51, 0.5, 0.5, 0.5]])
    assert likeness_db(image, guesses) == pytest.approx([-10 * math.log10(1e-4 / 4)])
    assert likeness_db(image, np.empty((0, 4))) == [-math.inf]


def test_the_fit_of_one_image_withstands_noise_that_single_neurons_do_not():
    rng = np.random.default_rng(1)
    image, slopes = rng.random(64), rng.normal(size=500)
    noise = 0.3 * rng.normal(size=(500, 65))
    noisy_gradient = np.outer(slopes, np.append(image, 1)) + noise
    guesses = invert_first_layer(noisy_gradient[:, :-1], noisy_gradient[:, -1])
    likeness = [likeness_db(image[None], guess[None])[0] for guess in guesses]
    assert likeness[-1] == max(likeness)
    assert likeness[-1] > RECOVERED_DB - 5


def test_a_single_gradient_gives_its_image_away(digits):
    assert attack(digits, 1, images=400).share == 1.0
    assert attack(digits, 1, images=50).best_db > 200  # to the last digit


@pytest.mark.parametrize(("clients", "low", "high"), [(8, 0.7, 0.9), (16, 0.4, 0.6), (64, 0, 0.1)])
def test_sums_hide_more_the_more_clients(digits, clients, low, high):
    models = [attack(digits, clients, seed=seed) for seed in range(3)]
    images, recovered = sum(m.images for m in models), sum(m.recovered for m in models)
    assert images >= 4200
    pooled = Inversion(clients=clients, images=images, recovered=recovered, best_db=0.0)
    assert low <= pooled.interval[0] <= pooled.interval[1] <= high


@pytest.mark.parametrize(("clients", "epsilon"), [(2, 1), (2, 8), (8, 8), (64, 8)])
def test_noise_leaves_no_image(digits, clients, epsilon):
    found = attack(digits, clients, noisy(clients, epsilon), images=64)
    assert found.recovered == 0
    assert found.best_db < RECOVERED_DB - 10


def test_the_attack_does_find_images_under_far_too_little_noise(digits):
    assert attack(digits, 2, noisy(2, 1e7, word_bits=30), images=32).share > 0.9


@pytest.mark.parametrize(("epsilon", "recovered"), [(8, False), (1e7, True)])
def test_one_image_among_silent_workers_is_hidden_too(digits, epsilon, recovered):
    victim = Victim(64, rng=np.random.default_rng(0))
    rows = np.zeros((10, victim.coords))
    rows[4] = victim.gradient(digits.images[5], int(digits.labels[5]))
    total = qring.all_reduce(rows, method=noisy(10, epsilon, word_bits=30)).sum
    guesses = invert_first_layer(*victim.first_layer(total))
    assert (likeness_db(digits.images[5][None], guesses)[0] > RECOVERED_DB) == recovered


def test_a_masked_sum_leaks_what_the_sum_leaks(digits):
    pytest.importorskip("cryptography")
    words = qring.FixedPoint(word_bits=40, limit=8.0)
    assert attack(digits, 3, qring.SecAgg(encoding=words), images=30).share > 0.9


def test_groups_larger_than_the_data_are_refused(digits):
    with pytest.raises(InputError, match="51 clients need as many images, not 50"):
        attack(digits, 51, images=50)


def test_interval_is_wilsons():
    found = Inversion(clients=1, images=100, recovered=10, best_db=0.0)
    assert found.interval == pytest.approx((0.0552, 0.1744), abs=1e-4)  # tabulated
