"""Closed forms of supply against worked figures, and against each other."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import qring
from qring.theory.supply import (
    Step,
    break_even,
    buffered,
    ghz_hashing_yield,
    heralded_rate,
    purifying_late_gains,
    useful_lifetimes,
)

POSITIVE = st.floats(1e-3, 1e6)


@pytest.mark.parametrize(
    ("bits", "classical_s", "compute_s", "pairs", "rate", "memory", "lifetime"),
    [  # NDR, 1.83 bits a qubit; ResNet-50 and GPT-2 on 8 workers
        (0.179e9 * 8 / 1, 3.6e-3, 0.0857, 7.8e8, 8.8e9, 7.5e8, 0.31),
        (0.435e9 * 8 / 1, 8.7e-3, 0.119, 1.9e9, 1.5e10, 1.8e9, 0.43),
    ],
)
def test_break_even_of_worked_examples(bits, classical_s, compute_s, pairs, rate, memory, lifetime):
    found = break_even(bits=bits, bits_per_qubit=1.83, bits_per_s=bits / classical_s,
                       compute_s=compute_s)  # fmt: skip
    assert bits / 1.83 == pytest.approx(pairs, rel=0.03)
    assert found.pairs_per_s == pytest.approx(rate, rel=0.03)
    assert found.memory_pairs == pytest.approx(memory, rel=0.03)
    assert found.lifetime_s == pytest.approx(lifetime, rel=0.03)


@given(pairs=POSITIVE, sending=POSITIVE, compute=st.floats(1e-3, 1e3))
def test_at_the_needed_rate_and_memory_nothing_is_waited_for(pairs, sending, compute):
    qubits = pairs / sending
    least = Step(pairs=pairs, pairs_per_s=1.0, qubits_per_s=qubits, compute_s=compute)
    rate = least.needed_rate
    step = Step(pairs=pairs, pairs_per_s=rate, qubits_per_s=qubits, compute_s=compute)
    enough = Step(pairs=pairs, pairs_per_s=rate, qubits_per_s=qubits, compute_s=compute,
                  memory_pairs=step.needed_memory * (1 + 1e-9))  # fmt: skip
    assert enough.online_s == pytest.approx(sending, rel=1e-6)
    slower = Step(pairs=pairs, pairs_per_s=0.9 * rate, qubits_per_s=qubits, compute_s=compute)
    assert slower.online_s > sending
    assert slower.waiting_s > 0


def test_break_even_makes_online_and_classical_times_equal():
    found = break_even(bits=1e9, bits_per_qubit=1.5, bits_per_s=1e10, compute_s=0.2)
    step = Step(pairs=1e9 / 1.5, pairs_per_s=found.pairs_per_s, qubits_per_s=found.qubits_per_s,
                compute_s=0.2, memory_pairs=found.memory_pairs)  # fmt: skip
    assert step.online_s == pytest.approx(0.1)


def test_infinite_rate_and_memory_halve_the_time_of_bits():
    bits, rate = 1e9, 1e10
    step = Step(pairs=bits / 2, pairs_per_s=math.inf, qubits_per_s=rate)
    assert step.online_s == pytest.approx(bits / rate / 2)


def test_rates_of_sequence_are_met():
    # Measured with SeQUeNCe 1.3: ten memories, efficiencies .9, single-heralded.
    for km, measured in ((1, 162_800), (10, 10_530), (50, 295)):
        found = heralded_rate(fibre_km=km, efficiency=0.81, memories=10)
        assert measured / found == pytest.approx({1: 1.04, 10: 1.02, 50: 0.90}[km], abs=0.006)


def test_useful_lifetimes_are_the_worked_ones():
    for fidelity, lifetimes in ((0.999, 0.290), (0.99, 0.277), (0.95, 0.222), (0.8, 0.0)):
        assert useful_lifetimes(fidelity) == pytest.approx(lifetimes, abs=6e-4)


@given(fidelity=st.floats(0.9, 1.0), lifetimes=st.floats(0.0, 0.1))
def test_good_pairs_are_purified_late_and_poor_ones_early(fidelity, lifetimes):
    assert purifying_late_gains(fidelity, lifetimes) >= -1e-12
    assert purifying_late_gains(0.75, 0.25) < -0.002


def test_a_buffer_without_decay_or_purification_gives_what_it_got():
    found = buffered(pairs_per_s=2.0, demands_per_s=3.0, decay_per_s=0.0, fidelity=0.87)
    assert found.availability == pytest.approx(0.4)
    assert found.fidelity == pytest.approx(0.87)


def test_ghz_hashing_is_that_of_pairs_for_two():
    assert ghz_hashing_yield(0.05, (0.02,)) == pytest.approx(1 - 0.286397 - 0.141441, abs=1e-6)
    assert ghz_hashing_yield(0.5, ()) == 0


def test_figures_that_cannot_be_are_refused():
    with pytest.raises(qring.InputError, match="pairs_per_s is positive, not -1"):
        Step(pairs=1, pairs_per_s=-1)
    with pytest.raises(qring.InputError, match="memory_pairs is at least 0"):
        Step(pairs=1, pairs_per_s=1, memory_pairs=-2)
    with pytest.raises(qring.InputError, match="run out"):
        Step(pairs=10, pairs_per_s=1, compute_s=1, qubits_per_s=100).mean_age_s(1)
    with pytest.raises(qring.InputError, match="bits_per_qubit is positive"):
        break_even(bits=1, bits_per_qubit=0, bits_per_s=1, compute_s=1)
