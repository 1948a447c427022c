"""What every network must do: the fast one, the referee, and circuits on Aer.

Laws are written out here with density matrices; a frequency must lie within exact binomial bounds
of false-alarm rate 1e-8, and no test looks at more than 40. Seeds are fixed.
"""

import functools
import math
from itertools import product

import numpy as np
import pytest

import qring
from qring import BellDiagonal, Digits, Ghz, Integers, Network, QubitNoise, Superdense
from qring.errors import InputError
from qring.ledger import Carrier, Phase
from qring.network.adversary.aim import These
from qring.network.adversary.base import Adversary
from qring.network.adversary.sources import (
    Basis,
    BitFlips,
    EprHalves,
    InterceptResend,
    PhaseRotation,
    PlusState,
)
from qring.network.dense.engine import DenseNetwork
from qring.network.dense.memory import Representation
from qring.network.links import superdense
from qring.network.wiring import Announcement
from qring.security.masks.method import Private
from qring.security.masks.outcome import PrivateAborted
from qring.security.vga.method import Vga
from qring.security.vga.outcome import VgaRejected
from qring.security.vga.verification import CutAndChoose

stats = pytest.importorskip("scipy.stats")

FALSE_ALARM = 1e-8
WORDS = Integers(word_bits=4, signed=False)


def on_aer(**fields):
    primitives = pytest.importorskip("qiskit_aer.primitives", reason="needs the extra [qiskit]")
    from qring.circuits.network import QiskitNetwork

    return QiskitNetwork(primitives.SamplerV2(seed=7), **fields)


ENGINES = {
    "fast": Network,
    "referee, vectors": DenseNetwork,
    "referee, matrices": functools.partial(DenseNetwork, representation=Representation.MATRIX),
    "circuits on Aer": on_aer,
}
SHOTS = {"fast": 40_000, "referee, matrices": 300, "circuits on Aer": 2000}
QUBITS_THAT_STAY = [name for name in ENGINES if name != "circuits on Aer"]


@pytest.fixture(params=ENGINES)
def engine(request):
    return request.param


def make(engine, **fields):
    return ENGINES[engine](**fields)


def shots_of(engine):
    return SHOTS.get(engine, 600)


def follow(counts, law):
    """Whether every count is within its binomial bounds."""
    counts, law = np.asarray(counts), np.clip(np.asarray(law), 0, 1)
    total = int(counts.sum())
    low, high = stats.binom.ppf([[FALSE_ALARM / 2], [1 - FALSE_ALARM / 2]], total, law)
    impossible = law < 1e-12
    assert not counts[impossible].any()
    assert ((low <= counts) & (counts <= high))[~impossible].all(), (counts / total, law)


def copies_of(network, workers, rng):
    return network.open(workers, rng).copies(announcement=Announcement.BROADCAST)


# Superdense links ----------------------------------------------------------------------------


def test_a_ring_of_four_workers_sums_exactly_and_pays_alike(engine):
    rows = np.random.default_rng(0).integers(0, 16, size=(4, 5))
    method = Superdense(encoding=WORDS)
    result = qring.all_reduce(
        rows, method=method, network=make(engine), rng=np.random.default_rng(1)
    )
    assert (result.sums == rows.sum(axis=0)).all()
    assert result.ledger == qring.all_reduce(rows, method=method).ledger


@pytest.mark.parametrize("bits", [1, 7, 8, 13])
def test_messages_arrive_and_bits_beyond_them_are_left_alone(engine, bits):
    message = np.random.default_rng(bits).integers(256, size=4, dtype=np.uint8)
    before, run = message.copy(), make(engine).open(2, np.random.default_rng(2))
    run.link(superdense, 0, 1).carry(message, bits)
    assert (message == before).all()
    assert run.ledger().on(0, 1, Phase.ONLINE, Carrier.QUBIT) == (bits + 1) // 2


