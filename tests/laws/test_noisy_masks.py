"""Masks from noisy copies: exact sums, honest runs accepted, sources beyond the noise caught."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qring
from qring import Integers, Network, Private, PrivateAborted, PrivateAggregate, QubitNoise
from qring.errors import InputError
from qring.network.adversary.aim import RandomCopies
from qring.network.adversary.base import Adversary
from qring.network.adversary.sources import BitFlips, PhaseRotation, PlusState
from qring.network.faults import noisy_copies
from qring.network.pool import Pool
from qring.security.masks.inventory import Inventory
from qring.security.masks.noisy_terms import NoisyTerms
from qring.security.masks.outcome import Reason
from qring.security.masks.pads import EarlierMasks, KeyTerms, chain
from qring.security.masks.syndrome import SyndromeCode, decode, rows_for
from qring.security.masks.toeplitz import Toeplitz
from qring.theory.integrity import check_ledger
from qring.theory.masks import key_ledger, mask_ledger
from qring.theory.noisy_masks import best_masks
from qring.theory.resources import RingResources

EPSILON = 1e-3


def rows(workers, coords, bits=10):
    high = 1 << (bits - 1)
    return np.random.default_rng(workers).integers(1 - high, high, size=(workers, coords))


def run(gradients, noise, *, bits=10, seed=1, adversary=None, **options):
    return qring.all_reduce(
        gradients,
        method=Private(**{"encoding": Integers(word_bits=bits), "epsilon": EPSILON} | options),
        network=Network(qubit_noise=noise, adversary=adversary),
        rng=np.random.default_rng(seed),
    )


@pytest.mark.parametrize(
    ("workers", "noise"),
    [
        (4, QubitNoise.white(0.99)), (4, QubitNoise.white(0.95)), (4, QubitNoise.white(0.9)),
        (8, QubitNoise.white(0.95)), (8, QubitNoise.white(0.9)),
        (3, QubitNoise.depolarising(0.01)), (3, QubitNoise(x=0.01)),
        (2, QubitNoise(x=0.004, y=0.001, z=0.02)), (3, QubitNoise(x=0.005, dephasing=0.01)),
        (5, QubitNoise.of_copies(0.97, "0.001")),
    ],
)  # fmt: skip
def test_sums_over_noisy_copies_are_exact(workers, noise):
    gradients = rows(workers, 300)
    result = run(gradients, noise)
    assert isinstance(result, PrivateAggregate), str(result)
    assert (result.sums == gradients.sum(axis=0)).all()
    assert result.terms.failures > 0
    assert result.terms.secrecy <= EPSILON * (1 + 1e-9)
    assert result.epsilon == result.terms.secrecy


@pytest.mark.parametrize("visibility", [1.0, 0.999, 0.99, 0.95, 0.9])
@pytest.mark.parametrize("masks", [1_000, 100_000])
def test_the_protocols_plan_is_that_of_theory(visibility, masks):
    error = (1 - visibility) / 2
    if visibility == 0.9 and masks == 1_000:
        pytest.skip("the limit is too near")
    own = NoisyTerms.plan(
        masks, workers=8, sum_bits=20, epsilon=2.0**-41, z_error=error, x_error=error
    )
    best = best_masks(masks, workers=8, sum_bits=20, z_error=error, x_error=0.0)
    assert own.copies == pytest.approx(best.copies, rel=0.004)


def test_noise_of_whole_copies_is_white():
    count, workers = 200_000, 3
    found = noisy_copies(count, workers, QubitNoise.white(0.9), np.random.default_rng(0))
    share = 0.1 * (1 - 2.0**-workers)  # one state in eight is the right one
    struck = ((found.syndromes(workers) != 0) | (found.turn != 0)).mean() * len(found) / count
    assert abs(struck - share) < 5.5 * np.sqrt(share / count)
    apart = (found.bits & 1) != (found.bits >> np.uint64(1) & np.uint64(1))
    assert abs(apart.sum() / count - 0.05) < 5.5 * np.sqrt(0.05 / count)
    assert QubitNoise.white(0.9).disagreement() == pytest.approx(0.05)
    assert QubitNoise.white(0.9).visibility(5) == pytest.approx(0.9)


@given(st.floats(0, 0.3), st.floats(0, 0.3), st.floats(0, 0.3), st.floats(0, 1))
def test_disagreement_is_that_of_two_independent_qubits(x, y, z, mixed):
    noise = QubitNoise(x=x, y=y, z=z, mixed=mixed)
    flips = [x + y, 1 - x - y]
    apart = 2 * flips[0] * flips[1]
    assert noise.disagreement() == pytest.approx(mixed / 2 + (1 - mixed) * apart)


def test_honest_noise_is_accepted_at_the_stated_rate():
    stats = pytest.importorskip("scipy.stats")
    terms = NoisyTerms.plan(
        500, workers=4, sum_bits=8, epsilon=EPSILON, z_error=0.025, x_error=0.025
    )
    exact = 6 * stats.binom(terms.tests, 0.025).sf(terms.failures)
    assert 1e-8 < exact <= 1e-6
    rng, runs = np.random.default_rng(2), 300
    noise = QubitNoise.white(0.95)
    for _ in range(runs):
        struck = noisy_copies(terms.tests, 4, noise, rng)
        pool = Pool(count=terms.tests, workers=4, tampered=struck)
        verdict = pool.test_pairs(terms.failures, rng)
        assert verdict.passed  # in all of 300 runs but for 3e-4 by 1e-6 each
        assert 0 < verdict.disagreements <= verdict.failed


@pytest.mark.parametrize(
    "source",
    [
        PlusState(aim=RandomCopies(0.1)),
        BitFlips(workers=frozenset({1}), aim=RandomCopies(0.06)),
    ],
)
def test_a_source_above_the_noise_is_caught_on_top_of_it(source):
    result = run(rows(4, 200), QubitNoise.white(0.95), adversary=Adversary(source=source))
    assert isinstance(result, PrivateAborted)
    assert result.reason is Reason.TAMPERED
    assert result.verdict.disagreements > result.verdict.tolerated


def test_liars_cannot_hide_that_honest_workers_disagree_nor_make_them():
    count, rng = 5_000, np.random.default_rng(0)
    aim = RandomCopies(0.1)
    for liar, flipped in ((0, 1), (1, 1)):
        source = BitFlips(workers=frozenset({flipped}), aim=aim)
        tampered = source.tamper(0, count, 3, (), rng)
        pool = Pool(count=count, workers=3, tampered=tampered, nodes=frozenset({liar}))
        verdict = pool.test_pairs(300, rng)
        assert verdict.passed is (liar == flipped)  # hers alone is nobody's secret


def test_errors_of_phases_beyond_the_plan_end_the_run():
    eve = Adversary(source=PhaseRotation(aim=RandomCopies(0.3)))
    result = run(rows(3, 200), QubitNoise.white(0.97), adversary=eve)
    assert isinstance(result, PrivateAborted)
    assert result.reason in (Reason.UNDECODED, Reason.WRONG_SUMS)


@settings(max_examples=30)
@given(
    st.integers(1, 62), st.integers(1, 40), st.integers(1, 60), st.lists(st.integers(1, 25)),
    st.integers(0, 2**32),
)  # fmt: skip
def test_toeplitz_amplification_is_exact_in_any_parts(sum_bits, lost, kept, cuts, seed):
    rng = np.random.default_rng(seed)
    words = rng.integers(1 << sum_bits, size=(2, lost + kept), dtype=np.uint64)
    words[0] = (1 << sum_bits) - 1
    band = rng.integers(2, size=lost + kept - 1, dtype=np.uint8)
    found, at = [], lost
    toeplitz = Known(words[:, :lost], sum_bits, iter(band))
    for cut in [*cuts, kept]:
        part = words[:, at : min(at + cut, lost + kept)]
        at += part.shape[1]
        if part.shape[1]:
            found.append(toeplitz.masks(part))
    masks = np.concatenate(found, axis=1)
    matrix = [[int(band[a - b + lost - 1]) for b in range(lost)] for a in range(kept)]
    for row in range(2):
        own = [int(word) for word in words[row]]
        for a in range(kept):
            wanted = own[lost + a] + sum(own[b] for b in range(lost) if matrix[a][b])
            assert int(masks[row, a]) == wanted % (1 << sum_bits)


class Known(Toeplitz):
    """Amplification whose coins are known: ``coins`` iterates over bits."""

    def _coins(self, count):
        return np.array(list(itertools.islice(self._rng, count)), np.uint8)


def test_random_toeplitz_codes_hold_a_fixed_word_as_seldom_as_counted():
    """Over all coins, by exhaustion: a non-zero word is a combination of rows with 2^−r at most."""
    lost, kept = 3, 4
    counts: dict[tuple[int, ...], int] = {}
    for band in itertools.product((0, 1), repeat=lost + kept - 1):
        code = [
            [band[a - b + lost - 1] for b in range(lost)] + [int(a == k) for k in range(kept)]
            for a in range(kept)
        ]
        for weights in itertools.product((0, 1), repeat=kept):
            word = tuple(np.array(weights) @ np.array(code) % 2)
            if any(word):
                counts[word] = counts.get(word, 0) + 1
    assert max(counts.values()) <= 2 ** (lost + kept - 1) / 2**lost


@pytest.mark.parametrize(("length", "error"), [(300, 0.02), (4096, 0.05), (4096, 0.005)])
def test_syndromes_correct_noisy_planes(length, error):
    rng = np.random.default_rng(0)
    rows_, more = rows_for(length, error)
    code, extra = SyndromeCode(length, rows_, rng), SyndromeCode(length, more, rng, more=True)
    words = rng.integers(1 << 40, size=(2, length), dtype=np.uint64)
    dense = np.stack([code.of(column) for column in np.eye(length, dtype=np.uint64)], axis=1)
    assert dense.max() == 1
    assert (dense.sum(axis=1) == code.weight).all()
    assert (code.of(words) == words @ dense.T).all()
    right = 0
    for _ in range(20):
        wrong = (rng.random(length) < error).astype(np.uint8)
        seen = [each.of_bits(wrong) for each in (code, extra)]
        found = decode([code], seen[:1], error)
        if found is None:
            found = decode([code, extra], seen, error)
        right += found is not None and bool((found == wrong).all())
    assert right >= 19
    assert decode([code], [rng.integers(2, size=rows_, dtype=np.uint8)], error) is None


def test_later_batches_take_their_pads_from_earlier_ones():
    def plan(count, share):
        return NoisyTerms.plan(
            count, workers=4, sum_bits=12, epsilon=1e-6 * share, z_error=0.025, x_error=0.025
        )

    batches = chain(200_000, plan)
    assert len(batches) > 1
    for before, after in itertools.pairwise(batches):
        assert before.masks == after.pads
    assert batches[0].pads <= 6_000
    assert batches[-1].masks == 200_000
    assert batches[-1].secrecy <= 1e-6 * (1 + 1e-9)
    (alone,) = chain(50, plan)
    assert alone.before > 0  # its keys


def test_no_pad_is_used_twice():
    words = np.arange(10, dtype=np.uint64)[None]
    pads = EarlierMasks(words.copy(), words[0].copy())
    own, total = pads.take(6)
    assert (own[0] == total).all()
    assert not pads.own[0, :6].any()
    with pytest.raises(InputError, match="5 pads are needed and 4 are left: no pad is used twice"):
        pads.take(5)


def test_keys_cost_what_theory_says():
    from qring.theory.mask_rivals import key_rate

    key = KeyTerms.plan(100_000, error=0.025, epsilon=2.0**-40)
    rate = key_rate(100_000, 0.025, secrecy=2.0**-41, correctness=2.0**-41, efficiency=1.25)
    assert 100_000 / key.pairs == pytest.approx(rate, rel=0.02)
    with pytest.raises(InputError, match="leave no key"):
        KeyTerms.plan(1000, error=0.2, epsilon=1e-6)


def test_the_account_of_a_noisy_batch_is_that_of_theory():
    noise, gradients = QubitNoise.white(0.97), rows(4, 200)
    result = run(gradients, noise)
    terms = result.terms
    sizes = {"workers": 4, "sum_bits": terms.sum_bits}
    key = KeyTerms.plan(terms.pads * terms.sum_bits, error=terms.z_error, epsilon=terms.epsilon / 6)
    blocks = [terms.length] * terms.blocks
    published = terms.blocks * terms.rows
    made = mask_ledger(
        **sizes, words=sum(blocks), tests=terms.tests, checks=terms.checks, syndromes=published,
        block=sum(blocks),
    )  # fmt: skip
    made += key_ledger(4, pairs=key.pairs, tests=key.tests, told=key.told)
    ring = RingResources(workers=4, coords=200, word_bits=10).ledger("superdense")
    assert result.ledger == made + ring + check_ledger(4, 200, terms.sum_bits, EPSILON)


def test_noisy_batches_are_kept_on_disk_and_used_up(tmp_path):
    noise = Network(qubit_noise=QubitNoise.white(0.95))
    method = Private(encoding=Integers(word_bits=10), epsilon=EPSILON, inventory=tmp_path)
    made = method.stock(2_000, workers=3, rng=np.random.default_rng(0), network=noise)
    assert made.terms.masks == 2_000
    with Inventory(tmp_path) as inventory:
        assert inventory.label.epsilon == made.terms.secrecy <= EPSILON * (1 + 1e-9)
    gradients = rows(3, 700)
    for _ in range(2):
        result = qring.all_reduce(gradients, method=method, rng=np.random.default_rng(1))
        assert (result.sum == gradients.sum(axis=0)).all()


@pytest.mark.parametrize(
    ("noise", "options", "said"),
    [
        (QubitNoise.white(0.7), {}, "no mask is left of 200. White noise leaves some above"),
        (QubitNoise.depolarising(0.2), {}, "no mask is left"),
        (QubitNoise.white(0.95), {"tested_share": 0.5}, "follows from the noise"),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_line(noise, options, said):
    with pytest.raises(InputError, match=said) as found:
        run(rows(3, 200), noise, **options)
    assert "\n" not in str(found.value)


def test_lost_workers_and_changed_qubits_end_as_without_noise():
    from qring.network.adversary.online import FlipOnline

    gradients = rows(4, 120)
    noise = QubitNoise.white(0.97)
    flips = Adversary(online=FlipOnline(rounds=frozenset({5}), receivers=frozenset({2})))
    steered = run(gradients, noise, adversary=flips)
    assert steered.reason is Reason.CHANGED_ONLINE
    assert steered.integrity.links == ((3, 2),)
    lost = run(gradients, noise, dropouts={1: 0}, on_dropout=qring.OnDropout.BY_CHUNK)
    assert not isinstance(lost, PrivateAborted)


def test_the_referee_counts_disagreements_of_pairs_and_twirls():
    flips = BitFlips(workers=frozenset({1}), aim=RandomCopies(0.3))
    network = qring.DenseNetwork(adversary=Adversary(source=flips))
    rng = np.random.default_rng(4)
    run_ = network.open(3, rng)
    pool = run_.copies().pool(60).twirled(rng)
    verdict = pool.test_pairs(59, rng)
    assert 8 < verdict.disagreements == verdict.failed < 30
    assert verdict.passed
    fewer = run_.copies().pool(60).test_pairs(2, rng)
    assert not fewer.passed
