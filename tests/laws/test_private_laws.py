"""Sums under masks: the sums and the online account of the superdense ring, and nothing seen."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qring
from qring import Direction, Fate, FixedPoint, Integers, Network, OnDropout, QubitNoise, Superdense
from qring.errors import InputError
from qring.ledger import Carrier, Phase
from qring.network.adversary.aim import These
from qring.network.adversary.base import Adversary
from qring.network.adversary.sources import PhaseRotation, PlusState
from qring.network.fast import FastEngine
from qring.network.pool import Pool
from qring.network.wiring import Announcement
from qring.security.masks import making, method
from qring.security.masks.batch import fresh_masks
from qring.security.masks.check import SumCheck
from qring.security.masks.commitment import announce_at_once, committed
from qring.security.masks.gathering import EVERYBODY
from qring.security.masks.making import MaskMaking, make_masks
from qring.security.masks.method import Private
from qring.security.masks.outcome import PrivateAborted, PrivateAggregate, Reason
from qring.security.masks.powers import HashSize
from qring.security.masks.terms import MaskTerms
from qring.theory.integrity import check_ledger
from qring.theory.masks import mask_ledger
from qring.theory.resources import RingResources

WORDS = FixedPoint(word_bits=12, limit=1.0)


def rows(workers, coords, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (workers, coords))


def run(gradients, network=None, seed=1, **options):
    return qring.all_reduce(
        gradients,
        method=Private(**{"encoding": WORDS, "epsilon": 1e-3} | options),
        network=network,
        rng=np.random.default_rng(seed),
    )


@settings(max_examples=15)
@given(
    st.integers(2, 7), st.integers(1, 40), st.integers(2, 40), st.sampled_from(Direction),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_sums_and_online_carriers_are_those_of_the_superdense_ring(
    workers, coords, bits, gather, seed
):
    high = 1 << (bits - 1)
    gradients = np.random.default_rng(seed).integers(1 - high, high, size=(workers, coords))
    encoding = Integers(word_bits=bits)
    masked = run(gradients, seed=seed, encoding=encoding, gather=gather)
    plain = qring.all_reduce(gradients, method=Superdense(encoding=encoding, gather=gather))
    assert (masked.sums == plain.sums).all()
    assert masked.sums.dtype == plain.sums.dtype
    check = check_ledger(workers, coords, masked.terms.sum_bits, 1e-3)
    online = [entry for entry in masked.ledger if entry.phase is Phase.ONLINE]
    assert online == [entry for entry in plain.ledger + check if entry.phase is Phase.ONLINE]
    assert masked.ledger.rounds == plain.ledger.rounds + 1
    ring = RingResources(
        workers=workers, coords=coords, word_bits=bits, gather=gather.value
    ).ledger("superdense")
    terms = masked.terms
    making = mask_ledger(
        workers, sum_bits=terms.sum_bits, words=terms.words, tests=terms.tests, checks=terms.checks
    )
    assert masked.ledger == making + ring + check


def test_what_travels_is_uniform_and_the_same_words_travel_differently_each_time():
    gradients = np.zeros((4, 3000))
    network = Network(record_view=True)
    first, second = (run(gradients, network, seed=3).masked for _ in range(2))
    assert (first != second).mean() > 0.99  # masks come from the system, not from the seed
    bits = (first[:, :, None] >> np.arange(14, dtype=np.uint64)) & 1
    # 168,000 fair bits but for one row in four, the sum: 6 sigma is a false alarm of 2e-9
    assert abs(bits[:3].mean() - 0.5) < 3 / np.sqrt(bits[:3].size)
    assert ((first.sum(axis=0) - second.sum(axis=0)) % (1 << 14) != 0).any()


def test_the_same_secrets_and_coins_give_the_same_run():
    def results():
        secret = np.random.default_rng(9)
        return run(rows(3, 50), Network(record_view=True), source=secret.bytes)

    assert (results().masked == results().masked).all()


TERMS = MaskTerms.plan(300, workers=3, sum_bits=6, epsilon=0.05)


@pytest.mark.parametrize("bad", [1, 2, 6])
def test_bad_copies_are_caught_as_often_as_they_are_tested(bad):
    runs, rng = 400, np.random.default_rng(bad)
    source = PlusState(aim=These(tuple(range(bad))))
    terms = dataclasses.replace(TERMS, tests=TERMS.used_copies // 3)  # a quarter of all
    network = Network(adversary=Adversary(source=source))
    passed = 0
    for _ in range(runs):
        making = MaskMaking(terms=terms, run=network.open(3, rng), rows=3)
        verdict, kept = making.test(making.share())
        passed += verdict.passed
        assert verdict.failed <= bad
        assert len(kept) == terms.used_copies
    # A tested |+++> shows equal bits with probability 1/4: each bad copy passes with 13/16.
    expected = (1 - 0.25 * 0.75) ** bad
    spread = 5.5 * np.sqrt(expected * (1 - expected) / runs)  # false alarm 4e-8
    assert abs(passed / runs - expected) < spread


def test_tampering_beyond_k_ends_the_run_with_its_evidence():
    network = Network(adversary=Adversary(source=PlusState(aim=These(tuple(range(2000))))))
    result = run(rows(3, 200), network)
    assert isinstance(result, PrivateAborted)
    assert result.reason is Reason.TAMPERED
    assert result.verdict.failed > 0
    assert "tests failed, first copy" in str(result)
    assert result.evidence()["failed"] == result.verdict.failed
    assert result.ledger.total(Carrier.QUBIT, Phase.ONLINE) == 0
    assert result.ledger.total(Carrier.QUBIT, Phase.SETUP) > 0


def test_a_turned_phase_passes_the_tests_spoils_a_sum_and_is_found_by_the_checks():
    network = Network(
        adversary=Adversary(source=PhaseRotation(aim=These(tuple(range(400))), angle=np.pi))
    )
    result = run(rows(3, 200), network)
    assert isinstance(result, PrivateAborted)
    assert result.reason is Reason.WRONG_SUMS
    assert result.verdict.passed


@pytest.mark.parametrize("degree", [2, 3])
def test_wrong_sums_pass_at_no_more_than_k_points_whichever_they_are(degree):
    """Exhaustive: three masks and those that hide, mod 4, every error of the sums, every point."""
    size, masks = HashSize(degree=degree), 3
    own = np.random.default_rng(0).integers(4, size=(2, masks + degree), dtype=np.uint64)
    for error in itertools.product(range(4), repeat=masks + degree):
        total = (own.sum(axis=0) + np.array(error, np.uint64)) % 4
        passed = 0
        for point in range(1 << degree):
            check = SumCheck(masks, 2, size, 2)
            parts = [check.absorb(own[:, :2], total[:2]), check.absorb(own[:, 2:], total[2:])]
            said = check.said(parts, Coin(point))
            passed += check.agrees_with(said.sum(axis=0))
        assert passed <= (masks if any(error) else 1 << degree)
    assert size.missed(masks) >= masks / (1 << degree)


class Coin:
    """A generator whose next coins are known."""

    def __init__(self, point: int) -> None:
        self._point = point

    def integers(self, *_, **__):
        return np.array([self._point], np.uint64)


def wrong_sums_and_a_liar(rng):
    """Sums with one error, what workers 0 and 1 say honestly, and the check."""
    terms = TERMS
    own = rng.integers(64, size=(3, terms.masks + terms.checks), dtype=np.uint64)
    total = own.sum(axis=0) % 64
    total[17] ^= np.uint64(32)
    check = SumCheck(terms.masks, 6, terms.check, 3)
    said = check.said([check.absorb(own, total)], rng)
    assert not check.agrees_with(said.sum(axis=0))
    return check, said


def test_who_speaks_last_makes_any_sums_pass_unless_all_commit_first():
    rng = np.random.default_rng(3)
    for _ in range(20):
        check, said = wrong_sums_and_a_liar(rng)
        # Without commitments: she hears the others, and subtracts.
        said[2] = (check._expected - said[0] - said[1]) & np.uint64(63)
        assert check.agrees_with(said.sum(axis=0))
    # With them: what she opens is what she committed to before she heard anything, or it shows.
    check, said = wrong_sums_and_a_liar(rng)
    hers = (check._expected - said[0] - said[1]) & np.uint64(63)

    class Rushing:
        """Worker 2 replaces its opening once the others' are heard."""

        def total(self, own):
            return own.sum(axis=0)

        def everyone(self, own):
            if own.shape[1] > 4:
                own[2, 4:] = hers
            return own

    told: list[int] = []
    options = {"first": 0, "bits": 7, "broadcast": told.append}
    opened = announce_at_once(said, gathering=Rushing(), **options)
    assert opened.broken == (2,)
    kept = announce_at_once(said, gathering=EVERYBODY, **options)
    assert told == 2 * [256, 263]
    assert kept.broken == ()
    assert (kept.said == said).all()
    assert not check.agrees_with(kept.said.sum(axis=0))


