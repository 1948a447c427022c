"""Pairs as they are made: closed laws against photons counted one by one."""

import itertools
import math
from collections import defaultdict

import numpy as np
import pytest

import qring
from qring.network.generation.deterministic import deterministic
from qring.network.generation.downconversion import downconversion
from qring.network.generation.generated import Generated, fibre_transmission
from qring.network.generation.ghz_states import fused_pairs, source_star
from qring.network.generation.heralded import (
    Heralded,
    barrett_kok,
    bell_measurement,
    single_click,
)

# Modes: (bin, place, shape); places 0, 1 are detectors, "a" and "b" the losses of either arm.


def photon(arm, time, eta, overlap, phase):
    """Creation operator of a memory's photon behind losses and the beam splitter."""
    shapes = {0: 1.0} if arm == 0 else {0: math.sqrt(overlap), 1: math.sqrt(1 - overlap)}
    turn = np.exp(1j * phase) if arm else 1.0
    made = {}
    for shape, amplitude in shapes.items():
        for place in (0, 1):
            sign = -1 if arm == 1 and place == 1 else 1
            made[time, place, shape] = turn * sign * amplitude * math.sqrt(eta / 2)
        made[time, "ab"[arm], shape] = turn * amplitude * math.sqrt(1 - eta)
    return made


def occupations(photons):
    """Amplitudes of occupation numbers of a product of creation operators on the vacuum."""
    state = {(): 1.0 + 0j}
    for made in photons:
        grown = defaultdict(complex)
        for modes, amplitude in state.items():
            for mode, part in made.items():
                grown[tuple(sorted((*modes, mode), key=str))] += amplitude * part
        state = grown
    return {
        modes: amplitude * math.sqrt(math.prod(math.factorial(modes.count(m)) for m in set(modes)))
        for modes, amplitude in state.items()
    }


def pattern_probability(modes, pattern, dark):
    """That in every bin exactly the detector named clicks."""
    total = 1.0
    for time, place in enumerate(pattern):
        lit = any(m[0] == time and m[1] == place for m in modes)
        other = any(m[0] == time and m[1] == 1 - place for m in modes)
        total *= (1.0 if lit else dark) * (0.0 if other else 1 - dark)
    return total


def counted(bins, spins, eta, dark, overlap, phases=(0.0,)):
    """Success and weights (I, X, Y, Z); ``spins`` gives amplitude and photons' bin of |0⟩, |1⟩."""
    bell = np.array([[0, 1, 1, 0], [1, 0, 0, 1], [1, 0, 0, -1], [0, 1, -1, 0]]) / math.sqrt(2)
    weights = np.zeros(4)
    for phase in phases:
        vectors = defaultdict(lambda: np.zeros(4, complex))
        for a, b in itertools.product((0, 1), repeat=2):
            amplitude = spins[a][0] * spins[b][0]
            sent = [
                photon(arm, spins[s][1], eta, overlap, phase)
                for arm, s in ((0, a), (1, b))
                if spins[s][1] is not None
            ]
            for modes, part in occupations(sent).items():
                vectors[modes][2 * a + b] += amplitude * part
        for modes, vector in vectors.items():
            for pattern in itertools.product((0, 1), repeat=bins):
                chance = pattern_probability(modes, pattern, dark)
                turned = vector * (np.array([1, 1, -1, -1]) if sum(pattern) % 2 else 1)
                weights += chance * np.abs(bell @ turned) ** 2 / len(phases)
    return weights.sum(), weights / weights.sum()


CASES = [(0.3, 0.0, 1.0), (0.6, 1e-3, 0.9), (0.05, 1e-2, 0.97), (1.0, 0.1, 0.5)]


@pytest.mark.parametrize(("eta", "dark", "overlap"), CASES)
def test_two_clicks_are_what_counting_photons_gives(eta, dark, overlap):
    link = Heralded(fibre_km=0, emission=eta, dark=dark, overlap=overlap, attempts_per_s=1e6)
    made = bell_measurement(link)
    half = 1 / math.sqrt(2)
    success, weights = counted(2, [(half, 0), (half, 1)], eta, dark, overlap)
    assert made.success == pytest.approx(success, rel=1e-12)
    assert made.noise.weights == pytest.approx(tuple(weights), abs=1e-12)
    both = barrett_kok(link)
    assert (both.success, both.noise) == (made.success, made.noise)
    # Round one: the memory's |0⟩ shines, and exactly one of two detectors clicks.
    once, _ = counted(1, [(half, 0), (half, None)], eta, dark, overlap)
    assert both.attempt_s == pytest.approx(1e-6 * (1 + once), rel=1e-12)


@pytest.mark.parametrize(("eta", "dark", "overlap"), CASES)
@pytest.mark.parametrize("bright", [0.02, 0.4])
def test_single_click_is_what_counting_photons_gives(eta, dark, overlap, bright):
    stable = 0.93
    link = Heralded(fibre_km=0, emission=eta, dark=dark, overlap=overlap,
                    phase_visibility=stable, attempts_per_s=1e6)  # fmt: skip
    made = single_click(link, bright=bright)
    spins = [(math.sqrt(1 - bright), None), (math.sqrt(bright), 0)]
    drift = math.acos(stable)
    success, weights = counted(1, spins, eta, dark, overlap, (drift, -drift))
    assert made.success == pytest.approx(success, rel=1e-12)
    assert made.noise.weights == pytest.approx(tuple(weights), abs=1e-12)


