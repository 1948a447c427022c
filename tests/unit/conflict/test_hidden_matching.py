"""Boolean Hidden Matching and the corrected reduction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qring.conflict.hidden_matching import HiddenMatching, as_tie_audit, parity_shortcut, solve
from qring.conflict.matching import Pairs
from qring.conflict.tie_audit import tie_audit
from qring.errors import InputError


def task(d, pairs, complemented, seed):
    rng = np.random.default_rng(seed)
    bits = rng.random(d) < 0.5
    matching = rng.permutation(d)[: 2 * pairs].reshape(-1, 2)
    target = bits[matching[:, 0]] ^ bits[matching[:, 1]] ^ complemented
    return HiddenMatching(bits=bits, pairs=matching, target=target)


sizes = st.integers(1, 20).flatmap(lambda m: st.tuples(st.integers(2 * m, 60), st.just(m)))


@given(sizes, st.booleans(), st.integers(0, 2**32 - 1))
def test_the_reduction_leaves_a_fraction_of_zero_or_one(size, complemented, seed):
    problem = task(*size, complemented, seed)
    assert problem.complemented is complemented
    signs, ties = as_tie_audit(problem)
    tied = np.flatnonzero(ties.partners >= 0)
    assert ties.tied == 4 * size[1]
    differs = signs.minus[tied] ^ signs.minus[ties.partners[tied]]
    assert set(differs.tolist()) == {complemented}


@given(sizes, st.booleans(), st.integers(0, 2**32 - 1))
def test_a_hit_never_errs(size, complemented, seed):
    answer = solve(task(*size, complemented, seed), 8, np.random.default_rng(seed))
    assert answer.complemented in (complemented, None)
    if 2 * size[1] == size[0]:
        assert answer.complemented is complemented
    assert answer.ledger.totals.online_qubits == 8 * (2 * size[0] - 1).bit_length()


def test_an_audit_decides_it():
    for complemented in (False, True):
        signs, ties = as_tie_audit(task(16, 8, complemented, 1))
        result = tie_audit(signs, ties, epsilon=0.4, delta=0.1, rng=np.random.default_rng(0))
        assert result.fraction == complemented


def test_the_papers_own_reduction_cannot_tell_the_branches():
    # A balanced target, audited on x and the pairs as they are: half conflict on both branches.
    pairs = np.arange(8).reshape(-1, 2)
    target = np.array([0, 1, 0, 1], bool)
    for complemented in (False, True):
        bits = np.zeros(8, bool)
        bits[1::2] = target ^ complemented
        problem = HiddenMatching(bits=bits, pairs=pairs, target=target)
        assert problem.complemented is complemented
        ties = Pairs.of(pairs, 8)
        index = np.arange(8)
        assert (bits ^ bits[ties.partner(index)]).mean() == 0.5


@given(st.integers(0, 10), st.booleans(), st.integers(0, 2**32 - 1))
def test_one_bit_answers_perfect_matchings_with_an_odd_number_of_pairs(k, complemented, seed):
    pairs = 2 * k + 1
    assert parity_shortcut(task(2 * pairs, pairs, complemented, seed)) is complemented


def test_broken_promises_are_refused():
    bits, pairs = np.array([True, False, True, True]), np.array([[0, 1], [2, 3]])
    with pytest.raises(InputError, match="neither the target nor its complement"):
        HiddenMatching(bits=bits, pairs=pairs, target=np.array([True, True]))
    with pytest.raises(InputError, match="as many target bits"):
        HiddenMatching(bits=bits, pairs=pairs, target=np.array([True]))
    with pytest.raises(InputError, match="boolean"):
        HiddenMatching(bits=bits.astype(int), pairs=pairs, target=np.array([True, True]))
    with pytest.raises(InputError, match="only a perfect matching"):
        parity_shortcut(task(8, 4, False, 0))
