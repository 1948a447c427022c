"""The fast GHZ engine against density matrices written out in full."""

import functools
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qring.network.network import Network
from qring.network.noise import QubitNoise
from qring.network.parity import coin_flips, transcript_of

X = np.array([[0, 1], [1, 0]], complex)
Y = np.array([[0, -1j], [1j, 0]])
Z = np.diag([1, -1]).astype(complex)
HADAMARD = np.array([[1, 1], [1, -1]]) / np.sqrt(2)
SIGMAS = 6  # two-sided false alarm 2e-9 a check


def kron(*parts):
    return functools.reduce(np.kron, parts)


def on(qubit, operator, n):
    return kron(*(operator if k == qubit else np.eye(2) for k in range(n)))


def ghz(n):
    vector = np.zeros(2**n, complex)
    vector[[0, -1]] = 1 / np.sqrt(2)
    return np.outer(vector, vector)


def kraus(noise):
    """Relaxation, then dephasing, then Pauli errors of one qubit."""
    g, d = noise.relaxation, noise.dephasing
    relax = [np.diag([1, np.sqrt(1 - g)]), np.array([[0, np.sqrt(g)], [0, 0]])]
    dephase = [np.sqrt(1 - d) * np.eye(2), np.sqrt(d) * Z]
    rest = 1 - noise.x - noise.y - noise.z
    pauli = [np.sqrt(p) * s for p, s in zip((rest, noise.x, noise.y, noise.z),
                                            (np.eye(2), X, Y, Z), strict=True)]  # fmt: skip
    return [c @ b @ a for a in relax for b in dephase for c in pauli]


def noisy_ghz(n, noise):
    rho = ghz(n)
    for qubit in range(n):
        parts = [on(qubit, k, n) for k in kraus(noise)]
        rho = sum(k @ rho @ k.conj().T for k in parts)
    return rho


def outcome_law(rho, phases):
    """Probabilities of the X outcomes, shape (2^n,), after each worker encodes its phase."""
    n = len(phases)
    encode = kron(*(np.diag([1, np.exp(1j * p)]) for p in phases))
    turn = kron(*[HADAMARD] * n) @ encode
    return np.diag(turn @ rho @ turn.conj().T).real


probabilities = st.floats(0, 0.3)
noises = st.builds(
    QubitNoise,
    x=probabilities,
    y=probabilities,
    z=probabilities,
    relaxation=probabilities,
    dephasing=probabilities,
)
angles = st.lists(st.floats(0, 2 * np.pi), min_size=2, max_size=4)


@given(noises, angles)
def test_outcomes_follow_the_parity_law_and_are_uniform_within_a_parity(noise, phases):
    n = len(phases)
    law = outcome_law(noisy_ghz(n, noise), phases)
    signs = np.array([(-1) ** sum(bits) for bits in product((0, 1), repeat=n)])
    expectation = noise.expectation(np.array(phases)[:, None])[0]
    assert law == pytest.approx((1 + signs * expectation) / 2**n, abs=1e-12)


@given(noises, st.integers(2, 4), st.data())
def test_visibility_is_a_lower_bound_on_every_split_of_a_zero_phase(noise, n, data):
    phases = data.draw(st.lists(st.floats(0, 2 * np.pi), min_size=n - 1, max_size=n - 1))
    phases.append(-sum(phases))
    seen = noise.expectation(np.array(phases)[:, None])[0]
    assert noise.visibility(n) <= seen + 1e-12
    if noise.x == noise.y:
        assert seen == pytest.approx(noise.visibility(n), abs=1e-12)


def test_biased_noise_is_not_visibility_times_cosine():
    noise = QubitNoise(x=0.3)
    phases = np.array([[0.5], [1.0], [1.5]])
    plain = noise.expectation(np.zeros((3, 1)))[0] * np.cos(3.0)
    assert abs(noise.expectation(phases)[0] - plain) > 0.1


def batch_of(words, noise, seed, workers):
    run = Network(qubit_noise=noise).open(workers, np.random.default_rng(seed))
    return run.copies().batch(words.sum(axis=0, dtype=np.uint64), words)


@pytest.mark.parametrize("noise", [
    QubitNoise(x=0.05), QubitNoise(x=0.02, y=0.1, z=0.03), QubitNoise.depolarising(0.1),
    QubitNoise(relaxation=0.2, dephasing=0.05), QubitNoise(),
])  # fmt: skip
@pytest.mark.parametrize("digit", [0, 1, 2])
def test_announced_outcomes_have_the_dense_law(noise, digit):
    copies, own = 40_000, [3, 6, 5]
    words = np.repeat(np.array(own, np.uint64)[:, None], copies, axis=1)
    correction = 2  # of the 2 bits below; deliberately not the right one
    batch = batch_of(words, noise, digit, 3)
    shown = batch.announce(digit, np.full(copies, correction, np.uint64))
    bits = np.unpackbits(shown.planes, axis=1, count=copies)
    seen = np.bincount(bits[0] * 4 + bits[1] * 2 + bits[2], minlength=8)
    phases = np.pi * np.array([own[0] - correction, *own[1:]]) / 2**digit
    law = outcome_law(noisy_ghz(3, noise), phases)
    assert (np.abs(seen - copies * law) <= SIGMAS * np.sqrt(copies * law * (1 - law)) + 1e-6).all()
    assert (shown.parities() == bits.sum(axis=0) % 2).all()


