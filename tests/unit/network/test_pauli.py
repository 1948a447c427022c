"""The sampler of pair errors follows its law exactly, on both of its paths.

A statistical check asks for a p-value above ``FALSE_ALARM``, and no test makes more than 16 of
them: with fresh seeds, a correct sampler would fail a test less often than once in 5 million runs.
The seeds are fixed.
"""

import itertools

import numpy as np
import pytest
from scipy import stats

from qring.errors import InputError
from qring.network import pauli
from qring.network.noise import NOISELESS, BellDiagonal

FALSE_ALARM = 1e-8
MIN_EXPECTED = 50  # classes expected less often are joined: chi-square holds in the far tail
LABELS = {"i": 0, "x": 1, "z": 2, "y": 3}

BIASED = BellDiagonal(x=0.04, y=0.001, z=0.02)
NOISES = {
    "rare": BellDiagonal(x=2e-3, y=1e-3, z=3e-3),
    "two a byte": BellDiagonal(x=0.2, y=0.1, z=0.05),
    "biased": BIASED,
    "dephasing": BellDiagonal.dephasing(0.03),
    "at the crossover": BellDiagonal.depolarising(0.0861),
    "white": BellDiagonal.depolarising(0.75),
    "no identity": BellDiagonal(x=0.3, y=0.5, z=0.2),
    "mostly X": BellDiagonal(x=0.95, y=0.01, z=0.02),
    "mostly Y": BellDiagonal(x=0.03, y=0.9, z=0.04),
    "mostly Z": BellDiagonal(x=0.002, y=0.003, z=0.99),
}
PATHS = {"scatter": np.inf, "table": 0.0}


@pytest.fixture(params=PATHS)
def path(request, monkeypatch):
    """Force one path for every noise and length."""
    monkeypatch.setattr(pauli, "_SCATTER_RATE", PATHS[request.param])
    monkeypatch.setattr(pauli, "_SCATTER_BYTES", 0)
    return request.param


def label_law(noise):
    law = np.zeros(4)
    law[0] = 1 - noise.x - noise.y - noise.z
    law[LABELS["x"]], law[LABELS["y"]], law[LABELS["z"]] = noise.x, noise.y, noise.z
    return law


def byte_law(noise):
    law = label_law(noise)
    places = (6, 4, 2, 0)
    return np.array([np.prod([law[byte >> place & 3] for place in places]) for byte in range(256)])


def errors(noise, size, seed):
    frame = np.zeros(size, np.uint8)
    pauli.disturb(frame, 4 * size, noise, np.random.default_rng(seed))
    return frame


def labels(frame):
    return (frame[:, None] >> np.array([6, 4, 2, 0], np.uint8) & 3).ravel()


def assert_follows(counts, law):
    """Chi-square test of ``counts`` against the probabilities ``law``."""
    counts, expected = np.asarray(counts, float), counts.sum() * np.asarray(law)
    assert not counts[expected == 0].any(), "an impossible outcome was drawn"
    often = expected >= MIN_EXPECTED
    seen = np.append(counts[often], counts[~often].sum())
    wanted = np.append(expected[often], expected[~often].sum())
    if wanted[-1] < MIN_EXPECTED:  # still too few: join them to the smallest class kept
        smallest = np.argmin(wanted[:-1])
        wanted[smallest] += wanted[-1]
        seen[smallest] += seen[-1]
        seen, wanted = seen[:-1], wanted[:-1]
    statistic = ((seen - wanted) ** 2 / wanted).sum()
    assert stats.chi2.sf(statistic, len(seen) - 1) > FALSE_ALARM


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
@pytest.mark.usefixtures("path")
def test_each_byte_of_four_errors_follows_the_law(noise):
    drawn = errors(noise, 1 << 21, seed=1)
    assert_follows(np.bincount(drawn, minlength=256), byte_law(noise))


@pytest.mark.parametrize("error", [1e-4, 1e-2, 0.085, 0.0861, 0.087, 0.3, 1.0])
def test_the_path_chosen_by_size_and_noise_follows_the_law(error):
    noise = BellDiagonal.depolarising(error)
    assert_follows(np.bincount(errors(noise, 1 << 21, seed=2), minlength=256), byte_law(noise))


@pytest.mark.parametrize("name", ["rare", "two a byte"])
@pytest.mark.parametrize("size", [1 << 12, 3001])
@pytest.mark.usefixtures("path")
def test_frames_of_one_stream_follow_the_law_and_share_no_error(name, size):
    noise, law = NOISES[name], label_law(NOISES[name])
    stream = pauli.ErrorStream(noise, np.random.default_rng(20))
    frames = np.zeros((200, size), np.uint8)
    for frame in frames:
        stream.disturb(frame, 4 * size)
    assert_follows(np.bincount(frames.ravel(), minlength=256), byte_law(noise))
    for apart in (1, 3):
        here, there = (labels(f.ravel()) for f in (frames[:-apart:2], frames[apart::2]))
        joint = np.bincount(here.astype(int) * 4 + there, minlength=16)
        assert_follows(joint, np.outer(law, law).ravel())


