"""The leakage laboratory against its oracles, dense states, and itself run the other way."""

import functools
import json
import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from qring.cli.main import main
from qring.errors import InputError
from qring.network.copies import Kind
from qring.security.leakage import ghz_family
from qring.security.leakage.attacks.tampering import ATTACKS as TAMPERING
from qring.security.leakage.enumeration import passes_a_test, read_digits
from qring.security.leakage.laboratory import ATTACKS, attack, attacked
from qring.security.leakage.law import Copy, worker_law
from qring.security.leakage.report import Setting, Standing
from qring.security.vga.verification import CutAndChoose, HashedVerification
from qring.theory.privacy import (
    classical_leak_at_least,
    distance_after_checks,
    leak_of_product_copy,
    stabiliser_detection,
)

PLUS = Copy(kind=Kind.PRODUCT)
HALVES = Copy(kind=Kind.HALVES)
TO_X = np.array([[1, 1], [1, -1]]) / np.sqrt(2)


def run(name, protocol, **sizes):
    return attack(name, protocol, Setting(**sizes), np.random.default_rng(0))


def information(joint):
    """Mutual information, in bits, of the two axes of a joint law."""
    outer = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    return float((joint * np.log2(np.where(joint > 0, joint / outer, 1))).sum())


def own_outcomes(digits, word_bits):
    """Bits that the last worker's own outcomes on |+⟩ tell, the others being independent of it."""
    joint = np.full((1, 1 << word_bits), 2.0**-word_bits)
    for digit in digits:
        one = worker_law(PLUS, 2, word_bits, digit, 0)[-1]
        joint = np.concatenate([joint * one, joint * (1 - one)])
    return information(joint)


# The oracles ---------------------------------------------------------------------------------


def test_masking_with_its_setup_on_the_wire_tells_everything():
    for bits in (1, 3):
        found = run("wiretap", "masking", word_bits=bits)
        assert (found.leak_bits, found.standing) == (bits, Standing.EXACT)


@pytest.mark.parametrize("workers", [2, 3, 4])
def test_plus_states_at_the_lowest_digit_tell_one_bit_silently(workers):
    found = run("plus-state", "ghz", workers=workers, word_bits=2)
    assert (found.leak_bits, found.detected, found.sum_correct) == (1, 0, 1)
    assert "silently" in found.meaning
    assert run("intercept-resend", "ghz", workers=workers).leak_bits == 1
    assert run("plus-state", "ghz", workers=workers, word_bits=1).leak_bits == 1  # a whole vote


def test_plus_states_at_higher_digits_tell_what_the_closed_form_says():
    for digit in range(6):
        assert own_outcomes([digit], digit + 1) == pytest.approx(leak_of_product_copy(digit))
    assert leak_of_product_copy(12) == pytest.approx(math.log2(math.e) - 1, abs=1e-4)
    # With a good copy below, others' outcomes add a little through the digit of the sum it shows.
    found = read_digits([None, PLUS], 3, 2).told.alone
    assert leak_of_product_copy(1) <= found < leak_of_product_copy(1) + 0.05


def test_plus_states_everywhere_tell_half_of_a_byte_and_the_sum_is_wrong():
    assert own_outcomes(range(8), 8) == pytest.approx(4.164, abs=5e-4)
    found = run("plus-state", "ghz", workers=2, word_bits=3, copies=None)
    assert found.leak_bits == pytest.approx(own_outcomes(range(3), 3))
    assert found.sum_correct < 0.6


@pytest.mark.parametrize("workers", [2, 3])
def test_halves_of_pairs_tell_every_bit_they_are_used_for(workers):
    found = run("epr-half", "ghz", workers=workers, word_bits=2, copies=None)
    assert found.leak_bits == pytest.approx(2)
    assert found.detected == 0
    assert found.sum_correct == pytest.approx(0.25)


