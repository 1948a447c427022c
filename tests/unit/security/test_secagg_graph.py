"""Sparse secure aggregation: the graph, the rates it is made for, exact sums, and how it ends."""

import collections
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qring
from qring import Integers, Neighbours

pytest.importorskip("cryptography")

from qring.ledger import Carrier, Phase
from qring.security.secagg import graph as graphs
from qring.security.secagg.graph import Graph
from qring.security.secagg.method import SecAgg
from qring.security.secagg.outcome import Reason, SecAggAborted, SecAggAggregate, Stage

RATES = Neighbours(dropout=0.1, corruption=0.05, failure=2**-20, abort=2**-10)


def drawn(workers, rates=RATES, seed=0):
    return Graph(rates.plan(workers), seed.to_bytes(32, "big"))


@given(st.integers(2, 60), st.data())
def test_tails_are_those_of_the_hypergeometric_law(population, data):
    marked = data.draw(st.integers(0, population))
    taken = data.draw(st.integers(0, population))
    most = data.draw(st.integers(0, taken))
    hypergeom = pytest.importorskip("scipy.stats").hypergeom
    expected = hypergeom.sf(most, population, marked, taken)
    assert graphs._tail(population, marked, taken, most) == pytest.approx(expected, abs=1e-12)
    least = graphs._quantile(population, marked, taken, 0.01)
    assert hypergeom.sf(least, population, marked, taken) <= 0.01 + 1e-12
    assert least == 0 or hypergeom.sf(least - 1, population, marked, taken) > 0.01 - 1e-12


@given(st.integers(10, 90), st.integers(0, 9))
def test_everybody_has_as_many_neighbours_and_is_theirs(workers, seed):
    graph = drawn(workers, Neighbours(dropout=0.05, failure=0.1, abort=0.1), seed)
    around = {w: set(graph.around(w)) for w in range(workers)}
    assert {len(near) for near in around.values()} == {graph.degree}
    assert all(w in around[other] and other != w for w, near in around.items() for other in near)


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.floats(0.3, 0.95))
def test_the_cut_is_seen_as_a_search_sees_it(seed, share):
    graph = drawn(40, Neighbours(dropout=0.05, corruption=0, failure=0.5, abort=0.5), seed)
    rng = np.random.default_rng(seed)
    present = {w for w in range(40) if rng.random() > share} or {0}
    seen, ahead = set(), [min(present)]
    while ahead:
        at = ahead.pop()
        seen.add(at)
        ahead += [w for w in graph.around(at) if w in present and w not in seen]
    assert graph.connected(present) == (seen == present)


@pytest.mark.parametrize("workers", [30, 100, 1000, 10_000])
def test_thresholds_withstand_two_stories_and_the_losses_they_are_for(workers):
    plan = Neighbours().plan(workers)
    # k − c honest neighbours and the owner show one share each, the corrupt ones both.
    assert 2 * plan.threshold > plan.degree + 1 + plan.corrupt_near
    assert plan.threshold <= plan.degree
    assert f"{plan.degree} neighbours each of {workers:,}" in str(plan)
    smaller = Neighbours(dropout=0.02, corruption=0.01).plan(workers)
    assert smaller.degree <= plan.degree


def test_failures_are_no_more_frequent_than_stated():
    rates = Neighbours(dropout=0.15, corruption=0.1, failure=0.2, abort=0.2)
    workers, rounds = 80, 400
    plan, rng = rates.plan(workers), np.random.default_rng(5)
    assert plan.degree < workers - 1
    failed = aborted = 0
    for _ in range(rounds):
        graph = Graph(plan, rng.bytes(32))
        order = rng.permutation(workers)
        corrupt = set(order[: plan.corrupt].tolist())
        lost = set(rng.permutation(workers)[: plan.lost].tolist())
        near = {w: set(graph.around(w)) for w in range(workers)}
        failed += not graph.connected(set(range(workers)) - lost - corrupt) or any(
            len(near[w]) + 1 + len(near[w] & corrupt) >= 2 * plan.threshold for w in near
        )
        aborted += any(len(near[w] - lost) < plan.threshold for w in near)
    # At the stated rate the count exceeds its mean by 5 standard deviations with probability 3e-7.
    limit = rounds * 0.2 + 5 * math.sqrt(rounds * 0.2 * 0.8)
    assert failed <= limit
    assert aborted <= limit
    assert failed + aborted > 0  # the bounds are not idle: failures do happen at these rates


