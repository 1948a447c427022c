"""Sums over coded links: as without noise, charged as the drawn losses say, adapting to drift."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qring
from qring.errors import InputError
from qring.ledger import Carrier, Phase
from qring.network.coded.adaptation import Estimate, observed
from qring.network.coded.calibration import measurements
from qring.network.coded.choice import least_ldpc, plan
from qring.network.coded.coding import Code, Coding, Emulation
from qring.network.coded.ldpc_frames import deliver
from qring.network.coded.link import CodedLink, Wires
from qring.network.coded.pairs import AlikePairs, GuessedPairs
from qring.network.links import superdense
from qring.network.noise import BellDiagonal
from qring.network.pauli import ErrorStream

CODINGS = [
    Coding(),
    Coding(code=Code.BCH, emulation=Emulation.SAMPLED),
    Coding(code=Code.LDPC, emulation=Emulation.CALIBRATED),
    Coding(adaptive=True),
]


@given(
    st.integers(2, 5),
    st.integers(1, 3000),
    st.sampled_from([0.999, 0.98, 0.93, 0.8]),
    st.sampled_from([*(Coding(emulation=way) for way in Emulation), Coding(adaptive=True)]),
    st.sampled_from([qring.Superdense(), None]),
    st.integers(0, 2**32),
)
@settings(max_examples=20, deadline=None)
def test_sums_over_coded_links_are_those_without_noise(
    n, d, fidelity, coding, method, seed
) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, d)).astype("f4")
    words = qring.FixedPoint(word_bits=9, limit=8.0, out_of_range=qring.OutOfRange.CLIP)
    method = method or qring.Superdense(encoding=words)
    network = qring.Network(noise=BellDiagonal.werner(fidelity), coding=coding)
    noisy = qring.all_reduce(rows, method=method, network=network, rng=rng)
    clean = qring.all_reduce(rows, method=method)
    assert (noisy.sums == clean.sums).all()
    assert noisy.agreed
    assert noisy.ledger.rounds >= clean.ledger.rounds
    for src in range(n):
        dst = (src + 1) % n
        pairs = noisy.ledger.on(src, dst, Phase.SETUP, Carrier.QUBIT)
        assert noisy.ledger.on(src, dst, Phase.ONLINE, Carrier.QUBIT) == pairs
        assert noisy.ledger.on(src, dst, Phase.ONLINE, Carrier.EBIT) == pairs


@pytest.mark.parametrize("coding", CODINGS[:3], ids=str)
def test_the_ledger_is_the_closed_form_of_the_losses(coding) -> None:
    """Pairs, plain bits, acknowledgements and rounds, from the plan and what was lost."""
    measured = next(m for m in measurements() if (m.rows, m.lift) == (24, 336))
    noise, size = BellDiagonal.werner(measured.fidelity), 150_000
    run = qring.Network(noise=noise, coding=coding).open(2, np.random.default_rng(3))
    receipts = []
    link = CodedLink(
        Wires(run.wire(0, 1, Phase.SETUP), run.wire(0, 1), run.wire(1, 0)),
        run.pairs(0, 1), noise, coding, run.rng, receipts.append,
    )  # fmt: skip
    message = np.arange(size, dtype=np.uint32).view(np.uint8)[:size].copy()
    before = message.copy()
    for _ in range(6):
        link.carry(message, 8 * size)
    assert (message == before).all()
    parts = plan(size, noise, coding.code, coding.emulation).segments
    frames = sum(part.frames for part in parts)
    first = sum(
        part.frames * (part.shape.pairs if hasattr(part.shape, "pairs") else 48 * part.shape.lift)
        for part in parts
    )
    ledger = run.ledger()
    lost = sum(sum(receipt.lost) for receipt in receipts)
    assert lost > 0
    assert ledger.on(1, 0, Phase.ONLINE, Carrier.BIT) == 6 * (frames + 1) + lost
    again = ledger.on(0, 1, Phase.ONLINE, Carrier.QUBIT) - 6 * first
    whole = {part.shape.pairs for part in parts if hasattr(part.shape, "pairs")}
    eighth = {6 * part.shape.lift for part in parts if not hasattr(part.shape, "pairs")}
    least, most = min(whole | eighth), max(whole | eighth)
    assert lost * least <= again <= lost * most


def test_retransmissions_add_rounds_and_messages_of_a_round_travel_at_once() -> None:
    network = qring.Network(noise=BellDiagonal.werner(0.999), coding=CODINGS[1])
    run = network.open(3, np.random.default_rng(0))
    for receipt in ((1, 0, 0, 3, 1, (1, 1)), (1, 0, 0, 2, 1, (1,))):
        run.note_coded(type(_receipt())(*receipt))
    run.end_rounds()
    assert run.rounds == 3
    run.note_coded(_receipt())
    run.end_rounds()
    assert run.rounds == 4
    assert run.corrections.extra_rounds == 2
    assert run.corrections.lost == 3


def _receipt():
    from qring.network.coded.sending import Receipt

    return Receipt(1, 0, 0, 1, 1, ())


def test_private_sums_survive_noisy_pairs_by_their_codes() -> None:
    rows = np.random.default_rng(2).normal(size=(3, 400))
    words = qring.FixedPoint(word_bits=12, limit=6.0)
    network = qring.Network(noise=BellDiagonal.werner(0.97), coding=Coding())
    result = qring.all_reduce(
        rows, method=qring.Private(encoding=words), network=network, rng=np.random.default_rng(1)
    )
    clean = qring.all_reduce(rows, method=qring.Superdense(encoding=words))
    assert (result.sum == clean.sum).all()


def test_an_adaptive_link_follows_a_drift_without_being_told() -> None:
    """Fidelity falls and rises again; the code follows, and goodput with it."""
    rng, estimate = np.random.default_rng(5), Estimate()
    believed = []
    for fidelity in [0.99] * 10 + [0.93] * 30 + [0.985] * 30:
        noise = BellDiagonal.werner(fidelity)
        guess = estimate.planned()
        measured = least_ldpc(guess.fidelity, 336)
        code = measured.code
        data = rng.integers(256, size=(3, (code.information_bits - 32) // 8), dtype=np.uint8)
        pairs = GuessedPairs(AlikePairs(noise, ErrorStream(noise, rng)), guess)
        arrived = deliver(code, data, pairs)
        assert (arrived.data == data).all()
        estimate = estimate.after(observed(code, arrived.unsatisfied, len(data)))
        believed.append(estimate.fidelity)
    assert abs(believed[9] - 0.99) < 0.002
    assert abs(believed[39] - 0.93) < 0.004
    assert abs(believed[69] - 0.985) < 0.003


def test_an_adaptive_link_comes_back_when_pairs_become_better() -> None:
    hopeless = Estimate(flips=0.2, deviation=0.001, messages=5)
    assert least_ldpc(hopeless.planned().fidelity, 336) is None
    probing = hopeless._replace(messages=16)
    assert least_ldpc(probing.planned().fidelity, 336) is not None


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Coding(code="bch"), "Code.BCH"),
        (lambda: Coding(code=Code.LDPC, emulation=Emulation.SAMPLED), "decoded or calibrated"),
        (lambda: Coding(code=Code.BCH, adaptive=True), "syndromes of LDPC"),
        (lambda: Coding.parse("turbo"), "not one of none, auto, bch, ldpc"),
        (lambda: Coding.parse("bch", "guessed"), "not one of decoded, sampled, calibrated"),
        (lambda: Coding.parse("none", "decoded"), "the code is 'none'"),
        (lambda: qring.Network(coding="auto"), "Coding()"),
        (lambda: qring.Network(coding=Coding(), record_faults=True), "record_faults"),
    ],
)
def test_what_cannot_be_is_refused(make, says) -> None:
    with pytest.raises(InputError, match=says):
        make()


@pytest.mark.parametrize(("code", "fidelity"), [(Code.BCH, 0.9), (Code.LDPC, 0.2)])
def test_a_code_asked_for_by_name_must_reach_the_noise(code, fidelity) -> None:
    network = qring.Network(noise=BellDiagonal.werner(fidelity), coding=Coding(code=code))
    with pytest.raises(InputError, match="use code auto"):
        network.open(2, np.random.default_rng(0)).link(superdense, 0, 1)


def test_links_are_coded_only_where_there_is_noise() -> None:
    quiet = qring.Network(coding=Coding()).open(2, np.random.default_rng(0))
    assert not isinstance(quiet.link(superdense, 0, 1), CodedLink)
    assert quiet.corrections is None
