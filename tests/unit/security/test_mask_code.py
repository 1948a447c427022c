"""The code behind masks: its distance by exhaustion, and the exactness of amplification."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qring.encoding.codes import bch_polynomial as bch
from qring.errors import InputError
from qring.security.masks.amplify import amplify
from qring.security.masks.terms import MaskTerms


def rows(taps, length):
    """G: shifts of the generator, shape (N − r, N)."""
    shifts = length - len(taps) + 1
    matrix = np.zeros((shifts, length), np.int64)
    for shift in range(shifts):
        matrix[shift, shift : shift + len(taps)] = taps
    return matrix


def lightest(matrix, modulus):
    """Fewest non-zero entries of a combination of rows mod ``modulus`` that is not itself zero."""
    best = matrix.shape[1]
    for weights in itertools.product(range(modulus), repeat=len(matrix)):
        if any(weights):
            best = min(best, int(np.count_nonzero(np.array(weights) @ matrix % modulus)))
    return best


@pytest.mark.parametrize(
    ("degree", "withstood", "kept"),  # the table of primitive BCH codes in Lin and Costello
    [(3, 1, 4), (4, 1, 11), (4, 2, 7), (4, 3, 5), (5, 1, 26), (5, 2, 21), (5, 3, 16), (5, 5, 11),
     (5, 7, 6), (6, 1, 57), (6, 2, 51), (6, 3, 45), (6, 4, 39), (6, 5, 36), (6, 7, 24),
     (6, 10, 18), (6, 13, 10), (7, 4, 99), (7, 10, 64), (7, 15, 36), (8, 18, 131)],
)  # fmt: skip
def test_codes_have_the_size_that_the_tables_give(degree, withstood, kept):
    taps = bch.generator(degree, withstood)
    assert (1 << degree) - len(taps) == kept
    assert bch.redundancy(degree, withstood) == len(taps) - 1
    assert taps[0] == taps[-1] == 1


@pytest.mark.parametrize(
    ("degree", "withstood"), [(3, 1), (4, 1), (4, 2), (4, 3), (5, 3), (5, 5), (5, 7)]
)
def test_the_distance_exceeds_2k_by_exhaustion(degree, withstood):
    matrix = rows(bch.generator(degree, withstood), (1 << degree) - 1)
    kept = len(matrix)
    light = min(
        int((np.bitwise_xor.reduce(matrix[list(chosen)], axis=0)).sum())
        for size in range(1, kept + 1)
        for chosen in itertools.combinations(range(kept), size)
    ) if kept <= 11 else _lightest_binary(matrix)  # fmt: skip
    assert light >= 2 * withstood + 1


def _lightest_binary(matrix):
    words = np.zeros(1, np.int64)
    for row in matrix @ (1 << np.arange(matrix.shape[1], dtype=np.int64)):
        words = np.concatenate([words, words ^ row])
    weights = np.zeros(len(words), np.int64)
    for bit in range(matrix.shape[1]):
        weights += (words >> bit) & 1
    return int(weights[1:].min())


@pytest.mark.parametrize(
    ("degree", "withstood", "length", "modulus"),
    [(3, 1, 7, 4), (3, 1, 6, 8), (4, 2, 12, 4), (4, 3, 14, 8), (4, 3, 13, 16)],
)
def test_combinations_of_rows_mod_2_to_the_b_touch_more_than_2k_words(
    degree, withstood, length, modulus
):
    assert lightest(rows(bch.generator(degree, withstood), length), modulus) > 2 * withstood


def test_long_generators_have_the_zeros_they_were_made_for():
    degree, withstood = 13, 40
    taps = bch.generator(degree, withstood)
    polynomial = sum(int(tap) << k for k, tap in enumerate(taps))
    assert len(taps) - 1 == 13 * 40
    # An independent field: logarithms of a table, from the primitive x^13 + x^4 + x^3 + x + 1.
    # Its α may be another one, so g has α^j, j = 1..2K, as zeros for some generator α: try them.
    table = [1]
    for _ in range((1 << degree) - 2):
        value = table[-1] << 1
        table.append(value ^ (0b10000000011011 if value >> degree else 0))
    exponents = np.flatnonzero([polynomial >> k & 1 for k in range(len(taps))])
    logs, length = np.array(table), (1 << degree) - 1

    def vanishes(power):
        return np.bitwise_xor.reduce(logs[exponents * power % length]) == 0

    found = [
        step for step in range(1, length) if all(vanishes(step * j) for j in (1, 3, 5, 77, 79))
    ]
    assert found
    assert all(vanishes(found[0] * j) for j in range(1, 2 * withstood + 1))


@given(
    st.integers(1, 62), st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 60),
    st.sampled_from([(3, 1), (5, 3), (8, 18), (10, 30)]),
)  # fmt: skip
def test_amplification_is_exact(sum_bits, seed, workers, kept, code):
    taps = bch.generator(*code)
    rng = np.random.default_rng(seed)
    top = (1 << sum_bits) - 1
    words = rng.integers(0, top, size=(workers, kept + len(taps) - 1), dtype=np.uint64,
                         endpoint=True)  # fmt: skip
    words[0] = top  # the largest sums that can be
    masks = amplify(words, taps, sum_bits)
    matrix = rows(taps, words.shape[1]).astype(object)
    expected = words.astype(object) @ matrix.T % (1 << sum_bits)
    assert (masks == expected.astype(np.uint64)).all()


def test_a_long_stream_is_amplified_in_parts():
    taps = bch.generator(16, 600)
    words = np.random.default_rng(1).integers(1 << 62, size=60_000, dtype=np.uint64)
    whole = amplify(words, taps, 62)
    redundancy = len(taps) - 1
    parts = [
        amplify(words[start : start + 7_000 + redundancy], taps, 62)
        for start in range(0, len(whole), 7_000)
    ]
    assert (np.concatenate(parts) == whole).all()
    chosen = np.flatnonzero(taps)
    for at in (0, 31_000, len(whole) - 1):
        assert int(whole[at]) == sum(int(words[at + k]) for k in chosen) % (1 << 62)
    top = (1 << 62) - 1
    largest = amplify(np.full(300_000, top, np.uint64), taps, 62)
    assert (largest == len(chosen) * top % (1 << 62)).all()


@pytest.mark.parametrize("masks", [1, 100, 10_000, 10**6, 10**9])
@pytest.mark.parametrize("share", [None, 0.5, 0.01])
def test_plans_keep_epsilon_and_fit_their_code(masks, share):
    terms = MaskTerms.plan(masks, workers=8, sum_bits=20, tested_share=share)
    assert terms.escape <= terms.epsilon**2
    assert terms.words == masks + terms.checks + terms.redundancy < 1 << terms.degree
    degree = int(np.ceil(np.log2(masks) + 40))
    assert terms.checks == (degree if degree <= 62 else 2 * -(-(degree + 30) // 2))
    assert terms.correctness <= terms.epsilon
    if share is not None:
        assert terms.withstood == {0.5: 80, 0.01: 5518}[share]
        assert terms.tests / terms.copies == pytest.approx(share, abs=1e-4)


@pytest.mark.parametrize(("masks", "overhead"), [(10**6, 1.07), (10**9, 1.003)])
def test_the_best_share_costs_little_and_less_than_any_other(masks, overhead):
    best = MaskTerms.plan(masks, workers=8, sum_bits=20)
    assert best.copies / (20 * masks) < overhead
    share = best.tests / best.copies
    for other in (share / 3, share / 1.3, share * 1.3, share * 3):
        assert (
            MaskTerms.plan(masks, workers=8, sum_bits=20, tested_share=other).copies
            >= best.copies * 0.9999
        )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"masks": 0}, "at least one mask"),
        ({"workers": 1}, "at least 2 workers"),
        ({"sum_bits": 63}, "1..62 bits"),
        ({"epsilon": 0.0}, "epsilon lies in"),
        ({"tested_share": 1.0}, "tested share lies in"),
        ({"visibility": 0.0}, "visibility is 0"),
        ({"masks": 1 << 32}, "make several batches"),
    ],
)
def test_impossible_plans_are_refused(change, said):
    wanted = {"masks": 10, "workers": 3, "sum_bits": 8} | change
    with pytest.raises(InputError, match=said):
        MaskTerms.plan(wanted.pop("masks"), **wanted)


def test_nothing_withstood_costs_nothing():
    assert bch.generator(4, 0).tolist() == [1]
    assert bch.redundancy(4, 0) == 0
    words = np.arange(20, dtype=np.uint64)
    assert (amplify(words, bch.generator(4, 0), 4) == words % 16).all()


@pytest.mark.parametrize(("degree", "withstood"), [(1, 1), (33, 1), (4, -1), (4, 8)])
def test_codes_that_do_not_exist_are_refused(degree, withstood):
    with pytest.raises(InputError):
        bch.generator(degree, withstood)