@settings(max_examples=15)
@given(st.integers(30, 60), st.integers(0, 2**32 - 1))
def test_sums_over_sparse_graphs_are_exact_whoever_drops_out(workers, seed):
    rng = np.random.default_rng(seed)
    rows = rng.integers(-100, 100, (workers, 9))
    lost = rng.choice(np.arange(1, workers), RATES.plan(workers).lost, replace=False)
    drops = {int(w): list(Stage)[rng.integers(4)] for w in lost}
    method = SecAgg(encoding=Integers(word_bits=9), neighbours=RATES, dropouts=drops)
    result = qring.all_reduce(rows, method=method)
    assert isinstance(result, SecAggAggregate)
    gone = {w for w, stage in drops.items() if stage is not Stage.UNMASK}
    assert set(result.contributors) == set(range(workers)) - gone
    assert (result.sum == rows[list(result.contributors)].sum(axis=0)).all()
    revealed = result.transcript.revealed.values()
    seeds = {owner for reveal in revealed for owner in reveal.seeds}
    assert not seeds & {owner for reveal in revealed for owner in reveal.keys}
    assert any("neighbours each of" in caveat for caveat in result.caveats)


def test_the_account_of_a_sparse_graph_is_its_closed_form():
    workers, coords, bits = 48, 5, 8
    plan = RATES.plan(workers)
    assert plan.degree < workers - 1
    method = SecAgg(encoding=Integers(word_bits=bits, signed=False), neighbours=RATES)
    ledger = qring.all_reduce(np.zeros((workers, coords), int), method=method).ledger
    k, wide = plan.degree, (workers * (2**bits - 1)).bit_length() * coords
    for worker in (1, workers - 1):
        assert ledger.on(worker, 0, Phase.SETUP, Carrier.BIT) == 512 + 1184 * k
        assert ledger.on(0, worker, Phase.SETUP, Carrier.BIT) == 2 * k + 512 * k + 1184 * k
        assert ledger.on(worker, 0, Phase.ONLINE, Carrier.BIT) == wide + 528 * (k + 1)
        assert ledger.on(0, worker, Phase.ONLINE, Carrier.BIT) == 2 * k + wide
    assert ledger.rounds == 4


def test_too_few_neighbours_and_cut_graphs_end_a_run(monkeypatch):
    fixed = Graph(RATES.plan(40), bytes(32))
    monkeypatch.setattr("qring.security.secagg.method.Graph", lambda *_: fixed)
    near = list(fixed.around(7))
    too_many = {w: Stage.MASK for w in near if w != 0}
    method = SecAgg(
        encoding=Integers(word_bits=4), neighbours=RATES, threshold=3, dropouts=too_many
    )
    result = qring.all_reduce(np.ones((40, 2), int), method=method)
    assert isinstance(result, SecAggAborted)
    assert result.reason in (Reason.NEIGHBOURS, Reason.CUT)
    assert result.stage is Stage.MASK
    assert result.told == ()
    half, place = fixed.degree // 2, fixed._circle.index(0)
    runs = {fixed._circle[(place + start + k) % 40] for start in (1, 21) for k in range(half)}
    cut = SecAgg(
        encoding=Integers(word_bits=4), neighbours=RATES, threshold=3,
        dropouts=dict.fromkeys(runs, Stage.MASK),
    )  # fmt: skip
    assert qring.all_reduce(np.ones((40, 2), int), method=cut).reason is Reason.CUT
    more = dict.fromkeys(range(1, 6), Stage.SHARE)  # one in eight, where one in ten was stated
    lost = SecAgg(encoding=Integers(word_bits=4), neighbours=RATES, dropouts=more)
    assert qring.all_reduce(np.ones((40, 2), int), method=lost).reason is Reason.TOO_FEW


def test_rates_that_no_graph_withstands_are_refused():
    with pytest.raises(qring.InputError, match="no graph of 10 workers withstands 4 corrupt"):
        Neighbours(corruption=0.4, dropout=0.4).plan(10)
    with pytest.raises(qring.InputError, match="corruption lies in"):
        Neighbours(corruption=1.0)
    with pytest.raises(qring.InputError, match="neighbours got 12"):
        SecAgg(encoding=Integers(word_bits=4), neighbours=12)
    few = Neighbours().plan(5)  # so few that the complete graph serves
    assert (few.degree, few.threshold) == (4, 4)


def test_orders_of_the_circle_differ_from_seed_to_seed():
    places = collections.Counter(drawn(40, seed=seed)._circle[0] for seed in range(200))
    assert len(places) > 25  # of 40; 200 draws miss 15 or more with probability below 1e-9