@pytest.mark.parametrize(("copies", "bits"), [
    (1, 0.4427), (2, 0.885), (4, 1.371), (8, 1.911), (16, 2.456), (64, 3.524),
])  # fmt: skip
def test_the_papers_readout_on_plus_states_tells_more_with_every_copy(copies, bits):
    """Worker 0's counts in both quadratures, half of the copies each."""
    angles = np.arange(1 << 12) * (2 * np.pi / (1 << 12))
    joint = np.full((1, len(angles)), 1 / len(angles))
    for quarter, m in ((0, copies - copies // 2), (-np.pi / 2, copies // 2)):
        one = (1 - np.cos(angles + quarter)) / 2
        law = np.array([math.comb(m, k) * one**k * (1 - one) ** (m - k) for k in range(m + 1)])
        joint = (joint[:, None] * law[None]).reshape(-1, len(angles))
    assert information(joint) == pytest.approx(bits, abs=6e-4)


@pytest.mark.parametrize("protocol", ["ghz", "vga cut-and-choose", "vga hashed"])
@pytest.mark.parametrize("name", ["wiretap", "purification", "phase-rotation"])
def test_phase_noise_tells_nothing(name, protocol):
    found = run(name, protocol, copies=None, rounds=20, word_bits=2)
    assert found.leak_bits == found.leak_with_sum_bits == 0


@pytest.mark.parametrize("workers", [2, 3, 4])
def test_cut_and_choose_against_plus_states_everywhere(workers):
    found = run("plus-state", "vga cut-and-choose", workers=workers, word_bits=2, copies=None)
    assert 1 - found.detected == pytest.approx(stabiliser_detection(workers) ** 2)


@pytest.mark.parametrize("bits", [2, 3])
@pytest.mark.parametrize("workers", [2, 3])
def test_cut_and_choose_lets_one_bad_copy_through_half_the_time(workers, bits):
    found = run("one-bad-copy", "vga cut-and-choose", workers=workers, word_bits=bits)
    p = stabiliser_detection(workers)
    assert found.detected == pytest.approx(p / 2)
    assert found.leak_with_sum_bits > 0
    best = run("plus-state", "vga cut-and-choose", workers=workers, word_bits=bits)
    mean = np.mean([read_digits([None] * j + [PLUS] + [None] * (bits - 1 - j), workers,
                                bits).told.alone for j in range(bits)])  # fmt: skip
    assert best.leak_bits == pytest.approx(mean / 2)


@pytest.mark.parametrize("name", ["plus-state", "one-bad-copy", "epr-half", "lying-node"])
def test_hashed_verification_lets_nothing_through(name):
    found = run(name, "vga hashed", rounds=60, word_bits=2)
    assert found.standing is Standing.BOUND
    assert found.leak_bits == 0
    assert found.leak_interval[1] < 1e-10


def test_the_classical_rings_tell_everything_to_a_wiretap_and_a_neighbour():
    for protocol in ("classical", "superdense"):
        for name in ("wiretap", "lying-node"):
            assert run(name, protocol, workers=4, word_bits=3).leak_bits == 3
    assert run("lying-node", "masking").leak_bits == 0
    assert run("lying-node", "masking", workers=2).leak_bits == 2  # the sum of two, less one's own


def test_a_lying_server_breaks_secure_aggregation_only_where_the_threshold_is_half(monkeypatch):
    pytest.importorskip("cryptography")
    for workers in (4, 5, 6, 7):
        assert run("lying-node", "secagg", workers=workers, word_bits=8).leak_bits == 0
    monkeypatch.setattr("qring.security.secagg.method.default_threshold", lambda n: n // 2 + 1)
    assert run("lying-node", "secagg", workers=5, word_bits=8).leak_bits == 8
    assert run("lying-node", "secagg", workers=4, word_bits=8).leak_bits == 0
    assert run("wiretap", "secagg", word_bits=8).leak_bits == 8


def test_a_lying_node_hides_bad_copies_from_the_papers_test():
    honest = run("plus-state", "vga cut-and-choose")
    lied = run("lying-node", "vga cut-and-choose")
    assert lied.detected < honest.detected / 2
    assert passes_a_test(PLUS, 3, frozenset({0})) == pytest.approx(1 - 1 / 14)


# Dense states --------------------------------------------------------------------------------


def kron(*parts):
    return functools.reduce(np.kron, parts)


def dense_view_law(copies, words, sum_bits):
    """Law of all that is announced, and found on her halves, for two workers with these words."""
    law = {((), 0): 1.0}
    ghz = np.array([1, 0, 0, 1]) / np.sqrt(2)
    for digit, copy in enumerate(copies):
        step = {}
        for (seen, known), p in law.items():
            angles = np.pi * np.array([words[0] - known, words[1]]) / 2**digit
            encode = [TO_X @ np.diag([1, np.exp(1j * a)]) for a in angles]
            if copy is not None and copy.kind is Kind.HALVES:
                # What she found before, worker by worker, from outcomes and halves.
                guess = [sum((o[k] ^ o[2 + k]) << j for j, o in enumerate(seen)) for k in (0, 1)]
                back = np.pi * np.array([guess[0] - known, guess[1]]) / 2**digit
                hers = [TO_X @ np.diag([1, np.exp(-1j * b)]) for b in back]
                state = np.kron(ghz, ghz).reshape((2,) * 4).transpose(0, 2, 1, 3).ravel()
                shown = np.abs(kron(*encode, *hers) @ state) ** 2
                bits = list(product((0, 1), repeat=4))
            else:
                state = ghz
                if copy is not None and copy.kind is Kind.PRODUCT:
                    state = np.full(4, 0.5)
                elif copy is not None:
                    state = ghz * np.exp(1j * copy.turn * np.array([0, 0, 0, 1]))
                    if copy.bits == 2:
                        state = state[[1, 0, 3, 2]]
                shown = np.abs(kron(*encode) @ state) ** 2
                bits = list(product((0, 1), repeat=2))
            for outcome, q in zip(bits, shown, strict=True):
                if q > 1e-14:
                    parity = outcome[0] ^ outcome[1]
                    key = ((*seen, outcome), known | parity << digit)
                    step[key] = step.get(key, 0) + p * q
        law = step
    return law


@pytest.mark.parametrize("copies", [
    (None, None), (PLUS, None), (None, PLUS), (PLUS, PLUS), (None, Copy(bits=2)),
    (None, None, Copy(bits=2)), (None, Copy(bits=2), PLUS), (HALVES, HALVES),
    (Copy(turn=np.pi), None), (Copy(turn=0.7), PLUS),
])  # fmt: skip
def test_enumerated_leaks_are_those_of_dense_states(copies):
    bits = len(copies)
    top = 1 << bits
    alone, with_sum, correct = {}, {}, 0.0
    for words in product(range(top), repeat=2):
        for (seen, known), p in dense_view_law(copies, words, bits).items():
            p /= top**2
            total = sum(words) % top
            correct += p * (known == total)
            alone.setdefault(seen, np.zeros(top))[words[1]] += p
            with_sum.setdefault((seen, total), np.zeros(top))[words[1]] += p
    found = read_digits(list(copies), 2, bits)
    assert found.told.alone == pytest.approx(information(np.array(list(alone.values()))))
    assert found.told.with_sum == pytest.approx(information(np.array(list(with_sum.values()))))
    assert found.sum_correct == pytest.approx(correct)


def test_the_clean_subspace_tells_sums_only_whatever_the_phases_and_the_purification():
    """Two copies of three workers, random phase errors entangled with four levels of Eve's."""
    rng, n = np.random.default_rng(1), 3
    good = [np.zeros(8, complex) for _ in range(2)]
    for phase, vector in enumerate(good):
        vector[0], vector[7] = 1 / np.sqrt(2), (-1) ** phase / np.sqrt(2)

    def view(state, words):
        """Probability-weighted states of Eve, one an outcome string of both copies."""
        phases = [np.pi * np.array(w) / 2 for w in words]
        turn = kron(*(TO_X @ np.diag([1, np.exp(1j * p)]) for copy in phases for p in copy))
        left = turn @ state
        return np.einsum("oa,ob->oab", left, left.conj())

    weights = rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4))
    clean = sum(
        np.outer(np.kron(good[a], good[b]), weights[2 * a + b]) for a in (0, 1) for b in (0, 1)
    )
    clean /= np.linalg.norm(clean)
    flip = np.zeros(8, complex)
    flip[1], flip[6] = 1 / np.sqrt(2), 1 / np.sqrt(2)
    dirty = clean + np.outer(np.kron(flip, good[0]), weights[0])
    dirty /= np.linalg.norm(dirty)
    one, same_sums = ([1, 2, 3], [0, 1, 1]), ([3, 3, 0], [2, 2, 2])
    assert [sum(a) % 4 for a in one] == [sum(b) % 4 for b in same_sums]
    assert np.abs(view(clean, one) - view(clean, same_sums)).max() < 1e-12
    assert np.abs(view(dirty, one) - view(dirty, same_sums)).max() > 1e-3
    assert n == 3


@pytest.mark.parametrize("checks", [1, 2, 3])
def test_the_accepted_state_is_as_close_to_the_clean_one_as_stated(checks):
    """All coins enumerated, random superpositions of the syndromes of two or three copies."""
    rng = np.random.default_rng(checks)
    for copies in (1, 2, 3):
        patterns = np.array(list(product((0, 1), repeat=copies)))
        keeps = [(patterns @ subset % 2 == 0) for subset in product((0, 1), repeat=copies)]
        # A state passes checks independently drawn: elements are kept as both their ends pass.
        both = np.mean([np.outer(keep, keep) for keep in keeps], axis=0) ** checks
        clean = np.zeros((len(patterns),) * 2)
        clean[0, 0] = 1
        worst = 0.0
        for trial in range(300):
            psi = rng.normal(size=len(patterns)) + 1j * rng.normal(size=len(patterns))
            psi[0] *= 1 + trial / 30  # the worst ones are mostly clean
            psi /= np.linalg.norm(psi)
            rho = np.outer(psi, psi.conj())
            difference = rho * both - rho * clean
            worst = max(worst, np.abs(np.linalg.eigvalsh(difference)).sum() / 2)
        assert worst <= distance_after_checks(checks) + 1e-12
        assert worst > distance_after_checks(checks) / 3


# Sampling, bounds and the rest ---------------------------------------------------------------


@pytest.mark.parametrize("tampering", [one for one in TAMPERING if one.name != "purification"],
                         ids=lambda one: one.name)  # fmt: skip
@pytest.mark.parametrize("protocol", ["ghz", "vga cut-and-choose"])
def test_runs_of_the_protocol_agree_with_the_enumeration(tampering, protocol, monkeypatch):
    exact = run(tampering.name, protocol, copies=2, word_bits=2, workers=2)
    monkeypatch.setattr(ghz_family, "_small", lambda *_: False)
    rounds = 250
    sampled = run(tampering.name, protocol, copies=2, word_bits=2, workers=2, rounds=rounds)
    assert (exact.standing, sampled.standing) == (Standing.EXACT, Standing.SAMPLED)
    for name, largest in (("leak_bits", 2), ("leak_with_sum_bits", 2), ("detected", 1),
                          ("sum_correct", 1)):  # fmt: skip
        # Hoeffding at a false-alarm rate of 1e-6.
        slack = largest * math.sqrt(math.log(2e6) / (2 * rounds))
        assert abs(getattr(sampled, name) - getattr(exact, name)) <= slack, name


@pytest.mark.parametrize("checks", [2, 4])
def test_few_hashed_checks_leak_no_more_than_they_may(checks):
    setting = Setting(
        workers=2, word_bits=2, rounds=300,
        hashed=HashedVerification(epsilon=2.0 ** (-checks / 2), phase_checks=2),
    )  # fmt: skip
    found = attack("plus-state", "vga hashed", setting, np.random.default_rng(1))
    assert found.standing is Standing.SAMPLED
    # It must sit in the data, untouched by every check.
    assert found.leak_interval[0] <= 2.0**-checks


def test_any_classical_protocol_tells_at_least_what_theorem_2_says():
    """Words announced with private noise: exact leak and exact error of the best guess."""
    top = 4
    for noise in (0.0, 0.05, 0.2, 0.5):
        channel = np.full((top, top), noise / (top - 1))
        np.fill_diagonal(channel, 1 - noise)
        leak = information(channel / top)
        # Worker 1 ends with its own word plus what it heard: wrong where the noise struck.
        assert leak >= classical_leak_at_least(2, noise) - 1e-12
        if noise == 0:
            assert leak == classical_leak_at_least(2, 0.0) == 2


def test_pairs_that_make_no_sense_say_so():
    with pytest.raises(InputError, match=r"plus-state .* nothing to do against classical"):
        run("plus-state", "classical")
    with pytest.raises(InputError, match="no attack is called"):
        run("nonsense", "ghz")
    with pytest.raises(InputError, match="at least 3 workers"):
        run("lying-node", "ghz", workers=2)
    with pytest.raises(InputError, match="at most 16"):
        run("plus-state", "ghz", workers=5, word_bits=8, copies=None)
    with pytest.raises(InputError, match="at most 16"):
        run("wiretap", "classical", workers=5, word_bits=8)
    with pytest.raises(InputError, match="must lie in"):
        Setting(workers=1)
    assert replace(Setting(), cut=CutAndChoose(tests_per_copy=2)).cut.tests_per_copy == 2


def test_every_protocol_has_a_wiretap_and_a_liar():
    for protocol in attacked():
        for name in ("wiretap", "lying-node"):
            assert protocol in ATTACKS[name].against


def test_the_command_prints_figures_intervals_and_what_they_mean(capsys):
    words = ["attack", "--attack", "plus-state", "--protocol", "ghz"]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["leak_bits"], told["leak_interval"]) == (1, [1, 1])
    assert (told["detected"], told["sum_correct"], told["standing"]) == (0, 1, "exact")
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "silently: nobody aborts and the sum is right" in shown
    assert "theorem 2" in shown
    assert main(["attack", "--attack", "plus-state", "--protocol", "masking"]) == 2
    assert main([*words, "--copies", "some"]) == 2
    assert main([*words, "--workers", "99"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3
