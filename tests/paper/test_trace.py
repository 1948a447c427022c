"""Traces are data, and add up to the ledger of the run they picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qring
from qring import Classical, Direction, Integers, Superdense, Width
from qring.encoding.formats import WordFormat
from qring.paper.report import gallery, number
from qring.paper.trace import even_lengths, ring_trace


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
