"""Sums over every topology: the ring's in words, near it in floats, and charged as predicted."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qring
from qring import BellDiagonal, Classical, FixedPoint, Integers, Network, Superdense, Width
from qring.network.levels import Inside
from qring.schedule.account import account
from qring.schedule.formats.msccl_reader import read_msccl
from qring.schedule.formats.msccl_writer import write_msccl
from qring.schedule.schedule import Collective
from qring.schedule.topology import Topology
from qring.theory.topologies import TopologyResources

FLAT = ("ring", "ring:clockwise", "bidirectional", "tree", "tree:7", "double-tree", "doubling",
        "halving", "shards", "server")  # fmt: skip


@st.composite
def sized(draw):
    n = draw(st.integers(1, 17))
    inner = draw(st.sampled_from([g for g in range(1, n + 1) if n % g == 0]))
    return draw(st.sampled_from((*FLAT, f"hierarchical:{inner}x{n // inner}"))), n


@settings(max_examples=120)
@given(sized(), st.integers(1, 50), st.integers(1, 20), st.sampled_from(Width), st.integers(0, 99))
def test_words_add_up_as_around_the_ring_and_ledgers_are_the_closed_forms(
    case, coords, word_bits, width, seed
):
    text, n = case
    rows = np.random.default_rng(seed).integers(0, 2**word_bits, size=(n, coords))
    encoding = Integers(word_bits=word_bits, width=width, signed=False)
    form = TopologyResources(
        topology=text, workers=n, coords=coords, word_bits=word_bits, width=width.value
    )
    for method, protocol in ((Classical, "classical"), (Superdense, "superdense")):
        result = qring.all_reduce(rows, method=method(encoding=encoding), topology=text)
        assert result.agreed
        assert (result.sum == rows.sum(axis=0)).all()
        assert result.ledger == form.ledger(protocol)
        wire = encoding.encode(rows)[1]
        schedule = Topology(text).schedule(Collective.ALL_REDUCE, n)
        found = account(schedule, coords, wire.bits, quantum=protocol == "superdense")
        assert found == result.ledger


@settings(max_examples=60)
@given(sized(), st.integers(1, 40), st.sampled_from([np.float32, ml_dtypes.bfloat16]))
def test_floats_are_right_up_to_rounding_and_the_same_everywhere(case, coords, dtype):
    text, n = case
    rows = np.random.default_rng(n).normal(size=(n, coords)).astype(dtype)
    result = qring.all_reduce(rows, topology=text)
    assert result.agreed
    classical = qring.all_reduce(rows, method=Classical(), topology=text)
    assert result.sum.tobytes() == classical.sum.tobytes()
    exact = rows.astype(np.float64).sum(axis=0)
    scale = np.abs(rows.astype(np.float64)).sum(axis=0)
    unit = float(ml_dtypes.finfo(dtype).eps)
    assert (np.abs(result.sum.astype(np.float64) - exact) <= n * unit * scale).all()


@settings(max_examples=60)
@given(sized(), st.integers(1, 30))
def test_floats_are_added_in_the_order_of_the_schedule(case, coords):
    text, n = case
    rows = np.random.default_rng(n).normal(size=(n, coords)).astype(np.float32)
    schedule = Topology(text).schedule(Collective.ALL_REDUCE, n)
    cuts = [list(part) for part in np.array_split(np.arange(coords), schedule.chunks)]
    held = [row.copy() for row in np.vstack((rows, np.zeros((schedule.helpers, coords), "f4")))]
    for hops in schedule.rounds:
        before = [row.copy() for row in held]
        for hop in hops:
            where = [i for chunk in hop.chunks for i in cuts[chunk]]
            arrived = before[hop.src][where]
            keeps = hop.action.value == "keep"
            held[hop.dst][where] = arrived if keeps else arrived + held[hop.dst][where]
    result = qring.all_reduce(rows, topology=text)
    assert result.sums.tobytes() == np.array(held[:n]).tobytes()


@pytest.mark.parametrize("text", [*FLAT, "hierarchical:3x2"])
def test_noise_strikes_on_every_topology_and_the_seed_decides(text):
    rows = np.ones((6, 200), np.float32)
    network = Network(noise=BellDiagonal.werner(0.8))
    one, same, other = (
        qring.all_reduce(rows, network=network, rng=np.random.default_rng(s), topology=text)
        for s in (1, 1, 2)
    )
    assert one.sums.tobytes() == same.sums.tobytes()
    assert one.sums.tobytes() != other.sums.tobytes()
    assert not one.agreed
    assert "without error correction" in one.caveats[0]


@settings(max_examples=25)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 40))
def test_each_level_of_a_hierarchy_has_its_own_carrier(inner, outer, coords):
    n, text = inner * outer, f"hierarchical:{inner}x{outer}"
    rows = np.arange(n * coords).reshape(n, coords) % 100
    method = Superdense(encoding=Integers(word_bits=7, signed=False))
    form = TopologyResources(topology=text, workers=n, coords=coords, word_bits=7)
    for carrier in ("classical", "superdense"):
        network = Network(inside=Inside(carrier=carrier), topology=Topology(text))
        result = qring.all_reduce(rows, method=method, network=network)
        assert (result.sum == rows.sum(axis=0)).all()
        assert result.ledger == form.ledger("superdense", inside=carrier)


def test_each_level_of_a_hierarchy_has_its_own_noise():
    rows = np.ones((4, 400), np.float32)
    bad, topology = BellDiagonal.werner(0.7), Topology("hierarchical:2x2")
    far_only = Network(noise=bad, inside=Inside(), topology=topology, record_faults=True)
    result = qring.all_reduce(rows, network=far_only, rng=np.random.default_rng(0))
    struck = {(fault.src, fault.dst) for fault in result.faults if len(fault.pairs)}
    assert struck
    assert all(src // 2 != dst // 2 for src, dst in struck)
    near_only = Network(
        inside=Inside(carrier="superdense", noise=bad), topology=topology, record_faults=True
    )
    result = qring.all_reduce(rows, network=near_only, rng=np.random.default_rng(0))
    struck = {(fault.src, fault.dst) for fault in result.faults if len(fault.pairs)}
    assert struck
    assert all(src // 2 == dst // 2 for src, dst in struck)


@pytest.mark.parametrize("text", ["tree", "halving", "shards", "hierarchical:2x3"])
def test_a_foreign_schedule_sums_as_the_topology_it_was_written_from(text):
    rows = np.random.default_rng(0).integers(0, 100, size=(6, 31))
    method = Superdense(encoding=Integers(word_bits=7, signed=False))
    file = write_msccl(Topology(text).schedule(Collective.ALL_REDUCE, 6))
    result = qring.all_reduce(rows, method=method, topology=read_msccl(file.encode()))
    known = qring.all_reduce(rows, method=method, topology=text)
    assert (result.sum == known.sum).all()
    assert result.ledger.totals == known.ledger.totals


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"topology": "torus"}, "there is no topology 'torus'"),
        ({"topology": "hierarchical:2x2"}, "4 in all; there are 3"),
        ({"topology": 7}, "there is no topology 7"),
        (
            {"topology": Topology("ring").schedule(Collective.ALL_REDUCE, 4)},
            "is for 4 workers; there are 3",
        ),
        (
            {"topology": Topology("ring").schedule(Collective.ALL_GATHER, 3)},
            "is of all-gather; give one of an all-reduce",
        ),
        (
            {"topology": "tree", "method": qring.Ghz(encoding=FixedPoint(word_bits=8, limit=1.0))},
            "Ghz does not follow topology tree",
        ),
    ],
)
def test_topologies_that_do_not_fit_are_refused(keywords, message):
    with pytest.raises(qring.InputError, match=message):
        qring.all_reduce(np.zeros((3, 4)), rng=np.random.default_rng(0), **keywords)


def test_levels_without_hosts_are_refused():
    with pytest.raises(qring.InputError, match="the topology is ring"):
        Network(inside=Inside())
    with pytest.raises(qring.InputError, match="noiseless"):
        Inside(noise=BellDiagonal.werner(0.9))
    with pytest.raises(qring.InputError, match="carrier got 'pigeon'"):
        Inside(carrier="pigeon")
