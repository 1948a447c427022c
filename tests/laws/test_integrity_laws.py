"""The check after a masked ring: soundness by exhaustion, tampering, coalitions, account."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qring
from qring import Integers, Network, Private, PrivateAborted
from qring.encoding.formats import WordFormat
from qring.errors import InputError
from qring.network.adversary.base import Adversary
from qring.network.adversary.online import FlipOnline
from qring.network.noise import BellDiagonal
from qring.schedule.ring import Direction
from qring.security.masks.integrity import IntegrityCheck, OnlineCheck, Recorder
from qring.security.masks.outcome import Reason
from qring.security.masks.powers import HashSize, PowerHash, irreducible
from qring.theory import integrity as theory
from qring.theory.masks import mask_ledger
from qring.theory.resources import RingResources


def power(point: int, exponent: int, degree: int) -> int:
    """ζ^j by repeated multiplication, bit by bit: shares nothing with the code but the modulus."""
    modulus, result = irreducible(degree), 1
    for _ in range(exponent):
        product = 0
        for bit in range(degree):
            if point >> bit & 1:
                product ^= result << bit
        for bit in range(2 * degree, degree - 1, -1):
            if product >> bit & 1:
                product ^= modulus << (bit - degree)
        result = product
    return result


def coefficients(point: int, coords: int, degree: int) -> np.ndarray:
    powers = [power(point, j, degree) for j in range(coords)]
    return np.array([[p >> q & 1 for p in powers] for q in range(degree)], np.int64)


@pytest.mark.parametrize("degree", range(1, 9))
def test_fields_have_no_zero_divisors(degree):
    everything = range(1, 1 << degree)
    for a in everything:
        products = set()
        for b in everything:
            product = 0
            for bit in range(degree):
                if b >> bit & 1:
                    product ^= a << bit
            for bit in range(2 * degree, degree - 1, -1):
                if product >> bit & 1:
                    product ^= irreducible(degree) << (bit - degree)
            products.add(product)
        assert products == set(everything)


@settings(max_examples=60)
@given(
    st.integers(1, 62), st.integers(1, 3), st.integers(1, 62), st.integers(1, 40),
    st.integers(0, 10), st.integers(0, 2**32),
)  # fmt: skip
def test_hashes_are_what_arithmetic_by_hand_gives_and_parts_add_up(
    degree, points, sum_bits, count, cut, seed
):
    rng = np.random.default_rng(seed)
    size = HashSize(degree=degree, points=points)
    chosen = size.drawn(rng)
    words = rng.integers(1 << sum_bits, size=(2, count), dtype=np.uint64)
    found = PowerHash(size, chosen, sum_bits).combine(words)
    rows = np.concatenate([coefficients(point, count, degree) for point in chosen])
    by_hand = words.astype(object) @ rows.T.astype(object) % (1 << sum_bits)
    assert (found == by_hand.astype(np.uint64)).all()
    cut = min(cut, count)
    hashed = PowerHash(size, chosen, sum_bits)
    parts = hashed.combine(words[:, :cut]) + hashed.combine(words[:, cut:], first=cut)
    assert (found == parts & np.uint64((1 << sum_bits) - 1)).all()


def test_long_vectors_are_hashed_as_short_ones_are():
    size, rng = HashSize(degree=60), np.random.default_rng(1)
    hashed = PowerHash(size, size.drawn(rng), 62)
    words = rng.integers(1 << 62, size=(1, 300_000), dtype=np.uint64)
    parts = sum(hashed.combine(words[:, k : k + 9_999], first=k) for k in range(0, 300_000, 9_999))
    assert (hashed.combine(words) == parts & np.uint64((1 << 62) - 1)).all()


@pytest.mark.parametrize(
    ("degree", "coords", "sum_bits"),
    [(1, 2, 1), (1, 2, 2), (2, 3, 2), (3, 3, 2), (3, 4, 1), (3, 8, 1), (4, 3, 3), (5, 4, 2)],
)
def test_no_error_is_missed_at_more_than_d_minus_1_points(degree, coords, sum_bits):
    """Exhaustive: every error, every point."""
    size = HashSize(degree=degree)
    errors = np.array(list(itertools.product(range(1 << sum_bits), repeat=coords))[1:], np.uint64)
    missed = sum(
        (PowerHash(size, (point,), sum_bits).combine(errors) == 0).all(axis=1).astype(int)
        for point in range(1 << degree)
    )
    assert missed.max() <= coords - 1
    assert size.missed(coords - 1) == theory.missed_at_most(coords, degree)
    if coords != 4:  # 1 + x⁷, say, has seven zeros in a field of eight: the bound is met
        assert missed.max() == coords - 1


@pytest.mark.parametrize("sum_bits", [1, 4, 20])
def test_one_combination_mod_2_to_the_b_misses_the_top_digit_half_the_time(sum_bits):
    top = 1 << (sum_bits - 1)
    weights = np.arange(1 << min(sum_bits, 12))
    assert (weights * top % (1 << sum_bits) == 0).mean() == 0.5
    odd = weights[weights % 2 == 1]
    both = (odd[:, None] + odd[None, :]) * top  # two errors in the top digit, any odd weights
    assert (both % (1 << sum_bits) == 0).all()
    # Here: one point in four at most, and with the default ε never again.
    assert HashSize(degree=2).missed(1) == 0.25


def test_planned_sizes_are_those_of_theory():
    assert theory.announced_bits(10**6, 20, 2.0**-40) == 2_400
    for coords, epsilon in itertools.product([1, 2, 3, 100, 10**6], [0.5, 1e-3, 2.0**-40]):
        check = IntegrityCheck.plan(coords, 20, epsilon)
        assert check.size.rows == theory.field_degree(coords, epsilon)
        assert check.bits == theory.announced_bits(coords, 20, epsilon)
        assert check.epsilon <= epsilon
    beyond = IntegrityCheck.plan(10**6, 20, 2.0**-100)
    assert beyond.size.points > 1
    assert beyond.epsilon <= 2.0**-100
    # Sums that use up a batch share ε out.
    parts = [IntegrityCheck.plan(250, 20, 1e-6, masks=1000).epsilon for _ in range(4)]
    assert sum(parts) <= 1e-6
    for bad in (0.0, 1.0, -1.0):
        with pytest.raises(InputError, match="epsilon lies in"):
            IntegrityCheck.plan(5, 4, bad)


WORKERS, BITS = 4, 6
ENCODING = Integers(word_bits=BITS - 2)


def rows(coords, workers=WORKERS, seed=0):
    return np.random.default_rng(seed).integers(-7, 8, size=(workers, coords))


def run(gradients, adversary=None, seed=1, **options):
    return qring.all_reduce(
        gradients,
        method=Private(**{"encoding": ENCODING, "epsilon": 1e-3} | options),
        network=Network(adversary=adversary),
        rng=np.random.default_rng(seed),
    )


@pytest.mark.parametrize("coords", [2, 3])
def test_planted_errors_pass_as_often_as_enumeration_says(coords):
    """A field of four elements, and one changed bit at one worker: counted over 4,000 checks."""
    size = HashSize(degree=2)
    check = IntegrityCheck(coords=coords, sum_bits=BITS, size=size)
    masked = rows(coords).astype(np.uint64) & np.uint64(63)
    results = np.repeat((masked.sum(axis=0) & np.uint64(63))[None], WORKERS, axis=0)
    results[2, 0] ^= np.uint64(32)
    results[2, coords - 1] ^= np.uint64(32)
    rng, runs = np.random.default_rng(5), 4000
    passed = 0
    for _ in range(runs):
        broadcast = Network().open(WORKERS).copies().broadcast
        passed += check.run(masked, results, coins=rng, broadcast=broadcast)[0].passed
    vanish = [
        not ((coefficients(p, coords, 2)[:, 0] + coefficients(p, coords, 2)[:, -1]) % 2).any()
        for p in range(4)
    ]
    expected = np.mean(vanish)  # ζ^(d−1) = 1
    assert 0 < expected <= check.epsilon
    assert abs(passed / runs - expected) < 5.5 * 0.5 / np.sqrt(runs)  # false alarm 4e-8


@pytest.mark.parametrize("gather", list(Direction))
@pytest.mark.parametrize("round_", range(2 * (WORKERS - 1)))
def test_changed_qubits_end_the_run_and_name_the_link(gather, round_):
    gradients = rows(40)
    flips = FlipOnline(rounds=frozenset({round_}), receivers=frozenset({2}))
    result = run(gradients, Adversary(online=flips), gather=gather)
    assert isinstance(result, PrivateAborted)
    assert result.reason is Reason.CHANGED_ONLINE
    back = round_ >= WORKERS - 1 and gather is Direction.COUNTER_CLOCKWISE
    source = 3 if back else 1
    assert result.integrity.links == ((source, 2),)
    assert f"changed on link {source}→2, or one of its ends lies" in str(result)
    assert result.evidence()["changed_links"] == [[source, 2]]
    ring = RingResources(
        workers=WORKERS, coords=40, word_bits=BITS - 2, gather=gather.value
    ).ledger("superdense")
    sizes = (WORKERS, 40, BITS, 1e-3)
    told = theory.check_ledger(*sizes) + theory.blame_ledger(*sizes)
    opened = Network().open(WORKERS, np.random.default_rng(0))
    _, terms = Private(encoding=ENCODING, epsilon=1e-3).batches(40, opened, BITS)
    made = mask_ledger(
        WORKERS, sum_bits=BITS, words=terms.words, tests=terms.tests, checks=terms.checks
    )
    assert result.ledger == made + ring + told


def test_each_worker_gets_another_result_and_all_of_them_notice():
    last = FlipOnline(rounds=frozenset({2 * (WORKERS - 1) - 1}))
    unseen = run(rows(40), Adversary(online=last), online_check=OnlineCheck.LEFT_OUT)
    assert len({row.tobytes() for row in unseen.sums}) == WORKERS
    assert unseen.correctness == unseen.total_epsilon == 1
    assert any("a sum of its own" in caveat for caveat in unseen.caveats)
    result = run(rows(40), Adversary(online=last))
    assert isinstance(result, PrivateAborted)
    assert result.integrity.differing
    assert len(result.integrity.links) == WORKERS


def test_a_liar_can_shift_the_sum_of_all_alike_and_nothing_else():
    """The ideal F+: one common sum of honest words and a word of her choice, or an abort."""
    gradients = rows(40)
    right = run(gradients)
    shift = Adversary(online=FlipOnline(rounds=frozenset({0})), nodes=frozenset({3}))
    steered = run(gradients, shift)
    assert steered.agreed
    assert (steered.sum != right.sum).any()
    split = Adversary(online=FlipOnline(rounds=frozenset({5})), nodes=frozenset({3}))
    ended = run(gradients, split)
    assert isinstance(ended, PrivateAborted)
    assert 3 not in ended.integrity.differing
    honest = run(gradients, Adversary(nodes=frozenset({3})))
    assert (honest.sum == right.sum).all()


def test_noisy_pairs_end_the_run_instead_of_spoiling_the_sum():
    noisy = Network(noise=BellDiagonal.depolarising(0.05))
    result = qring.all_reduce(
        rows(60), method=Private(encoding=ENCODING, epsilon=1e-3), network=noisy,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    assert isinstance(result, PrivateAborted)
    assert result.reason is Reason.CHANGED_ONLINE
    assert result.integrity.links


def test_what_is_announced_tells_the_sum_only():
    """Exhaustive: two workers, two coordinates mod 4, every mask, every point."""
    size = HashSize(degree=2)
    masks = np.array(list(itertools.product(range(4), repeat=2)), np.uint64)

    def law(first, second):
        seen: dict[bytes, int] = {}
        for point, mask in itertools.product(range(4), masks):
            hashed = PowerHash(size, (point,), 2)
            y = np.stack([first + mask, second - mask]) & np.uint64(3)  # V = 0
            view = np.concatenate([[point], y.ravel(), hashed.combine(y).ravel()])
            seen[view.tobytes()] = seen.get(view.tobytes(), 0) + 1
        return seen

    words = [np.array(w, np.uint64) for w in ((0, 0), (1, 3), (2, 2), (3, 1))]
    total = np.array([1, 2], np.uint64)
    laws = [law(word, (total - word) & np.uint64(3)) for word in words]
    assert all(each == laws[0] for each in laws)
    assert law(words[0], words[0]) != laws[0]


def test_a_recorder_sees_messages_in_the_schedules_order():
    wire = WordFormat(word_bits=BITS, workers=WORKERS, carry=False)
    check = IntegrityCheck.plan(8, BITS, 1e-3)
    masked = rows(8).astype(np.uint64) & np.uint64(63)
    results = np.repeat(masked.sum(axis=0)[None] & np.uint64(63), WORKERS, axis=0)
    results[1] ^= np.uint64(1)  # changed nowhere on the way: no link is to blame
    verdict = Recorder().verdict(
        check, masked, results, wire=wire, gather=Direction.CLOCKWISE,
        run=Network().open(len(masked), np.random.default_rng(0)),
    )  # fmt: skip
    assert verdict.differing == (1,)
    assert verdict.links == ()
    assert "link" not in str(verdict)
