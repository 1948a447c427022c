"""Fast samplers against simulators that others wrote: stim, qutip and Aer.

A frequency must lie within exact binomial bounds of false-alarm rate 1e-8; no test looks at more
than 90 of them, which leaves each below 1e-6. Seeds are fixed.
"""

import functools
import math

import numpy as np
import pytest

from qring.circuits.gap_ip import GapIPPasses, GapIPPhase
from qring.circuits.ghz import Source
from qring.circuits.superdense import SuperdensePair
from qring.circuits.tie_audit import TieAuditCopy
from qring.circuits.verification import HashedCheck, StabiliserTest, ZTest
from qring.conflict.courier import Courier
from qring.conflict.matching import Pairs
from qring.conflict.phase_state import measure_pairs
from qring.conflict.plane import Circuit, Plane
from qring.conflict.signs import as_signs
from qring.network import pauli
from qring.network.faults import noisy_copies
from qring.network.network import Network
from qring.network.noise import BellDiagonal, QubitNoise
from qring.network.pool import Pool
from qring.network.stabilisers import Strings, flags, pauli_string

stats = pytest.importorskip("scipy.stats")

FALSE_ALARM = 1e-8
BIASED = BellDiagonal(x=0.06, y=0.1, z=0.22)


def follow(counts, law):
    """Counts, one an event, against their probabilities."""
    counts, law = np.asarray(counts), np.clip(np.asarray(law, float), 0, 1)
    total = int(counts.sum())
    low, high = stats.binom.ppf([[FALSE_ALARM / 2], [1 - FALSE_ALARM / 2]], total, law)
    impossible = law < 1e-12
    assert not counts[impossible].any()
    assert ((low <= counts) & (counts <= high))[~impossible].all(), (counts / total, law)


def alike(first, second):
    """Two samples' counts of the same events."""
    table = np.array([first, second])
    table = table[:, table.sum(axis=0) > 0]
    assert stats.chi2_contingency(table).pvalue > FALSE_ALARM


