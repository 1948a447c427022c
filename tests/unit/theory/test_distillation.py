"""Recurrences of distillation against four qubits simulated in full."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qring.theory.capacity import werner_weights
from qring.theory.distillation import bbpssw, carriers_per_bit, dejmps, hashing_yield

PAULI = {
    "I": np.eye(2), "X": np.array([[0, 1], [1, 0]]), "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
}  # fmt: skip
PHI = np.array([1, 0, 0, 1]) / np.sqrt(2)
BELL = {name: np.kron(np.eye(2), matrix) @ PHI for name, matrix in PAULI.items()}


def pair(weights) -> np.ndarray:
    return sum(
        w * np.outer(BELL[name], BELL[name].conj()) for name, w in zip("IXYZ", weights, strict=True)
    )


def simulate(first, second, *, turned: bool) -> tuple[np.ndarray, float]:
    """Qubits a1 b1 a2 b2: rotate, CNOT a1→a2 and b1→b2, keep equal outcomes of a2 and b2."""
    rho = np.kron(pair(first), pair(second))
    if turned:
        left = np.array([[1, -1j], [-1j, 1]]) / np.sqrt(2)
        right = left.conj()
        rotate = np.kron(np.kron(left, right), np.kron(left, right))
        rho = rotate @ rho @ rotate.conj().T
    cnots = np.zeros((16, 16))
    for a, b, c, d in itertools.product((0, 1), repeat=4):
        cnots[8 * a + 4 * b + 2 * (c ^ a) + (d ^ b), 8 * a + 4 * b + 2 * c + d] = 1
    rho = cnots @ rho @ cnots.T
    blocks = rho.reshape(4, 4, 4, 4)
    kept = blocks[:, 0, :, 0] + blocks[:, 3, :, 3]
    success = float(np.trace(kept).real)
    kept = kept / success
    return np.array([(BELL[name].conj() @ kept @ BELL[name]).real for name in "IXYZ"]), success


simplex = st.lists(st.floats(0.01, 1), min_size=4, max_size=4).map(
    lambda parts: tuple(p / sum(parts) for p in (10 * parts[0], *parts[1:])) if parts else ()
)
normal = simplex.map(lambda w: tuple(p / sum(w) for p in w))


@given(normal, normal)
@settings(max_examples=50)
def test_recurrences_equal_four_qubits(first, second) -> None:
    weights, success = simulate(first, second, turned=True)
    found = dejmps(first, second)
    assert found.success == pytest.approx(success, abs=1e-12)
    assert found.weights == pytest.approx(weights, abs=1e-12)
    weights, success = simulate(first, second, turned=False)
    found = bbpssw(first, second)
    assert found.success == pytest.approx(success, abs=1e-12)
    assert found.weights[0] == pytest.approx(weights[0], abs=1e-12)
    assert found.weights[1:] == pytest.approx([weights[1:].mean()] * 3, abs=1e-12)


def test_werner_pairs_improve_above_one_half_only() -> None:
    for fidelity in (0.55, 0.8, 0.99):
        raw = werner_weights(fidelity)
        assert dejmps(raw, raw).weights[0] > fidelity
        assert bbpssw(raw, raw).weights[0] > fidelity
    raw = werner_weights(0.5)
    assert bbpssw(raw, raw).weights[0] == pytest.approx(0.5)


def test_routes_as_in_the_guide() -> None:
    routes = {route.name: route for route in carriers_per_bit(0.95, 1.5)}
    assert routes["distilled by hashing"].lifetime == pytest.approx(0.5 + 0.5 / (1 - 0.3656), 1e-3)
    assert routes["coded, at capacity"].online == pytest.approx(1 / 1.6344, 1e-4)
    assert routes["coded, as measured"].lifetime == pytest.approx(2 / 1.5)
    assert hashing_yield(werner_weights(0.7)) == 0
