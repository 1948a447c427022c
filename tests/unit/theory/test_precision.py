"""Theorem 1 and remark 2, checked on states; copy counts by exact enumeration."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qring.errors import InputError
from qring.theory import precision

weights = st.lists(st.floats(-3, 3).filter(lambda w: abs(w) > 0.05), min_size=1, max_size=4)


def generator(chosen):
    """Diagonal of G = ½ Σ wᵢ Zᵢ."""
    signs = np.array(list(itertools.product((1, -1), repeat=len(chosen))))
    return signs @ np.array(chosen) / 2


def fisher(state, chosen):
    masses, levels = np.abs(state) ** 2, generator(chosen)
    return 4 * (masses @ levels**2 - (masses @ levels) ** 2)


@given(weights, st.integers(0, 2**32 - 1))
def test_no_state_has_more_information_than_the_bound(chosen, seed):
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(200, 2 ** len(chosen))) + 1j * rng.normal(
        size=(200, 2 ** len(chosen))
    )
    states[::2] **= 3  # half of them far from uniform
    states /= np.linalg.norm(states, axis=1)[:, None]
    assert max(fisher(state, chosen) for state in states) <= precision.fisher_bound(chosen) + 1e-9


@given(weights, st.floats(0, 2 * np.pi))
def test_the_signed_ghz_state_reaches_the_bound(chosen, gamma):
    state = np.zeros(2 ** len(chosen), complex)
    index = int("".join("0" if w > 0 else "1" for w in chosen), 2)
    state[index] = 1 / math.sqrt(2)
    state[2 ** len(chosen) - 1 - index] = np.exp(1j * gamma) / math.sqrt(2)
    assert fisher(state, chosen) == pytest.approx(precision.fisher_bound(chosen))


def test_a_climb_from_random_states_ends_at_the_ghz_state():
    chosen, rng = [1.0, -0.7, 0.4], np.random.default_rng(0)
    levels = generator(chosen)
    masses = rng.dirichlet(np.ones(8))
    for _ in range(3000):  # mirror ascent of 4·variance over the masses
        gradient = 4 * (levels**2 - 2 * (masses @ levels) * levels)
        masses = masses * np.exp(0.2 * gradient)
        masses /= masses.sum()
    extremes = sorted(masses)[-2:]
    assert extremes == pytest.approx([0.5, 0.5], abs=1e-3)
    assert 4 * (masses @ levels**2 - (masses @ levels) ** 2) == pytest.approx(
        precision.fisher_bound(chosen), rel=1e-4
    )


def test_a_zero_weight_spoils_uniqueness():
    # With w = (1, 0) the second qubit is free: a product state reaches the bound as well.
    state = np.kron(np.array([1, 1]) / math.sqrt(2), np.array([1, 0]))
    assert fisher(state, [1.0, 0.0]) == pytest.approx(precision.fisher_bound([1.0, 0.0]))


@given(weights, st.floats(0, 1), st.data())
def test_the_price_of_mass_elsewhere(chosen, mass, data):
    levels = generator(chosen)
    level = data.draw(st.integers(0, len(levels) - 1))
    top = int(np.argmax(levels))
    masses = np.zeros(len(levels))
    masses[[top, len(levels) - 1 - top]] = (1 - mass) / 2
    masses[level] += mass
    value = 4 * (masses @ levels**2 - (masses @ levels) ** 2)
    assert precision.fisher_with_leak(chosen, mass, levels[level]) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("visibility", [0.9, 0.5])
def test_split_quadratures_against_the_information_of_the_outcome_law(visibility):
    for phase in np.linspace(0.1, 3.0, 30):
        total = 0.0
        for shift in (0.0, -np.pi / 2):
            p = (1 + visibility * np.cos(phase + shift)) / 2
            slope = -visibility * np.sin(phase + shift) / 2
            total += 0.5 * slope**2 / (p * (1 - p))
        assert precision.split_quadrature_information(visibility, phase) == pytest.approx(total)


def test_remark_2_holds_locally_only():
    values = [precision.split_quadrature_information(0.9, p) for p in np.linspace(0, np.pi, 1001)]
    assert min(values) == pytest.approx(0.405, abs=5e-4)
    assert max(values) == pytest.approx(0.681, abs=5e-4)
    assert precision.split_quadrature_information(1.0, 0.3) == 1


@pytest.mark.parametrize(("bits", "copies"), [(4, 104), (8, 26_560), (16, 1.74e9)])
def test_copies_of_the_papers_readout(bits, copies):
    assert precision.shot_copies(bits) == pytest.approx(copies, rel=5e-3)


@pytest.mark.parametrize(
    ("visibility", "copies"),
    [(0.98, 1.088), (0.95, 1.203), (0.9, 1.401), (0.8, 1.883), (0.7, 2.563), (0.5, 5.30)],
)
def test_shannon_limit(visibility, copies):
    assert precision.shannon_copies(visibility) == pytest.approx(copies, abs=2e-3)


@pytest.mark.parametrize(("visibility", "lead"), [(0.9, 3), (0.5, 4)])
def test_the_race_to_a_lead_by_its_markov_chain(visibility, lead):
    up = (1 + visibility) / 2
    law = np.zeros(2 * lead + 1)
    law[lead] = 1.0
    mean = 0.0
    for _ in range(2000):
        mean += law[1:-1].sum()
        moved = np.zeros_like(law)
        moved[2:] += up * law[1:-1]
        moved[:-2] += (1 - up) * law[1:-1]
        moved[[0, -1]] += law[[0, -1]]
        law = moved
    assert precision.sequential_error(visibility, lead) == pytest.approx(law[0])
    assert precision.sequential_copies(visibility, lead) == pytest.approx(mean)


def test_majorities_by_enumeration():
    wrong = 0.2
    outvoted = sum(
        math.prod(wrong if bit else 1 - wrong for bit in bits)
        for bits in itertools.product((0, 1), repeat=5)
        if sum(bits) > 2
    )
    assert precision.majority_failure(0.6, 5, 3) == pytest.approx(1 - (1 - outvoted) ** 3)


def test_an_account_must_announce_every_copy():
    with pytest.raises(InputError):
        precision.ghz_ledger(
            workers=3, copies=5, announcements=[4], distribution="star", announcement="broadcast"
        )
    with pytest.raises(InputError, match="distribution got 'post'"):
        precision.ghz_ledger(
            workers=3, copies=4, announcements=[4], distribution="post", announcement="broadcast"
        )
