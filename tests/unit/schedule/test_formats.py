"""Schedules as JSON, as Chrome traces and as Chakra traces."""

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings

from qring.errors import InputError
from qring.schedule.check import check
from qring.schedule.formats.chakra import chakra_traces, read_chakra
from qring.schedule.formats.notation import read_json, write_json
from qring.schedule.formats.perfetto import write_perfetto
from qring.schedule.schedule import Collective
from qring.schedule.topology import Topology

sys.path.append(str(Path(__file__).parents[2]))  # where random_schedules.py lies
from random_schedules import all_reduces

TEXTS = ("ring", "double-tree", "halving", "server", "hierarchical:3x2")
COMP, SEND, RECV = 4, 5, 6


@pytest.mark.parametrize("text", TEXTS)
def test_json_says_everything(text):
    for collective in Collective:
        schedule = Topology(text).schedule(collective, 6)
        back = read_json(write_json(schedule))
        check(back)
        assert list(map(tuple, back.rounds)) == list(map(tuple, schedule.rounds))
        for name in ("collective", "workers", "helpers", "chunks", "scratch", "root", "owners"):
            assert getattr(back, name) == getattr(schedule, name)


@settings(max_examples=30)
@given(all_reduces())
def test_json_of_random_schedules(schedule):
    assert list(read_json(write_json(schedule)).rounds) == list(schedule.rounds)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "qring_schedule must be 1"),
        ('{"qring_schedule": 1}', "KeyError 'rounds'"),
        (
            write_json(Topology("ring").schedule(Collective.ALL_REDUCE, 2)).replace(
                '"src": 0', '"src": true', 1
            ),
            "whole number is needed, not True",
        ),
        (
            write_json(Topology("ring").schedule(Collective.ALL_REDUCE, 2)).replace(
                '"add"', '"multiply"', 1
            ),
            "ValueError",
        ),
        (
            write_json(Topology("ring").schedule(Collective.ALL_REDUCE, 2)).replace(
                '"workers": 2', '"workers": 0', 1
            ),
            "at least 1 worker",
        ),
    ],
)
def test_bad_json_is_refused(text, words):
    with pytest.raises(InputError, match=words):
        read_json(text)


@pytest.mark.parametrize("text", TEXTS)
def test_a_trace_has_an_event_for_every_hop(text):
    schedule = Topology(text).schedule(Collective.ALL_REDUCE, 6)
    trace = json.loads(write_perfetto(schedule, 100))
    hops = [hop for hops in schedule.rounds for hop in hops]
    shown = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    assert len(shown) == len(hops)
    for event, hop in zip(shown, hops, strict=True):
        assert (event["pid"], event["tid"]) == (hop.src, hop.dst)
        assert event["ts"] // 1000 == event["args"]["round"]
        assert (event["ts"] + event["dur"] - 1) // 1000 == event["args"]["round"]
    assert {e["ph"] for e in trace["traceEvents"]} == {"M", "X"}
    named = {e["pid"] for e in trace["traceEvents"] if e["name"] == "process_name"}
    assert named == set(range(schedule.nodes))


@pytest.mark.parametrize("text", TEXTS)
def test_chakra_sends_and_receives_belong_together(text):
    schedule = Topology(text).schedule(Collective.ALL_REDUCE, 6)
    traces = [read_chakra(data) for data in chakra_traces(schedule, 1001, 4)]
    assert len(traces) == schedule.nodes
    sent, received = {}, {}
    for rank, nodes in enumerate(traces):
        assert [node.id for node in nodes] == list(range(len(nodes)))
        for node in nodes:
            assert all(before < node.id for before in node.depends)  # so there is no circle
            found = node.attributes
            if node.type == SEND:
                assert found["comm_src"] == rank
                sent[rank, found["comm_dst"], found["comm_tag"]] = found["comm_size"]
            elif node.type == RECV:
                assert found["comm_dst"] == rank
                received[found["comm_src"], rank, found["comm_tag"]] = found["comm_size"]
            else:
                assert node.type == COMP
    assert sent == received
    hops = [hop for hops in schedule.rounds for hop in hops]
    assert len(sent) == len(hops)


def test_chakra_sizes_are_signed_64_bit_and_may_be_large():
    schedule = Topology("shards").schedule(Collective.ALL_REDUCE, 2)
    data = chakra_traces(schedule, 2**36, 4)[0]
    sizes = {n.attributes["comm_size"] for n in read_chakra(data) if n.type != COMP}
    assert sizes == {2**37}
    assert b"\n\tcomm_size\x48" in data  # field 9: int64_val
    assert b"\n\x08comm_dst\x38" in data  # field 7: int32_val


def test_bad_chakra_is_refused():
    data = chakra_traces(Topology("ring").schedule(Collective.ALL_REDUCE, 2), 10, 4)[0]
    for broken in (data[:-1], data + b"\xff", b"\x05abc"):
        with pytest.raises(InputError, match="not a Chakra trace"):
            read_chakra(broken)
    with pytest.raises(InputError, match="at least 1 word"):
        chakra_traces(Topology("ring").schedule(Collective.ALL_REDUCE, 2), 0, 4)
