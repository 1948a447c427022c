"""Closed forms against figures worked out by another route."""

import numpy as np
import pytest

from qring.errors import InputError
from qring.theory import capacity
from qring.theory.capacity import superdense_capacity, werner_weights


@pytest.mark.parametrize(
    ("fidelity", "bits"),
    [(0.999, 1.987), (0.99, 1.9034), (0.98, 1.8269), (0.95, 1.6344), (0.9, 1.3725),
     (0.85, 1.1524), (0.82, 1.0346), (0.80, 0.9611)],
)  # fmt: skip
def test_capacity_of_werner_pairs(fidelity, bits):
    assert superdense_capacity(werner_weights(fidelity)) == pytest.approx(bits, abs=5e-5)


def test_capacity_is_the_mutual_information_of_the_decoded_bits():
    # The XOR channel with uniform input: I = H(output) - H(output | input), by enumeration.
    weights = np.array([0.7, 0.15, 0.05, 0.1])
    joint = np.array([[weights[a ^ b] / 4 for b in range(4)] for a in range(4)])
    product = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    information = (joint * np.log2(joint / product)).sum()
    assert superdense_capacity(weights) == pytest.approx(information)


def test_the_advantage_over_one_bit_ends_where_the_notes_say():
    assert capacity.classical_tie_fidelity() == pytest.approx(0.810710, abs=5e-7)
    flips = 0.11003
    independent = [(1 - flips) ** 2, flips * (1 - flips), flips**2, flips * (1 - flips)]
    assert superdense_capacity(independent) == pytest.approx(1, abs=1e-4)
    dephasing = [superdense_capacity((1 - q, 0, 0, q)) for q in np.linspace(0, 1, 101)]
    assert min(dephasing) == pytest.approx(1)


@pytest.mark.parametrize(
    ("fidelity", "rate"), [(0.999, 1.78), (0.99, 1.40), (0.98, 1.12), (0.95, 0.51)]
)
def test_reed_solomon_rates(fidelity, rate):
    achieved = capacity.reed_solomon_bits_per_qubit(fidelity, 1e-12)
    assert achieved == pytest.approx(rate, abs=5e-3)
    assert achieved <= superdense_capacity(werner_weights(fidelity))


def test_reed_solomon_block_failure_is_the_binomial_tail():
    stats = pytest.importorskip("scipy.stats")
    rate = capacity.reed_solomon_bits_per_qubit(0.98, 1e-12)
    errors = round((255 - rate * 255 / 2) / 2)
    assert stats.binom.sf(errors, 255, 1 - 0.98**4) <= 1e-12
    assert stats.binom.sf(errors - 1, 255, 1 - 0.98**4) > 1e-12


@pytest.mark.parametrize(("fidelity", "pairs"), [(0.99, 0.55), (0.95, 0.79), (0.9, 1.34)])
def test_pairs_a_bit_after_hashing(fidelity, pairs):
    assert capacity.hashing_pairs_per_bit(werner_weights(fidelity)) == pytest.approx(
        pairs, abs=5e-3
    )


def test_hashing_yields_nothing_from_bad_pairs():
    assert capacity.hashing_pairs_per_bit(werner_weights(0.8)) == float("inf")


def test_assistance_can_more_than_double_the_same_noisy_channel():
    ratio = superdense_capacity(werner_weights(0.95)) / capacity.unassisted_capacity(0.95)
    assert ratio == pytest.approx(2.07, abs=5e-3)


def test_noise_makes_the_lifetime_total_worse_than_classical():
    assert capacity.lifetime_carriers_per_bit(werner_weights(1)) == 1
    assert capacity.lifetime_carriers_per_bit(werner_weights(0.999)) > 1


def test_swapping_agrees_with_composed_noise():
    from qring import BellDiagonal

    noise = BellDiagonal.werner(0.93).then(BellDiagonal.werner(0.88))
    assert capacity.swapped_fidelity(0.93, 0.88) == pytest.approx(noise.fidelity)


def test_fidelity_outside_the_unit_interval_is_refused():
    with pytest.raises(InputError):
        werner_weights(1.2)
