"""Messages over noisy pairs arrive as sent, and cost what closed forms say."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from qring.encoding.codes.min_sum import decode
from qring.errors import InputError
from qring.network.coded import bch_frames, ldpc_frames, sending
from qring.network.coded.bch_frames import BchShape
from qring.network.coded.calibration import measurements
from qring.network.coded.check import CHECK_BITS
from qring.network.coded.choice import least_ldpc, plan, werner_equivalent
from qring.network.coded.coding import Code, Emulation
from qring.network.coded.pairs import AgedPairs, AlikePairs, law_of
from qring.network.coded.sending import send
from qring.network.noise import BellDiagonal
from qring.network.pauli import ErrorStream
from qring.theory import capacity, coded

FALSE_ALARM = 1e-6


def alike(noise, rng):
    return AlikePairs(noise, ErrorStream(noise, rng))


def carry(size, noise, code, emulation, seed, **more):
    rng = np.random.default_rng(seed)
    message = rng.integers(256, size=size, dtype=np.uint8)
    sent = message.copy()
    found = plan(size, noise, code, emulation)
    pairs = more.pop("pairs", None) or alike(noise, rng)
    receipt = send(message, 8 * size, found, pairs, emulation, rng, key=b"coin", **more)
    return sent, message, found, receipt


@given(
    st.integers(0, 6000),
    st.sampled_from([0.9995, 0.999, 0.99, 0.97, 0.95, 0.92, 0.88, 0.8]),
    st.sampled_from(list(Code)),
    st.integers(0, 2**32),
)
@settings(max_examples=15, deadline=None)
def test_every_message_arrives_as_it_was_sent(size, fidelity, code, seed) -> None:
    sent, arrived, found, receipt = carry(
        size, BellDiagonal.werner(fidelity), code, Emulation.DECODED, seed
    )
    assert (sent == arrived).all()
    assert receipt.pairs + receipt.plain_bits <= 1.2 * 8 * size + 8 * bool(receipt.lost) * size
    if not found.segments:
        assert receipt[:6] == (0, 8 * size, 0, 1, 0, ())
    else:
        assert receipt.ack_bits == found.frames + sum(receipt.lost) + 1
        assert receipt.attempts == 1 + len(receipt.lost)


@pytest.mark.parametrize(
    ("fidelity", "least"), [(0.999, 1.92), (0.99, 1.80), (0.95, 1.47), (0.90, 1.19)]
)
def test_long_messages_carry_so_many_payload_bits_a_qubit(fidelity, least) -> None:
    size = 400_000
    _, _, _, receipt = carry(
        size, BellDiagonal.werner(fidelity), Code.AUTO, Emulation.CALIBRATED, 11
    )
    goodput = 8 * size / (receipt.pairs + receipt.plain_bits)
    assert goodput >= least
    assert coded.goodput_of_capacity(goodput, fidelity) < 1


def test_below_break_even_plain_bits_go() -> None:
    for emulation in Emulation:
        assert plan(10**6, BellDiagonal.werner(0.8), Code.AUTO, emulation).segments == ()
    assert plan(4, BellDiagonal.werner(0.999), Code.AUTO, Emulation.DECODED).segments == ()


@pytest.mark.parametrize(("degree", "corrects", "fidelity"), [(8, 4, 0.99), (10, 6, 0.995)])
def test_bch_losses_decoded_sampled_and_in_closed_form_agree(degree, corrects, fidelity) -> None:
    noise = BellDiagonal.werner(fidelity)
    shape = BchShape(degree, corrects, 20)
    expected = coded.bounded_distance_loss(shape.pairs, corrects, noise.weights)
    assert bch_frames.loss(shape, law_of(noise)) == pytest.approx(expected, rel=1e-9, abs=1e-13)
    rng, frames = np.random.default_rng(degree), 6000
    data = rng.integers(256, size=(frames, shape.held), dtype=np.uint8)
    decoded = bch_frames.deliver(shape, data, alike(noise, rng))
    assert (decoded.data == data).all()
    counted = bch_frames.count_losses(shape, frames, alike(noise, rng))
    for lost in (decoded.lost, counted):
        first = lost[0] if lost else 0
        assert binom.ppf(FALSE_ALARM / 4, frames, expected) <= first
        assert first <= binom.isf(FALSE_ALARM / 4, frames, expected)


def test_bch_loss_of_biased_pairs_equals_the_closed_form() -> None:
    for noise in (BellDiagonal(y=0.01), BellDiagonal(x=0.004, z=0.02), BellDiagonal(x=0.3, y=0.3)):
        shape = BchShape(9, 12, 30)
        expected = coded.bounded_distance_loss(shape.pairs, 12, noise.weights)
        assert bch_frames.loss(shape, law_of(noise)) == pytest.approx(expected, abs=1e-12)


def test_shipped_measurements_hold_when_measured_again() -> None:
    """One code a size, with other noise: within what two samples may differ by."""
    for measured in [m for m in measurements() if m.rows == 24]:
        frames = {48: 400, 192: 150, 336: 100}[measured.lift]
        rng = np.random.default_rng([5, measured.lift])
        held = (measured.code.information_bits - CHECK_BITS) // 8
        data = rng.integers(256, size=(frames, held), dtype=np.uint8)
        pairs = alike(BellDiagonal.werner(measured.fidelity), rng)
        lost = ldpc_frames.deliver(measured.code, data, pairs).lost
        _, high = measured.interval(1, FALSE_ALARM / 8)
        assert (lost[0] if lost else 0) <= binom.isf(FALSE_ALARM / 8, frames, high)


def test_measurements_are_usable_and_below_capacity() -> None:
    for measured in measurements():
        assert 0 < measured.loss(1) <= 0.03
        low, high = measured.interval(1)
        assert low <= measured.loss(1) <= high
        limit = capacity.superdense_capacity(capacity.werner_weights(measured.fidelity))
        assert 2 * measured.code.rate < limit
    for lift in (48, 192, 336):
        fidelities = [m.fidelity for m in measurements() if m.lift == lift]
        assert fidelities == sorted(fidelities, reverse=True)
    assert least_ldpc(0.5, 336) is None
    assert werner_equivalent(BellDiagonal.werner(0.93)) == pytest.approx(0.93, abs=1e-9)


def test_pairs_of_unequal_age_are_decoded_by_their_own_law() -> None:
    """Half of the pairs nearly perfect, half bad: hopeless under their mean law alone."""
    rng = np.random.default_rng(4)
    code = next(m for m in measurements() if (m.rows, m.lift) == (26, 192)).code
    held = (code.information_bits - 32) // 8
    data = rng.integers(256, size=(4, held), dtype=np.uint8)
    fidelity = rng.choice([0.9995, 0.845], size=4 * 48 * 192 * 8)
    weights = np.stack([fidelity, *[(1 - fidelity) / 3] * 3], axis=1)
    assert 2 - np.mean([capacity.entropy_bits(w) for w in weights[:2000]]) > 2 * code.rate
    arrived = ldpc_frames.deliver(code, data, AgedPairs(weights, rng))
    assert (arrived.data == data).all()
    assert arrived.lost == ()

    class MeanLaw(AgedPairs):
        def take(self, count):
            labels, law = super().take(count)
            return labels, law.mean(axis=1)

    assert ldpc_frames.deliver(code, data, MeanLaw(weights, rng)).lost != ()


def test_a_faulty_decoder_is_caught_and_its_frames_sent_again() -> None:
    calls = []

    def faulty(code, syndrome, laws):
        found = decode(code, syndrome, laws)
        if not calls:
            found.errors[0, 3, 5] ^= 1
            found.errors[-1, 0, 0] ^= 1
        calls.append(len(syndrome))
        return found

    noise = BellDiagonal.werner(0.95)
    sent, arrived, _, receipt = carry(3000, noise, Code.LDPC, Emulation.DECODED, 8, decoder=faulty)
    assert (sent == arrived).all()
    assert receipt.lost[0] >= 1
    _, _, _, sound = carry(3000, noise, Code.LDPC, Emulation.DECODED, 8)
    assert receipt.pairs > sound.pairs


def test_a_wrong_frame_that_passes_its_check_is_caught_by_the_digest(monkeypatch) -> None:
    monkeypatch.setattr(zlib, "crc32", lambda _: 0)
    turns = []

    def faulty(code, syndrome, laws):
        found = decode(code, syndrome, laws)
        if not turns:
            found.errors[0, 3, 5] ^= 1
        turns.append(1)
        return found

    sent, arrived, found, receipt = carry(
        3000, BellDiagonal.werner(0.95), Code.LDPC, Emulation.DECODED, 8, decoder=faulty
    )
    assert (sent == arrived).all()
    assert receipt.frames == 2 * found.frames


def test_attempts_of_the_slowest_frame() -> None:
    for frames, loss, mean in ((1000, 0.01, 2.10), (1000, 0.05, 3.04), (10**5, 0.01, 3.10)):
        assert coded.expected_attempts(frames, loss) == pytest.approx(mean, abs=0.005)
    rng = np.random.default_rng(2)
    drawn = [1 + len(sending._drawn(200, lambda _: 0.05, rng)) for _ in range(4000)]
    spread = np.std(drawn) / np.sqrt(len(drawn))
    assert abs(np.mean(drawn) - coded.expected_attempts(200, 0.05)) < 5 * spread


def test_hopeless_pairs_are_refused() -> None:
    noise = BellDiagonal.werner(0.3)
    rng = np.random.default_rng(0)
    shape = BchShape(8, 2, 10)
    with pytest.raises(InputError, match="too noisy"):
        bch_frames.deliver(shape, np.zeros((1, 10), np.uint8), alike(noise, rng))
    with pytest.raises(InputError, match="pairs are left|are left"):
        AgedPairs(np.tile([1.0, 0, 0, 0], (3, 1)), rng).take(4)