def test_frames_of_ever_new_lengths_do_not_fill_the_memory():
    stream = pauli.ErrorStream(NOISES["rare"], np.random.default_rng(21))
    for size in range(1 << 15, (1 << 15) + 100):
        stream.disturb(np.zeros(size, np.uint8), 4 * size)
    assert len(stream._ahead) <= pauli._LENGTHS


def test_short_messages_follow_the_law():
    rng = np.random.default_rng(3)
    frames = np.zeros((20_000, 5), np.uint8)
    for frame in frames:
        pauli.disturb(frame, 20, BIASED, rng)
    assert_follows(np.bincount(frames.ravel(), minlength=256), byte_law(BIASED))


@pytest.mark.parametrize("noise", [BIASED, NOISES["two a byte"], NOISES["mostly X"]])
@pytest.mark.parametrize("apart", [1, 2, 5])
@pytest.mark.usefixtures("path")
def test_errors_of_neighbouring_bytes_are_independent(noise, apart):
    drawn = errors(noise, apart << 20, seed=4)
    # Pairs of bytes that share no byte with another, or the counts would not be multinomial.
    couples = drawn.reshape(-1, 2, apart)
    law = np.outer(label_law(noise), label_law(noise)).ravel()
    for here, there in itertools.product((6, 4, 2, 0), repeat=2):
        joint = (couples[:, 0] >> here & 3) * 4 + (couples[:, 1] >> there & 3)
        assert_follows(np.bincount(joint.ravel(), minlength=16), law)


@pytest.mark.usefixtures("path")
def test_blocks_neither_overlap_nor_leave_gaps(monkeypatch):
    block, rest, noise = 48, 11, NOISES["two a byte"]
    for name in ("_TABLE_BYTES", "_BLOCK_BYTES"):
        monkeypatch.setattr(pauli, name, block)
    drawn = errors(noise, block * 4000 + rest, seed=5)
    assert_follows(np.bincount(drawn, minlength=256), byte_law(noise))
    hit = (drawn[:-rest].reshape(-1, block) != 0).sum(axis=0)
    assert_follows(hit, np.full(block, 1 / block))  # narrower than multinomial: no false alarm
    assert drawn[-rest:].any()  # all 44 pairs spared: 0.65^44 < 1e-8