@pytest.mark.parametrize("label", [0, 3])
def test_biased_errors_fall_on_pairs_as_often_as_they_should(engine, label):
    noise, pairs = BellDiagonal(x=0.06, y=0.1, z=0.22), 4 * (shots_of(engine) // 4)
    network = make(engine, noise_on={(0, 1): noise}, record_faults=True)
    frame = np.full(pairs // 4, label * 0b01010101, np.uint8)
    run = network.open(2, np.random.default_rng(3))
    run.link(superdense, 0, 1).carry(frame, 2 * pairs)
    labels = (frame[:, None] >> np.array([6, 4, 2, 0], np.uint8) & 3).ravel() ^ label
    follow(np.bincount(labels, minlength=4), [0.62, 0.06, 0.22, 0.1])  # I, X, Z, Y
    (seen,) = run.faults
    assert (seen.pairs == np.flatnonzero(labels)).all()
    assert (seen.paulis == labels[seen.pairs]).all()


# GHZ copies ----------------------------------------------------------------------------------

X = np.array([[0, 1], [1, 0]], complex)
Y = np.array([[0, -1j], [1j, 0]])
Z = np.diag([1, -1]).astype(complex)
TURN_TO_X = np.array([[1, 1], [1, -1]]) / np.sqrt(2)


def kron(parts):
    return functools.reduce(np.kron, parts)


def noisy_copy(workers, noise):
    """A GHZ state after Pauli errors, relaxation and dephasing of every qubit."""
    vector = np.zeros(2**workers, complex)
    vector[[0, -1]] = 1 / np.sqrt(2)
    rho = np.outer(vector, vector)
    paulis = [math.sqrt(p) * s for p, s in zip(
        (1 - noise.x - noise.y - noise.z, noise.x, noise.y, noise.z), (np.eye(2), X, Y, Z),
        strict=True)]  # fmt: skip
    g, d = noise.relaxation, noise.dephasing
    relax = [np.diag([1, math.sqrt(1 - g)]), np.array([[0, math.sqrt(g)], [0, 0]])]
    dephase = [math.sqrt(1 - d) * np.eye(2), math.sqrt(d) * Z]
    for qubit, channel in product(range(workers), (paulis, relax, dephase)):
        parts = [kron([k if i == qubit else np.eye(2) for i in range(workers)]) for k in channel]
        rho = sum(k @ rho @ k.conj().T for k in parts)
    return rho


def x_law(rho, phases):
    turn = kron([TURN_TO_X] * len(phases)) @ kron([np.diag([1, np.exp(1j * p)]) for p in phases])
    return np.diag(turn @ rho @ turn.conj().T).real


def batch_of(engine, words, workers, seed=4, run=None, **fields):
    run = run or make(engine, **fields).open(workers, np.random.default_rng(seed))
    copies = run.copies(announcement=Announcement.BROADCAST)
    return copies.batch(words.sum(axis=0, dtype=np.uint64), words)


def strings(transcript):
    bits = np.unpackbits(transcript.planes, axis=1, count=transcript.copies)
    return np.bincount(bits[0] * 4 + bits[1] * 2 + bits[2], minlength=8)


NOISES = {
    "none": QubitNoise(),
    "X and dephasing": QubitNoise(x=0.12, dephasing=0.05),
    "more Y than X": QubitNoise(x=0.02, y=0.15, z=0.05),
    "relaxation": QubitNoise(x=0.04, relaxation=0.25, dephasing=0.04),
}


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("digit", [2])
def test_announced_outcomes_have_the_law_of_the_state(engine, noise, digit):
    if engine == "circuits on Aer" and noise == "relaxation":
        pytest.skip("relaxation is no gate of a circuit")
    copies, own, correction = shots_of(engine), [3, 6, 5], 1
    words = np.repeat(np.array(own, np.uint64)[:, None], copies, axis=1)
    batch = batch_of(engine, words, 3, qubit_noise=NOISES[noise])
    shown = batch.announce(digit, np.full(copies, correction, np.uint64))
    phases = np.pi * np.array([own[0] - correction, *own[1:]]) / 2**digit
    follow(strings(shown), x_law(noisy_copy(3, NOISES[noise]), phases))
    assert batch.copies == copies


def test_tallies_count_odd_parities_in_both_quadratures(engine):
    own, copies = [1, 7, 3], shots_of(engine) // 4
    noise = QubitNoise(x=0.1, z=0.02)
    run = make(engine, qubit_noise=noise).open(3, np.random.default_rng(4))
    words = np.array([own, own], np.uint64).T.copy()
    counts = batch_of(engine, words, 3, run=run).tally([1], copies)
    for column, quarter in enumerate((0, -np.pi / 2)):
        phases = np.pi * np.array(own) / 2
        phases[0] += quarter
        law = x_law(noisy_copy(3, noise), phases)
        odd = sum(law[k] for k in range(8) if k.bit_count() % 2)
        for coord in range(2):
            seen = int(counts[0, column, coord])
            follow([copies - seen, seen], [1 - odd, odd])
    assert run.ledger().total(Carrier.QUBIT) == 2 * 4 * copies
    assert run.ledger().rounds == 1


def test_batches_can_be_mapped_and_cut(engine):
    words = np.array([[1, 2, 3, 9], [4, 0, 1, 6]], np.uint64)
    batch = batch_of(engine, words, 2)
    doubled = batch.part(slice(1, 3)).mapped(lambda w: 3 * w)
    assert len(doubled) == 2
    assert (Digits().read(doubled, 5) == [6, 12]).all()
    picked = batch.announce(0, np.zeros(2, np.uint64), np.array([3, 0]))
    assert (picked.parities() == [1, 1]).all()


def test_sums_are_exact_and_paid_for_alike(engine):
    rows = np.random.default_rng(5).integers(0, 16, size=(3, 3))
    for weights in (None, (2, -1, 1)):
        method = Ghz(encoding=WORDS, weights=weights)
        result = qring.all_reduce(
            rows, method=method, network=make(engine), rng=np.random.default_rng(6)
        )
        assert (result.sum == np.array(weights or (1, 1, 1)) @ rows).all()
        fast = qring.all_reduce(rows, method=method, rng=np.random.default_rng(6))
        assert result.ledger == fast.ledger


def test_noisy_digits_are_repeated_until_they_are_right(engine):
    rows = np.array([[3, 0], [2, 1]])
    network = make(engine, qubit_noise=QubitNoise.of_visibility(0.8, 2))
    method = Ghz(encoding=Integers(word_bits=2, signed=False), readout=Digits(failure=1e-8))
    result = qring.all_reduce(rows, method=method, network=network, rng=np.random.default_rng(7))
    assert (result.sum == [5, 1]).all()
    assert result.copies > 3 * 2 * 2


# Tests of copies, and adversaries ------------------------------------------------------------


def pure(vector):
    return np.outer(vector, vector.conj())


def resent(basis_turn):
    """The mixture that measuring every qubit of a GHZ state in a product basis leaves."""
    rho, turn = noisy_copy(3, QubitNoise()), kron([basis_turn] * 3)
    weights = np.diag(turn @ rho @ turn.conj().T).real
    return sum(w * pure(turn.conj().T[:, k]) for k, w in enumerate(weights))


def rotated(angle):
    turn = np.diag([1] * 7 + [np.exp(1j * angle)])
    return turn @ noisy_copy(3, QubitNoise()) @ turn.conj().T


def flipped(workers):
    flip = kron([X if i in workers else np.eye(2) for i in range(3)])
    return flip @ noisy_copy(3, QubitNoise()) @ flip


ATTACKS = {
    "plus": (PlusState(), pure(np.full(8, 8**-0.5, complex))),
    "resent in Y": (InterceptResend(basis=Basis.Y), resent(TURN_TO_X @ np.diag([1, -1j]))),
    "resent in Z": (InterceptResend(basis=Basis.Z), resent(np.eye(2))),
    "rotated": (PhaseRotation(angle=0.7), rotated(0.7)),
    "flipped": (BitFlips(workers=frozenset({1})), flipped({1})),
    "halves": (EprHalves(), np.eye(8) / 8),
}


def stabilisers():
    """All seven of three workers as matrices, from products of generators."""
    generators = [kron([X, X, X]), kron([Z, Z, np.eye(2)]), kron([np.eye(2), Z, Z])]
    for chosen in range(1, 8):
        yield functools.reduce(np.matmul, [g for k, g in enumerate(generators) if chosen >> k & 1])


def z_fail(rho):
    return 1 - float((rho[0, 0] + rho[7, 7]).real)


@pytest.mark.parametrize("attack", ATTACKS)
def test_tampered_copies_fail_their_tests_at_the_rate_of_the_state(engine, attack):
    source, rho = ATTACKS[attack]
    network, count = make(engine, adversary=Adversary(source=source)), shots_of(engine)
    rng = np.random.default_rng(8)
    pool = copies_of(network, 3, rng).pool(2 * count)
    first, second = pool.shuffled(rng).cut(count)
    flagged = np.mean([(1 - np.trace(s @ rho).real) / 2 for s in stabilisers()])
    for verdict, rate in (
        (first.test_stabilisers(rng), flagged),
        (second.test_z(rng), z_fail(rho)),
    ):
        assert verdict.tested == count
        follow([count - verdict.failed, verdict.failed], [1 - rate, rate])
        assert len(verdict.failed_at) == verdict.failed
        for evidence in verdict.evidence:
            told = [bit for bit in evidence.outcomes if bit is not None]
            assert [bit is None for bit in evidence.outcomes] == [
                letter == "_" for letter in evidence.stabiliser.lstrip("+-")
            ]
            if evidence.stabiliser == "ZZZ":
                assert len(set(told)) == 2
            else:
                letters = evidence.stabiliser[1:]
                matrix = {"X": X, "Y": Y, "Z": Z, "_": np.eye(2)}
                value = np.trace(kron([matrix[c] for c in letters]) @ noisy_copy(3, QubitNoise()))
                assert round(value.real) == (-1 if evidence.stabiliser[0] == "-" else 1)
                assert (-1) ** sum(told) != round(value.real)


@pytest.mark.parametrize("attack", ATTACKS)
def test_tampered_copies_show_what_their_state_shows(engine, attack):
    source, rho = ATTACKS[attack]
    # With worker 1's phase counted backwards the parity is the other one.
    copies, own = shots_of(engine), [2, 1, 4]
    words = np.repeat(np.array(own, np.uint64)[:, None], copies, axis=1)
    batch = batch_of(engine, words, 3, adversary=Adversary(source=source))
    shown = batch.announce(2, np.zeros(copies, np.uint64))
    follow(strings(shown), x_law(rho, np.pi * np.array(own) / 4))


def test_perfect_copies_pass_every_test(engine):
    rng = np.random.default_rng(9)
    pool = copies_of(make(engine), 4, rng).pool(40)
    tested, rest = pool.cut(20)
    assert tested.test_stabilisers(rng).passed
    more, last = rest.joined(pool.cut(0)[0]).cut(10)
    assert more.test_z(rng).passed
    assert len(last) == 10
    with pytest.raises(InputError, match="cannot be cut"):
        pool.cut(41)


def test_a_verified_sum_ends_with_the_sum_or_with_evidence(engine):
    rows = np.random.default_rng(10).integers(0, 16, size=(3, 2))
    method = Vga(ghz=Ghz(encoding=WORDS), verification=CutAndChoose())
    honest = qring.all_reduce(rows, method=method, network=make(engine),
                              rng=np.random.default_rng(11))  # fmt: skip
    assert (honest.sum == rows.sum(axis=0)).all()
    # Twelve |+⟩³ are tested; each passes with probability 4/7: all do once in a thousand runs.
    network = make(engine, adversary=Adversary(source=PlusState()))
    caught = qring.all_reduce(rows, method=method, network=network, rng=np.random.default_rng(11))
    assert isinstance(caught, VgaRejected)
    assert caught.verdicts[0].tested == 12
    fast = qring.all_reduce(rows, method=method, rng=np.random.default_rng(11))
    assert honest.ledger == fast.ledger


def test_a_private_sum_is_right_from_masks_to_ring(engine):
    rows = np.random.default_rng(16).integers(0, 4, size=(3, 2))
    method = Private(encoding=Integers(word_bits=2, signed=False), epsilon=0.3)
    result = qring.all_reduce(rows, method=method, network=make(engine),
                              rng=np.random.default_rng(17))  # fmt: skip
    assert (result.sum == rows.sum(axis=0)).all()
    network = make(engine, adversary=Adversary(source=PlusState()))
    caught = qring.all_reduce(rows, method=method, network=network, rng=np.random.default_rng(17))
    assert isinstance(caught, PrivateAborted)


@pytest.mark.parametrize("engine", QUBITS_THAT_STAY)
@pytest.mark.parametrize("bad", ["flipped", "rotated by π", "plus"])
def test_hashed_checks_miss_a_bad_copy_half_the_time_each(engine, bad):
    sources = {
        "flipped": BitFlips(workers=frozenset({1}), aim=These((0,))),
        "rotated by π": PhaseRotation(aim=These((0,))),
        "plus": PlusState(aim=These((0,))),
    }
    network, runs = make(engine, adversary=Adversary(source=sources[bad])), 200
    rng, failed = np.random.default_rng(12), np.zeros(2, int)
    for _ in range(runs):
        data, checks = copies_of(network, 2, rng).pool(3).cut(1)
        phase_checks, amplitude_checks = checks.cut(1)
        phases, data = data.hash_phases(phase_checks, rng)
        amplitudes, data = data.hash_amplitudes(amplitude_checks, rng)
        failed += [phases.failed, amplitudes.failed]
        assert phases.cnots in (0, 1)
    # Amplitudes of the flipped copy, phases of the rotated one, and half the amplitudes of |+⟩².
    rates = {"flipped": (0, 0.5), "rotated by π": (0.5, 0), "plus": (0, 0.25)}[bad]
    for seen, rate in zip(failed.tolist(), rates, strict=True):
        follow([runs - seen, seen], [1 - rate, rate])


@pytest.mark.parametrize("engine", QUBITS_THAT_STAY)
def test_checked_copies_still_hold_the_sum(engine):
    rng = np.random.default_rng(13)
    copies = copies_of(make(engine), 2, rng)
    data, checks = copies.pool(5).cut(3)
    first, second = checks.cut(1)
    verdict, data = data.hash_phases(first, rng)
    assert verdict.passed
    verdict, data = data.hash_amplitudes(second, rng)
    assert verdict.passed
    words = np.array([[3], [2]], np.uint64)
    batch = copies.batch(words.sum(axis=0), words, data.supply())
    assert (Digits().read(batch, 3) == [5]).all()


# What they refuse ----------------------------------------------------------------------------


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "fast"])
def test_slow_networks_say_what_they_cannot_do(engine):
    for fields in ({"record_view": True}, {"adversary": Adversary(nodes=frozenset({0}))}):
        with pytest.raises(InputError, match="view"):
            make(engine, **fields)
    with pytest.raises(InputError, match="own words"):
        copies_of(make(engine), 2, np.random.default_rng(0)).batch(np.zeros(1, np.uint64), None)


def test_the_referee_says_when_qubits_are_too_many():
    rng = np.random.default_rng(14)
    network = DenseNetwork(representation=Representation.MATRIX)
    with pytest.raises(InputError, match="at most 10 entangled qubits"):
        copies_of(network, 11, rng).pool(1)
    with pytest.raises(InputError, match="pass rng"):
        network.open(2).link(superdense, 0, 1)
    # Eight checks, none of which chooses a copy of six qubits: once in 2^16.
    data, checks = copies_of(network, 6, rng).pool(10).cut(2)
    with pytest.raises(InputError, match="at most 10"):
        data.hash_amplitudes(checks, rng)


def test_circuits_say_what_they_cannot_do():
    network, rng = on_aer(), np.random.default_rng(15)
    with pytest.raises(InputError, match="2 to 8 workers"):
        copies_of(network, 9, rng).pool(1)
    data, checks = copies_of(network, 2, rng).pool(2).cut(1)
    with pytest.raises(InputError, match="cut-and-choose"):
        data.hash_phases(checks, rng)
    from qring.circuits.ghz import Source

    with pytest.raises(InputError, match="adversary"):
        on_aer(source=Source.PLUS)
    with pytest.raises(InputError, match="visibility"):
        on_aer(device_visibility=0.0)
