"""What masks hide, exactly: enumeration of all words, and states of all copies with Eve's own.

Nothing here uses the protocol's code but the generator of the code whose distance it relies on.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from qring.encoding.codes import bch_polynomial as bch


def code(degree, withstood, length):
    """G, shape (k, N)."""
    taps = bch.generator(degree, withstood).astype(np.int64)
    kept = length - len(taps) + 1
    return np.stack([np.pad(taps, (a, kept - 1 - a)) for a in range(kept)])


EVEN = np.array([[1, 1, 0], [0, 1, 1]])  # distance 2: more than K = 1, not more than 2K
REPEAT = code(2, 1, 3)  # 111, distance 3


def all_words(workers, length, modulus):
    """Every assignment of words, shape (cases, workers, length)."""
    grid = np.indices((modulus,) * (workers * length)).reshape(workers * length, -1).T
    return grid.reshape(-1, workers, length)


def key(columns, modulus):
    """One number for each row of non-negative digits."""
    return columns.reshape(len(columns), -1) @ modulus ** np.arange(columns[0].size, dtype=np.int64)


def masks_given(matrix, words, known, modulus):
    """Joint counts: rows are what Eve knows (U, and all words at ``known``), columns all masks."""
    total = words.sum(axis=1) % modulus
    masks = words @ matrix.T % modulus
    seen = np.concatenate([total, words[:, :, known].reshape(len(words), -1)], axis=1)
    rows, columns = key(seen, modulus), key(masks, modulus)
    _, rows = np.unique(rows, return_inverse=True)
    _, columns = np.unique(columns, return_inverse=True)
    counts = np.zeros((rows.max() + 1, columns.max() + 1), np.int64)
    np.add.at(counts, (rows, columns), 1)
    return counts


@pytest.mark.parametrize(
    ("matrix", "withstood", "workers", "bits"),
    [
        (REPEAT, 1, 2, 1), (REPEAT, 1, 3, 1), (REPEAT, 1, 2, 2), (REPEAT, 1, 3, 2),
        (code(3, 1, 4), 1, 2, 1), (code(3, 1, 4), 1, 3, 1), (code(3, 1, 5), 1, 2, 1),
        (code(3, 1, 5), 1, 3, 1), (code(3, 1, 7), 1, 2, 1),
    ],
    ids=lambda v: str(v.shape) if isinstance(v, np.ndarray) else str(v),
)  # fmt: skip
def test_who_knows_k_words_of_everybody_knows_nothing_of_the_masks_but_their_sum(
    matrix, withstood, workers, bits
):
    modulus = 1 << bits
    words = all_words(workers, matrix.shape[1], modulus)
    fewest = modulus ** ((workers - 1) * len(matrix))  # masks with a given sum
    for size in range(withstood + 1):
        for known in itertools.combinations(range(matrix.shape[1]), size):
            counts = masks_given(matrix, words, list(known), modulus)
            for row in counts:
                possible = row[row > 0]
                assert len(possible) == fewest
                assert (possible == possible[0]).all()


def test_who_knows_more_words_than_the_code_withstands_learns_masks():
    words = all_words(2, 3, 2)
    assert (masks_given(REPEAT, words, [0, 1, 2], 2) > 0).sum(axis=1).max() == 1
    assert (masks_given(np.array([[1, 0, 0]]), words, [0], 2) > 0).sum(axis=1).max() == 1


def bad_coordinates(copies_a_word, length):
    """Of every basis state of two workers' qubits: which words have a copy with unequal bits."""
    copies = copies_a_word * length
    index = np.arange(1 << (2 * copies))
    first, second = index >> copies, index & ((1 << copies) - 1)
    differ = first ^ second
    bits = (differ[:, None] >> np.arange(copies - 1, -1, -1)) & 1
    return bits.reshape(-1, length, copies_a_word).any(axis=2)


def tampered_state(copies_a_word, length, most_bad, held, rng):
    """A random state of all copies and Eve's system, of which at most so many words are bad."""
    bad = bad_coordinates(copies_a_word, length)
    state = rng.normal(size=(len(bad), held)) + 1j * rng.normal(size=(len(bad), held))
    state[bad.sum(axis=1) > most_bad] = 0
    return state / np.linalg.norm(state)


def views(state, matrix, bits):
    """Eve's unnormalised state for every (mask 1, mask 2) and transcript, by running every case.

    Qubits: worker 1's, then worker 2's; of each, word by word, lowest digit first. Returns shape
    (masks, masks, transcripts, held, held), averaged over all words with these masks.
    """
    length, held = matrix.shape[1], state.shape[1]
    copies, modulus = bits * length, 1 << bits
    shape = (2,) * (2 * copies) + (held,)
    number = modulus ** len(matrix)
    found = np.zeros((number, number, 1 << (2 * copies), held, held), np.complex128)
    for u in all_words(2, length, modulus):
        psi = state.reshape(shape)
        for word, digit in itertools.product(range(length), range(bits)):
            axes = [worker * copies + word * bits + digit for worker in range(2)]
            for worker, axis in enumerate(axes):
                psi = turned(psi, axis, 2 * np.pi * u[worker, word] / 2 ** (digit + 1))
            for lower in range(digit):  # worker 1 takes off the digits that were announced
                known = [worker * copies + word * bits + lower for worker in range(2)]
                angle = -2 * np.pi * 2**lower / 2 ** (digit + 1)
                psi = turned_if_odd(psi, axes[0], known, angle)
            for axis in axes:
                psi = hadamard(psi, axis)
        flat = psi.reshape(-1, held)
        masks = u @ matrix.T % modulus @ modulus ** np.arange(len(matrix))
        found[masks[0], masks[1]] += flat[:, :, None] * flat[:, None, :].conj()
    return found / modulus ** (2 * (length - len(matrix)))


