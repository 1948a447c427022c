"""Inventory: every pair has one fate, two simulations agree, and closed forms hold."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qring
from qring.network.generation.heralded import Heralded, barrett_kok, bell_measurement
from qring.network.hardware.registry import find_profile
from qring.network.inventory.arrivals import Arrivals, Spacing, arrivals_of, attempts
from qring.network.inventory.demand import serve_buffer, serve_steps
from qring.network.inventory.distilling import Recipe, Recurrence, distil
from qring.network.inventory.events import PairEvents, in_loops
from qring.network.inventory.inventory import Inventory, open_inventory
from qring.network.inventory.queue import PairQueue
from qring.network.memory.decay import Decay
from qring.network.memory.policy import Memory, OnFull, Order
from qring.theory.distillation import bbpssw, dejmps
from qring.theory.supply import Step, buffered

RANDOM = Spacing.RANDOM


class Listed:
    """Births that a test lists; then one a gap."""

    def __init__(self, times, gap=1.0):
        self.gap = gap
        self.times = sorted(times)
        self.rate = 1.0
        self.last = self.times[-1] if self.times else 0.0

    def more(self, count):
        given, self.times = self.times[:count], self.times[count:]
        more = self.last + self.gap * np.arange(1, count - len(given) + 1)
        if len(more):
            self.last = more[-1]
        return np.array([*given, *more])


MEMORIES = st.builds(
    Memory,
    capacity=st.none() | st.integers(1, 6),
    cutoff_s=st.sampled_from([math.inf, 0.3, 1.0, 4.0]),
    on_full=st.sampled_from(list(OnFull)),
    order=st.sampled_from(list(Order)),
)
CALLS = st.lists(
    st.tuples(st.floats(0, 5), st.integers(0, 7), st.sampled_from([0.0, 0.05, 0.4, 1.5])),
    min_size=1, max_size=5,
)  # fmt: skip


def driven(pairs, calls):
    """Let time pass and take pairs, as the calls say; return all that were taken."""
    now, taken = 0.0, []
    for pause, count, spacing in calls:
        pairs.advance(now + pause, now)
        now += pause
        got = pairs.take(count, now, spacing)
        taken.append(got)
        if count:
            now = float(got.used_s[-1])
    return taken


@settings(max_examples=60)
@given(memory=MEMORIES, calls=CALLS, seed=st.integers(0, 2**20))
def test_every_pair_has_one_fate_and_none_is_used_late_or_twice(memory, calls, seed):
    births = arrivals_of(2.0, RANDOM, np.random.default_rng(seed))
    inventory = Inventory(births, memory, qring.NOISELESS)
    taken = driven(_Clocked(inventory), calls)
    counts = inventory.counts
    assert counts.is_conserved
    assert min(counts.used, counts.expired, counts.overwritten, counts.dropped, counts.left) >= 0
    numbers = np.concatenate([part.pairs for part in taken])
    assert len(set(numbers.tolist())) == len(numbers) == counts.used
    ages = np.concatenate([part.ages_s for part in taken])
    assert (ages >= 0).all()
    assert (ages <= memory.cutoff_s + 1e-12).all()
    if memory.capacity is not None:
        assert counts.left <= memory.capacity
    times = np.concatenate([part.used_s for part in taken])
    assert (np.diff(times) >= 0).all()


class _Clocked:
    def __init__(self, inventory):
        self.inventory = inventory

    def advance(self, now, _since):
        return self.inventory.advance(now)

    def take(self, *given):
        return self.inventory.take(*given)


@settings(max_examples=80)
@given(
    capacity=st.none() | st.integers(1, 5),
    cutoff=st.sampled_from([math.inf, 0.35, 1.0, 3.0]),
    calls=CALLS,
    births=st.lists(st.floats(0, 20), min_size=1, max_size=60, unique=True),
)
def test_whole_arrays_and_single_events_tell_the_same(capacity, cutoff, calls, births):
    memory = Memory(capacity=capacity, cutoff_s=cutoff)
    queue = PairQueue(Arrivals(Listed(births)), memory)
    events = PairEvents(Arrivals(Listed(births)), memory, compiled=False)
    for one, other in zip(driven(queue, calls), driven(events, calls), strict=True):
        assert one.pairs.tolist() == other.pairs.tolist()
        assert one.born_s == pytest.approx(other.born_s)
        assert one.used_s == pytest.approx(other.used_s)


def test_policies_choose_the_pairs_that_they_say():
    def used(**policy):
        births = Arrivals(Listed([1.0, 2.0, 3.0, 4.0], gap=50.0))
        inventory = Inventory(births, Memory(**policy), qring.NOISELESS)
        inventory.advance(5.0)
        return inventory.take(2, 5.0).born_s.tolist(), inventory.counts

    new, old = OnFull.DROP_NEW, OnFull.OVERWRITE_OLDEST
    last, first = Order.FRESHEST_FIRST, Order.OLDEST_FIRST
    assert used(order=first)[0] == [1.0, 2.0]
    assert used(order=last)[0] == [4.0, 3.0]
    assert used(capacity=3, on_full=old, order=first)[0] == [2.0, 3.0]
    assert used(capacity=3, on_full=new, order=last)[0] == [3.0, 2.0]
    assert used(capacity=3, on_full=new)[1].dropped == 1
    assert used(capacity=3, on_full=old)[1].overwritten == 1
    assert used(cutoff_s=2.5)[0] == [3.0, 4.0]
    assert used(cutoff_s=2.5)[1].expired == 2


@pytest.mark.parametrize(
    ("rate", "memory", "compute", "cutoff", "expected"),
    [
        (1.2e4, None, 1.0, math.inf, 0.6667),
        (2e4, 8000, 1.0, math.inf, 0.6000),
        (2e4, None, 1.0, 0.3, 0.7000),
        (1.9e4, None, 0.2, math.inf, 0.8526),
    ],
)
def test_online_time_is_that_of_the_closed_form(rate, memory, compute, cutoff, expected):
    found = serve_steps(
        arrivals_of(rate, RANDOM, np.random.default_rng(1)),
        Memory(capacity=memory, cutoff_s=cutoff), qring.NOISELESS,
        pairs=20_000, compute_s=compute, qubits_per_s=1e5, steps=6,
    )  # fmt: skip
    step = Step(pairs=2e4, pairs_per_s=rate, qubits_per_s=1e5, compute_s=compute,
                memory_pairs=memory or math.inf, cutoff_s=cutoff)  # fmt: skip
    assert step.online_s == pytest.approx(expected, abs=5e-5)
    # Births of 6 steps fluctuate by √(6·2e4)/(6·2e4) = .29 %; 5 of them, and .2 % for the edges.
    assert found.online_s.mean() == pytest.approx(expected, rel=0.012)
    assert found.counts.is_conserved


def test_mean_ages_are_those_of_the_closed_form():
    lifetime = 1.0
    step = Step(pairs=2e4, pairs_per_s=1e5 / 2.5, qubits_per_s=1e5, compute_s=0.3)
    assert step.pairs_per_s == pytest.approx(step.needed_rate)  # break-even
    assert step.least_mean_age_s == pytest.approx(0.150 * lifetime)

    def simulated(share, on_full):
        memory = Memory(capacity=int(share * step.needed_memory), on_full=on_full,
                        decay=Decay.werner(lifetime))  # fmt: skip
        return serve_steps(
            arrivals_of(step.pairs_per_s, RANDOM, np.random.default_rng(7)), memory,
            qring.BellDiagonal.werner(0.99), pairs=20_000, compute_s=0.3, qubits_per_s=1e5,
            steps=40,
        )  # fmt: skip

    found = simulated(1.02, OnFull.OVERWRITE_OLDEST)
    # At break-even what is held wanders between M* and the 2 % above it, and is no older than that.
    mean = found.mean_age_s[5:].mean()
    assert 0.150 * 0.99 < mean < (0.150 + 0.02 * 0.3) * 1.01
    assert mean == pytest.approx(0.151, rel=0.02)
    # With more births than are used the memory is full at each barrier, and pairs are older.
    fast = Step(pairs=2e4, pairs_per_s=5e4, qubits_per_s=1e5, compute_s=0.3)
    full = serve_steps(
        arrivals_of(5e4, RANDOM, np.random.default_rng(8)), Memory(capacity=12_000),
        qring.NOISELESS, pairs=20_000, compute_s=0.3, qubits_per_s=1e5, steps=20,
    )  # fmt: skip
    assert full.mean_age_s[2:].mean() == pytest.approx(fast.mean_age_s(12_000), rel=0.01)
    # Known ahead: start as late as can be. Pairs are younger, and none is made in vain.
    late = serve_steps(
        arrivals_of(5e4, RANDOM, np.random.default_rng(9)),
        Memory(capacity=int(1.02 * fast.needed_memory)), qring.NOISELESS,
        pairs=20_000, compute_s=0.3, qubits_per_s=1e5, steps=20, lead_s=fast.lead_s,
    )  # fmt: skip
    assert late.online_s.mean() == pytest.approx(fast.sending_s, rel=0.02)
    assert late.mean_age_s.mean() == pytest.approx(fast.least_mean_age_s, rel=0.03)
    assert late.counts.made < 1.02 * late.counts.used
    assert full.counts.made > 1.2 * full.counts.used


def test_dropping_new_pairs_makes_them_old():
    def mean_age(on_full):
        found = serve_steps(
            arrivals_of(5e4, RANDOM, np.random.default_rng(2)),
            Memory(capacity=12_000, on_full=on_full), qring.NOISELESS,
            pairs=20_000, compute_s=0.6, qubits_per_s=1e5, steps=4,
        )  # fmt: skip
        return found.mean_age_s[1:].mean()

    assert mean_age(OnFull.DROP_NEW) > 1.5 * mean_age(OnFull.OVERWRITE_OLDEST)


def test_attempts_make_pairs_at_the_rate_derived_from_them():
    link = Heralded(fibre_km=10, emission=0.5, detection=0.9, modes=8)
    made = barrett_kok(link)
    births = attempts(made, np.random.default_rng(0)).until(2.0)
    sigma = math.sqrt(made.pairs_per_s * 2)  # binomial counts spread less than Poisson's
    assert abs(len(births) - 2 * made.pairs_per_s) < 5 * sigma
    assert (np.diff(births) >= 0).all()
    slots = np.unique(births, return_counts=True)[1]
    assert slots.max() <= 8


@pytest.mark.parametrize("recurrence", list(Recurrence))
@given(st.lists(st.floats(0.01, 1), min_size=8, max_size=8))
def test_distillation_of_unequal_pairs_is_the_recurrence(recurrence, parts):
    first, second = (np.array(p) / sum(p) for p in (parts[:4], parts[4:]))
    left, success = distil(first[None], second[None], recurrence)
    exact = {Recurrence.BBPSSW: bbpssw, Recurrence.DEJMPS: dejmps}[recurrence](first, second)
    assert left[0] == pytest.approx(exact.weights, abs=1e-12)
    assert success[0] == pytest.approx(exact.success, abs=1e-12)


def test_distillation_inside_the_inventory_keeps_every_pair_accounted_for():
    rng = np.random.default_rng(4)
    noise = qring.BellDiagonal.werner(0.9)
    memory = Memory(decay=Decay.werner(5.0), cutoff_s=2.0)
    inventory = Inventory(arrivals_of(1e4, RANDOM, rng), memory, noise)
    inventory.advance(0.5)
    found = inventory.take_distilled(1500, Recipe(rounds=2), 0.5, 1e-5, rng, answer_s=1e-3)
    counts = inventory.counts
    assert counts.is_conserved
    assert counts.used == len(found.used_s) == 1500
    assert (np.diff(found.used_s) >= 0).all()
    assert found.weights.sum(axis=1) == pytest.approx(1)
    raw = (0.9, 0.1 / 3, 0.1 / 3, 0.1 / 3)
    once = dejmps(raw, raw)
    twice = dejmps(once.weights, once.weights)
    assert 0.9 < found.weights[:, 0].mean() < twice.weights[0]  # ageing costs some of it
    # Groups succeed with both first rounds and the second: binomial, 5 standard deviations.
    groups = (counts.used + counts.distilled + counts.expired) / 4
    chance = once.success**2 * twice.success
    assert groups * chance * 0.85 < 1500 < groups * chance + 5 * math.sqrt(groups)


def test_without_ageing_distillation_succeeds_as_often_as_it_should():
    rng = np.random.default_rng(11)
    inventory = Inventory(None, Memory(), qring.BellDiagonal.werner(0.8))
    inventory.take_distilled(20_000, Recipe(recurrence=Recurrence.BBPSSW), 0.0, 0.0, rng)
    raw = (0.8, 0.2 / 3, 0.2 / 3, 0.2 / 3)
    chance = bbpssw(raw, raw).success
    groups = (inventory.counts.used + inventory.counts.distilled) / 2
    spread = math.sqrt(20_000 * (1 - chance)) / chance  # of a negative binomial
    assert abs(groups - 20_000 / chance) < 5 * spread


def bbpssw_lines(fresh):
    """Success and success·result of BBPSSW, linear in the stored fidelity."""
    wrong = (1 - fresh) / 3
    success = lambda f: f * fresh + f * wrong + (fresh + 5 * wrong) * (1 - f) / 3  # noqa: E731
    result = lambda f: f * fresh + wrong * (1 - f) / 3  # noqa: E731
    return tuple((line(0.0), line(1.0) - line(0.0)) for line in (success, result))


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_buffer_serves_random_demand_as_published(share):
    success_at, result_at = bbpssw_lines(0.9)
    given = {"pairs_per_s": 3.0, "demands_per_s": 1.0, "purify_share": share,
             "success_at": success_at, "result_at": result_at}  # fmt: skip
    found = serve_buffer(decay=Decay.werner(2.0), noise=qring.BellDiagonal.werner(0.9),
                         demands=40_000, rng=np.random.default_rng(5), **given)  # fmt: skip
    exact = buffered(decay_per_s=0.5, fidelity=0.9, **given)
    spread = math.sqrt(exact.availability * (1 - exact.availability) / 40_000)
    # Demands that follow each other closely find the buffer empty alike: double the spread.
    assert abs(found[0] - exact.availability) < 10 * spread
    assert abs(found[1] - exact.fidelity) < 10 * 0.2 / math.sqrt(40_000)
    if share == 0:
        assert exact.availability == pytest.approx(0.75)
        assert exact.fidelity == pytest.approx(0.25 + 0.65 / 1.5)


def test_hardware_opens_an_inventory_and_post_selected_pairs_do_not():
    inventory = open_inventory(find_profile("ions-rate"), np.random.default_rng(0))
    assert 1000 < inventory.advance(10.0) < 2640  # 1820 ± 5 standard deviations is far inside
    perfect = open_inventory(find_profile("ideal"), None)
    assert perfect.take(5, 1.0, 0.5).ages_s.tolist() == [0] * 5
    assert perfect.counts.is_conserved
    with pytest.raises(qring.InputError, match="cannot be stored"):
        open_inventory(find_profile("spdc"), np.random.default_rng(0))
    made = bell_measurement(Heralded(fibre_km=1))
    assert attempts(made, np.random.default_rng(0)).rate == made.pairs_per_s


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda i: i.advance(0.5), "the clock ran backwards: the inventory has reached 1 s"),
        (lambda i: i.take(1, 0.2), "the clock ran backwards"),
        (lambda i: i.take(-1, 2.0), "number of pairs must be"),
        (lambda i: i.take(1, 2.0, -0.1), "spacing of 0 s or more"),
        (lambda i: i.advance(math.nan), "the clock ran backwards"),
    ],
)
def test_clocks_that_run_backwards_are_refused(act, message):
    inventory = Inventory(
        arrivals_of(1.0, Spacing.REGULAR, None), Memory(), qring.NOISELESS
    )  # fmt: skip
    inventory.advance(1.0)
    with pytest.raises(qring.InputError, match=message):
        act(inventory)


def test_bad_rates_are_refused():
    for rate in (-1.0, 0.0, math.inf):
        with pytest.raises(qring.InputError, match="pairs_per_s must be"):
            arrivals_of(rate, RANDOM, np.random.default_rng(0))
    with pytest.raises(qring.InputError, match="pass rng"):
        arrivals_of(1.0, RANDOM, None)


def test_the_compiled_loop_is_the_loop():
    pytest.importorskip("numba")
    for drop, last in itertools.product(OnFull, Order):
        memory = Memory(capacity=4, cutoff_s=1.0, on_full=drop, order=last)
        runs = []
        for compiled in (True, False):
            births = arrivals_of(3.0, RANDOM, np.random.default_rng(6))
            pairs = PairEvents(births, memory, compiled=compiled)
            runs.append(driven(pairs, [(2.0, 5, 0.1), (1.0, 9, 0.0), (3.0, 4, 0.5)]))
        for one, other in zip(*runs, strict=True):
            assert one.pairs.tolist() == other.pairs.tolist()
    assert callable(in_loops)
