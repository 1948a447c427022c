"""Traces are data, and add up to the ledger of the run they picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qring
from qring import Classical, Direction, Integers, Superdense, Width
from qring.encoding.formats import WordFormat
from qring.paper.report import gallery, number
from qring.paper.trace import even_lengths, ring_trace, schedule_trace
from qring.schedule.schedule import Collective
from qring.schedule.topology import Topology


@given(
    st.integers(1, 9), st.integers(1, 40), st.integers(1, 12), st.sampled_from(Width),
    st.sampled_from(Direction),
)  # fmt: skip
def test_a_trace_adds_up_to_the_ledger_of_its_run(workers, coords, word_bits, width, gather):
    rows = np.random.default_rng(0).integers(0, 2**word_bits, size=(workers, coords))
    encoding = Integers(word_bits=word_bits, width=width, signed=False)
    wire = WordFormat(word_bits=word_bits, workers=workers, width=width)
    chunks = even_lengths(coords, workers)
    trace = ring_trace(chunks=chunks, what="", bits=wire.bits, gather=gather)
    for method, quantum in ((Superdense, True), (Classical, False)):
        result = qring.all_reduce(rows, method=method(encoding=encoding, gather=gather))
        assert trace.ledger(quantum=quantum) == result.ledger


@pytest.mark.parametrize(
    "text", ["bidirectional", "tree", "double-tree", "doubling", "halving", "shards", "server",
             "hierarchical:2x3"]
)  # fmt: skip
def test_a_trace_of_any_schedule_adds_up_and_ends_with_everybodys_words(text):
    rows = np.random.default_rng(0).integers(0, 2**7, size=(6, 40))
    encoding = Integers(word_bits=7, width=Width.GROWING, signed=False)
    wire = encoding.encode(rows)[1]
    schedule = Topology(text).schedule(Collective.ALL_REDUCE, 6)
    trace = schedule_trace(schedule, coords=40, what="", bits=wire.bits)
    for method, quantum in ((Superdense, True), (Classical, False)):
        result = qring.all_reduce(rows, method=method(encoding=encoding), topology=text)
        assert trace.ledger(quantum=quantum) == result.ledger
    assert sum(trace.chunks) == 40
    assert {mask for node in trace.held[-1][:6] for mask in node} == {63}
    assert all(move.summed >= move.carried for moves in trace.rounds for move in moves)


def test_chunks_of_a_trace_end_with_everybodys_words():
    for trace in gallery():
        half = len(trace.rounds) // 2
        assert sum(trace.chunks) == 1000
        assert {move.summed for move in trace.rounds[half - 1]} == {trace.workers}
        assert {move.summed for moves in trace.rounds[half:] for move in moves} == {trace.workers}


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), (14_143.0, "14,143"), (0.810710, "0.8107"), (1.2e-5, "1.2·10⁻⁵"), (1.75, "1.750"),
     (0.0, "0"), (447_215.4, "447,215")],
)  # fmt: skip
def test_numbers_are_printed_to_four_digits(value, text):
    assert number(value) == text