@pytest.mark.parametrize("noise", [QubitNoise(x=0.1, z=0.02), QubitNoise.depolarising(0.05)])
def test_tallies_have_the_dense_law_in_both_quadratures(noise):
    own, copies = [1, 7, 3], 200_000
    batch = batch_of(np.array(own, np.uint64)[:, None], noise, 1, 3)
    counts = batch.tally([1, 3], copies)
    for row, digit in enumerate((1, 3)):
        for column, quarter in enumerate((0, -np.pi / 2)):
            phases = np.pi * np.array(own) / 2.0**digit
            phases[0] += quarter
            law = outcome_law(noisy_ghz(3, noise), phases)
            odd = sum(law[k] for k in range(8) if k.bit_count() % 2)
            spread = SIGMAS * np.sqrt(copies * odd * (1 - odd)) + 1e-6
            assert abs(counts[row, column, 0] - copies * odd) <= spread


def transcript_law(own, sum_bits):
    """Joint law of all announcements of the digit readout, by exact enumeration of states."""
    n, whole = len(own), sum(own)
    law = {(): 1.0}
    for digit in range(sum_bits):
        known = whole % 2**digit
        phases = np.pi * np.array([own[0] - known, *own[1:]]) / 2**digit
        step = outcome_law(ghz(n), phases)
        law = {
            (*seen, shown): p * step[shown]
            for seen, p in law.items()
            for shown in range(2**n)
            if step[shown] > 1e-15
        }
    return law


@pytest.mark.parametrize(("n", "sum_bits"), [(2, 3), (3, 2)])
def test_the_transcript_tells_the_sum_and_nothing_else(n, sum_bits):
    seen = {}
    for own in product(range(2**sum_bits), repeat=n):
        law = transcript_law(own, sum_bits)
        reference = seen.setdefault(sum(own) % 2**sum_bits, law)
        distance = sum(abs(law.get(t, 0) - reference.get(t, 0)) for t in {*law, *reference}) / 2
        assert distance < 1e-12
    assert len(seen) == 2**sum_bits


@pytest.mark.parametrize("digit", [0, 1, 2])
def test_a_coalition_that_keeps_its_qubits_learns_the_honest_sum_only(digit):
    # Four workers, the last two collude: their joint state with the honest announcements.
    def view(a, b):
        phases = np.pi * np.array([a, b]) / 2**digit
        encode = kron(*(np.diag([1, np.exp(1j * p)]) for p in phases), np.eye(4))
        turn = kron(HADAMARD, HADAMARD, np.eye(4)) @ encode
        rho = (turn @ ghz(4) @ turn.conj().T).reshape(4, 4, 4, 4)
        return np.stack([rho[k, :, k, :] for k in range(4)])

    for a, b, c in product(range(4), repeat=3):
        moved = (b + c) % (2 << digit)
        same = view((a - c) % (2 << digit), moved)
        assert np.abs(view(a, b) - same).max() < 1e-12
    assert np.abs(view(0, 0) - view(0, 1)).max() > 0.01


@given(st.integers(0, 60), st.integers(1, 9), st.integers(0, 99))
def test_transcripts_have_the_parities_they_were_asked_for(copies, workers, seed):
    rng = np.random.default_rng(seed)
    parities = rng.integers(0, 2, size=copies).astype(np.uint8)
    shown = transcript_of(parities, workers, rng)
    assert shown.planes.shape == (workers, -(-copies // 8))
    assert (shown.parities() == parities).all()


@pytest.mark.parametrize("odds", [0.0, 1e-3, 1 / 256, 0.0039, 0.3, 0.5, 0.999, 255 / 256, 1.0])
def test_coins_have_their_odds(odds):
    count = 400_000
    ones = int(coin_flips(odds, count, np.random.default_rng(1)).sum())
    assert abs(ones - count * odds) <= SIGMAS * np.sqrt(count * odds * (1 - odds))


def test_coins_of_many_odds_at_once():
    odds = np.repeat(np.linspace(0, 1, 101), 20_000)
    ones = coin_flips(odds, len(odds), np.random.default_rng(2)).reshape(101, -1).sum(axis=1)
    p = np.linspace(0, 1, 101)
    assert (np.abs(ones - 20_000 * p) <= SIGMAS * np.sqrt(20_000 * p * (1 - p))).all()


def test_a_digit_sum_on_aer_bit_by_bit():
    """Three workers, four bits, feed-forward in software: the same sums from real circuits."""
    qiskit = pytest.importorskip("qiskit")
    aer = pytest.importorskip("qiskit_aer")
    own = [11, 6, 13]
    simulator, known = aer.AerSimulator(seed_simulator=5), 0
    for digit in range(6):
        circuit = qiskit.QuantumCircuit(3, 3)
        circuit.h(0)
        circuit.cx(0, 1)
        circuit.cx(1, 2)
        for qubit, word in enumerate(own):
            turn = word - (known if qubit == 0 else 0)
            circuit.p(np.pi * turn / 2**digit, qubit)
        circuit.h(range(3))
        circuit.measure(range(3), range(3))
        counts = simulator.run(circuit, shots=50).result().get_counts()
        (parity,) = {text.count("1") % 2 for text in counts}
        known |= parity << digit
    assert known == sum(own)
