"""What topologies cost: closed forms against schedules that were followed hop by hop."""

import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qring.errors import InputError
from qring.schedule.chunks import even_chunks
from qring.schedule.schedule import Collective
from qring.schedule.topology import Topology
from qring.theory.resources import RingResources
from qring.theory.topologies import TopologyResources

FLAT = ("ring", "ring:clockwise", "bidirectional", "tree", "tree:1", "tree:7", "double-tree",
        "double-tree:1", "doubling", "halving", "shards", "server")  # fmt: skip


@st.composite
def cases(draw):
    n = draw(st.integers(1, 17))
    inner = draw(st.sampled_from([g for g in range(1, n + 1) if n % g == 0]))
    text = draw(st.sampled_from((*FLAT, f"hierarchical:{inner}x{n // inner}")))
    return text, n, draw(st.integers(1, 60))


@settings(max_examples=300)
@given(cases(), st.integers(1, 9), st.sampled_from(["fixed", "growing", "float"]))
def test_links_carry_the_messages_of_the_closed_forms(case, word_bits, width):
    text, n, coords = case
    form = TopologyResources(
        topology=text, workers=n, coords=coords, word_bits=word_bits, width=width
    )
    schedule = Topology(text).schedule(Collective.ALL_REDUCE, n)
    chunks = [c.stop - c.start for c in even_chunks(coords, schedule.chunks)]
    links, rounds, path = {}, 0, 0
    for hops in schedule.rounds:
        rounds += 1
        now = Counter()
        for hop in hops:
            words = sum(chunks[c] for c in hop.chunks)
            links.setdefault((hop.src, hop.dst), Counter())[words, hop.summed] += 1
            now[hop.src, hop.dst] += words
        path += max(now.values(), default=0)
    assert form.rounds == rounds
    assert form.critical_path_words == path
    loads = {ends: sum(w * k for (w, _), k in found.items()) for ends, found in links.items()}
    assert form.busiest_words == max(loads.values(), default=0)
    assert form.total_words == sum(loads.values())
    bits = qubits = 0
    for src in range(schedule.nodes):
        egress = 0
        for dst in range(schedule.nodes):
            expected = links.get((src, dst), Counter())
            assert +Counter(map(tuple, form.link(src, dst))) == expected
            load = form.load(src, dst)
            bits, qubits = bits + load.bits, qubits + load.qubits
            egress += loads.get((src, dst), 0)
        assert form.egress_words(src) == egress
    assert form.total == (bits, qubits)


@given(st.integers(1, 12), st.integers(1, 40), st.sampled_from(["classical", "superdense"]))
@settings(max_examples=40)
def test_the_ring_has_the_ledger_of_its_own_closed_form(n, coords, protocol):
    for text, gather in (("ring", "counter-clockwise"), ("ring:clockwise", "clockwise")):
        one = TopologyResources(topology=text, workers=n, coords=coords, word_bits=5)
        other = RingResources(workers=n, coords=coords, word_bits=5, gather=gather)
        assert one.ledger(protocol) == other.ledger(protocol)
        assert one.total == other.total


@pytest.mark.parametrize("text", [*FLAT, "hierarchical:256x256"])
def test_65_536_workers_are_accounted_for_in_seconds(text):
    start = time.process_time()
    form = TopologyResources(topology=text, workers=1 << 16, coords=10**9, word_bits=16)
    assert form.total.bits >= form.total_words * 16
    assert form.rounds > 0
    assert form.busiest_words > 0
    assert form.critical_path_words > 0
    assert time.process_time() - start < 30


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"workers": 0}, "workers must be at least 1"),
        ({"topology": "torus"}, "no closed form for topology 'torus'"),
        ({"topology": "hierarchical:3x2"}, "has 6 workers, not 4"),
        ({"topology": "hierarchical"}, "INNERxOUTER"),
        ({"width": "wide"}, "fixed, growing or float"),
    ],
)
def test_what_has_no_closed_form_is_refused(fields, message):
    given_ = {"topology": "ring", "workers": 4, "coords": 10, "word_bits": 8, **fields}
    with pytest.raises(InputError, match=message):
        TopologyResources(**given_)


def test_ledgers_refuse_what_they_do_not_know():
    form = TopologyResources(topology="halving", workers=4, coords=10, word_bits=8)
    with pytest.raises(InputError, match="classical or superdense, not 'ghz'"):
        form.ledger("ghz")
    with pytest.raises(InputError, match="has no hosts"):
        form.ledger("superdense", inside="classical")
