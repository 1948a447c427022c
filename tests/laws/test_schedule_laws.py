"""Every schedule, carried out in one process, gives what the symbolic check says."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qring.collectives.scheduled import carry_out
from qring.encoding.formats import WordFormat
from qring.network.links import classical
from qring.network.network import Network
from qring.schedule import direct, ring
from qring.schedule.check import check, find_flaw, holdings
from qring.schedule.schedule import Collective
from qring.testing import FakeLink, record

sys.path.append(str(Path(__file__).parents[1]))  # where random_schedules.py lies
from random_schedules import all_reduces

RING = (Collective.ALL_REDUCE, Collective.REDUCE_SCATTER, Collective.ALL_GATHER,
        Collective.BROADCAST, Collective.REDUCE)  # fmt: skip
STRAIGHT = (Collective.GATHER, Collective.SCATTER, Collective.ALL_TO_ALL)


def in_the_tree(n, root):
    """Every schedule that is not a topology's all-reduce."""
    yield from (ring.schedule(kind, n, root=root) for kind in RING)
    yield from (direct.schedule(kind, n, root=root) for kind in STRAIGHT)


def assert_sums_are_those_of_the_check(schedule, coords=11):
    """Powers of a large base tell in the sum how often each worker contributed."""
    check(schedule)
    n = schedule.workers
    wire = WordFormat(word_bits=60, workers=n, carry=False)
    rows = np.array([[1 << (4 * w)] * coords for w in range(n)], np.uint64)
    found = record(schedule, rows, wire).rows
    cuts = np.array_split(np.arange(coords), schedule.chunks)
    for worker, slots in enumerate(holdings(schedule)):
        for slot, contributions in slots.items():
            if slot < schedule.chunks:
                expected = sum(1 << (4 * w) for w in contributions)
                assert (found[worker, cuts[slot]] == expected).all()
    for chunk in range(schedule.chunks):
        expected = sum(1 << (4 * w) for w in schedule.bringers(chunk))
        for worker in schedule.takers(chunk):
            assert (found[worker, cuts[chunk]] == expected).all()


@settings(max_examples=20)
@given(st.integers(1, 7), st.data())
def test_schedules_in_the_tree_are_right_and_do_what_the_check_says(n, data):
    for schedule in in_the_tree(n, data.draw(st.integers(0, n - 1))):
        assert_sums_are_those_of_the_check(schedule)


@settings(max_examples=50)
@given(all_reduces())
def test_random_schedules_do_what_the_check_says(schedule):
    assert find_flaw(schedule) is None
    assert_sums_are_those_of_the_check(schedule)


@settings(max_examples=40)
@given(all_reduces(), st.integers(0, 30), st.integers(1, 20))
def test_what_is_charged_is_what_the_hops_carry(schedule, coords, word_bits):
    wire = WordFormat(word_bits=word_bits, workers=schedule.workers)
    rows = np.zeros((schedule.workers, coords), np.uint64)
    run = Network().open(schedule.workers)
    carry_out(schedule, rows, wire, run, classical)
    recorded = record(schedule, rows, wire)
    bits = sum(wire.bits(len(m.values), m.summed) for m in recorded.messages)
    assert run.ledger().totals.online_bits == bits


def test_the_fake_link_hands_over_what_was_sent_or_what_a_test_wants():
    link = FakeLink()
    message = np.array([1, 2], np.uint8)
    link.carry(message, 16)
    assert (link.bits, link.messages[0].tolist(), message.tolist()) == (16, [1, 2], [1, 2])
    broken = FakeLink(spoil=lambda message: message ^ 255)
    broken.carry(message, 16)
    assert message.tolist() == [254, 253]


def test_a_recording_says_who_sent_what_to_whom():
    rows = np.array([[1, 2], [10, 20]], np.uint64)
    wire = WordFormat(word_bits=8, workers=2)
    recording = record(ring.schedule(Collective.ALL_REDUCE, 2), rows, wire)
    first = recording.messages[0]
    assert (first.round, first.src, first.dst, list(first.chunks)) == (0, 0, 1, [0])
    assert first.values.tolist() == [1]
    assert recording.rows.tolist() == [[11, 22], [11, 22]]
    assert recording.rounds == 2
    with pytest.raises(ValueError, match="shape"):
        record(ring.schedule(Collective.ALL_REDUCE, 3), rows, wire)