def turned(psi, axis, angle):
    shape = [1] * psi.ndim
    shape[axis] = 2
    return psi * np.exp(1j * angle * np.arange(2)).reshape(shape)


def turned_if_odd(psi, axis, known, angle):
    parity = np.zeros((1,) * psi.ndim)
    for other in known:
        shape = [1] * psi.ndim
        shape[other] = 2
        parity = (parity + np.arange(2).reshape(shape)) % 2
    shape = [1] * psi.ndim
    shape[axis] = 2
    return psi * np.exp(1j * angle * parity * np.arange(2).reshape(shape))


def hadamard(psi, axis):
    a, b = np.take(psi, 0, axis), np.take(psi, 1, axis)
    return np.stack([a + b, a - b], axis) / np.sqrt(2)


def leak(found, modulus, masks):
    """Largest trace distance between views of masks with the same sum."""
    digits = np.array(list(itertools.product(range(modulus), repeat=masks)))[:, ::-1]
    worst = 0.0
    pairs = list(itertools.product(range(len(digits)), repeat=2))
    for a, b in itertools.combinations(pairs, 2):
        sums = [(digits[p[0]] + digits[p[1]]) % modulus for p in (a, b)]
        if (sums[0] == sums[1]).all():
            gap = np.linalg.eigvalsh(found[a] - found[b])
            worst = max(worst, float(np.abs(gap).sum()) / 2)
    return worst


@pytest.mark.parametrize("held", [1, 4, 32])
def test_any_superposition_of_k_bad_words_tells_nothing_of_masks_of_distance_above_2k(held):
    state = tampered_state(1, 3, 1, held, np.random.default_rng(held))
    assert leak(views(state, REPEAT, 1), 2, 1) < 1e-12


def test_shorter_distances_and_more_bad_words_leak():
    rng = np.random.default_rng(0)
    one_bad = tampered_state(1, 3, 1, 4, rng)
    assert leak(views(one_bad, EVEN, 1), 2, 2) > 0.01  # distance 2 > K, but not > 2K
    two_bad = tampered_state(1, 3, 2, 4, rng)
    assert leak(views(two_bad, REPEAT, 1), 2, 1) > 0.01
    known = tampered_state(1, 3, 1, 4, rng)  # but whoever knows which one is bad gets nothing
    known[bad_coordinates(1, 3)[:, 1:].any(axis=1)] = 0
    assert leak(views(known / np.linalg.norm(known), EVEN, 1), 2, 2) < 1e-12


@pytest.mark.slow
def test_five_words_of_one_bit():
    matrix = code(3, 1, 5)
    rng = np.random.default_rng(5)
    assert leak(views(tampered_state(1, 5, 1, 1, rng), matrix, 1), 2, 2) < 1e-12
    assert leak(views(tampered_state(1, 5, 2, 1, rng), matrix, 1), 2, 2) > 1e-3


@pytest.mark.slow
def test_words_of_two_bits_read_with_feed_forward():
    rng = np.random.default_rng(2)
    assert leak(views(tampered_state(2, 3, 1, 1, rng), REPEAT, 2), 4, 1) < 1e-12


def test_rounds_under_masks_of_one_batch_tell_their_sums_and_nothing_else():
    """Theorem 3, for two rounds of two coordinates: the whole view, for every pair of inputs.

    Eve sees all masked words of both rounds and U, and knows one word of everybody.
    """
    matrix = code(3, 1, 7)  # four masks: two a round
    words = all_words(2, 7, 2)
    masks, total = words @ matrix.T % 2, words.sum(axis=1) % 2
    for known in range(7):
        laws = {}
        for x in itertools.product(range(2), repeat=4):  # worker 1's inputs; worker 2's are zero
            for shift in ((0, 0, 0, 0), (1, 0, 1, 1)):  # moved to worker 2: the sums stay
                inputs = np.stack([(np.array(x) + shift) % 2, np.array(shift)])
                seen = np.concatenate(
                    [total, words[:, :, known], ((masks + inputs) % 2).reshape(len(words), -1)],
                    axis=1,
                )
                law = np.sort(key(seen, 2))
                assert (laws.setdefault(x, law) == law).all()
        assert len({law.tobytes() for law in laws.values()}) == 16


def test_a_mask_used_in_two_rounds_tells_the_change():
    words = all_words(2, 7, 2)
    mask = words @ code(3, 1, 7).T[:, :1] % 2
    views_ = []
    for first, second in (((0, 0), (0, 0)), ((0, 0), (1, 1))):  # both rounds' sums are zero
        seen = [(mask[:, :, 0] + np.array(x)) % 2 for x in (first, second)]
        views_.append(set(map(tuple, np.concatenate(seen, axis=1))))
    assert views_[0].isdisjoint(views_[1])
