"""What must hold for every ring all-reduce, whatever its size, words, direction and noise."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qring
from qring import (
    BellDiagonal,
    Classical,
    Direction,
    FixedPoint,
    Integers,
    Network,
    Superdense,
    Width,
)
from qring.encoding.superdense import frames, pauli_labels
from qring.theory.resources import RingResources

sizes = st.tuples(st.integers(1, 9), st.integers(1, 40))
directions = st.sampled_from(Direction)
widths = st.sampled_from(Width)
seeds = st.integers(0, 2**32 - 1)
FLOATS = [np.float16, np.float32, np.float64, ml_dtypes.bfloat16]


@given(sizes, st.integers(1, 20), widths, directions, seeds)
def test_sums_of_integers_are_exact_and_ledgers_equal_the_closed_forms(
    size, word_bits, width, gather, seed
):
    workers, coords = size
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 2**word_bits, size=size)
    encoding = Integers(word_bits=word_bits, width=width, signed=False)
    expected = RingResources(
        workers=workers,
        coords=coords,
        word_bits=word_bits,
        width=width.value,
        gather=gather.value,
    )
    for method, protocol in ((Classical, "classical"), (Superdense, "superdense")):
        result = qring.all_reduce(rows, method=method(encoding=encoding, gather=gather))
        assert result.agreed
        assert (result.sum == rows.sum(axis=0)).all()
        assert result.ledger == expected.ledger(protocol)


@given(sizes, st.sampled_from(FLOATS), directions, seeds)
def test_float_bits_give_the_same_bits_over_qubits_as_over_bits(size, dtype, gather, seed):
    rows = np.random.default_rng(seed).normal(size=size).astype(dtype)
    quantum = qring.all_reduce(rows, method=Superdense(gather=gather))
    classical = qring.all_reduce(rows, method=Classical(gather=gather))
    assert quantum.agreed
    assert quantum.sums.tobytes() == classical.sums.tobytes()
    expected = RingResources(
        workers=size[0],
        coords=size[1],
        word_bits=rows.dtype.itemsize * 8,
        width="float",
        gather=gather.value,
    )
    assert quantum.ledger == expected.ledger("superdense")
    assert classical.ledger == expected.ledger("classical")


@given(sizes, st.sampled_from(FLOATS), seeds)
def test_float_sums_are_right_up_to_rounding(size, dtype, seed):
    rows = np.random.default_rng(seed).normal(size=size).astype(dtype)
    exact = rows.astype(np.float64).sum(axis=0)
    scale = np.abs(rows.astype(np.float64)).sum(axis=0)
    unit = float(ml_dtypes.finfo(dtype).eps)
    total = qring.all_reduce(rows).sum
    assert total.dtype == rows.dtype
    assert (np.abs(total.astype(np.float64) - exact) <= size[0] * unit * scale).all()


@given(sizes, st.integers(2, 24), widths, seeds)
def test_fixed_point_sums_are_exact_in_steps(size, word_bits, width, seed):
    rows = np.random.default_rng(seed).uniform(-1, 1, size=size)
    encoding = FixedPoint(word_bits=word_bits, limit=1.0, width=width)
    result = qring.all_reduce(rows, method=Superdense(encoding=encoding))
    steps = np.rint(rows / encoding.step).astype(np.int64).sum(axis=0)
    assert (result.sum == steps * encoding.step).all()


@given(seeds)
def test_same_seed_same_run(seed):
    rows = np.random.default_rng(1).normal(size=(3, 50)).astype(np.float32)
    network = Network(noise=BellDiagonal.werner(0.9))
    runs = [
        qring.all_reduce(rows, network=network, rng=np.random.default_rng(seed)).sums.tobytes()
        for _ in range(2)
    ]
    assert runs[0] == runs[1]


@given(st.integers(1, 60), st.floats(0, 1), seeds)
def test_recorded_faults_explain_what_arrived(coords, error, seed):
    # Two workers, integers: undo each recorded fault on the gathered message and the sum returns.
    rows = np.random.default_rng(seed).integers(0, 2**7, size=(2, coords))
    method = Superdense(encoding=Integers(word_bits=7, signed=False))
    one_way = {(0, 1): BellDiagonal.depolarising(error)}
    network = Network(noise_on=one_way, record_faults=True)
    result = qring.all_reduce(rows, method=method, network=network, rng=np.random.default_rng(seed))
    exact = rows.sum(axis=0)
    scatter, gather = (
        next(f for f in result.faults if (f.src, f.dst, f.round) == (0, 1, t)) for t in (0, 1)
    )
    half = -(-coords // 2)
    first, second = slice(0, half), slice(half, coords)

    def flipped(values, faults):
        bits = 8 * len(values)
        labels = pauli_labels(values.astype(np.uint8), bits)
        labels[faults.pairs] ^= faults.paulis
        return frames(labels).astype(np.int64)

    # Round 0: worker 0 sends its first chunk, worker 1 adds. Round 1: worker 0 sends the sum of
    # the second chunk. Only the link 0 → 1 is noisy.
    arrived = (flipped(rows[0, first], scatter) + rows[1, first]) % 256
    assert (result.sums[1, first] == arrived).all()
    assert (result.sums[1, second] == flipped(exact[second], gather)).all()
    assert (result.sums[0, second] == exact[second]).all()


def test_noise_does_not_change_the_ledger_and_is_said_aloud():
    rows = np.ones((4, 100), np.float32)
    network = Network(noise=BellDiagonal.werner(0.9))
    noisy = qring.all_reduce(rows, network=network, rng=np.random.default_rng(0))
    clean = qring.all_reduce(rows)
    assert noisy.ledger == clean.ledger
    assert "without error correction" in noisy.caveats[0]
    assert not noisy.agreed
    assert clean.caveats == ()


def test_classical_bits_do_not_see_the_noise_of_pairs():
    rows = np.ones((4, 100), np.float32)
    network = Network(noise=BellDiagonal.werner(0.5))
    result = qring.all_reduce(rows, method=Classical(), network=network)
    assert (result.sums == 4).all()
    assert result.caveats == ()


@pytest.mark.parametrize(
    ("rows", "keywords", "message"),
    [
        ([[1.0, 2.0], [3.0]], {}, "different lengths"),
        (np.zeros((0, 4)), {}, "nothing to sum"),
        (np.zeros((4, 0)), {}, "nothing to sum"),
        (np.zeros(4), {}, r"shape \(workers, coords\)"),
        ([["a"]], {}, "cannot sum"),
        (np.zeros((2, 2), complex), {}, "cannot sum"),
        (np.array([[1.0, np.nan]]), {}, "the gradient holds nan at coordinate 1"),
        (np.zeros((2, 2)), {"network": Network(noise=BellDiagonal.werner(0.9))}, "pass rng"),
        (
            np.zeros((2, 2)),
            {"network": Network(noise_on={(0, 2): BellDiagonal.werner(0.9)})},
            "no link 0→2",
        ),
        (
            np.zeros((5, 2)),
            {"method": Superdense(encoding=FixedPoint(word_bits=60, limit=1.0))},
            "takes 63 bits",
        ),
    ],
)
def test_what_cannot_be_summed_is_refused(rows, keywords, message):
    with pytest.raises(qring.InputError, match=message):
        qring.all_reduce(rows, **keywords)