def test_a_broken_commitment_ends_the_making_and_names_the_worker(monkeypatch):
    def lies(said, **options):
        opened = announce_at_once(said, **options)
        return opened._replace(broken=(1,))

    monkeypatch.setattr(making, "announce_at_once", lies)
    ended = run(rows(3, 20))
    assert isinstance(ended, PrivateAborted)
    assert ended.reason is Reason.BROKEN_PROMISE
    assert ended.evidence()["liars"] == [1]
    assert "had committed to (worker 1)" in str(ended)


def test_a_commitment_names_its_worker_and_hides_what_it_is_of():
    said, secret = np.arange(3, dtype=np.uint64), np.zeros(4, np.uint64)
    mine = committed(0, secret, said)
    assert (mine == committed(0, secret, said)).all()
    assert (mine != committed(1, secret, said)).any()
    assert (mine != committed(0, secret + np.uint64(1), said)).any()
    assert (mine != committed(0, secret, said[::-1])).any()


def test_checks_pass_when_all_is_well_and_tell_only_their_sum():
    masks = fresh_masks(TERMS, Network().open(TERMS.workers, np.random.default_rng(0)))
    assert ((masks.own.sum(axis=0) - masks.total) % 64 == 0).all()
    # What one worker says is hidden by a mask of its own: uniform whatever its masks are.
    own = np.zeros((1, TERMS.masks + TERMS.checks), np.uint64)
    own[:, TERMS.masks :] = np.arange(TERMS.checks)
    for seed in range(2):
        check = SumCheck(TERMS.masks, 6, TERMS.check, 1)
        used = check.absorb(own, own[0])
        assert used[0].shape == (1, TERMS.masks)
        said = check.said([used], np.random.default_rng(seed))
        assert (said[0] == np.arange(TERMS.checks)).all()


