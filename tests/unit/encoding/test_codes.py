"""BCH and LDPC codes against brute force, and against the package ldpc."""

import itertools

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from qring.encoding.codes import min_sum, min_sum_kernel
from qring.encoding.codes.bch import bch_code
from qring.encoding.codes.ldpc import COLUMNS, PAIRED, LdpcCode, ldpc_code
from qring.encoding.codes.min_sum import decode, pair_laws
from qring.errors import InputError


def matrix(code: LdpcCode) -> scipy.sparse.csr_matrix:
    """The parity checks, from the cells alone."""
    z = np.arange(code.lift)
    parts = [
        (row * code.lift + z, column * code.lift + (z + shift) % code.lift)
        for row, cells in enumerate(code.cells)
        for column, shift in cells
    ]
    where = tuple(np.concatenate(side) for side in zip(*parts, strict=True))
    shape = (code.rows * code.lift, code.frame_bits)
    return scipy.sparse.csr_matrix((np.ones(len(where[0]), np.uint8), where), shape=shape)


def werner_errors(rng: np.random.Generator, frames: int, lift: int, fidelity: float) -> np.ndarray:
    third = (1 - fidelity) / 3
    labels = rng.choice(4, size=(frames, PAIRED, lift), p=[fidelity, third, third, third])
    return np.concatenate([labels >> 1, labels & 1], axis=1).astype(np.uint8)


@pytest.mark.parametrize("rows", [3, 9, 23, 48])
def test_codewords_satisfy_every_check(rows: int) -> None:
    code, rng = ldpc_code(rows, 48), np.random.default_rng(rows)
    information = rng.integers(2, size=(5, code.information_columns, 48), dtype=np.uint8)
    frames = code.encode(information)
    assert (frames[:, : code.information_columns] == information).all()
    assert not (matrix(code) @ frames.reshape(5, -1).T % 2).any()
    noisy = frames ^ rng.integers(2, size=frames.shape, dtype=np.uint8)
    checks = matrix(code) @ noisy.reshape(5, -1).T % 2
    assert (checks == code.syndrome(noisy).reshape(5, -1).T).all()


@pytest.mark.parametrize(("rows", "lift"), [(9, 192), (23, 336), (40, 336)])
def test_no_two_columns_meet_twice_and_no_pair_meets_once(rows: int, lift: int) -> None:
    checks = matrix(ldpc_code(rows, lift)).astype(np.int32)
    meetings = (checks.T @ checks).tocoo()
    apart = meetings.row != meetings.col
    assert meetings.data[apart].max() == 1
    pairs = (meetings.row % (PAIRED * lift) == meetings.col % (PAIRED * lift)) & apart
    information = (COLUMNS - rows) * lift
    placed = np.minimum(meetings.row, meetings.col) < information
    assert not (pairs & placed).any()


@pytest.mark.parametrize(("rows", "fidelity"), [(10, 0.985), (26, 0.94), (44, 0.865)])
def test_errors_are_found_and_agree_with_another_decoder(rows: int, fidelity: float) -> None:
    from ldpc import BpDecoder

    code, rng = ldpc_code(rows, 96), np.random.default_rng(7)
    errors = werner_errors(rng, 4, 96, fidelity + 0.4 * (1 - fidelity))
    third = 0.6 * (1 - fidelity) / 3
    laws = pair_laws([1 - 3 * third, third, third, third])
    found = decode(code, code.syndrome(errors), laws)
    assert not found.lost.any()
    assert (found.errors == errors).all()
    theirs = BpDecoder(
        matrix(code), error_rate=2 * third, max_iter=60, bp_method="minimum_sum",
        ms_scaling_factor=0.75, schedule="serial",
    )  # fmt: skip
    for k in range(4):
        assert (theirs.decode(code.syndrome(errors[k : k + 1]).ravel()) == errors[k].ravel()).all()


def test_a_pair_that_flips_both_bits_is_found_where_separate_bits_are_not() -> None:
    """Dephased in both bases at once, pairs flip both bits or none: one bit tells the other."""
    code, rng = ldpc_code(40, 96), np.random.default_rng(3)
    flipped = (rng.random((6, PAIRED, 96)) < 0.07).astype(np.uint8)
    errors = np.concatenate([flipped, flipped], axis=1)
    syndrome = code.syndrome(errors)
    joint = decode(code, syndrome, pair_laws([0.93, 1e-9, 1e-9, 0.07]))
    assert not joint.lost.any()
    assert (joint.errors == errors).all()
    apart = decode(code, syndrome, pair_laws([0.93**2, 0.93 * 0.07, 0.93 * 0.07, 0.07**2]))
    assert apart.lost.all()


