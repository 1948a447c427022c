import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qring import BitBudget, BudgetError, FixedPoint, FloatBits, InputError, Integers, OutOfRange
from qring.encoding.formats import Width, WordFormat, width_of_sum


@given(st.integers(1, 40), st.integers(1, 5000))
def test_width_of_a_sum_is_the_least_that_holds_the_largest_sum(word_bits, workers):
    largest = workers * (2**word_bits - 1)
    width = width_of_sum(word_bits, workers)
    assert 2 ** (width - 1) <= largest < 2**width


@given(st.integers(2, 20), st.integers(1, 9), st.data())
def test_integers_come_back_as_their_exact_sum(word_bits, workers, data):
    top = 2 ** (word_bits - 1) - 1
    rows = data.draw(
        st.lists(
            st.lists(st.integers(-top, top), min_size=3, max_size=3),
            min_size=workers,
            max_size=workers,
        )
    )
    array = np.array(rows)
    encoding = Integers(word_bits=word_bits)
    words, wire = encoding.encode(array)
    total = words.sum(axis=0, dtype=np.uint64)
    assert int(total.max()) < 2**wire.sum_bits
    assert (encoding.decode(total, workers) == array.sum(axis=0)).all()


@given(
    st.integers(2, 30),
    st.floats(1e-6, 1e6),
    st.lists(st.floats(-1, 1), min_size=1, max_size=20),
)
def test_fixed_point_is_off_by_at_most_half_a_step(word_bits, limit, reals):
    encoding = FixedPoint(word_bits=word_bits, limit=limit)
    row = np.array([reals]) * limit
    words, _ = encoding.encode(row)
    error = np.abs(encoding.decode(words, 1) - row)
    assert (error <= encoding.step * (0.5 + 1e-6)).all()


def test_fixed_point_clips_only_when_told_to():
    row = np.array([[2.0, -3.0, 0.5]])
    with pytest.raises(BudgetError, match="reaches 3 but 8-bit words .* hold 1"):
        FixedPoint(word_bits=8, limit=1.0).encode(row)
    clipping = FixedPoint(word_bits=8, limit=1.0, out_of_range=OutOfRange.CLIP)
    words, _ = clipping.encode(row)
    assert clipping.decode(words, 1)[0].tolist() == pytest.approx([1.0, -1.0, 64 / 127])


def test_budget_names_every_bit():
    assert str(BitBudget.of(16, 4)) == "16 bits a word + 2 carry = 18 bits"
    assert BitBudget.of(62, 1) == (62, 0, 62)
    with pytest.raises(BudgetError, match="use words of at most 60 bits"):
        BitBudget.of(62, 4)
    with pytest.raises(BudgetError, match="at least 1 bit"):
        BitBudget.of(0, 4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("encoding", [FloatBits(), FixedPoint(word_bits=8, limit=1.0)])
def test_nonfinite_values_are_found_and_named(encoding, value):
    rows = np.zeros((3, 5), np.float32)
    rows[1, 4] = value
    with pytest.raises(InputError, match="worker 1 .* at coordinate 4"):
        encoding.encode(rows)


def test_nonfinite_values_pass_when_allowed():
    rows = np.array([[np.nan, np.inf]], np.float32)
    values, _ = FloatBits(allow_nonfinite=True).encode(rows)
    assert values.tobytes() == rows.tobytes()


@pytest.mark.parametrize(
    ("encoding", "rows", "message"),
    [
        (FloatBits(), np.zeros((2, 2), np.int32), "float bits cannot carry int32"),
        (Integers(word_bits=8), np.zeros((2, 2)), "integer words cannot carry float64"),
        (Integers(word_bits=8), np.array([[128]]), r"hold -127\.\.127"),
        (Integers(word_bits=8, signed=False), np.array([[256]]), r"hold 0\.\.255"),
        (Integers(word_bits=8, signed=False), np.array([[-1]]), r"hold 0\.\.255"),
    ],
)
def test_values_that_do_not_fit_are_refused(encoding, rows, message):
    with pytest.raises(InputError, match=message):
        encoding.encode(rows)


@pytest.mark.parametrize(("limit", "bits"), [(0.0, 8), (-1.0, 8), (np.nan, 8), (np.inf, 8), (1, 1)])
def test_absurd_fixed_point_is_refused_at_birth(limit, bits):
    with pytest.raises(InputError):
        FixedPoint(word_bits=bits, limit=limit)


def test_words_without_a_carry_travel_at_their_own_width_and_wrap():
    wire = WordFormat(word_bits=5, workers=9, width=Width.GROWING, carry=False)
    assert wire.sum_bits == 5
    assert [wire.bits(7, summed) for summed in (1, 4, 9)] == [35, 35, 35]
    own, received = (np.array(words, np.uint64) for words in ([31, 1, 30], [1, 2, 31]))
    assert list(wire.add(received, own)) == [0, 3, 29]
    assert list(wire.unpack(wire.pack(own, 9), 3, 9)) == [31, 1, 30]