def test_coins_of_the_check_are_drawn_when_the_last_sum_is_public(monkeypatch):
    """The order of events, as they happen: shared, tests named, sums read, and then the point."""
    events: list[str] = []

    def noted(name, whole):
        def wrapper(*arguments, **options):
            events.append(name)
            return whole(*arguments, **options)

        return wrapper

    monkeypatch.setattr(FastEngine, "pool", noted("shared", FastEngine.pool))
    monkeypatch.setattr(Pool, "shuffled", noted("tests named", Pool.shuffled))
    monkeypatch.setattr(making, "majority_digit", noted("digit read", making.majority_digit))
    monkeypatch.setattr(HashSize, "drawn", noted("point drawn", HashSize.drawn))
    monkeypatch.setattr(
        making, "announce_at_once", noted("committed and opened", making.announce_at_once)
    )
    monkeypatch.setattr(method, "around_the_ring", noted("ring", method.around_the_ring))
    monkeypatch.setattr(making, "_WORDS_AT_ONCE", 40)
    monkeypatch.setattr(making, "_OVERLAPS_AT_ONCE", 0)
    assert isinstance(run(rows(3, 30)), PrivateAggregate)
    digits = [k for k, event in enumerate(events) if event == "digit read"]
    others = [event for event in events if event != "digit read"]
    assert len(digits) > 14  # several parts
    assert events[:2] == ["shared", "tests named"]
    assert others == [
        "shared", "tests named", "point drawn", "committed and opened", "ring", "point drawn",
    ]  # fmt: skip
    assert max(digits) < events.index("point drawn")


class Store:
    def __init__(self, kept):
        self._kept = kept

    def keep(self, own, total):
        self._kept.append((own, total))

    def parts(self):
        return iter(self._kept)


def test_masks_stream_and_no_part_depends_on_how_they_are_cut(monkeypatch):
    def made():
        rng, secret = np.random.default_rng(0), np.random.default_rng(1)
        parts = []
        maker = MaskMaking(
            terms=TERMS,
            run=Network().open(3, rng),
            rows=3,
            source=lambda size: secret.bytes(size),
        )
        assert make_masks(maker, Store(parts)).reason is None
        return parts

    whole = made()
    monkeypatch.setattr(making, "_WORDS_AT_ONCE", 7)
    monkeypatch.setattr(making, "_OVERLAPS_AT_ONCE", 0)
    cut = made()
    assert len(whole) == 1 < len(cut)
    assert sum(len(total) for _, total in cut) == TERMS.masks
    for own, total in cut:
        assert ((own.sum(axis=0) - total) % 64 == 0).all()


@pytest.mark.parametrize("visibility", [0.95, 0.7])
def test_dephased_copies_cost_repetitions_and_no_privacy(visibility):
    network = Network(qubit_noise=QubitNoise.of_visibility(visibility, 3))
    result = run(rows(3, 40), network)
    assert isinstance(result, PrivateAggregate)
    assert result.terms.repeats > 5
    assert (
        result.sum == qring.all_reduce(rows(3, 40), method=Superdense(encoding=WORDS)).sum
    ).all()


