"""However a round is run, hop by hop or at once, workers hold the same and pay the same."""

import numpy as np
import pytest
from scipy import stats

from qring import Adversary, BellDiagonal, DenseNetwork, FixedPoint, FloatBits, Network, Width
from qring.collectives.scheduled import carry_out
from qring.network.adversary.online import FlipOnline
from qring.network.bundle import has_bundle, leaves_alone
from qring.network.coded.coding import Coding
from qring.network.links import classical, exact_superdense, superdense
from qring.schedule import ring
from qring.schedule.hops import HopArrays
from qring.schedule.ring import Direction
from qring.schedule.schedule import Collective

WORKERS = 40  # rounds of so many are run at once
FALSE_ALARM = 1e-6
ENCODINGS = {
    "floats": FloatBits(),
    "words": FixedPoint(word_bits=11, limit=8.0),
    "growing words": FixedPoint(word_bits=5, limit=8.0, width=Width.GROWING),
}


def rows(coords, seed=0, dtype="float32"):
    return np.random.default_rng(seed).normal(size=(WORKERS, coords)).astype(dtype)


def unknown(kind):
    """The same links, of a kind that no bundle is known for: hop by hop."""
    return lambda run, src, dst: kind(run, src, dst)


def carried(coords, encoding, kind, *, seed=1, gather=Direction.CLOCKWISE, **fields):
    values, wire = encoding.encode(rows(coords))
    run = Network(**fields).open(WORKERS, np.random.default_rng(seed))
    schedule = ring.schedule(Collective.ALL_REDUCE, WORKERS, gather=gather)
    return carry_out(schedule, values, wire, run, kind), run


@pytest.mark.parametrize("kind", [classical, superdense, exact_superdense])
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("coords", [1, 7, 39, 40, 41, 333, 40 * 4100])
def test_at_once_or_hop_by_hop_sums_and_accounts_are_equal(kind, encoding, coords):
    if coords > 1000 and encoding != "floats":
        pytest.skip("long chunks of words take the same way as those of floats")
    (at_once, one), (each, other) = (
        carried(coords, ENCODINGS[encoding], each) for each in (kind, unknown(kind))
    )
    assert at_once.dtype == each.dtype
    assert (at_once == each).all()
    assert one.ledger() == other.ledger()
    assert one.ledger() == one.ledger()  # what was kept back is charged once


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("coords", [7, 333])
@pytest.mark.parametrize("noise", [{"x": 1.0}, {"z": 1.0}, {"y": 1.0}])
def test_certain_errors_fall_where_they_fall_hop_by_hop(encoding, coords, noise):
    fields = {"noise": BellDiagonal(**noise)}
    with np.errstate(all="ignore"):
        at_once, _ = carried(coords, ENCODINGS[encoding], superdense, **fields)
        each, _ = carried(coords, ENCODINGS[encoding], unknown(superdense), **fields)
    assert at_once.tobytes() == each.tobytes()


def test_certain_errors_of_one_link_stay_on_it():
    fields = {"noise_on": {(3, 4): BellDiagonal(y=1.0)}, "record_faults": True}
    words = ENCODINGS["words"]
    at_once, one = carried(333, words, superdense, **fields)
    each, other = carried(333, words, unknown(superdense), **fields)
    assert (at_once == each).all()
    assert len(one.faults) == len(other.faults)
    for ours, theirs in zip(one.faults, other.faults, strict=True):
        assert ours[:3] == theirs[:3]
        assert (ours.pairs == theirs.pairs).all()
        assert (ours.paulis == theirs.paulis).all()
    assert {(f.src, f.dst) for f in one.faults if len(f.pairs)} == {(3, 4)}


@pytest.mark.parametrize("coords", [20, 333])
def test_errors_drawn_at_once_have_the_law_of_the_noise(coords):
    noise = BellDiagonal(x=0.02, y=0.01, z=0.05)
    _, run = carried(coords, ENCODINGS["words"], superdense, noise=noise, record_faults=True)
    pairs = run.ledger().totals.ebits
    struck = np.bincount(np.concatenate([f.paulis for f in run.faults]), minlength=4)
    for label, odds in ((1, noise.x), (2, noise.z), (3, noise.y)):
        low, high = stats.binom.ppf([FALSE_ALARM / 6, 1 - FALSE_ALARM / 6], pairs, odds)
        assert low <= struck[label] <= high
    # No place of a message is struck more often than others, the last of a byte included.
    places = np.concatenate([f.pairs for f in run.faults]) % 4
    share = np.bincount(places, minlength=4) / len(places)
    assert (abs(share - 0.25) < 6 / np.sqrt(len(places))).all()


def test_the_same_generator_gives_the_same_errors():
    noise = BellDiagonal.werner(0.97)
    first, second, other = (
        carried(333, ENCODINGS["words"], superdense, noise=noise, seed=seed)[0]
        for seed in (1, 1, 2)
    )
    assert (first == second).all()
    assert (first != other).any()


@pytest.mark.parametrize("gather", Direction)
def test_rounds_as_arrays_are_the_rounds_hop_by_hop(gather, monkeypatch):
    as_arrays = list(ring.all_reduce(WORKERS, gather=gather))
    assert all(isinstance(hops, HopArrays) for hops in as_arrays)
    monkeypatch.setattr(ring, "_MANY", WORKERS + 1)
    one_by_one = list(ring.all_reduce(WORKERS, gather=gather))
    assert not any(isinstance(hops, HopArrays) for hops in one_by_one)
    assert [tuple(hops) for hops in as_arrays] == one_by_one
    assert as_arrays[3][5] == one_by_one[3][5]
    assert as_arrays[3][2:9] == one_by_one[3][2:9]


@pytest.mark.parametrize(
    "network",
    [
        Network(noise=BellDiagonal(x=0.01), coding=Coding()),
        Network(adversary=Adversary(online=FlipOnline())),
        DenseNetwork(),
    ],
    ids=["codes", "an interceptor", "the referee"],
)
def test_links_that_do_more_than_noise_are_used_one_by_one(network):
    run = network.open(WORKERS, np.random.default_rng(0))
    assert not has_bundle(superdense, run)
    assert not leaves_alone(superdense, run)
    assert has_bundle(superdense, Network(coding=Coding()).open(WORKERS))
