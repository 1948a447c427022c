"""TieAudit's rivals: spreads against exhaustion and closed forms, runs against both, prices."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qring import InputError
from qring.conflict.broadcasts import birthday_broadcast, index_broadcast
from qring.conflict.group_tally import signs_for_pairs, tally_signs
from qring.conflict.matching import AffinePairs, Groups, Pairs
from qring.conflict.rival import Rival
from qring.conflict.signs import ArraySigns, HashedSigns
from qring.conflict.sketches import SketchKind
from qring.conflict.tie_audit import plan_copies
from qring.conflict.tie_rivals import (
    ALL_SIGNS,
    BIRTHDAY,
    Shape,
    best_tie_rival,
    birthday_spread,
    index_spread,
    tie_rivals,
)
from qring.theory import separations

SIGMAS = 5.5  # of a mean over seeds that are fixed: false alarm 4e-8


class Fixed(np.random.Generator):
    """A generator whose next choice of positions is given."""

    def __init__(self, places):
        super().__init__(np.random.PCG64(0))
        self.places = np.array(places)

    def choice(self, coords, size, replace):
        return self.places


def equal_groups(count, size):
    return Groups.of(np.repeat(np.arange(count), size))


def fraction_of(minus, groups):
    """Disagreeing share of pairs, averaged over ties by their coordinates, pair by pair."""
    total = Fraction(0)
    for k in range(len(groups.sizes)):
        members = groups.members[groups.starts[k] : groups.starts[k + 1]]
        pairs = list(itertools.combinations(members, 2))
        total += Fraction(
            sum(bool(minus[i] ^ minus[j]) for i, j in pairs) * len(members), len(pairs)
        )
    return float(total / groups.tied)


@pytest.mark.parametrize(("count", "size", "signs"), [(4, 2, 3), (2, 4, 4), (2, 3, 3), (1, 8, 3)])
def test_the_spread_is_the_largest_over_all_signs_and_positions(count, size, signs):
    ties, d = equal_groups(count, size), count * size
    worst = 0.0
    for word in range(1 << d):
        minus = (word >> np.arange(d) & 1).astype(bool)
        truth = fraction_of(minus, ties)
        told = [
            birthday_broadcast(ArraySigns(minus), ties, signs, Fixed(places)).fraction
            for places in itertools.combinations(range(d), signs)
        ]
        assert np.mean(told) == pytest.approx(truth)
        worst = max(worst, float(np.std(told)))
    bound = birthday_spread(Shape.of(ties), signs)
    # The closed form lets the sums of signs be any real numbers; of few members they are not.
    assert worst <= bound + 1e-12
    if size == 2:
        assert worst == pytest.approx(bound)
    else:
        assert worst >= 0.85 * bound


@pytest.mark.parametrize(("count", "size"), [(16, 62_500), (1000, 1000), (500_000, 2)])
def test_the_spread_is_that_of_the_decomposition(count, size):
    # Two routes: inclusion probabilities without replacement, and Hoeffding's decomposition.
    d = count * size
    for signs in (500, 20_000):
        squares = np.linspace(0, 1, 201)
        theory = max(separations.birthday_variance(d, size, m, signs) for m in squares)
        shape = Shape(d, np.array([size]), np.array([count]))
        assert birthday_spread(shape, signs) == pytest.approx(math.sqrt(theory), rel=0.03)


@pytest.mark.parametrize("square", [0.0, 0.25, 0.5])
def test_broadcasts_scatter_as_the_closed_form_says(square):
    count, size, signs, runs = 20, 500, 300, 1500
    ties = equal_groups(count, size)
    negative = round(size * (1 - math.sqrt(square)) / 2)
    minus = np.tile(np.arange(size) < negative, count)
    mean = 1 - 2 * negative / size
    rng = np.random.default_rng(3)
    found = [birthday_broadcast(ArraySigns(minus), ties, signs, rng) for _ in range(runs)]
    told = np.array([one.fraction for one in found])
    variance = separations.birthday_variance(count * size, size, mean**2, signs)
    truth = separations.group_disagreement(mean, size)
    assert abs(told.mean() - truth) < SIGMAS * math.sqrt(variance / runs)
    assert told.var() == pytest.approx(variance, rel=SIGMAS * math.sqrt(3 / runs) + signs / 10_000)
    pairs = separations.birthday_pairs(count * size, count * size, signs, size)
    complete = np.array([one.complete for one in found])
    assert abs(complete.mean() - pairs) < SIGMAS * complete.std() / math.sqrt(runs)


def test_groups_and_pairs_of_the_same_ties_say_the_same():
    rng = np.random.default_rng(0)
    pairs = rng.permutation(60).reshape(-1, 2)[:20]
    labels = np.full(60, -1)
    labels[pairs] = np.arange(20)[:, None]
    signs = ArraySigns(rng.random(60) < 0.5)
    for seed in range(20):
        one, other = (
            birthday_broadcast(signs, ties, 30, np.random.default_rng(seed))
            for ties in (Pairs.of(pairs, 60), Groups.of(labels))
        )
        assert (one.complete, one.differ, one.ledger) == (
            other.complete,
            other.differ,
            other.ledger,
        )
        assert one.fraction == pytest.approx(other.fraction)
    assert one.ledger.totals.online_bits == 30


@pytest.mark.parametrize(
    ("ties", "minus", "even", "truth"),
    [
        (
            equal_groups(6, 10),
            np.arange(60) % 10 < 2,
            0.36,
            separations.group_disagreement(0.6, 10),
        ),
        (Pairs.of(np.arange(40).reshape(-1, 2), 60), np.arange(60) % 4 == 1, 1 / 3, 0.5),
    ],
    ids=["groups", "pairs"],
)
def test_indices_scatter_as_the_closed_form_says(ties, minus, even, truth):
    terms, width, runs = 40, 5, 500
    signs = ArraySigns(minus)
    rival = Rival(name=SketchKind.INDEX, bits=terms * width, messages=terms)
    rng = np.random.default_rng(5)
    told = np.array([index_broadcast(signs, ties, rival, rng).fraction for _ in range(runs)])
    spread = index_spread(Shape.of(ties), terms, width, even)
    assert abs(told.mean() - truth) < SIGMAS * spread / math.sqrt(runs)
    assert told.var() == pytest.approx(spread**2, rel=SIGMAS * math.sqrt(3 / runs))
    assert spread <= index_spread(Shape.of(ties), terms, width)
    ledger = index_broadcast(signs, ties, rival, rng).ledger
    assert (ledger.totals.online_bits, ledger.rounds) == (terms * width, 1)


@pytest.mark.parametrize("size", [2, 10, 1000])
@pytest.mark.parametrize("width", [8, 16, 32])
def test_index_prices_are_those_of_the_closed_form(size, width):
    d = 10**6
    shape = AffinePairs(coords=d) if size == 2 else Groups.of(np.arange(d) // size)
    bits = tie_rivals(shape, 0.05, 0.05, index_bits=width)[1].bits
    theory = separations.tie_index_bits(d, size, 0.05, 0.05, width)
    # The closed form leaves out what few terms and unknown lengths add.
    assert theory < bits < theory * 1.06 + width
    limit = separations.tie_index_bits(d, size, 0.05, 0.05)
    assert limit < best_tie_rival(shape, 0.05, 0.05).bits <= bits


@pytest.mark.parametrize(
    ("groups", "signs", "best", "copies"),
    [(16, 121, 108, 26), (160, 230, 203, 26), (1000, 490, 416, 26), (5000, 1032, 864, 26),
     (500_000, 13_859, 11_296, 100)],
)  # fmt: skip
def test_the_table_of_groups(groups, signs, best, copies):
    # d = 10^6, (.1, .05); phase states of 20 qubits, groups measured in their uniform vectors.
    ties = Groups.of((np.arange(10**6) // (10**6 // groups)).astype(np.int32))
    if groups == 500_000:
        ties = AffinePairs(coords=10**6)
    assert tie_rivals(ties, 0.1, 0.05)[0].bits == signs
    assert best_tie_rival(ties, 0.1, 0.05).bits == best
    assert plan_copies(ties, 0.1, 0.05).copies <= copies
    assert (best < 20 * plan_copies(ties, 0.1, 0.05).copies) == (groups <= 1000)


def test_the_planned_broadcast_misses_as_seldom_as_promised():
    # The worst signs for 50 groups, where the normal approximation of the design is put to use.
    ties, size = equal_groups(50, 200), 200
    bits = tie_rivals(ties, 0.1, 0.05)[0].bits
    rng = np.random.default_rng(11)
    for square in (0.0, 0.5):
        negative = round(size * (1 - math.sqrt(square)) / 2)
        signs = ArraySigns(np.tile(np.arange(size) < negative, 50))
        truth = separations.group_disagreement(1 - 2 * negative / size, size)
        runs = 2000
        misses = sum(
            abs(birthday_broadcast(signs, ties, bits, rng).fraction - truth) > 0.1
            for _ in range(runs)
        )
        assert misses < runs * 0.05 + 5 * math.sqrt(runs * 0.05)


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(2, 6), min_size=1, max_size=4), st.integers(0, 4), st.integers(0, 99))
def test_mixed_sizes_are_bounded(sizes, free, seed):
    labels = np.concatenate([np.repeat(np.arange(len(sizes)), sizes), np.full(free, -1)])
    ties, rng = Groups.of(labels), np.random.default_rng(seed)
    d, signs = len(labels), rng.random(len(labels)) < 0.5
    count = min(d, 3)
    told = [
        birthday_broadcast(ArraySigns(signs), ties, count, Fixed(places)).fraction
        for places in itertools.combinations(range(d), count)
    ]
    if count >= 2:
        assert np.mean(told) == pytest.approx(fraction_of(signs, ties))
        assert np.std(told) <= birthday_spread(Shape.of(ties), count) + 1e-12


def test_rivals_that_know_more_pay_less():
    ties = AffinePairs(coords=10**9)
    bits = {rival.name: rival.bits for rival in tie_rivals(ties, 0.1, 0.05)}
    assert bits == {
        BIRTHDAY: 438_262,
        SketchKind.INDEX: 380_992,
        ALL_SIGNS: 10**9,
        "server knows the ties": 100,
        "one upstream message": math.ceil(100 * (2 * math.log2(10**9) + 1)),
    }


def test_few_coordinates_are_sent_whole():
    ties = Pairs.of(np.arange(20).reshape(-1, 2), 20)
    best = best_tie_rival(ties, 0.01, 0.01)
    assert (best.name, best.bits) == (ALL_SIGNS, 20)


def test_a_tally_of_signs_sees_as_many_pairs_as_planned():
    ties, d = equal_groups(20, 50), 1000
    count = signs_for_pairs(ties, 100)
    within = 20 * 50 * 49 / (d * (d - 1)) / 2
    assert within * (count - 1) * (count - 2) < 100 <= within * count * (count - 1)
    signs, rng = HashedSigns(d, 4), np.random.default_rng(0)
    tallies = [tally_signs(signs, ties, count, rng) for _ in range(400)]
    hits = np.array([tally.hits.sum() for tally in tallies])
    assert abs(hits.mean() - within * count * (count - 1)) < SIGMAS * hits.std() / 20
    minus = signs.negative(np.arange(d))
    share = sum(tally.differ.sum() for tally in tallies) / hits.sum()
    assert share == pytest.approx(fraction_of(minus, ties), abs=0.02)
    assert tallies[0].ledger.totals.online_bits == count


def test_nonsense_is_refused():
    ties = Pairs.of([[0, 1]], 4)
    signs = ArraySigns(np.zeros(4, bool))
    for count in (1, 5):
        with pytest.raises(InputError, match="of 4 "):
            birthday_broadcast(signs, ties, count, np.random.default_rng(0))
        with pytest.raises(InputError, match="of 4 "):
            tally_signs(signs, Groups.of([0, 0, 1, 1]), count, np.random.default_rng(0))
    with pytest.raises(InputError, match="epsilon"):
        tie_rivals(ties, 1.5, 0.1)
    with pytest.raises(InputError, match="index bits"):
        tie_rivals(ties, 0.1, 0.1, index_bits=0)
