"""SubspaceAudit: projectors against state vectors, law, noise, coverage, second questions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from qring import BellDiagonal, InputError
from qring.conflict import binomial
from qring.conflict.matching import AffinePairs, Groups, Pairs
from qring.conflict.signs import HashedSigns, as_signs
from qring.conflict.subspace.audit import Mixing, conditional_audit, share, subspace_audit
from qring.conflict.subspace.span import (
    Blocks,
    Complement,
    Coordinates,
    Dense,
    GroupSpan,
    PairSpan,
    Parity,
)
from qring.conflict.subspace.tangent import Tangent, as_dense
from qring.conflict.tie_audit import plan_copies, tie_audit
from qring.network.noise import NOISELESS
from qring.theory import subspaces

SIGMAS = 5.5
ACCURACY = {"epsilon": 0.1, "delta": 0.05}


def tangent(n1, n2, rank, rng):
    return Tangent.of(rng.normal(size=(n1, rank)), rng.normal(size=(rank, n2)))


def every_kind(rng):
    pairs = Pairs.of(rng.permutation(24).reshape(-1, 2)[:9], 24)
    labels = np.repeat(np.arange(6), [2, 3, 4, 5, 1, 9])
    low = tangent(4, 6, 2, rng)
    return {
        "dense": Dense.of(rng.normal(size=(7, 24))),
        "coordinates": Coordinates(rng.random(24) < 0.4),
        "odd pairs": PairSpan(pairs),
        "even pairs": PairSpan(pairs, Parity.EVEN),
        "groups": GroupSpan(Groups.of(rng.permutation(labels))),
        "tangent": low,
        "complement": Complement(low),
        "blocks": Blocks(
            ((4, None), (12, tangent(3, 4, 1, rng)), (8, Coordinates(np.arange(8) < 3)))
        ),
    }


KINDS = list(every_kind(np.random.default_rng(0)))


def matrix_of(subspace):
    return np.array([subspace.project(e) for e in np.eye(subspace.coords)]).T


@pytest.mark.parametrize("kind", KINDS)
def test_projectors_are_projectors_of_their_dimension(kind):
    rng = np.random.default_rng(1)
    subspace = every_kind(rng)[kind]
    p = matrix_of(subspace)
    np.testing.assert_allclose(p, p.T, atol=1e-12)
    np.testing.assert_allclose(p @ p, p, atol=1e-12)
    assert np.trace(p) == pytest.approx(subspace.dimension)
    v = rng.normal(size=subspace.coords)
    assert subspace.energy(v) == pytest.approx(v @ p @ v)
    # The referee: Born's rule on the state vector, with an explicit measurement {P, 1−P}.
    state = v / np.linalg.norm(v)
    assert share(v, subspace) == pytest.approx(float(np.linalg.norm(p @ state) ** 2))


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 3), st.integers(3, 6), st.integers(3, 6), st.integers(0, 999))
def test_a_tangent_space_is_that_of_its_explicit_basis(rank, n1, n2, seed):
    rng = np.random.default_rng(seed)
    if rank >= min(n1, n2):
        return
    low = tangent(n1, n2, rank, rng)
    assert low.dimension == subspaces.tangent_dimension(n1, n2, rank)
    v = rng.normal(size=n1 * n2)
    np.testing.assert_allclose(low.project(v), as_dense(low).project(v), atol=1e-10)
    # It holds every velocity of B·A.
    step = low.rows @ rng.normal(size=(rank, n2)) + rng.normal(size=(n1, rank)) @ low.columns.T
    assert share(step.reshape(-1), low) == pytest.approx(1)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 200), st.integers(0, 9999))
def test_tie_audit_is_the_special_case_to_the_last_bit(half, seed):
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], 2 * half)
    pairs = rng.permutation(2 * half).reshape(-1, 2)
    conflict = float((signs[pairs[:, 0]] != signs[pairs[:, 1]]).mean())
    odd = PairSpan(Pairs.of(pairs, 2 * half))
    assert share(signs, odd) == conflict
    assert share(signs, PairSpan(odd.pairs, Parity.EVEN)) == pytest.approx(1 - conflict)
    result = subspace_audit(signs, odd, **ACCURACY, rng=rng)
    assert result.copies == plan_copies(odd.pairs, 0.1, 0.05).copies
    law = binomial.law(result.copies, conflict)
    assert (law == binomial.law(result.copies, share(signs, odd))).all()
    told = tie_audit(as_signs(signs), pairs, **ACCURACY, rng=rng)
    assert (told.copies, told.qubits) == (result.copies, result.qubits)


def test_groups_ask_for_agreement():
    labels = np.arange(60) // 12
    signs = np.where(np.arange(60) % 12 < 4, -1.0, 1.0)
    assert share(signs, GroupSpan(Groups.of(labels))) == pytest.approx((1 / 3) ** 2)


@pytest.mark.parametrize("d", [10**4, 10**6, 10**9])
def test_copies_at_any_size(d):
    signs, ties = HashedSigns(d, 5), AffinePairs(coords=d, multiplier=7_654_321)
    for parity in Parity:
        rng = np.random.default_rng(2)
        result = subspace_audit(signs, PairSpan(ties, parity), **ACCURACY, rng=rng)
        assert (result.copies, result.qubits) == (100, 100 * (d - 1).bit_length())
        assert stats.binom.sf(result.hits - 1, 100, 0.5) > 1e-7
        assert stats.binom.cdf(result.hits, 100, 0.5) > 1e-7


@pytest.mark.parametrize("noise", [NOISELESS, BellDiagonal.depolarising(0.02)])
@pytest.mark.parametrize("f", [0.0, 0.13, 0.5, 0.9])
def test_audits_cover_and_are_unbiased(f, noise):
    d, runs = 64, 3000
    v = np.zeros(d)
    v[0], v[40] = math.sqrt(f), math.sqrt(1 - f)
    half = Coordinates(np.arange(d) < 32)
    rng = np.random.default_rng(7)
    found = [subspace_audit(v, half, **ACCURACY, rng=rng, noise=noise) for _ in range(runs)]
    told = np.array([one.fraction for one in found])
    inside = subspaces.noisy_share(f, 32, 6, noise.error_probability)
    slope = Mixing.of(noise, 6, 32).slope
    spread = math.sqrt(inside * (1 - inside) / found[0].copies) / slope
    assert abs(told.mean() - f) <= SIGMAS * spread / math.sqrt(runs) + 1e-12
    slack = SIGMAS * math.sqrt(0.05 * 0.95 / runs)
    held = np.mean([one.interval[0] <= f <= one.interval[1] for one in found])
    assert held >= 0.95 - slack
    assert np.mean(abs(told - f) > 0.1 + 1e-12) <= 0.05 + slack


def test_noise_is_that_of_a_random_clifford_frame():
    # Two qubits, all fifteen errors and the identity, on the density matrix.
    paulis = [
        np.eye(2),
        np.array([[0, 1], [1, 0]]),
        np.array([[0, -1j], [1j, 0]]),
        np.diag([1, -1]),
    ]
    rng = np.random.default_rng(3)
    state = rng.normal(size=4)
    state /= np.linalg.norm(state)
    subspace = Dense.of(rng.normal(size=(1, 4)))
    noise = BellDiagonal.depolarising(0.1)
    strings = [np.kron(a, b) for a in paulis for b in paulis]
    seen = [np.linalg.norm(subspace.basis @ (e @ state)) ** 2 for e in strings]
    whole = (1 - noise.error_probability) ** 2
    expected = whole * seen[0] + (1 - whole) * np.mean(seen[1:])
    mixing = Mixing.of(noise, 2, 1)
    assert mixing.offset + mixing.slope * seen[0] == pytest.approx(expected)
    assert subspaces.noisy_share(seen[0], 1, 2, noise.error_probability) == pytest.approx(expected)
    assert mixing.undo(expected) == pytest.approx(seen[0])


def test_a_second_question_is_asked_of_what_was_found_inside():
    rng = np.random.default_rng(5)
    v = rng.normal(size=20)
    first, second = Coordinates(np.arange(20) < 12), Dense.of(rng.normal(size=(6, 20)))
    truth = share(first.project(v), second)
    result = conditional_audit(v, first, second, copies=200_000, delta=1e-7, rng=rng)
    assert result.interval[0] <= truth <= result.interval[1]
    assert result.hits == result.first.hits
    assert result.first.interval[0] <= share(v, first) <= result.first.interval[1]
    away = conditional_audit(np.eye(20)[19], first, second, copies=10, delta=0.1, rng=rng)
    assert (away.fraction, away.hits, away.interval) == (None, 0, (0.0, 1.0))


def test_random_directions_follow_the_beta_law():
    rng = np.random.default_rng(6)
    subspace = tangent(5, 8, 2, rng)
    found = np.array([share(v, subspace) for v in rng.normal(size=(4000, 40))])
    mean, variance = subspaces.haar_share(40, subspace.dimension)
    assert abs(found.mean() - mean) < SIGMAS * math.sqrt(variance / 4000)
    assert found.var() == pytest.approx(variance, rel=SIGMAS * math.sqrt(2 / 4000))


def test_sizes_of_values_do_not_matter():
    subspace = Coordinates(np.arange(6) < 2)
    v = np.array([1.0, 2, 3, 4, 5, 6])
    for scale in (1e-300, 1e-20, 1e20, 1e200):
        assert share(v * scale, subspace) == pytest.approx(share(v, subspace))
    assert share(v.astype(np.float32) * np.float32(1e30), subspace) == pytest.approx(5 / 91)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Dense.of([[1.0, 0, 0], [2.0, 0, 0]]), "span 1 dimensions only"),
        (lambda: Dense.of(np.eye(3)), "3 of 3 dimensions"),
        (lambda: Dense.of(np.zeros((0, 3))), "0 of 3 dimensions"),
        (lambda: Dense.of([[1.0, np.nan, 0]]), "holds nan in row 0"),
        (lambda: Dense.of([1.0, 2.0]), r"array \(k, d\)"),
        (lambda: Coordinates(np.zeros(4, bool)), "0 of 4 dimensions"),
        (lambda: Coordinates(np.ones(4, bool)), "4 of 4 dimensions"),
        (lambda: Coordinates(np.ones(4)), "boolean"),
        (lambda: PairSpan(Pairs.of([[0, 1]], 3), "odd"), "Parity.ODD"),
        (lambda: Tangent.of(np.zeros((3, 1)), np.zeros((1, 3))), "both factors are zero"),
        (lambda: Tangent.of(np.ones((3, 2)), np.ones((1, 3))), "have no product"),
        (lambda: Tangent.of(np.ones((3, 1)), np.full((1, 3), np.inf)), "not finite"),
        (lambda: Tangent.of(np.eye(3), np.eye(3)), "9 of 9 dimensions"),
        (lambda: Blocks(((3, Coordinates(np.arange(4) < 2)),)), "subspace of 4"),
        (lambda: Blocks(((3, None),)), "0 of 3 dimensions"),
    ],
)
def test_subspaces_that_make_no_sense_are_refused(build, message):
    with pytest.raises(InputError, match=message):
        build()


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (np.zeros(4), "all zeros"),
        (np.array([1, np.nan, 0, 0]), "holds nan at coordinate 1"),
        (np.array([1, np.inf, 0, 0]), "holds inf at coordinate 1"),
        (np.ones(5), "4 coordinates, but the gradient 5"),
        (np.ones((2, 2)), "2"),
        (np.array(["a"] * 4), "real numbers"),
    ],
)
def test_gradients_that_make_no_sense_are_refused(vector, message):
    subspace = Coordinates(np.arange(4) < 2)
    with pytest.raises(InputError, match=message):
        subspace_audit(vector, subspace, **ACCURACY, rng=np.random.default_rng(0))


def test_bases_that_are_not_orthonormal_are_said():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3, 8))
    given_as_is = Dense.of(np.linalg.qr(rows.T)[0].T)
    made = Dense.of(rows)
    assert (given_as_is.orthonormalised, made.orthonormalised) == (False, True)
    v = rng.normal(size=8)
    assert share(v, made) == pytest.approx(share(v, given_as_is))
    assert "orthonormal" in subspace_audit(v, made, **ACCURACY, rng=rng).caveats[0]
    assert subspace_audit(v, given_as_is, **ACCURACY, rng=rng).caveats == ()
    with pytest.raises(InputError, match="lower the noise"):
        subspace_audit(v, made, **ACCURACY, rng=rng, noise=BellDiagonal.depolarising(1.0))
    with pytest.raises(InputError, match="pairs only"):
        subspace_audit(HashedSigns(8, 0), made, **ACCURACY, rng=rng)