@pytest.mark.parametrize("workers", [2, 3])
def test_copies_whose_every_qubit_is_simulated_make_the_same_sums(workers):
    gradients = np.random.default_rng(workers).integers(-3, 4, size=(workers, 3))
    counts = Integers(word_bits=3)
    network = qring.DenseNetwork()
    masked = run(gradients, network, encoding=counts, epsilon=0.3)
    assert (masked.sum == gradients.sum(axis=0)).all()
    tampered = qring.DenseNetwork(
        adversary=Adversary(source=PlusState(aim=These(tuple(range(60)))))
    )
    ended = run(gradients, tampered, encoding=counts, epsilon=0.3)
    assert ended.reason is Reason.TAMPERED
    assert set(ended.verdict.evidence[0].outcomes) == {0, 1}


def test_bit_flips_are_refused_where_all_tests_must_pass():
    noisy = Network(qubit_noise=QubitNoise.depolarising(0.01))
    making = MaskMaking(terms=TERMS, run=noisy.open(3, np.random.default_rng(0)), rows=3)
    with pytest.raises(InputError, match="tests must pass, but at bit flips of probability"):
        making.share()


@pytest.mark.parametrize("round_", [0, 7, 29])
def test_a_worker_that_dies_ends_the_run_or_chunks_go_on_with_it_or_without(round_):
    gradients = rows(16, 50)
    taken: list[bytes] = []

    def source(size):
        taken.append(np.random.default_rng(len(taken)).bytes(size))
        return taken[-1]

    network = Network(record_view=True)
    ended = run(gradients, network, dropouts={5: round_})
    assert isinstance(ended, PrivateAborted)
    assert (ended.reason, ended.lost) == (Reason.DROPOUT, (5,))
    assert ended.ledger.rounds == round_ + 1
    plain = qring.all_reduce(gradients, method=Superdense(encoding=WORDS)).ledger
    assert 0 < ended.ledger.totals.online_qubits < plain.totals.online_qubits

    result = run(
        gradients, network, dropouts={5: round_}, on_dropout=OnDropout.BY_CHUNK, source=source
    )
    left = [worker for worker in range(16) if worker != 5]
    assert result.holders == tuple(left)
    assert result.contributors == tuple(left if round_ < 15 else range(16))
    for start, stop, workers, fate in result.spans:
        expected = qring.all_reduce(gradients[list(workers)], method=Superdense(encoding=WORDS))
        if fate is Fate.SUMMED:
            assert result.sums[0, start:stop].tobytes() == expected.sum[start:stop].tobytes()
    assert result.is_whole == (round_ > 15)
    assert "worker 5" in " ".join(result.caveats)
    if round_ < 15:
        assert result.ledger.on(4, 6, Phase.ONLINE, Carrier.QUBIT) > 0  # the ring closed over it
        # Survivors' secrets are drawn anew: nothing that hid a word before hides one again.
        assert len(taken) == 2
        assert taken[0][:400] != taken[1][:400]
        assert result.epsilon == 2 * 1e-3


def test_several_workers_may_die_and_two_are_needed():
    gradients = rows(4, 30)
    result = run(gradients, dropouts={0: 0, 3: 0}, on_dropout=OnDropout.BY_CHUNK)
    assert result.holders == result.contributors == (1, 2)
    alone = run(gradients, dropouts={0: 0, 2: 0, 3: 0}, on_dropout=OnDropout.BY_CHUNK)
    assert isinstance(alone, PrivateAborted)
    assert alone.lost == (0, 2, 3)
    assert alone.workers == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"encoding": qring.FloatBits()}, "the encoding of private got FloatBits"),
        ({"epsilon": 0.0}, "epsilon lies in"),
        ({"dropouts": {3: 1}}, "worker 3 cannot drop out"),
    ],
)
def test_what_cannot_be_is_refused(change, said):
    with pytest.raises(InputError, match=said):
        run(rows(3, 5), **change)
    with pytest.raises(InputError, match="measurements are random"):
        qring.all_reduce(rows(3, 5), method=Private(encoding=WORDS))
    with pytest.raises(InputError, match="at least 2 workers"):
        run(rows(1, 5))


def test_wiring_counts_no_rounds_offline():
    run = Network().open(3)
    run.copies(announcement=Announcement.BROADCAST, phase=Phase.SETUP).announce(5)
    assert run.ledger().rounds == 0
    assert run.ledger().on(2, 1, Phase.SETUP, Carrier.BIT) == 5
