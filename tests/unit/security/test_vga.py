"""Verified GHZ sums: what is let through, what is caught, and what a run says of itself."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest

import qring
from qring.errors import InputError
from qring.ledger import Carrier, Phase
from qring.network.copies import Tampered
from qring.network.pool import Check, Pool
from qring.security.vga.guarantee import of_perfect_pass, of_tolerated
from qring.theory.privacy import cut_and_choose, epsilon_of_checks, hashed_checks

SIGMAS = 6  # two-sided false alarm 2e-9 a figure
WORDS = qring.Integers(word_bits=6, signed=False)
GHZ = qring.Ghz(encoding=WORDS)
BAD = qring.BitFlips(workers=frozenset({1}))


def rows(workers=4, coords=40, seed=0):
    return np.random.default_rng(seed).integers(0, 64, (workers, coords), dtype=np.uint8)


def run(verification, *, ghz=GHZ, network=None, seed=1, **kwargs):
    method = qring.Vga(ghz=ghz, verification=verification)
    data = rows(**kwargs)
    rng = np.random.default_rng(seed)
    return data, qring.all_reduce(data, method=method, network=network, rng=rng)


def nobody(bits):
    """Take the broadcast of outcomes for granted."""


def near(count, total, p):
    assert abs(count - total * p) <= SIGMAS * np.sqrt(total * p * (1 - p)) + 1e-9, (
        count / total,
        p,
    )


@pytest.mark.parametrize("verification", [
    qring.HashedVerification(), qring.HashedVerification(epsilon=1e-6, block=100),
    qring.CutAndChoose(), qring.CutAndChoose(tests_per_copy=0.1),
])  # fmt: skip
@pytest.mark.parametrize("readout", [
    qring.Digits(), qring.CodedDigits(), qring.Kitaev(), qring.Shots(failure=0.1),
])  # fmt: skip
def test_good_copies_are_accepted_and_read_as_ever(verification, readout):
    ghz = qring.Ghz(encoding=qring.Integers(word_bits=2, signed=False), readout=readout)
    data = rows(coords=12) % 4
    method = qring.Vga(ghz=ghz, verification=verification)
    result = qring.all_reduce(data, method=method, rng=np.random.default_rng(2))
    if not isinstance(readout, qring.Shots):
        assert (result.sum == data.sum(axis=0)).all()
    assert result.shared == result.copies + result.tested
    assert all(verdict.passed for verdict in result.verdicts)


def test_weights_checksums_and_noise_work_on_verified_copies():
    ghz = qring.Ghz(encoding=WORDS, weights=(1, -2, 3, 1), checksum=qring.Checksum(block=16))
    data, result = run(qring.HashedVerification(), ghz=ghz)
    assert (result.sum == np.array([1, -2, 3, 1]) @ data.astype(int)).all()
    noisy = qring.Network(qubit_noise=qring.QubitNoise(x=0.004, z=0.01, dephasing=0.01))
    sequential = qring.Digits(repetition=qring.Repetition.SEQUENTIAL)
    for ghz in (GHZ, qring.Ghz(encoding=WORDS, readout=sequential)):
        data, result = run(qring.CutAndChoose(tolerated=0.3), ghz=ghz, network=noisy)
        assert (result.sum == data.sum(axis=0)).all()
        assert result.verdicts[0].failed > 0
    _, rejected = run(qring.HashedVerification(), network=noisy, coords=2000)
    assert isinstance(rejected, qring.VgaRejected)
    with pytest.raises(InputError, match="relaxation"):
        run(
            qring.CutAndChoose(),
            network=qring.Network(qubit_noise=qring.QubitNoise(relaxation=0.1)),
        )


@pytest.mark.parametrize("verification", [
    qring.HashedVerification(epsilon=1e-6), qring.HashedVerification(epsilon=2.0**-40, block=64),
    qring.CutAndChoose(tests_per_copy=0.5),
])  # fmt: skip
def test_what_verification_moves_is_setup_and_counted_exactly(verification):
    n, coords, copies = 4, 40, 40 * 8
    data, result = run(verification, workers=n, coords=coords)
    if isinstance(verification, qring.CutAndChoose):
        tests = 160
    else:
        blocks = -(-copies // (verification.block or copies))
        tests = blocks * (hashed_checks(verification.epsilon) + verification.phase_checks)
    plain = qring.all_reduce(data, method=GHZ, rng=np.random.default_rng(0))
    assert result.tested == tests
    assert result.shared == copies + tests
    totals = result.ledger.totals
    assert totals.setup_qubits == (n - 1) * (copies + tests)
    assert result.ledger.total(Carrier.BIT, Phase.SETUP) == n * (n - 1) * tests
    assert totals.online_bits == plain.ledger.totals.online_bits
    assert result.ledger.rounds == plain.ledger.rounds


def test_the_number_of_checks_does_not_grow_with_the_sum():
    assert qring.HashedVerification(epsilon=1e-6).checks == 40
    assert qring.HashedVerification().checks == 80
    for coords in (10, 1000):
        _, result = run(qring.HashedVerification(phase_checks=0), coords=coords)
        assert result.tested == 80
        assert result.guarantee.epsilon == epsilon_of_checks(80) < 2.0**-40


@pytest.mark.parametrize("bad", [1, 2, 3, 4, 8])
def test_cut_and_choose_accepts_as_its_closed_form_says(bad):
    """A bad copy is used in half of the runs, and no number of tests changes that."""
    trials, m, n = 800, 100, 4
    tampered = Tampered.of(np.arange(bad), bits=0b0010)
    law = cut_and_choose(bad, m, 8 / 15)
    rng, accepted, used, left = np.random.default_rng(bad), 0, 0, []
    for _ in range(trials):
        verified = qring.CutAndChoose().verify(
            m, lambda count, _: Pool(count=count, workers=n, tampered=tampered), nobody, rng
        )
        accepted += verified.data is not None
        bads = 0 if verified.data is None else len(verified.data.tampered)
        used += bads > 0
        left.append(bads)
    near(accepted, trials, law.accept)
    near(used, trials, law.accept_with_bad)
    spread = np.std(left) / np.sqrt(trials)
    assert abs(np.mean(left) - law.bad_left) <= SIGMAS * spread
    if bad == 1:
        assert law.accept_with_bad == pytest.approx(0.5)
    assert law.bad_left <= of_perfect_pass(m, m, 1e-9).bad_copies


@pytest.mark.parametrize("m", [10, 100])
def test_the_stated_mean_of_bad_copies_bounds_the_exact_one(m):
    """Exact for every number of bad copies up to 40; p just above one half."""
    worst = max(cut_and_choose(k, m, 0.5).bad_left for k in range(1, min(2 * m, 40)))
    stated = float(of_perfect_pass(m, m, 1e-9).statement.split("accepted rounds: ")[1].split()[0])
    assert worst <= stated + 5e-4
    assert stated == pytest.approx(0.84375, abs=1e-3)


@pytest.mark.parametrize("tolerated", [0.0, 0.05, 0.2])
def test_more_bad_copies_than_stated_pass_no_oftener_than_stated(tolerated):
    n, tests, failure, trials = 3, 200, 0.05, 150
    method = qring.CutAndChoose(tolerated=tolerated, failure=failure)
    rng = np.random.default_rng(5)
    worst = 0
    for bad in (5, 10, 20, 40, 120):
        tampered = Tampered.of(np.arange(bad), bits=0b010)
        beaten = 0
        for _ in range(trials):
            verified = method.verify(
                tests, lambda count, _, t=tampered: Pool(count=count, workers=n, tampered=t),
                nobody, rng,
            )  # fmt: skip
            beaten += (
                verified.data is not None
                and len(verified.data.tampered) > verified.guarantee.bad_copies
            )
        worst = max(worst, beaten)
    assert worst <= trials * failure + SIGMAS * np.sqrt(trials * failure)


def test_a_tolerance_states_what_it_may_leak():
    stated = of_tolerated(1000, 1000, 0.1, 2.0**-40)
    assert stated.epsilon is None
    assert 200 < stated.bad_copies < 1000
    assert f"up to {stated.bad_copies} of 1,000 copies be bad" in str(stated)
    assert of_tolerated(10**6, 10**6, 0.1, 2.0**-40).bad_copies < 0.25 * 10**6


@pytest.mark.parametrize("checks", [1, 2, 3])
@pytest.mark.parametrize("corrupt_checks", [False, True])
def test_hashed_checks_miss_a_bad_pattern_with_two_to_the_minus_s(checks, corrupt_checks):
    """Several bad copies, in patterns that cancel in many subsets; check copies bad as well."""
    trials, rng = 800, np.random.default_rng(checks)
    data = Pool(
        count=6, workers=3, tampered=Tampered.of(np.arange(3), bits=np.array([1, 1, 2], np.uint64))
    )
    bits = 1 if corrupt_checks else 0
    spoiled = Pool(count=checks, workers=3, tampered=Tampered.of(np.arange(checks), bits=bits))
    passed = sum(data.hash_amplitudes(spoiled, rng)[0].passed for _ in range(trials))
    # XOR of a random subset of {01, 01, 10} is any pattern with probability 1/4.
    near(passed, trials, 4.0**-checks)
    one = Pool(count=6, workers=3, tampered=Tampered.of(np.array([2]), bits=2))
    passed = sum(
        one.hash_amplitudes(Pool(count=checks, workers=3), rng)[0].passed for _ in range(trials)
    )
    near(passed, trials, 2.0**-checks)


class Coins:
    """Stands in for a generator: these coins choose, and measurements show zero."""

    def __init__(self, coins):
        self._coins = np.array(coins, np.uint8)

    def integers(self, _high, size, dtype):
        fits = np.shape(np.empty(size)) == self._coins.shape and dtype is np.uint8
        return self._coins if fits else np.zeros(size, dtype)

    def random(self, size):
        return np.ones(size)

    def binomial(self, count, odds):
        return round(count * odds)


@pytest.mark.parametrize(("workers", "copies", "checks"), [(2, 3, 1), (3, 2, 1), (2, 2, 2)])
def test_no_state_at_all_is_missed_more_often_than_stated(workers, copies, checks):
    """All coins, and every Z outcome that the copies and the check copies could show.

    What checks find is diagonal in these outcomes, so that the bound holds for every state of
    copies, check copies and an eavesdropper together.
    """
    top, full = 1 << workers, (1 << workers) - 1
    every = list(product((0, 1), repeat=copies * checks))
    reached = 0
    for shown in product(range(top), repeat=copies):
        if all(bits in (0, full) for bits in shown):
            continue
        data = Pool(count=copies, workers=workers,
                    tampered=Tampered.of(np.arange(copies), bits=np.array(shown)))  # fmt: skip
        for own in product(range(0, top, 2), repeat=checks):
            spoiled = Tampered.of(np.arange(checks), bits=np.array(own))
            pool = Pool(count=checks, workers=workers, tampered=spoiled)
            missed = sum(
                data.hash_amplitudes(pool, Coins(np.reshape(coins, (checks, copies))))[0].passed
                for coins in every
            )
            assert missed / len(every) <= 2.0**-checks
            reached = max(reached, missed)
    assert reached / len(every) == 2.0**-checks


def test_one_bad_copy_in_a_thousand_is_caught_by_hashing_every_time():
    network = qring.Network(adversary=qring.Adversary(
        source=qring.BitFlips(workers=frozenset({1}), aim=qring.These((17,)))))  # fmt: skip
    for seed in range(50):
        _, result = run(qring.HashedVerification(epsilon=1e-6), network=network, seed=seed)
        assert isinstance(result, qring.VgaRejected)
        assert result.verdicts[-1].test is Check.AMPLITUDES


def test_the_order_of_checks_matters():
    """A bad check copy of a late phase check would spread its error to copies checked before."""
    rng, trials = np.random.default_rng(9), 400
    bad_check = Pool(count=1, workers=3, tampered=Tampered.of(np.array([0]), bits=0b010))
    slipped = caught = 0
    for _ in range(trials):
        data, checks = Pool(count=5, workers=3), Pool(count=8, workers=3)
        verdict, late = data.hash_amplitudes(checks, rng)
        phases, late = late.hash_phases(bad_check, rng)
        slipped += verdict.passed and phases.passed and len(late.tampered) > 0
        phases, early = data.hash_phases(bad_check, rng)
        verdict, early = early.hash_amplitudes(checks, rng)
        caught += not verdict.passed
    near(slipped, trials, 31 / 32)
    near(caught, trials, 31 / 32 * (1 - 2.0**-8))


def test_phase_checks_keep_flipped_phases_out_of_the_sums():
    flips = qring.PhaseRotation(aim=qring.RandomCopies(0.1))
    network = qring.Network(adversary=qring.Adversary(source=flips))
    _, result = run(qring.HashedVerification(), network=network)
    assert isinstance(result, qring.VgaRejected)
    assert result.verdicts[-2].test is Check.PHASES
    assert not result.verdicts[-2].passed


def test_a_lying_node_defeats_the_papers_test_and_not_the_hashed_one():
    everywhere = qring.PlusState()
    network = qring.Network(adversary=qring.Adversary(source=everywhere, nodes=frozenset({0})))
    # Strings that ask nothing of node 0 are Z strings among the others: few, but some.
    two = qring.Network(adversary=qring.Adversary(source=BAD, nodes=frozenset({0})))
    _, fooled = run(qring.CutAndChoose(), network=two, workers=2)
    assert not isinstance(fooled, qring.VgaRejected)
    _, caught = run(qring.HashedVerification(), network=network, workers=4)
    assert isinstance(caught, qring.VgaRejected)
    text = caught.verdicts[-1].evidence[0]
    assert len(set(text.outcomes[1:])) == 2  # honest workers disagree among themselves


@dataclass(frozen=True)
class Historian:
    """Leaves copies alone and remembers how much it was told."""

    told: list

    def tamper(self, first, count, workers, history, rng):
        self.told.append((first, len(history), all(public.accepted for public in history)))
        return Tampered.of(np.empty(0, np.int64))


def test_a_source_sees_the_public_history_and_numbers_go_on():
    source = Historian([])
    network = qring.Network(adversary=qring.Adversary(source=source))
    run(qring.HashedVerification(epsilon=1e-6, block=100, phase_checks=5), network=network)
    assert source.told == [(145 * k, k, True) for k in range(4)]


@dataclass(frozen=True)
class Miser(qring.Digits):
    """Says it needs a copy less than it does."""

    def reserve(self, coords, sum_bits, visibility):
        return coords * sum_bits - 1


def test_running_out_of_verified_copies_is_an_outcome():
    ghz = qring.Ghz(encoding=WORDS, readout=Miser())
    _, result = run(qring.HashedVerification(), ghz=ghz)
    assert isinstance(result, qring.VgaRejected)
    assert "more copies than had been verified" in str(result)
    assert result.evidence()["aborted"] == str(result).removeprefix("aborted: ")


@pytest.mark.parametrize(("visibility", "coords"), [(0.95, 1), (0.6, 1), (0.6, 30), (0.9, 300)])
def test_the_reserve_of_adaptive_readouts_suffices(visibility, coords):
    readout = qring.Digits(repetition=qring.Repetition.SEQUENTIAL, failure=1e-3)
    ghz = qring.Ghz(encoding=WORDS, readout=readout)
    noise = qring.QubitNoise.of_visibility(visibility, 3)
    data = rows(workers=3, coords=coords)
    for seed in range(40):
        rng = np.random.default_rng(seed)
        network = qring.Network(qubit_noise=noise)
        used = qring.all_reduce(data, method=ghz, network=network, rng=rng).copies
        reserve = ghz.reserve(coords, 3, visibility)
        assert used <= reserve
    assert reserve <= 40 * used


def test_bad_settings_are_refused_with_what_is_allowed():
    for make, match in [
        (lambda: qring.HashedVerification(epsilon=0), "ε lies in"),
        (lambda: qring.HashedVerification(phase_checks=-1), "phase checks"),
        (lambda: qring.HashedVerification(block=0), "at least one copy"),
        (lambda: qring.CutAndChoose(tests_per_copy=0), "positive"),
        (lambda: qring.CutAndChoose(tolerated=0.5), "half of all tests"),
        (lambda: qring.RandomCopies(1.5), "share of copies"),
        (lambda: qring.BitFlips(workers=frozenset()), "at least one worker"),
    ]:
        with pytest.raises(InputError, match=match):
            make()
    network = qring.Network(adversary=qring.Adversary(nodes=frozenset({9})))
    with pytest.raises(InputError, match="dishonest node 9"):
        run(qring.HashedVerification(), network=network)
    network = qring.Network(adversary=qring.Adversary(nodes=frozenset(range(4))))
    with pytest.raises(InputError, match="nobody to protect"):
        run(qring.HashedVerification(), network=network)
