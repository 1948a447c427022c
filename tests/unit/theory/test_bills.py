"""Bills against what the protocols themselves choose, and against formulas done by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

import qring
from qring.errors import InputError
from qring.ledger import Carrier, Phase
from qring.security.masks.terms import MaskTerms
from qring.theory.bills import Job, Protects, bills, winners
from qring.theory.privacy import mask_plan
from qring.theory.resources import RingResources


def job(**change):
    wanted = {"workers": 8, "coords": 10**6, "word_bits": 17, "rounds": 1, "epsilon": 2.0**-40}
    return Job(**wanted | change)


def priced(wanted):
    return {bill.protocol: bill for bill in bills(wanted)}


@pytest.mark.parametrize("coords", [1_000, 10**5, 10**6, 10**9])
def test_the_private_bill_is_what_the_protocol_plans(coords):
    wanted = job(coords=coords)
    bill = priced(wanted)["private"]
    terms = MaskTerms.plan(coords, workers=8, sum_bits=20)
    # The protocol knows the code's exact size; the bill takes its bound m·K and the best m.
    assert 0.9995 < bill.states / terms.copies < (1.03 if coords == 1000 else 1.002)
    assert bill.tests == pytest.approx(terms.tests, rel=0.05)
    assert bill.qubits_sent == 7 * bill.states
    assert bill.memory_qubits == bill.states
    share = bill.tests / bill.states
    loss = mask_plan(coords, wanted.epsilon, share)
    assert bill.states - bill.tests >= 20 * (coords + loss.lost_to_code * 0.97)


def test_overhead_of_the_flagship():
    small, large = (priced(job(coords=d))["private"] for d in (10**6, 10**9))
    assert small.states / (20 * 10**6) == pytest.approx(1.068, abs=2e-3)
    assert large.states / (20 * 10**9) < 1.003


@pytest.mark.parametrize(("workers", "coords"), [(2, 7), (3, 10), (8, 1000), (5, 3)])
def test_online_loads_are_those_of_the_ring(workers, coords):
    wanted = job(workers=workers, coords=coords, word_bits=5, epsilon=1e-3)
    ring = RingResources(workers=workers, coords=coords, word_bits=5)
    found = priced(wanted)
    assert found["classical"].online_bits == ring.ledger("classical").busiest(
        Phase.ONLINE, Carrier.BIT
    )
    busiest = ring.ledger("superdense").busiest(Phase.ONLINE, Carrier.QUBIT)
    for name in ("superdense", "private", "QKD + one-time pads, tree"):
        assert found[name].online_qubits == busiest


def test_a_run_of_vga_uses_what_its_bill_says():
    rows = np.zeros((3, 40), np.int64)
    encoding = qring.Integers(word_bits=5)
    result = qring.all_reduce(
        rows, method=qring.Ghz(encoding=encoding), rng=np.random.default_rng(0)
    )
    bill = priced(job(workers=3, coords=40, word_bits=5))["ghz"]
    assert bill.states == result.copies
    assert bill.qubits_sent == result.ledger.total(Carrier.QUBIT, Phase.SETUP)


def test_checks_and_tests_by_hand():
    found = priced(job(rounds=1000))
    hashed = found["vga, hashed"]
    assert hashed.tests == 1000 * math.ceil(2 * (40 + math.log2(1000)))
    assert hashed.two_qubit == 8 * 1000 * (100 * 20 * 10**6 // 2)
    cut = found["vga, cut-and-choose"]
    assert cut.tests == pytest.approx(1000 * 2e7 * (1000 * 2.0**40) ** 2)
    tree, complete = (found[f"QKD + one-time pads, {kind}"] for kind in ("tree", "complete graph"))
    assert tree.secret_bits == 7 * 1000 * 2 * 10**7
    assert complete.secret_bits == 28 * 1000 * 2 * 10**7
    assert tree.states > tree.secret_bits
    assert tree.memory_qubits == complete.memory_qubits == 0
    # One batch for all rounds costs less than one a round, and far more memory.
    ahead = found["private, masks for all rounds at once"]
    assert ahead.states < found["private"].states
    assert ahead.memory_qubits > 900 * found["private"].memory_qubits


def test_who_wins_depends_on_whom_one_fears():
    by = winners(bills(job()))
    assert by["outsider"]["memory_qubits"].startswith("QKD")
    assert by["coalitions"]["memory_qubits"].startswith("QKD")
    found = priced(job())
    complete, private = found["QKD + one-time pads, complete graph"], found["private"]
    # Keys for every pair cost n/2 times the qubits; keys on a tree about as many, for less.
    assert complete.qubits_sent / private.qubits_sent == pytest.approx(4, abs=0.4)
    tree = found["QKD + one-time pads, tree"]
    assert tree.protects is Protects.OUTSIDER
    assert tree.qubits_sent / private.qubits_sent == pytest.approx(1, abs=0.1)
    for level in by.values():
        for name in level.values():
            assert found[name].protects in (Protects.OUTSIDER, Protects.COALITIONS)


@pytest.mark.parametrize(
    "change", [{"workers": 1}, {"coords": 0}, {"word_bits": 0}, {"rounds": 0}, {"epsilon": 1.0}]
)
def test_jobs_that_cannot_be(change):
    with pytest.raises(InputError):
        job(**change)


def test_secrecy_correctness_and_their_total_cover_all_rounds():
    for rounds in (1, 10):
        for bill in bills(job(rounds=rounds)):
            if bill.protocol.startswith("private"):
                assert bill.secrecy == pytest.approx(2.0**-40)
                assert bill.correctness == pytest.approx(2.0**-39)
                assert bill.total_epsilon == pytest.approx(3 * 2.0**-40)
                assert bill.online_bits >= 2_400
            else:
                assert bill.total_epsilon is None
    (own,) = (bill for bill in bills(job()) if bill.protocol == "private")
    assert own.online_bits == 2_400  # 2·m·B, m = 60
