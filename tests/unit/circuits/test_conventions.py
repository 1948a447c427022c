"""The table of noise in other tools says what those tools do."""

import math

import numpy as np
import pytest

from qring import BellDiagonal, QubitNoise

X = np.array([[0, 1], [1, 0]], complex)
Y = np.array([[0, -1j], [1j, 0]])
Z = np.diag([1, -1]).astype(complex)


def superoperator(kraus):
    """Column-stacking, as Qiskit's."""
    return sum(np.kron(k.conj(), k) for k in kraus)


def pauli_channel(x, y, z):
    weights = (1 - x - y - z, x, y, z)
    return superoperator(
        [math.sqrt(p) * s for p, s in zip(weights, (np.eye(2), X, Y, Z), strict=True)]
    )


def test_aer_means_what_the_table_says():
    noise = pytest.importorskip("qiskit_aer.noise", reason="needs the extra [qiskit]")
    info = pytest.importorskip("qiskit.quantum_info")

    def channel(error):
        return info.SuperOp(error).data

    white = BellDiagonal.depolarising(0.06)
    assert np.allclose(channel(noise.depolarizing_error(0.08, 1)),
                       pauli_channel(white.x, white.y, white.z))  # fmt: skip
    biased = [("X", 0.1), ("Y", 0.2), ("Z", 0.3), ("I", 0.4)]
    assert np.allclose(channel(noise.pauli_error(biased)), pauli_channel(0.1, 0.2, 0.3))

    t, t1, t2 = 30e-6, 100e-6, 70e-6
    gamma = 1 - math.exp(-t / t1)
    flip = (1 - math.exp(-t / t2 + t / (2 * t1))) / 2
    relax = [np.diag([1, math.sqrt(1 - gamma)]), np.array([[0, math.sqrt(gamma)], [0, 0]])]
    assert np.allclose(channel(noise.amplitude_damping_error(gamma)), superoperator(relax))
    both = pauli_channel(0, 0, flip) @ superoperator(relax)
    assert np.allclose(channel(noise.thermal_relaxation_error(t1, t2, t)), both)
    stored = QubitNoise(relaxation=gamma, dephasing=flip)
    assert stored.visibility(3) == pytest.approx(math.exp(-3 * t / t2))


def test_stim_means_what_the_table_says():
    stim = pytest.importorskip("stim", reason="needs the extra [stim]")
    shots, error = 100_000, 0.09
    circuit = stim.Circuit(f"RX 0\nR 1\nDEPOLARIZE1({error}) 0 1\nMX 0\nM 1")
    flips = circuit.compile_sampler(seed=1).sample(shots).sum(axis=0)
    p = 2 * error / 3  # two of three errors flip X, two of three flip Z
    assert (np.abs(flips - shots * p) < 6 * math.sqrt(shots * p * (1 - p))).all()  # 2e-9 each
