"""Decay in memory against density matrices, and what memories refuse."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qring
from qring.network.memory.decay import Decay, Rest
from qring.network.memory.policy import Memory

UNIT = st.floats(0, 1)
BELL = np.array([[1, 0, 0, 1], [0, 1, 1, 0], [0, 1, -1, 0], [1, 0, 0, -1]]) / math.sqrt(2)


def channel(qutip, decay, age):
    """Superoperator of one qubit left alone for so long."""
    relaxing, pure = 1 / decay.t1_s, 1 / decay.t2_s - 1 / (2 * decay.t1_s)
    down, up = qutip.sigmap(), qutip.sigmam()  # qutip's sigmap takes |1⟩ to |0⟩
    jumps = [math.sqrt(max(0.0, pure) / 2) * qutip.sigmaz()]
    if decay.rest is Rest.GROUND:
        jumps.append(math.sqrt(relaxing) * down)
    else:
        jumps += [math.sqrt(relaxing / 2) * down, math.sqrt(relaxing / 2) * up]
    return (qutip.liouvillian(0 * qutip.qeye(2), jumps) * age).expm()


@pytest.mark.parametrize("rest", list(Rest))
@pytest.mark.parametrize(("t1", "t2"), [(1.0, 2.0), (1.0, 0.3), (5.0, 0.7)])
@pytest.mark.parametrize(("age", "other"), [(0.0, 0.4), (0.25, 0.25), (1.3, 0.1)])
def test_decay_is_that_of_density_matrices(rest, t1, t2, age, other):
    qutip = pytest.importorskip("qutip")
    noise = qring.BellDiagonal(x=0.02, y=0.05, z=0.11)
    state = sum(w * np.outer(v, v) for w, v in zip(noise.weights, BELL, strict=True))
    rho = qutip.Qobj(state, dims=[[2, 2], [2, 2]])
    decay = Decay(t1_s=t1, t2_s=t2, rest=rest)
    both = qutip.super_tensor(channel(qutip, decay, age), channel(qutip, decay, other))
    after = qutip.vector_to_operator(both * qutip.operator_to_vector(rho)).full()
    expected = [float((v @ after @ v).real) for v in BELL]
    assert decay.aged(noise, age, other)[0] == pytest.approx(expected, abs=1e-12)


def test_ghz_visibility_decays_as_the_product_of_coherences():
    qutip = pytest.importorskip("qutip")
    decay, ages = Decay(t1_s=1.0, t2_s=0.6, rest=Rest.GROUND), (0.1, 0.2, 0.5)
    rho = qutip.ket2dm(qutip.ghz_state(3))
    whole = qutip.super_tensor(*(channel(qutip, decay, age) for age in ages))
    after = qutip.vector_to_operator(whole * qutip.operator_to_vector(rho))
    parity = qutip.expect(qutip.tensor(*[qutip.sigmax()] * 3), after)
    assert decay.ghz_visibility(1.0, ages) == pytest.approx(parity, abs=1e-12)


@given(first=UNIT, second=UNIT, x=st.floats(0, 0.3), y=st.floats(0, 0.3), z=st.floats(0, 0.3))
def test_waiting_twice_is_waiting_once_for_both(first, second, x, y, z):
    decay, noise = Decay(t1_s=0.8, t2_s=0.5), qring.BellDiagonal(x=x, y=y, z=z)
    between = decay.aged(noise, first)
    twice = decay.aged_weights(between, second)
    assert twice[0] == pytest.approx(decay.aged(noise, first + second)[0], abs=1e-12)
    assert twice.sum() == pytest.approx(1, abs=1e-12)


def test_werner_pairs_decay_by_one_exponential():
    decay = Decay.werner(2.0)
    for fidelity in (0.9, 0.99):
        noise = qring.BellDiagonal.werner(fidelity)
        expected = 0.25 + (fidelity - 0.25) * math.exp(-0.7 / 2.0)
        assert decay.noise_after(noise, 0.7).fidelity == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("fidelity", "lifetimes"),
    [(0.999, 0.290), (0.99, 0.277), (0.98, 0.264), (0.95, 0.222), (0.9, 0.148)],
)
def test_pairs_are_useful_for_so_many_lifetimes(fidelity, lifetimes):
    decay, noise = Decay.werner(1.0), qring.BellDiagonal.werner(fidelity)
    assert decay.useful_s(noise, 0.810710) == pytest.approx(lifetimes, abs=6e-4)
    assert Decay().useful_s(noise, 0.810710) == math.inf


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Decay(t1_s=1.0, t2_s=2.5), "T2 = 2.5 s is more than twice T1 = 1 s"),
        (lambda: Decay(t1_s=-1.0), "t1_s must be positive"),
        (lambda: Decay(t2_s=1.0, t1_s=1.0).aged(qring.NOISELESS, [0.1, -0.2]), "ran backwards"),
        (lambda: Decay(t2_s=1.0, t1_s=1.0).ghz_visibility(1, [-0.2]), "ran backwards"),
        (lambda: Decay(rest="ground"), "rest got 'ground'; use Rest.GROUND"),
        (lambda: Memory(capacity=0), "a memory of 0 pairs keeps nothing"),
        (lambda: Memory(cutoff_s=0.0), "cutoff_s must be positive"),
        (lambda: Memory(order="fifo"), "order got 'fifo'; use Order"),
    ],
)
def test_what_no_memory_has_is_refused(make, message):
    with pytest.raises(qring.InputError, match=message):
        make()
