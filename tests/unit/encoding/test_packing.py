import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qring.encoding.packing import pack_words, unpack_words


@given(st.integers(1, 64), st.data())
def test_packed_words_are_their_binary_digits_end_to_end(width, data):
    words = data.draw(st.lists(st.integers(0, 2**width - 1), max_size=40))
    digits = "".join(format(word, f"0{width}b") for word in words)
    padded = digits.ljust(-(-len(digits) // 8) * 8, "0")
    expected = bytes(int(padded[i : i + 8], 2) for i in range(0, len(padded), 8))
    array = np.array(words, np.uint64)
    packed = pack_words(array, width)
    assert packed.tobytes() == expected
    assert (unpack_words(packed, len(words), width) == array).all()


@given(st.integers(1, 63), st.integers(0, 2**64 - 1))
def test_higher_bits_do_not_spill_into_neighbours(width, word):
    packed = pack_words(np.array([0, word, 0], np.uint64), width)
    assert unpack_words(packed, 3, width).tolist() == [0, word % 2**width, 0]
