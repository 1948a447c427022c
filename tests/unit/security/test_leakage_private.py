"""Attacks on masks: nothing is told of up to K corrupted words, and what is told of more."""

from __future__ import annotations

import math

import numpy as np
import pytest

from qring.errors import InputError
from qring.security.leakage.laboratory import ATTACKS, attack
from qring.security.leakage.report import Setting

TAMPERING = [name for name, one in ATTACKS.items() if "private" in one.against]


def run(name, **sizes):
    return attack(name, "private", Setting(**sizes), np.random.default_rng(0))


@pytest.mark.parametrize("name", TAMPERING)
@pytest.mark.parametrize("withstood", [1, 2])
def test_up_to_k_corrupted_words_tell_nothing_in_any_run(name, withstood):
    found = run(name, withstood=withstood, copies=withstood, rounds=60)
    assert found.leak_bits == found.leak_with_sum_bits == 0
    assert found.leak_interval == (0, 0)


def close(value, odds, rounds):
    """Whether a share of rounds is what it should be, but for a false alarm of 4e-8."""
    return abs(value - odds) < 5.5 * math.sqrt(odds * (1 - odds) / rounds)


def test_without_a_code_one_bad_copy_tells_a_bit_silently():
    rounds = 600
    found = run("plus-state", withstood=0, copies=1, word_bits=1, rounds=rounds)
    # Of two copies one is tested. |+++> passes with 1/4; else it is used, shows every word's bit
    # and the right sum.
    assert close(found.leak_bits, 1 / 2, rounds)
    assert close(found.detected, 1 / 2 * 3 / 4, rounds)
    assert found.sum_correct == pytest.approx(1 - found.detected)
    low, high = found.leak_interval
    assert low < 1 / 2 < high


def test_more_corrupted_words_than_the_code_withstands_tell_all_in_the_runs_that_pass():
    rounds = 1500
    found = run("plus-state", withstood=1, copies=None, word_bits=1, rounds=rounds)
    # All six copies are |+++>: three tests pass with 1/64; then all three words are read.
    assert close(found.sum_correct, 1 / 64, rounds)
    assert found.leak_bits == pytest.approx(found.sum_correct)
    assert found.leak_bits > 0
    with_code = run("plus-state", withstood=1, copies=1, word_bits=1, rounds=60)
    assert with_code.leak_bits == 0


def test_halves_of_pairs_tell_all_where_they_escape_and_the_sum_happens_to_be_right():
    rounds = 600
    found = run("epr-half", withstood=0, copies=1, word_bits=1, workers=2, rounds=rounds)
    # Tested with 1/2, and then found with 1/2; used with 1/2, and then the sum is right with 1/2.
    assert close(found.leak_bits, 1 / 4, rounds)
    assert close(found.detected, 1 / 2, rounds)


def test_sizes_that_cannot_be_followed_are_refused():
    with pytest.raises(InputError, match="workers · word-bits must be at most 16"):
        run("plus-state", workers=9, word_bits=2)
    with pytest.raises(InputError, match="withstood must lie in 0..7"):
        Setting(withstood=8)