@pytest.mark.parametrize("rows", [9, 26, 44])
def test_both_kernels_give_the_same_bits(rows: int) -> None:
    if min_sum.compiled() is None:
        pytest.skip("numba is not installed: there is one kernel only")
    code, rng = ldpc_code(rows, 48), np.random.default_rng(rows)
    fidelity = {9: 0.985, 26: 0.93, 44: 0.84}[rows]
    errors = werner_errors(rng, 12, 48, fidelity)
    third = (1 - fidelity) / 3
    for laws in (
        pair_laws([fidelity, third, third, third]),
        pair_laws(rng.dirichlet([30, 1, 1, 1], size=(12, PAIRED, 48)).transpose(0, 3, 1, 2)),
    ):
        one = decode(code, code.syndrome(errors), laws)
        other = decode(code, code.syndrome(errors), laws, engine=min_sum_kernel.in_numpy)
        assert (one.errors == other.errors).all()
        assert (one.passes == other.passes).all()
        assert one.lost.any() or rows == 9  # some are beyond the code: these must agree, too


def test_small_bch_codes_correct_every_pattern_they_promise_to() -> None:
    code = bch_code(5, 2)
    information = np.array([[1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 0, 0, 1, 0, 1, 1, 0, 0, 0, 1]], "u1")
    sent = code.encode(information)
    patterns = [
        places
        for errors in range(3)
        for places in itertools.combinations(range(sent.shape[1]), errors)
    ]
    received = np.repeat(sent, len(patterns), axis=0)
    for row, places in zip(received, patterns, strict=True):
        row[list(places)] ^= 1
    found = code.decode(received)
    assert not found.lost.any()
    assert (found.information == information).all()


@given(st.integers(6, 11), st.integers(1, 12), st.data())
@settings(max_examples=30, deadline=None)
def test_bch_codes_correct_up_to_t_errors_and_miscorrect_to_codewords_only(m, t, data) -> None:
    try:
        code = bch_code(m, t)
    except InputError:
        return
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    bits = data.draw(st.integers(1, code.information_bits))
    information = rng.integers(2, size=(20, bits), dtype=np.uint8)
    sent = code.encode(information)
    received = sent.copy()
    weights = rng.integers(0, t + 4, size=20)
    for row, weight in zip(received, weights, strict=True):
        row[rng.choice(len(row), min(weight, len(row)), replace=False)] ^= 1
    found = code.decode(received)
    within = np.minimum(weights, sent.shape[1]) <= t
    assert not found.lost[within].any()
    assert (found.information[within] == information[within]).all()
    claimed = code.encode(found.information[~found.lost])
    assert ((claimed != received[~found.lost]).sum(axis=1) <= t).all()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: ldpc_code(2, 48), "rows lie in 3..52"),
        (lambda: ldpc_code(9, 8), "circulants in 16..1024"),
        (lambda: bch_code(3, 1), "m lies in 4..14"),
        (lambda: bch_code(8, 0), "corrects 1 or more"),
        (lambda: bch_code(5, 16), "withstands 16"),
        (lambda: bch_code(8, 3).encode(np.zeros((1, 255), np.uint8)), "it holds 231"),
        (lambda: pair_laws([1.0, -0.1, 0, 0]), "not negative"),
        (lambda: pair_laws([1.0, 0.0]), "shape"),
        (lambda: ldpc_code(9, 48).encode(np.zeros((1, 2, 48), np.uint8)), "has shape"),
        (
            lambda: decode(ldpc_code(9, 48), np.zeros((2, 9, 47), "u1"), pair_laws([1, 0, 0, 0])),
            "has shape",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(make, says) -> None:
    with pytest.raises(InputError, match=says):
        make()


def test_bch_codewords_are_those_of_another_encoder() -> None:
    bchlib = pytest.importorskip("bchlib")
    code, rng = bch_code(13, 13), np.random.default_rng(1)
    data = rng.integers(256, size=(5, code.information_bits // 8), dtype=np.uint8)
    sent = code.encode(np.unpackbits(data, axis=1))
    other = bchlib.BCH(13, m=13)
    for row, body in zip(sent, data, strict=True):
        parity = np.frombuffer(bytes(other.encode(body.tobytes())), np.uint8)
        assert (np.unpackbits(parity)[: code.parity_bits] == row[8 * len(body) :]).all()
