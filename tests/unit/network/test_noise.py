import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qring import BellDiagonal, InputError, Network

PAULIS = [
    np.eye(2),
    np.array([[0, 1], [1, 0]]),
    np.array([[0, -1j], [1j, 0]]),
    np.array([[1, 0], [0, -1]]),
]
PHI = np.array([1, 0, 0, 1]) / np.sqrt(2)


def dense(noise):
    states = [np.kron(pauli, np.eye(2)) @ PHI for pauli in PAULIS]
    return sum(w * np.outer(s, s.conj()) for w, s in zip(noise.weights, states, strict=True))


weights = st.lists(st.floats(0, 1), min_size=4, max_size=4).filter(lambda w: sum(w) > 1e-3)


def noise_of(numbers):
    _, x, y, z = np.array(numbers) / sum(numbers)
    return BellDiagonal(x=x, y=y, z=z)


@given(weights)
def test_weights_are_the_overlaps_with_the_bell_states(numbers):
    noise = noise_of(numbers)
    assert BellDiagonal.from_density_matrix(dense(noise)).weights == pytest.approx(
        noise.weights, abs=1e-9
    )


@given(weights, weights)
def test_noise_composes_as_pauli_channels_do(first, second):
    a, b = noise_of(first), noise_of(second)
    rho = dense(a)
    twice = sum(
        w * np.kron(p, np.eye(2)) @ rho @ np.kron(p, np.eye(2)).conj().T
        for w, p in zip(b.weights, PAULIS, strict=True)
    )
    assert a.then(b).weights == pytest.approx(
        BellDiagonal.from_density_matrix(twice).weights, abs=1e-9
    )


def test_constructors():
    assert BellDiagonal.werner(0.97).weights == pytest.approx((0.97, 0.01, 0.01, 0.01))
    assert BellDiagonal.depolarising(0.03) == BellDiagonal.werner(0.97)
    assert BellDiagonal.dephasing(0.2).weights == (0.8, 0, 0, 0.2)
    assert BellDiagonal.independent_flips(0.1, 0.2).weights == pytest.approx(
        (0.72, 0.08, 0.02, 0.18)
    )


@pytest.mark.parametrize("noise", [BellDiagonal(), BellDiagonal(x=0.1, y=0.02, z=1 / 3)])
def test_text_reads_back_as_the_same_noise(noise):
    assert BellDiagonal.parse(str(noise)) == noise


def test_text_of_one_number_is_white_noise():
    assert BellDiagonal.parse("0.03") == BellDiagonal.depolarising(0.03)


@pytest.mark.parametrize(
    "broken",
    [
        lambda: BellDiagonal(x=-0.1),
        lambda: BellDiagonal(x=float("nan")),
        lambda: BellDiagonal(x=0.6, z=0.6),
        lambda: BellDiagonal.werner(1.1),
        lambda: BellDiagonal.depolarising(-0.1),
        lambda: BellDiagonal.parse("much"),
        lambda: BellDiagonal.parse("0.1,0.2"),
        lambda: BellDiagonal.from_density_matrix(np.eye(2)),
        lambda: BellDiagonal.from_density_matrix(np.eye(4)),
        lambda: BellDiagonal.from_density_matrix(np.diag([1.5, -0.5, 0, 0])),
        lambda: Network(noise_on={(0, 4): BellDiagonal()}).open(4),
    ],
)
def test_impossible_noise_is_refused(broken):
    with pytest.raises(InputError):
        broken()
