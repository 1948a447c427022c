"""GHZ states grown along chains, trees and groups: simulated amplitude by amplitude."""

import itertools
import math

import numpy as np
import pytest

import qring
from qring import Distribution, Ghz, Integers
from qring.ledger import Carrier, Phase
from qring.security.leakage.laboratory import attack
from qring.security.leakage.report import Setting
from qring.theory.sharing import sharing


class State:
    """Sparse amplitudes of named qubits."""

    def __init__(self):
        self.qubits, self.amplitudes = [], {(): 1.0}

    def add_ghz(self, *names):
        """Make a GHZ state (or a pair, or |+⟩) of new qubits."""
        self.qubits += names
        size = len(names)
        self.amplitudes = {
            bits + (value,) * size: a / math.sqrt(2)
            for bits, a in self.amplitudes.items()
            for value in (0, 1)
        }

    def cnot(self, control, target):
        c, t = self.qubits.index(control), self.qubits.index(target)
        self.amplitudes = {
            _replaced(bits, t, bits[t] ^ bits[c]): a for bits, a in self.amplitudes.items()
        }

    def flip(self, name):
        k = self.qubits.index(name)
        self.amplitudes = {
            _replaced(bits, k, 1 - bits[k]): a for bits, a in self.amplitudes.items()
        }


def _replaced(bits, place, value):
    return tuple(value if k == place else bit for k, bit in enumerate(bits))


def measure(state, name, outcome):
    k = state.qubits.index(name)
    kept = {b[:k] + b[k + 1 :]: a for b, a in state.amplitudes.items() if b[k] == outcome}
    state.qubits.remove(name)
    weight = sum(a * a for a in kept.values())
    state.amplitudes = {b: a / math.sqrt(weight) for b, a in kept.items()}
    return weight


def fuse(state, src, dst, outcomes):
    """Extend worker src's state by a pair to dst: measure src's half, correct dst's."""
    state.add_ghz(f"half {dst}", dst)
    state.cnot(src, f"half {dst}")
    bit = next(outcomes)
    assert measure(state, f"half {dst}", bit) == pytest.approx(0.5)
    if bit:
        state.flip(dst)


def grown(distribution, n, outcomes):
    state = State()
    if distribution is Distribution.STAR:
        state.add_ghz(*range(n))
    elif distribution is Distribution.GROUPS:
        size = math.ceil(math.sqrt(n))
        state.add_ghz(*range(min(size, n)))
        for first in range(size, n, size):
            fuse(state, first - size, first, outcomes)
            others = list(range(first + 1, min(first + size, n)))
            if others:
                state.add_ghz("own", *others)
                state.cnot(first, "own")
                bit = next(outcomes)
                assert measure(state, "own", bit) == pytest.approx(0.5)
                for worker in others if bit else ():
                    state.flip(worker)
    else:
        state.add_ghz(0)
        for worker in range(1, n):
            tree = distribution is Distribution.TREE_PAIRS
            fuse(state, (worker - 1) // 2 if tree else worker - 1, worker, outcomes)
    return state


@pytest.mark.parametrize("distribution", Distribution)
@pytest.mark.parametrize("n", [1, 2, 3, 5, 6])
def test_whatever_is_measured_on_the_way_workers_end_with_a_ghz_state(distribution, n):
    for outcomes in itertools.product((0, 1), repeat=min(2 * n, 8)):
        state = grown(distribution, n, iter((*outcomes, *outcomes)))
        order = [state.qubits.index(worker) for worker in range(n)]
        found = {tuple(bits[k] for k in order): a for bits, a in state.amplitudes.items()}
        expected = {(0,) * n: 0.5**0.5, (1,) * n: 0.5**0.5}
        assert found == pytest.approx(expected)


@pytest.mark.parametrize("distribution", Distribution)
@pytest.mark.parametrize("n", [2, 3, 4, 7, 9, 10, 16])
def test_what_is_charged_is_what_sharing_predicts(distribution, n):
    rows = np.ones((n, 1), np.int64)
    method = Ghz(encoding=Integers(word_bits=1, signed=False), distribution=distribution)
    ledger = qring.all_reduce(rows, method=method, rng=np.random.default_rng(0)).ledger
    copies, cost = n.bit_length(), sharing(n, distribution.value)
    assert ledger.total(Carrier.QUBIT, Phase.SETUP) == copies * cost.qubits
    assert ledger.total(Carrier.EBIT, Phase.SETUP) == copies * cost.pairs
    assert ledger.total(Carrier.BIT, Phase.SETUP) == copies * cost.bits


def test_trees_and_groups_take_fewer_steps_than_chains():
    steps = {kind: sharing(64, kind.value).steps for kind in Distribution}
    assert steps[Distribution.STAR] == 1
    assert steps[Distribution.TREE_PAIRS] == 6
    assert steps[Distribution.GROUPS] == 9
    assert steps[Distribution.RING_PAIRS] == 63
    assert sharing(64, "tree-pairs").memory == 3
    with pytest.raises(qring.InputError):
        sharing(0, "star")
    with pytest.raises(qring.InputError, match="distribution got 'post'"):
        sharing(3, "post")


@pytest.mark.parametrize("distribution", Distribution)
def test_private_tells_nothing_however_copies_are_shared(distribution):
    setting = Setting(rounds=40, distribution=distribution)
    found = attack("plus-state", "private", setting, np.random.default_rng(0))
    assert (found.leak_bits, found.leak_with_sum_bits) == (0, 0)