def test_fibre_sets_loss_and_time():
    link = Heralded(fibre_km=50, emission=0.9, detection=0.9, trips=4, modes=10)
    eta = 0.81 * 10 ** (-0.2 * 50 / 20)
    assert bell_measurement(link).pairs_per_s == pytest.approx(10 * eta**2 / 2 * 2e5 / (4 * 50))
    assert fibre_transmission(50) == pytest.approx(0.1)


@pytest.mark.parametrize("eta", [0.0, 0.5, 0.9, 1.0])
def test_microwave_loss_is_amplitude_damping(eta):
    sent = np.zeros((2, 2))
    sent[0, 1] = sent[1, 0] = 1 / math.sqrt(2)
    kept, lost = np.diag([1, math.sqrt(eta)]), np.array([[0, math.sqrt(1 - eta)], [0, 0]])
    bell = np.array([[0, 1, 1, 0], [1, 0, 0, 1], [1, 0, 0, -1], [0, 1, -1, 0]]) / math.sqrt(2)
    weights = sum(np.abs(bell @ (sent @ kraus.T).ravel()) ** 2 for kraus in (kept, lost))
    made = deterministic(transmission=eta, attempts_per_s=5e4)
    assert made.noise.weights == pytest.approx(tuple(weights), abs=1e-12)
    assert made.pairs_per_s == pytest.approx(5e4)


def test_coincidences_are_what_summing_over_photon_numbers_gives():
    mean, a, b, dark = 0.3, 0.4, 0.7, 1e-3
    numbers = np.arange(80)
    chance = (mean / 2) ** numbers / (1 + mean / 2) ** (numbers + 1)

    def clicks(eta):
        return 1 - (1 - dark) * (1 - eta) ** numbers

    def joint(first, second):
        left = clicks(a) if first else 1 - clicks(a)
        right = clicks(b) if second else 1 - clicks(b)
        return (chance * left * right).sum()

    same = 2 * joint(True, True) * joint(False, False)
    different = 2 * joint(True, False) * joint(False, True)
    made = downconversion(mean_pairs=mean, pulses_per_s=1e9, arrival_a=a, arrival_b=b, dark=dark,
                          channels=8)  # fmt: skip
    contrast = (same - different) / (same + different)
    assert made.success == pytest.approx(same + different, rel=1e-12)
    assert made.fidelity == pytest.approx((1 + 3 * contrast) / 4, rel=1e-12)
    assert made.pairs_per_s == pytest.approx(8e9 * made.success)
    assert made.post_selected


def test_ghz_states_wait_for_their_slowest_link():
    rng = np.random.default_rng(3)
    success, shots = 0.07, 40_000
    attempts = rng.geometric(success, (shots, 3)).max(axis=1)
    pair = qring.BellDiagonal(x=0.01, y=0.01, z=0.02)
    made = fused_pairs(workers=4, success=success, attempt_s=1.0, fusion=0.5, pair=pair)
    # 5 standard errors: a false alarm in less than 1e-6.
    assert abs(0.5 / made.states_per_s - attempts.mean()) < 5 * attempts.std() / math.sqrt(shots)
    assert made.visibility == pytest.approx((1 - 2 * 0.03) ** 3)
    few, many = (
        fused_pairs(workers=n, success=0.5, attempt_s=1.0, fusion=1.0, pair=pair) for n in (21, 22)
    )
    assert 0 < 1 / many.states_per_s - 1 / few.states_per_s < 0.1  # both sums, where they meet
    star = source_star(workers=3, attempts_per_s=1e6, made=0.1, arrivals=(0.5, 0.5, 0.2),
                       noise=pair)  # fmt: skip
    assert star.states_per_s == pytest.approx(5e3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Heralded(fibre_km=-1), "fibre_km must be at least 0, not -1"),
        (lambda: Heralded(fibre_km=0), "give attempts_per_s"),
        (lambda: Heralded(fibre_km=1, detection=1.2), r"detection lies in \[0, 1\], not at 1.2"),
        (lambda: single_click(Heralded(fibre_km=1), bright=0.0), "bright lies in"),
        (lambda: deterministic(transmission=0.5, attempts_per_s=-1.0), "attempts_per_s must be"),
        (lambda: downconversion(mean_pairs=0.1, pulses_per_s=1e6, arrival_a=0, arrival_b=0),
         "no coincidence is ever seen"),
        (lambda: Generated(success=1.5, attempt_s=1, noise=qring.NOISELESS), "success probability"),
        (lambda: source_star(workers=3, attempts_per_s=1, made=1, arrivals=(1, 1),
                             noise=qring.NOISELESS), "number of arrivals"),
    ],
)  # fmt: skip
def test_figures_that_cannot_be_are_refused(make, message):
    with pytest.raises(qring.InputError, match=message):
        make()
