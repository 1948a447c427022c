"""Every topology's schedules are right, and have the rounds and volumes of the literature."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qring.errors import InputError
from qring.schedule import tree
from qring.schedule.check import check
from qring.schedule.chunks import even_chunks
from qring.schedule.schedule import Collective
from qring.schedule.topology import TOPOLOGIES, Topology

COLLECTIVES = list(Collective)
TEXTS = ("ring", "ring:clockwise", "bidirectional", "tree", "tree:1", "double-tree",
         "double-tree:3", "doubling", "halving", "shards", "server")  # fmt: skip


def topologies(n):
    yield from TEXTS
    yield from (f"hierarchical:{g}x{n // g}" for g in range(1, n + 1) if n % g == 0)


def measured(schedule, coords):
    """Rounds, words in all, on the busiest link, on the critical path, and out of each node."""
    chunks = [c.stop - c.start for c in even_chunks(coords, schedule.chunks)]
    links, egress, path, rounds = {}, [0] * schedule.nodes, 0, 0
    for hops in schedule.rounds:
        rounds += 1
        now = {}
        for hop in hops:
            words = sum(chunks[c] for c in hop.chunks)
            now[hop.src, hop.dst] = now.get((hop.src, hop.dst), 0) + words
        path += max(now.values(), default=0)
        for ends, words in now.items():
            links[ends] = links.get(ends, 0) + words
            egress[ends[0]] += words
    return rounds, sum(links.values()), max(links.values(), default=0), path, egress


@pytest.mark.parametrize("n", range(1, 18))
def test_every_schedule_is_right(n):
    for text in topologies(n):
        for collective in COLLECTIVES:
            for root in {0, n // 2, n - 1} if collective.has_root else {0}:
                for apart in (True, False):
                    schedule = Topology(text).schedule(collective, n, root=root, apart=apart)
                    check(schedule)
                    assert apart or schedule.helpers == 0


ORACLES = {  # topology, n, D: rounds, total, busiest link, critical path
    ("ring:clockwise", 4, 840): (6, 5040, 1260, 1260),
    ("ring:clockwise", 5, 840): (8, 6720, 1344, 1344),
    ("ring:clockwise", 6, 840): (10, 8400, 1400, 1400),
    ("ring:clockwise", 7, 840): (12, 10080, 1440, 1440),
    ("ring:clockwise", 8, 840): (14, 11760, 1470, 1470),
    ("ring:clockwise", 12, 840): (22, 18480, 1540, 1540),
    ("halving", 4, 840): (4, 5040, 840, 1260),
    ("halving", 5, 840): (6, 6720, 840, 2940),
    ("halving", 6, 840): (6, 8400, 840, 2940),
    ("halving", 7, 840): (6, 10080, 840, 2940),
    ("halving", 8, 840): (6, 11760, 840, 1470),
    ("halving", 12, 840): (8, 18480, 840, 3150),
    ("ring:clockwise", 3, 10): (4, 40, 14, 16),
    ("ring:clockwise", 6, 10): (10, 100, 18, 20),
}


@pytest.mark.parametrize("case", ORACLES, ids=str)
def test_rounds_and_volumes_are_those_published(case):
    text, n, coords = case
    schedule = Topology(text).schedule(Collective.ALL_REDUCE, n)
    assert measured(schedule, coords)[:4] == ORACLES[case]


def test_two_levels_split_the_traffic_as_published():
    schedule = Topology("hierarchical:4x2").schedule(Collective.ALL_REDUCE, 8)
    rounds, total, busiest, _, _ = measured(schedule, 840)
    assert (rounds, total, busiest) == (8, 11760, 1260)
    chunk = 840 // 8
    between = {}
    for hops in schedule.rounds:
        for hop in hops:
            if hop.src // 4 != hop.dst // 4:
                ends = hop.src, hop.dst
                between[ends] = between.get(ends, 0) + hop.span * chunk
    assert set(between.values()) == {210}
    assert sum(words for (src, _), words in between.items() if src < 4) == 840


@given(st.integers(2, 40), st.integers(1, 9))
@settings(max_examples=30)
def test_trees_send_what_the_literature_says(n, segments):
    coords = 84 * segments
    schedule = Topology(f"tree:{segments}").schedule(Collective.ALL_REDUCE, n)
    rounds, total, busiest, _, egress = measured(schedule, coords)
    depth = n.bit_length() - 1
    assert rounds == 2 * depth + segments - 1
    assert (total, busiest) == (2 * (n - 1) * coords, coords)
    assert max(egress) == (3 if n > 4 else 2) * coords or n <= 4
    double = Topology(f"double-tree:{segments}").schedule(Collective.ALL_REDUCE, n)
    _, total, _, _, egress = measured(double, coords)
    assert total == 2 * (n - 1) * coords
    assert max(egress) <= 2 * coords


def test_the_two_trees_are_those_published():
    assert tree.binary(8) == (-1, 2, 4, 2, 0, 6, 4, 6)
    assert tree.complementary(8) == (1, 3, 1, 7, 5, 3, 5, -1)


@pytest.mark.parametrize("n", [2, 3, 4, 7, 8, 9, 16, 33])
def test_no_worker_is_an_inner_node_of_both_trees(n):
    trees = tree.binary(n), tree.complementary(n)
    inner = [{parent for parent in parents if parent >= 0} for parents in trees]
    roots = {parents.index(-1) for parents in trees}
    assert inner[0] & inner[1] <= roots


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("torus", "choose one of ring, bidirectional"),
        ("ring:left", "can only stand clockwise"),
        ("tree:0", "1 to 1024 segments"),
        ("tree:x", "1 to 1024 segments"),
        ("halving:2", "takes no option"),
        ("hierarchical:4", "INNERxOUTER"),
        ("hierarchical:0x4", "at least 1 worker"),
        ("hierarchical:²x4", "INNERxOUTER"),
        ("", "choose one of"),
    ],
)
def test_unknown_topologies_are_refused(text, words):
    with pytest.raises(InputError, match=words):
        Topology(text)


def test_sizes_that_do_not_factor_are_refused():
    with pytest.raises(InputError, match="8 in all; there are 6"):
        Topology("hierarchical:4x2").schedule(Collective.ALL_REDUCE, 6)
    with pytest.raises(InputError, match="say how 6 workers lie on hosts"):
        Topology("hierarchical").schedule(Collective.ALL_REDUCE, 6)
    with pytest.raises(InputError, match="at least 1 worker"):
        Topology("tree").schedule(Collective.ALL_REDUCE, 0)


def test_trees_with_circles_are_refused():
    with pytest.raises(InputError, match="circle: 1 → 2 → 1"):
        tree.levels((-1, 2, 1))
    with pytest.raises(InputError, match="have 2"):
        tree.levels((-1, -1, 0))
    with pytest.raises(InputError, match="parent of node 1 is 7"):
        tree.levels((-1, 7))


@pytest.mark.parametrize("text", [*TEXTS, "hierarchical:16x16"])
def test_256_workers_are_checked_within_ten_seconds_of_work(text):
    start = time.process_time()
    check(Topology(text).schedule(Collective.ALL_REDUCE, 256))
    assert time.process_time() - start < 10


def test_every_topology_says_what_it_is():
    assert all(kind.help for kind in TOPOLOGIES.values())
    assert Topology("hierarchical:4x2").sizes == (4, 2)
    assert Topology.of("tree:8") == Topology("tree:8") == Topology.of(Topology("tree:8"))
    assert str(Topology("tree:8")) == "tree:8"
