"""Flags of stabiliser tests on noisy copies, against stim."""

import numpy as np
import pytest

from qring.network.faults import noisy_copies
from qring.network.noise import QubitNoise
from qring.network.stabilisers import Strings, draw_strings, flags, pauli_string

stim = pytest.importorskip("stim")
SIGMAS = 6  # two-sided false alarm 2e-9 a figure


def stim_flags(workers, noise, name, shots, seed):
    circuit = stim.Circuit()
    circuit.append("H", [0])
    for worker in range(1, workers):
        circuit.append("CX", [0, worker])
    circuit.append("PAULI_CHANNEL_1", range(workers), (noise.x, noise.y, noise.z))
    circuit.append("Z_ERROR", range(workers), noise.dephasing)
    letters = "*".join(f"{c}{i}" for i, c in enumerate(name[1:]) if c != "_")
    circuit.append_from_stim_program_text(f"MPP {'!' if name[0] == '-' else ''}{letters}")
    return int(circuit.compile_sampler(seed=seed).sample(shots).sum())


@pytest.mark.parametrize("workers", [3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("noise", [
    QubitNoise.depolarising(0.01), QubitNoise(x=0.03, y=0.01, dephasing=0.02),
])  # fmt: skip
def test_flag_rates_agree_with_stim_string_by_string(workers, noise):
    shots, rng = 40_000, np.random.default_rng(workers)
    drawn = draw_strings(8, workers, rng)
    for k, (phase, members) in enumerate(zip(*drawn, strict=True)):
        theirs = stim_flags(workers, noise, pauli_string(bool(phase), int(members), workers),
                            shots, seed=k)  # fmt: skip
        copies = noisy_copies(shots, workers, noise, rng)
        same = Strings(np.full(len(copies), phase), np.full(len(copies), members))
        ours = int(flags(copies, same, workers, rng).sum())
        p = (ours + theirs) / (2 * shots)
        assert abs(ours - theirs) <= SIGMAS * np.sqrt(2 * shots * p * (1 - p)) + 1


@pytest.mark.parametrize("noise", [QubitNoise.depolarising(0.3), QubitNoise(x=1.0)])
def test_heavy_noise_strikes_every_qubit_at_its_rate(noise):
    copies = noisy_copies(50_000, 3, noise, np.random.default_rng(0))
    seen = np.bincount(copies.bits.astype(int), minlength=8)
    flip = noise.x + noise.y
    for pattern in range(1, 8):
        ones = pattern.bit_count()
        p = flip**ones * (1 - flip) ** (3 - ones)
        assert abs(seen[pattern] - 50_000 * p) <= SIGMAS * np.sqrt(50_000 * p * (1 - p))
