"""TieAudit: sampler against state vector, exact designs, noise, groups, rivals, refusals."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from qring import BellDiagonal, Carrier, Phase
from qring.conflict import binomial
from qring.conflict.broadcasts import birthday_broadcast
from qring.conflict.matching import AffinePairs, Groups, Pairs, as_ties
from qring.conflict.phase_state import (
    dense_state,
    measure_groups,
    measure_pairs,
    pair_amplitudes,
    pauli_errors,
    state_qubits,
)
from qring.conflict.signs import ArraySigns, HashedSigns, PackedSigns, ZeroRule, as_signs
from qring.conflict.tie_audit import plan_copies, tie_audit
from qring.conflict.tie_rivals import tie_rivals
from qring.errors import InputError
from qring.theory import separations


def instance(d, pairs, seed=0):
    """Random signs, and a random matching of so many pairs."""
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1, 1], d)
    return signs, rng.permutation(d)[: 2 * pairs].reshape(-1, 2)


def fraction_of(signs, pairs):
    return float((signs[pairs[:, 0]] != signs[pairs[:, 1]]).mean())


def close(seen, expected, runs, comparisons=1):
    """Whether a frequency is within what chance explains at a false-alarm rate of 1e-7."""
    z = stats.norm.isf(0.5e-7 / comparisons)
    spread = np.sqrt(np.maximum(np.asarray(expected) * (1 - np.asarray(expected)), 1e-4) / runs)
    return bool((np.abs(np.asarray(seen) - expected) <= z * spread).all())


# The state -----------------------------------------------------------------------------------


@given(st.integers(2, 70), st.integers(0, 2**32 - 1))
def test_the_wrong_parity_has_amplitude_exactly_zero(d, seed):
    signs, pairs = instance(d, d // 2, seed)
    state = dense_state(as_signs(signs))
    assert np.linalg.norm(state) == pytest.approx(1)
    same, different = pair_amplitudes(state, pairs)
    differs = signs[pairs[:, 0]] != signs[pairs[:, 1]]
    assert (same[differs] == 0).all()
    assert (different[~differs] == 0).all()
    assert np.where(differs, different, same) ** 2 == pytest.approx(2 / d)


def law_of_pairs(signs, pairs, e, f):
    """Probability of (pair hit, differs) by the state vector: same, different, nothing."""
    same, different = pair_amplitudes(dense_state(as_signs(signs), e, f), pairs)
    a, b = float((same**2).sum()), float((different**2).sum())
    return np.array([a, b, 1 - a - b])


@pytest.mark.parametrize(("d", "pairs"), [(8, 4), (8, 2), (11, 5), (5, 1), (13, 6)])
def test_sampler_follows_the_state_vector_for_every_pauli_error(d, pairs):
    signs, matching = instance(d, pairs, d)
    values, ties = as_signs(signs), Pairs.of(matching, d)
    rng = np.random.default_rng(3)
    copies, size = 4000, 1 << state_qubits(d)
    for e, f in itertools.product(range(size), repeat=2):
        errors = (np.full(copies, e), np.full(copies, f))
        hit, differs, _ = measure_pairs(values, ties, copies, rng, errors)
        seen = [(hit & ~differs).mean(), (hit & differs).mean(), (~hit).mean()]
        assert close(seen, law_of_pairs(signs, matching, e, f), copies, 3 * 1024), (e, f)


@pytest.mark.parametrize("d", [8, 11])
def test_groups_follow_the_state_vector_for_every_pauli_error(d):
    rng = np.random.default_rng(d)
    signs = rng.choice([-1, 1], d)
    labels = np.array([0, 1, 0, 2, 1, 0, 1, 2, 0, -1, 1][:d])
    ties = Groups.of(labels)
    copies = 4000
    for e, f in itertools.product(range(1 << state_qubits(d)), repeat=2):
        state = dense_state(as_signs(signs), e, f)[: len(labels)]
        uniform = sum(
            state[labels == k].sum() ** 2 / (labels == k).sum() for k in range(labels.max() + 1)
        )
        inside = float((state[labels >= 0] ** 2).sum())
        errors = (np.full(copies, e), np.full(copies, f))
        hit, differs, _ = measure_groups(as_signs(signs), ties, copies, rng, errors)
        seen = [(hit & ~differs).mean(), (hit & differs).mean()]
        assert close(seen, [uniform, inside - uniform], copies, 1024), (e, f)


def test_errors_follow_the_noise_of_each_qubit():
    noise = BellDiagonal(x=0.1, y=0.03, z=0.2)
    copies = 40_000
    e, f = pauli_errors(copies, 3, noise, np.random.default_rng(0))
    for qubit in range(3):
        kinds = (e >> qubit & 1) + 2 * (f >> qubit & 1)
        seen = np.bincount(kinds, minlength=4) / copies
        assert close(seen, [0.67, 0.1, 0.2, 0.03], copies, 12)
    both = ((e & 1) & (e >> 1 & 1)).mean()
    assert close(both, 0.13**2, copies)


def test_mean_under_noise_is_the_sum_over_all_errors():
    signs, pairs = instance(8, 4, 2)
    partners = Pairs.of(pairs, 8).partners
    noise = BellDiagonal(x=0.05, y=0.02, z=0.1)
    copies = 200_000
    rng = np.random.default_rng(1)
    errors = pauli_errors(copies, 3, noise, rng)
    differs = measure_pairs(as_signs(signs), Pairs.of(pairs, 8), copies, rng, errors).differs
    expected = separations.noisy_fraction(signs, partners, noise.x, noise.y, noise.z)
    assert close(differs.mean(), expected, copies)


def test_aer_measures_the_same_pairs():
    qiskit = pytest.importorskip("qiskit")
    aer = pytest.importorskip("qiskit_aer")
    from qiskit.circuit.library import DiagonalGate

    signs = np.array([1, -1, -1, 1, 1, 1, -1, 1])
    pairs = np.array([[0, 5], [3, 1], [2, 7], [6, 4]])
    register = qiskit.QuantumCircuit(3)
    register.h([0, 1, 2])
    register.append(DiagonalGate(signs.astype(complex).tolist()), [0, 1, 2])
    # Bring each pair to (2t, 2t+1), then a Hadamard on the lowest qubit tells + from −.
    matrix = np.zeros((8, 8))
    matrix[np.arange(8), pairs.ravel()] = 1
    register.unitary(matrix, [0, 1, 2])
    register.h(0)
    register.measure_all()
    simulator = aer.AerSimulator(seed_simulator=1)
    shots = 4000
    counts = simulator.run(qiskit.transpile(register, simulator), shots=shots).result()
    seen = {int(word, 2): n / shots for word, n in counts.get_counts().items()}
    differs = signs[pairs[:, 0]] != signs[pairs[:, 1]]
    for t in range(4):
        assert 2 * t + int(not differs[t]) not in seen
        assert close(seen[2 * t + int(differs[t])], 0.25, shots, 4)


# Designs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("epsilon", "delta", "hoeffding", "copies"),
    [(0.1, 0.05, 185, 100), (0.1, 0.1, 150, 70), (0.1, 0.01, 265, 170),
     (0.05, 0.05, 738, 390), (0.05, 0.01, 1060, 670), (0.2, 1 / 3, 23, 8)],
)  # fmt: skip
def test_copies_for_an_accuracy(epsilon, delta, hoeffding, copies):
    assert separations.hoeffding_copies(epsilon, delta) == hoeffding
    assert binomial.sample_size(epsilon, delta) == copies


@pytest.mark.parametrize(
    ("epsilon", "delta", "copies"), [(0.1, 0.05, 100), (0.1, 0.1, 70), (0.05, 0.05, 390)]
)
def test_the_worst_fraction_is_no_worse_than_designed(epsilon, delta, copies):
    # By another route: SciPy's binomial, all fractions on a fine grid and beside every jump.
    k = np.arange(copies + 1)
    jumps = np.concatenate([k / copies + s * epsilon + t for s in (1, -1) for t in (1e-10, -1e-10)])
    fractions = np.concatenate([np.linspace(0, 1, 4001), jumps])
    fractions = fractions[(fractions >= 0) & (fractions <= 1)]
    worst = max(
        float(stats.binom.pmf(k, copies, p)[np.abs(k / copies - p) > epsilon + 1e-13].sum())
        for p in fractions
    )
    assert worst <= delta
    assert worst == pytest.approx(binomial.worst_miss(copies, epsilon), rel=1e-6)


@given(st.integers(0, 40), st.integers(1, 40), st.floats(1e-6, 0.5))
@example(5000, 20_000, 1e-9)  # where one less a tail is nothing but rounding
def test_intervals_are_clopper_and_pearsons(k, trials, failure):
    k = min(k, trials)
    low, high = binomial.interval(k, trials, failure)
    exact = stats.binomtest(k, trials).proportion_ci(1 - failure, method="exact")
    assert (low, high) == pytest.approx((exact.low, exact.high), abs=1e-9)


@given(st.floats(0.51, 0.9), st.floats(1e-4, 0.4))
@settings(max_examples=40)
def test_majorities(p, error):
    trials = binomial.majority_trials(p, error)
    assert trials % 2 == 1
    assert stats.binom.cdf(trials // 2, trials, p) <= error * (1 + 1e-9)
    assert trials == 1 or stats.binom.cdf((trials - 2) // 2, trials - 2, p) > error * (1 - 1e-9)


@pytest.mark.parametrize("wrong_pairs", [0, 1, 10, 20, 37, 40])
def test_audits_are_unbiased_and_covered(wrong_pairs):
    d, epsilon, delta, runs = 80, 0.2, 0.1, 600
    signs = np.ones(d, np.int8)
    signs[:wrong_pairs] = -1
    pairs = np.stack([np.arange(40), 40 + np.arange(40)], axis=1)
    truth = wrong_pairs / 40
    rng = np.random.default_rng(wrong_pairs)
    results = [tie_audit(signs, pairs, epsilon=epsilon, delta=delta, rng=rng) for _ in range(runs)]
    fractions = np.array([r.fraction for r in results])
    assert close(fractions.mean(), truth, runs * results[0].copies, 6)
    far = int((np.abs(fractions - truth) > epsilon + 1e-12).sum())
    missed = sum(not r.interval[0] <= truth <= r.interval[1] for r in results)
    most = stats.binom.isf(1e-7, runs, delta)
    assert far <= most
    assert missed <= most


def test_a_hundred_copies_suffice_for_a_tenth_and_five_percent():
    signs, pairs = instance(1000, 500)
    result = tie_audit(signs, pairs, epsilon=0.1, delta=0.05, rng=np.random.default_rng(0))
    assert (result.copies, result.hits, result.qubits) == (100, 100, 1000)
    assert result.ledger.on(0, 1, Phase.ONLINE, Carrier.QUBIT) == 1000
    assert result.ledger.rounds == 1
    assert result.ledger.totals.online_bits == 0
    assert result.caveats == ()
    low, high = result.interval
    assert low <= result.fraction <= high


def test_partial_matchings_take_more_copies():
    d = 1000
    signs, pairs = instance(d, 50)
    ties = Pairs.of(pairs, d)
    plan = plan_copies(ties, 0.2, 0.1)
    assert stats.binom.cdf(plan.hits - 1, plan.copies, 0.1) <= 0.01
    assert stats.binom.cdf(plan.hits - 1, plan.copies - 1, 0.1) > 0.01
    rng = np.random.default_rng(5)
    results = [tie_audit(signs, pairs, epsilon=0.2, delta=0.1, rng=rng) for _ in range(300)]
    truth = fraction_of(signs, pairs)
    missed = sum(abs(r.fraction - truth) > 0.2 for r in results)
    assert missed <= stats.binom.isf(1e-7, 300, 0.1)
    assert {r.hits for r in results if not r.caveats} == {plan.hits}


def test_groups_are_estimated_without_bias():
    rng = np.random.default_rng(2)
    signs = rng.choice([-1, 1], 60)
    for labels in (np.arange(60) // 5, np.repeat([0, 1, 2, -1], [3, 25, 30, 2])):
        ties = Groups.of(labels)
        truth = (
            sum(
                (labels == k).sum()
                * separations.group_disagreement(
                    signs[labels == k].mean(), int((labels == k).sum())
                )
                for k in range(labels.max() + 1)
            )
            / (labels >= 0).sum()
        )
        results = [tie_audit(signs, labels, epsilon=0.15, delta=0.1, rng=rng) for _ in range(200)]
        mean = np.mean([r.fraction for r in results])
        assert close(mean, truth, 200 * results[0].hits)
        missed = sum(not r.interval[0] <= truth <= r.interval[1] for r in results)
        assert missed <= stats.binom.isf(1e-7, 200, 0.1)
        assert as_ties(labels, 60).tied == ties.tied


def test_noise_is_cautioned():
    signs, pairs = instance(64, 32)
    result = tie_audit(
        signs, pairs, epsilon=0.2, delta=0.2, rng=np.random.default_rng(0),
        noise=BellDiagonal.depolarising(0.05),
    )  # fmt: skip
    assert "noise biases" in result.caveats[0]


# Any d, signs and matchings ------------------------------------------------------------------


@given(st.integers(1, 500), st.integers(0, 99))
def test_packed_signs_read_like_unpacked_ones(d, seed):
    packed = PackedSigns.random(d, np.random.default_rng(seed))
    index = np.arange(d)
    assert (packed.negative(index) == np.unpackbits(packed.packed)[:d].astype(bool)).all()


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(-99, 99))
def test_affine_matchings_are_perfect(half, multiplier, offset):
    d = 2 * half
    while math.gcd(multiplier, d) != 1:
        multiplier += 1
    ties = AffinePairs(coords=d, multiplier=multiplier, offset=offset)
    t = np.unique(np.array([0, half // 3, half - 1]))
    i, j = (2 * t * multiplier + offset) % d, ((2 * t + 1) * multiplier + offset) % d
    assert (ties.partner(i) == j).all()
    assert (ties.partner(j) == i).all()
    assert (i != j).all()


@pytest.mark.parametrize("d", [10**4, 10**6, 10**9, 3 * 10**9])
def test_the_table_by_protocols_that_run(d):
    signs = HashedSigns(d, 7) if d != 10**6 else PackedSigns.random(d, np.random.default_rng(1))
    ties = AffinePairs(coords=d, multiplier=7_654_321, offset=5)
    result = tie_audit(signs, ties, epsilon=0.1, delta=0.05, rng=np.random.default_rng(3))
    assert (result.copies, result.qubits) == (100, 100 * (d - 1).bit_length())
    assert result.interval[0] <= 0.5 <= result.interval[1]
    bits = tie_rivals(ties, 0.1, 0.05)[0].bits
    sketch = birthday_broadcast(signs, ties, bits, np.random.default_rng(4))
    assert sketch.ledger.totals.online_bits == bits
    # Complete pairs are nearly Poisson; parities of hashed signs are fair.
    mean = separations.birthday_pairs(d, d, bits)
    assert stats.poisson.isf(1e-8, mean) >= sketch.complete >= stats.poisson.ppf(1e-8, mean)
    assert close(sketch.differ / sketch.complete, 0.5, sketch.complete)


@pytest.mark.slow
def test_a_billion_packed_signs():
    d = 10**9
    signs = PackedSigns.random(d, np.random.default_rng(0))
    assert signs.packed.nbytes == d // 8
    ties = AffinePairs(coords=d, multiplier=7_654_321)
    result = tie_audit(signs, ties, epsilon=0.1, delta=0.05, rng=np.random.default_rng(3))
    assert result.interval[0] <= 0.5 <= result.interval[1]


def test_hashed_signs_are_fair_and_differ_by_seed():
    index = np.arange(100_000)
    first, second = (HashedSigns(10**12, seed).negative(index) for seed in (0, 1))
    assert close(first.mean(), 0.5, len(index))
    assert close((first ^ second).mean(), 0.5, len(index))


def test_birthday_pairs_come_as_often_as_counted():
    signs, pairs = instance(400, 150)
    ties = Pairs.of(pairs, 400)
    rng = np.random.default_rng(0)
    runs = 300
    found = [birthday_broadcast(as_signs(signs), ties, 80, rng) for _ in range(runs)]
    mean = separations.birthday_pairs(400, 300, 80)
    total = sum(sketch.complete for sketch in found)
    assert abs(total - runs * mean) < 5.5 * math.sqrt(runs * mean)
    disagree = sum(sketch.differ for sketch in found)
    assert close(disagree / total, fraction_of(signs, pairs), total)


# Refusals ------------------------------------------------------------------------------------

SIGNS = np.array([1, -1, 1, 1, -1, 1])


@pytest.mark.parametrize(
    ("signs", "ties", "keywords", "message"),
    [
        ([1, 2, 1, 1], [[0, 1]], {}, "coordinate 1 holds 2"),
        ([1, math.nan, 1, 1], [[0, 1]], {}, "coordinate 1 holds nan"),
        ([1, 0, 1, 1], [[0, 1]], {}, "coordinate 1 is zero"),
        (["a"], [[0, 1]], {}, "signs are numbers"),
        ([[1]], [[0, 1]], {}, r"shape \(d,\)"),
        (SIGNS, [[0, 1], [1, 2]], {}, "coordinate 1 appears 2 times"),
        (SIGNS, [[3, 3]], {}, "coordinate 3 appears 2 times"),
        (SIGNS, [[0, 6]], {}, "names coordinate 6"),
        (SIGNS, [[-1, 2]], {}, "names coordinate -1"),
        (SIGNS, [[0, 1, 2]], {}, r"shape \(M, 2\)"),
        (SIGNS, np.zeros((0, 2), int), {}, r"shape \(M, 2\)"),
        (SIGNS, [[0.0, 1.0]], {}, "hold integers"),
        (SIGNS, [0, 0, 1], {}, "3 coordinates, but there are 6"),
        (SIGNS, [0, 1, 2, 3, 4, 5], {}, "nothing is tied"),
        (SIGNS, [0, 0, -2, 1, 1, 1], {}, "-1 \\(free\\) or more"),
        (SIGNS, [[0, 1]], {"epsilon": 0}, "epsilon lies"),
        (SIGNS, [[0, 1]], {"delta": 1}, "delta lies"),
        (SIGNS, [[0, 1]], {"delta": math.nan}, "delta lies"),
        (SIGNS, [[0, 1]], {"epsilon": 1e-4}, "1,000,000"),
    ],
)
def test_what_cannot_be_audited_is_refused(signs, ties, keywords, message):
    task = {"epsilon": 0.2, "delta": 0.1, **keywords}
    with pytest.raises(InputError, match=message):
        tie_audit(signs, ties, rng=np.random.default_rng(0), **task)


def test_odd_sizes_have_no_perfect_matching_by_rule():
    with pytest.raises(InputError, match="even number"):
        AffinePairs(coords=7)
    with pytest.raises(InputError, match="shares a divisor"):
        AffinePairs(coords=8, multiplier=2)


def test_zeros_follow_the_rule():
    assert as_signs([0, 1, -1], ZeroRule.PLUS).minus.tolist() == [False, False, True]
    assert as_signs([0.0, 1, -1], ZeroRule.MINUS).minus.tolist() == [True, False, True]


def test_packed_signs_check_their_size():
    with pytest.raises(InputError, match="cannot hold"):
        PackedSigns(np.zeros(1, np.uint8), 9)
    with pytest.raises(InputError, match="uint8"):
        PackedSigns(np.zeros(1), 3)
    assert ArraySigns(np.zeros(3, bool)).coords == 3
