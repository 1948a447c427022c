from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
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


@pytest.mark.parametrize("word_bits", range(2, 63))
@settings(max_examples=20)
@given(
    st.floats(1e-250, 1e250) | st.just(1.0),
    st.lists(st.floats(-1, 1) | st.sampled_from([-1.0, 1.0, 0.5, -0.25]), min_size=1, max_size=9),
)
def test_fixed_point_finds_the_nearest_word_at_every_size(word_bits, limit, reals):
    row = np.clip(np.array([reals]) * limit, -limit, limit)
    words, _ = FixedPoint(word_bits=word_bits, limit=limit).encode(row)
    largest = 2 ** (word_bits - 1) - 1
    for word, real in zip(words[0].tolist(), row[0].tolist(), strict=True):
        steps = word - largest
        assert -largest <= steps <= largest
        true = Fraction(real) * largest / Fraction(limit)
        assert abs(steps - true) <= Fraction(1, 2) + Fraction(1, 2**12)


@pytest.mark.parametrize("word_bits", range(2, 61))
@settings(max_examples=20)
@given(st.lists(st.floats(-1, 1) | st.sampled_from([-1.0, 1.0]), min_size=4, max_size=4))
def test_sums_of_fixed_point_are_exact_fractions_at_every_size(word_bits, reals):
    encoding = FixedPoint(word_bits=word_bits, limit=1.0)
    words, wire = encoding.encode(np.array(reals)[:, None])
    total = words.sum(axis=0, dtype=np.uint64) & np.uint64(2**wire.sum_bits - 1)
    largest = 2 ** (word_bits - 1) - 1
    steps = sum(words[:, 0].tolist()) - 4 * largest
    found = Fraction(float(encoding.decode(total, 4)[0]))
    assert abs(found - Fraction(steps, largest)) <= Fraction(4, 2**51)
    allowed = Fraction(1025, 512 * largest) + Fraction(1, 2**49)  # four half steps, and floats
    assert abs(found - sum(map(Fraction, reals))) <= allowed


def test_a_sum_beyond_what_a_float_holds_is_refused():
    encoding = FixedPoint(word_bits=8, limit=1e308)
    assert encoding.decode(encoding.encode(np.array([[1e308]]))[0], 1)[0] == pytest.approx(1e308)
    with pytest.raises(BudgetError, match="exceeds what a float holds"):
        encoding.encode(np.full((4, 1), 1e308))


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