def fast_labels(noise, pairs, label, seed):
    frame = np.full(pairs // 4, label * 0b01010101, np.uint8)
    pauli.disturb(frame, pairs, noise, np.random.default_rng(seed))
    return np.bincount((frame[:, None] >> np.array([6, 4, 2, 0], np.uint8) & 3).ravel(),
                       minlength=4)  # fmt: skip


# Superdense coding ---------------------------------------------------------------------------


@pytest.mark.parametrize("label", range(4))
def test_superdense_coding_agrees_with_stims_flip_simulator(label):
    stim = pytest.importorskip("stim", reason="needs the extra [stim]")
    from qring.circuits.to_stim import to_stim

    pytest.importorskip("qiskit", reason="needs the extra [qiskit]")
    shots = 200_000
    program = to_stim(SuperdensePair(label=label).build(), BIASED)
    # Flips are counted from a noiseless run, which decodes the label itself.
    simulator = stim.FlipSimulator(batch_size=shots, seed=label)
    simulator.do(program.circuit)
    flips = simulator.get_measurement_flips()
    b1, b2 = (flips[column].astype(int) for column in program.places["bits"])
    theirs = np.bincount((2 * b1 + b2) ^ label, minlength=4)
    alike(fast_labels(BIASED, shots, label, seed=1), theirs)


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_any_two_qubit_state_is_an_xor_channel_in_qutip(rank):
    qutip = pytest.importorskip("qutip")
    rho = qutip.rand_dm([2, 2], rank=rank, seed=rank)
    noise = BellDiagonal.from_density_matrix(rho.full())
    decode = qutip.tensor(qutip.gates.snot(), qutip.qeye(2)) * qutip.gates.cnot()
    for label in range(4):
        encode = qutip.sigmaz() ** (label >> 1) * qutip.sigmax() ** (label & 1)
        circuit = decode * qutip.tensor(encode, qutip.qeye(2))
        law = (circuit * rho * circuit.dag()).diag().real
        follow(fast_labels(noise, 100_000, label, seed=10 + label), law)


# GHZ copies ----------------------------------------------------------------------------------


def qutip_law(noise, phases):
    """Probabilities of the X outcomes of a noisy copy, worker 0 first."""
    qutip = pytest.importorskip("qutip")
    n = len(phases)
    one, zero = qutip.tensor([qutip.basis(2, 1)] * n), qutip.tensor([qutip.basis(2, 0)] * n)
    rho = qutip.ket2dm((zero + one).unit())
    g, d = noise.relaxation, noise.dephasing
    rest = 1 - noise.x - noise.y - noise.z
    down = qutip.basis(2, 0) * qutip.basis(2, 1).dag()
    channels = [
        [math.sqrt(p) * s for p, s in zip(
            (rest, noise.x, noise.y, noise.z),
            (qutip.qeye(2), qutip.sigmax(), qutip.sigmay(), qutip.sigmaz()), strict=True)],
        [qutip.qeye(2) - (1 - math.sqrt(1 - g)) * qutip.basis(2, 1).proj(), math.sqrt(g) * down],
        [math.sqrt(1 - d) * qutip.qeye(2), math.sqrt(d) * qutip.sigmaz()],
    ]  # fmt: skip
    for qubit in range(n):
        for channel in channels:
            parts = [
                qutip.tensor([k if i == qubit else qutip.qeye(2) for i in range(n)])
                for k in channel
            ]
            rho = sum((k * rho * k.dag() for k in parts), 0 * rho)
    turn = qutip.tensor(
        [qutip.gates.snot() * qutip.gates.phasegate(float(angle)) for angle in phases]
    )
    return (turn * rho * turn.dag()).diag().real


def batch_of(words, noise, seed):
    run = Network(qubit_noise=noise).open(len(words), np.random.default_rng(seed))
    return run.copies().batch(words.sum(axis=0, dtype=np.uint64), words)


@pytest.mark.parametrize(
    "noise",
    [
        QubitNoise(x=0.12, z=0.03),
        QubitNoise(x=0.02, y=0.2),
        QubitNoise(relaxation=0.3, dephasing=0.05),
        QubitNoise(x=0.05, relaxation=0.2),
    ],
)
@pytest.mark.parametrize("own", [(3, 6, 5), (1, 7, 2, 4)])
def test_parities_follow_biased_noise_and_relaxation_as_in_qutip(noise, own):
    copies, digit = 60_000, 2
    words = np.repeat(np.array(own, np.uint64)[:, None], copies, axis=1)
    shown = batch_of(words, noise, seed=2).announce(digit, np.zeros(copies, np.uint64))
    bits = np.unpackbits(shown.planes, axis=1, count=copies)
    seen = functools.reduce(lambda value, bit: 2 * value + bit, bits.astype(np.int64))
    law = qutip_law(noise, np.pi * np.array(own) / 2**digit)
    follow(np.bincount(seen, minlength=2 ** len(own)), law)
    # Tallies have the same odds; in the second quadrature worker 0 turns back by π/2 more.
    counts = batch_of(words[:, :1], noise, seed=3).tally([digit], copies)[0, :, 0]
    for odd, quarter in zip(counts.tolist(), (0.0, -np.pi / 2), strict=True):
        phases = np.pi * np.array(own) / 2**digit
        phases[0] += quarter
        law = qutip_law(noise, phases)
        p = sum(law[k] for k in range(len(law)) if k.bit_count() % 2)
        follow([copies - odd, odd], [1 - p, p])


@pytest.mark.parametrize("workers", range(3, 9))
def test_stabilisers_are_flagged_as_often_as_in_stim(workers):
    pytest.importorskip("stim", reason="needs the extra [stim]")
    pytest.importorskip("qiskit", reason="needs the extra [qiskit]")
    from qring.circuits.to_stim import to_stim

    noise, shots = QubitNoise(x=0.04, y=0.02, z=0.05), 20_000
    same = BellDiagonal(x=noise.x, y=noise.y, z=noise.z)
    rng = np.random.default_rng(workers)
    sets = [0b11, 0b110, (1 << workers - workers % 2) - 1]
    for sort, members in ((True, 0), *((sort, s) for sort in (False, True) for s in sets)):
        # The name, with its sign, is what the circuit measures: a wrong sign is refused by it.
        test = StabiliserTest(
            workers=workers,
            stabiliser=pauli_string(sort, members, workers),
            source=Source.CONSTANT_DEPTH,
        )
        theirs = int(
            test.read(to_stim(test.build(), same).sample(shots, seed=members)).failed.sum()
        )
        copies = noisy_copies(shots, workers, noise, rng)
        strings = Strings(np.full(len(copies), sort), np.full(len(copies), members, np.uint64))
        ours = int(flags(copies, strings, workers, rng).sum())
        alike([ours, shots - ours], [theirs, shots - theirs])


@pytest.mark.parametrize("workers", [3, 5])
def test_z_tests_and_hashed_checks_fail_as_often_as_in_stim(workers):
    pytest.importorskip("stim", reason="needs the extra [stim]")
    pytest.importorskip("qiskit", reason="needs the extra [qiskit]")
    from qring.circuits.to_stim import to_stim

    noise, shots = QubitNoise(x=0.06, y=0.04, z=0.05), 1200
    same = BellDiagonal(x=noise.x, y=noise.y, z=noise.z)
    rng = np.random.default_rng(20 + workers)

    def pool(count):
        return Pool(count=count, workers=workers, tampered=noisy_copies(count, workers, noise, rng))

    test = ZTest(workers=workers)
    theirs = int((~test.read(to_stim(test.build(), same).sample(shots, seed=1))).sum())
    ours = pool(shots).test_z(rng).failed
    alike([ours, shots - ours], [theirs, shots - theirs])
    # A check of two copies: coins choose none, one or both, each once in four.
    theirs = ours = 0
    for chosen in range(4):
        check = HashedCheck(workers=workers, subset=(bool(chosen & 1), bool(chosen & 2)))
        run = to_stim(check.build(), same).sample(shots // 4, seed=2 + chosen)
        theirs += int((~check.read(run)).sum())
    for _ in range(shots):
        ours += pool(2).hash_amplitudes(pool(1), rng)[0].failed
    alike([ours, shots - ours], [theirs, shots - theirs])


# Conflicts -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def aer():
    pytest.importorskip("qiskit_aer", reason="needs the extra [qiskit]")
    from qring.circuits.sampling import aer_sampling

    return aer_sampling(seed=3)


@pytest.mark.parametrize("coords", [8, 11])
def test_tie_audits_measure_what_aer_measures(aer, coords):
    rng = np.random.default_rng(coords)
    signs = rng.choice([-1, 1], size=coords)
    pairs = rng.permutation(coords)[: coords // 2 * 2].reshape(-1, 2)[: coords // 2 - 1]
    copies = 8000
    found = aer.sample(
        TieAuditCopy(signs=tuple(signs.tolist()), pairs=tuple(map(tuple, pairs.tolist()))), copies
    )
    ours = measure_pairs(as_signs(signs), Pairs.of(pairs, coords), copies, rng)
    events = []
    for hit, differs in ((found.pair >= 0, found.differs), (ours.hit, ours.differs & ours.hit)):
        events.append([int((~hit).sum()), int((hit & differs).sum()), int((hit & ~differs).sum())])
    alike(*events)


U, V = (0.3, -1.0, 0.5), (1.0, 0.2, 0.7)
COSINE = float(np.dot(U, V) / np.linalg.norm(U) / np.linalg.norm(V))


@pytest.mark.parametrize(
    ("phases", "reference"), [((math.pi,) * 2, 0.5), ((math.pi,) * 3, 0.5), ((0.4, -1.1), 0.3)]
)
def test_gap_ip_accepts_as_often_as_aer(aer, phases, reference):
    shots = 6000
    theirs = int(
        aer.sample(GapIPPasses(vectors=(U, V), phases=phases, reference=reference), shots).sum()
    )
    circuit = Circuit(passes=len(phases) + 1, reference=reference, phases=phases)
    plane = Plane(COSINE, Courier(2, Network().open(2)))
    follow([shots - theirs, theirs], [1 - plane.probability(circuit), plane.probability(circuit)])
    ours = plane.accepts(circuit, shots, np.random.default_rng(4))
    alike([ours, shots - ours], [theirs, shots - theirs])


def test_iterative_estimation_on_aer_has_the_phases_of_the_plane(aer):
    # Per eigenphase φ a digit string y is found with probability |Σ_k e^{ik(φ−y)}|²/4^m; the
    # eigenphase is +2θ or −2θ, each half the time, as the plane draws it.
    digits, shots = 3, 8000
    found = aer.sample(GapIPPhase(vectors=(U, V), digits=digits), shots)
    angle = 2 * math.acos((1 + COSINE) / 2)
    grid = 2 * np.pi * np.arange(2**digits) / 2**digits
    powers = np.arange(2**digits)
    law = sum(
        np.abs(np.exp(1j * np.outer(phi - grid, powers)).sum(axis=1)) ** 2 / 4**digits / 2
        for phi in (angle, -angle)
    )
    follow(np.bincount(np.rint(found / grid[1]).astype(int), minlength=8), law)
    # The plane's Hadamard tests on one kept register show the same eigenphases.
    rng, plane = np.random.default_rng(5), Plane(COSINE, Courier(2, Network().open(2)))
    runs = 4000
    zeros = [
        plane.phase_run(rng).tests(np.array([2]), np.array([1]), rng)[0][0] for _ in range(runs)
    ]
    seen = int(sum(zeros))
    p = (1 + math.cos(2 * angle)) / 2
    follow([runs - seen, seen], [1 - p, p])