@pytest.mark.parametrize("name", ["x", "y", "z"])
@pytest.mark.parametrize("pairs", [1, 7, 1000, 1_000_003])
def test_a_certain_error_hits_every_pair(name, pairs):
    frame = np.zeros(-(-pairs // 4), np.uint8)
    pauli.disturb(frame, pairs, BellDiagonal(**{name: 1.0}), np.random.default_rng(6))
    drawn = labels(frame)
    assert (drawn[:pairs] == LABELS[name]).all()
    assert not drawn[pairs:].any()


@pytest.mark.parametrize("size", [3, 1 << 17])
def test_perfect_pairs_change_nothing_and_draw_nothing(size):
    frame = np.arange(size, dtype=np.uint32).view(np.uint8)[:size].copy()
    before, rng = frame.copy(), np.random.default_rng(7)
    pauli.disturb(frame, 4 * size, NOISELESS, rng)
    assert np.array_equal(frame, before)
    assert rng.integers(2**63) == np.random.default_rng(7).integers(2**63)


def test_errors_too_rare_to_see_do_not_overflow():
    assert not errors(BellDiagonal(x=5e-324), 1 << 16, seed=8).any()


@pytest.mark.parametrize("pairs", [0, 1, 2, 3, 4, 5, 400_001, 400_002, 400_003])
@pytest.mark.parametrize("noise", [BellDiagonal(x=0.5, z=0.5), BellDiagonal(y=0.97, x=0.02)])
@pytest.mark.usefixtures("path")
def test_bits_beyond_the_last_pair_are_untouched(pairs, noise):
    sent = np.random.default_rng(9).integers(256, size=-(-pairs // 4) + 9, dtype=np.uint8)
    tail = np.unpackbits(sent)[2 * pairs :]
    for seed in range(10):
        frame = sent.copy()
        pauli.disturb(frame, pairs, noise, np.random.default_rng(seed))
        assert np.array_equal(np.unpackbits(frame)[2 * pairs :], tail)
        assert pairs < 1000 or not np.array_equal(frame, sent)


@pytest.mark.parametrize("offset", [1, 3])
@pytest.mark.usefixtures("path")
def test_errors_are_xored_onto_the_message_wherever_it_lies(offset):
    message = np.random.default_rng(10).integers(256, size=70_001 + offset, dtype=np.uint8)
    frame = message.copy()
    pauli.disturb(frame[offset:], 4 * 70_001, BIASED, np.random.default_rng(11))
    assert np.array_equal(frame[:offset], message[:offset])
    assert np.array_equal((frame ^ message)[offset:], errors(BIASED, 70_001, seed=11))


@pytest.mark.parametrize("noise", [BIASED, NOISES["white"]])
@pytest.mark.usefixtures("path")
def test_the_seed_decides_the_errors(noise):
    first, again, other = (errors(noise, 50_000, seed) for seed in (12, 12, 13))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    "bits", [np.random.MT19937, np.random.PCG64DXSM, np.random.Philox, np.random.SFC64]
)
@pytest.mark.usefixtures("path")
def test_any_generator_will_do(bits):
    frame = np.zeros(1 << 18, np.uint8)
    pauli.disturb(frame, 4 << 18, BIASED, np.random.Generator(bits(14)))
    assert_follows(np.bincount(frame, minlength=256), byte_law(BIASED))


@pytest.mark.parametrize(
    ("frame", "pairs", "says"),
    [
        (np.zeros(2, np.uint8), 9, "9 pairs take 3 bytes, but the frame has 2"),
        (np.zeros(2, np.uint8), -1, "cannot be negative"),
        (np.zeros(2, np.int8), 8, "uint8"),
        (np.zeros((2, 2), np.uint8), 8, "one-dimensional"),
        (np.zeros(4, np.uint8)[::2], 8, "contiguous"),
        (np.frombuffer(b"ab", np.uint8), 8, "writeable"),
        (bytearray(2), 8, "NumPy array"),
    ],
)
def test_frames_that_cannot_be_changed_are_refused(frame, pairs, says):
    with pytest.raises(InputError, match=says):
        pauli.disturb(frame, pairs, BIASED, np.random.default_rng())


@pytest.mark.parametrize("pairs", [4001, 4000])
def test_faults_are_the_pairs_that_changed(pairs):
    sent = np.random.default_rng(15).integers(256, size=1001, dtype=np.uint8)
    received = sent.copy()
    pauli.disturb(received, pairs, BIASED, np.random.default_rng(16))
    where, which = pauli.faults_between(sent, received, pairs)
    expected = np.zeros(4004, np.uint8)
    expected[where] = which
    assert np.array_equal(expected, labels(sent ^ received))
    assert len(where) > 0
    assert (np.diff(where) > 0).all()


@pytest.mark.parametrize("noise", [BIASED, NOISES["two a byte"], NOISES["no identity"]])
@pytest.mark.parametrize("message", range(4))
def test_stim_agrees(noise, message):
    stim = pytest.importorskip("stim")
    b1, b2 = message >> 1, message & 1
    circuit = stim.Circuit(
        f"""
        H 0
        CX 0 1
        {"X 0" if b2 else ""}
        {"Z 0" if b1 else ""}
        PAULI_CHANNEL_1({noise.x}, {noise.y}, {noise.z}) 0
        CX 0 1
        H 0
        M 0 1
        """
    )
    decoded = circuit.compile_sampler(seed=17).sample(400_000) @ np.array([2, 1])
    frame = np.full(100_000, message * 0b01010101, np.uint8)
    pauli.disturb(frame, 400_000, noise, np.random.default_rng(18))
    table = np.array([np.bincount(of, minlength=4) for of in (decoded, labels(frame))])
    assert stats.chi2_contingency(table[:, table.any(axis=0)]).pvalue > FALSE_ALARM


@pytest.mark.parametrize("rank", [1, 2, 4])
@pytest.mark.parametrize("seed", range(5))
def test_density_matrices_agree_for_any_pair_state(rank, seed):
    rng = np.random.default_rng(seed)
    half = rng.normal(size=(4, rank)) + 1j * rng.normal(size=(4, rank))
    rho = half @ half.conj().T / np.trace(half @ half.conj().T)
    law = label_law(BellDiagonal.from_density_matrix(rho))

    one, x, z = np.eye(2), np.array([[0, 1], [1, 0]]), np.diag([1, -1])
    hadamard = np.array([[1, 1], [1, -1]]) / np.sqrt(2)
    cx = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]])
    decode = np.kron(hadamard, one) @ cx
    for b1, b2 in itertools.product((0, 1), repeat=2):
        encode = np.kron(np.linalg.matrix_power(z, b1) @ np.linalg.matrix_power(x, b2), one)
        circuit = decode @ encode
        decoded = np.diag(circuit @ rho @ circuit.conj().T).real
        channel = law[np.arange(4) ^ (2 * b1 + b2)]
        # A dozen products of numbers below 1: far fewer than 100 roundings.
        assert np.abs(decoded - channel).max() < 100 * np.finfo(float).eps
