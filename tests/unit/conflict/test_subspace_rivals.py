"""SubspaceAudit's rivals: run on vectors, drawn from their law, priced in closed form."""

import dataclasses
import math

import numpy as np
import pytest

from qring import InputError
from qring.conflict.rival import Rival
from qring.conflict.sketches import SketchKind
from qring.conflict.subspace.broadcasts import (
    coordinate_samples,
    index_law,
    index_sketch,
    triple_sketch,
)
from qring.conflict.subspace.rivals import (
    COORDINATES,
    EVERYTHING,
    best_subspace_rival,
    index_rival,
    index_spread,
    subspace_rivals,
)
from qring.conflict.subspace.span import Blocks, Complement, Coordinates, Dense
from qring.conflict.subspace.tangent import Tangent
from qring.conflict.subspace.triples import TRIPLES, DescribedTriples, layer_rival
from qring.theory import subspaces

SIGMAS = 5.5


def indices(terms, width):
    return Rival(name=SketchKind.INDEX, bits=terms * width, messages=terms)


@pytest.mark.parametrize("f", [0.0, 0.4, 1.0])
def test_index_sketches_scatter_as_the_law_that_stands_for_them(f):
    d, k, terms, width, runs = 40, 12, 30, 4, 600
    rng = np.random.default_rng(1)
    subspace = Dense.of(rng.normal(size=(k, d)))
    inside, outside = subspace.basis[0], Complement(subspace).project(rng.normal(size=d))
    v = math.sqrt(f) * inside + math.sqrt(1 - f) * outside / np.linalg.norm(outside)
    ran = np.array([index_sketch(v, subspace, indices(terms, width), rng).fraction
                    for _ in range(runs)])  # fmt: skip
    drawn = np.array([index_law(f, d, k, indices(terms, width), rng) for _ in range(20 * runs)])
    for told in (ran, drawn):
        assert abs(told.mean() - f) < SIGMAS * told.std() / math.sqrt(len(told))
    slack = SIGMAS * math.sqrt(3 / runs)
    assert ran.var() == pytest.approx(drawn.var(), rel=slack)
    assert max(ran.std(), drawn.std()) < index_spread(d, k, terms, width) * (1 + slack)
    assert index_sketch(v, subspace, indices(terms, width), rng).ledger.totals.online_bits == 120


@pytest.mark.parametrize(
    ("d", "k"),
    [(10**4, 5000), (10**6, 500_000), (4096**2, 130_816), (4096**2, 520_192), (10**6, 16),
     pytest.param(10**9, 5 * 10**8, marks=pytest.mark.slow)],
)  # fmt: skip
def test_the_table_of_generic_subspaces_by_the_exact_law(d, k):
    # The planned sketch keeps to ε = .1, δ = .05 at the worst share, and is priced as in theory.
    rival = index_rival(d, k, 0.1, 0.05, 16)
    theory = subspaces.subspace_index_bits(d, k, 0.1, 0.05, 16)
    assert theory < rival.bits < 1.06 * theory + 32
    limit = subspaces.subspace_index_bits(d, k, 0.1, 0.05)
    best = index_rival(d, k, 0.1, 0.05)
    assert limit < best.bits <= rival.bits
    rng, runs = np.random.default_rng(k), 1000
    for f in (0.0, 0.5, 1.0):
        told = np.array([index_law(f, d, k, rival, rng) for _ in range(runs)])
        spread = index_spread(d, k, rival.messages, 16)
        assert abs(told.mean() - f) < SIGMAS * spread / math.sqrt(runs)
        assert told.std() < spread * (1 + SIGMAS / math.sqrt(runs))
        assert np.mean(abs(told - f) > 0.1) < 0.05 + SIGMAS * math.sqrt(0.05 / runs)
    if k > 1000:  # where the sketch's noise across the vector is most of it
        assert told.std() == pytest.approx(spread, rel=0.05 + SIGMAS / math.sqrt(2 * runs))


def test_the_known_length_makes_the_rival_cheaper():
    # For half of the space by √2 less than with P itself, whose trace is noise.
    ours = subspaces.subspace_index_bits(10**9, 5 * 10**8, 0.1, 0.05, 16)
    notes = subspaces.unpaired_index_bits(5 * 10**8, 0.1, 0.05, 16)
    assert notes / ours == pytest.approx(math.sqrt(2), rel=0.01)
    assert notes == pytest.approx(537_616, rel=0.003)  # the notes' figure


@pytest.mark.parametrize(
    ("d", "k", "bits"),
    [(10**4, 5000, 1302), (10**6, 500_000, 11_296), (10**9, 5 * 10**8, 351_616),
     (4096**2, 130_816, 8192), (4096**2, 520_192, 15_968), (10**6, 16, 352), (10**6, 1000, 896)],
)  # fmt: skip
def test_the_best_index_of_the_guide(d, k, bits):
    assert index_rival(d, k, 0.1, 0.05).bits == bits


@pytest.mark.parametrize(
    ("d", "clients", "dense", "about"),
    [(10**6, 1, False, 6600), (10**6, 1, True, 30_500), (10**9, 1, False, 15_900),
     (10**9, 10, False, 1.8e6), (10**9, 100, False, 2.4e8)],
)  # fmt: skip
def test_crossovers_lie_where_the_costs_meet(d, clients, dense, about):
    qubits = 100 * (d - 1).bit_length()
    k = subspaces.crossover_dimension(d, qubits, 0.1, 0.05, 32, clients=clients, dense_coded=dense)
    assert k == pytest.approx(about, rel=0.05)
    bits = [index_rival(d, round(scale * k), 0.1, 0.05, 32).bits for scale in (0.9, 1.1)]
    assert bits[0] < clients * qubits * (2 if dense else 1) < bits[1]
    assert subspaces.crossover_dimension(10**6, 2000, 0.1, 0.05, clients=10) == math.inf


def test_coordinates_are_sampled():
    rng = np.random.default_rng(4)
    v, mask = rng.normal(size=300), Coordinates(np.arange(300) < 90)
    truth = mask.energy(v) / (v @ v)
    rival = next(r for r in subspace_rivals(mask, 0.1, 0.05) if r.name == COORDINATES)
    assert (rival.bits, rival.messages) == (900, 100)
    assert best_subspace_rival(mask, 0.1, 0.05).bits <= 900
    for subspace, share in ((mask, truth), (Complement(mask), 1 - truth)):
        told = [coordinate_samples(v, subspace, rival, rng).fraction for _ in range(1000)]
        spread = math.sqrt(truth * (1 - truth) / 100)
        assert abs(np.mean(told) - share) < SIGMAS * spread / math.sqrt(1000)
        assert np.std(told) == pytest.approx(spread, rel=SIGMAS / math.sqrt(2000))
    with pytest.raises(InputError, match="mixed coordinates"):
        coordinate_samples(v, Dense.of(rng.normal(size=(2, 300))), rival, rng)


@pytest.mark.parametrize("width", [6, 9])
def test_few_singular_triples_are_described(width):
    rng = np.random.default_rng(8)
    low = Tangent.of(rng.normal(size=(24, 2)), rng.normal(size=(2, 20)))
    sizes = np.array([3.0, 2.0, 1.0])
    left, right = (np.linalg.qr(rng.normal(size=(n, 3)))[0] for n in (24, 20))
    left[:, :2] = np.linalg.qr(low.rows + 0.3 * left[:, :2])[0]  # so that both sides lean on W
    left = np.linalg.qr(left)[0]
    v = ((left * sizes) @ right.T).reshape(-1)
    truth = low.energy(v) / float(v @ v)
    rival = DescribedTriples(name=TRIPLES, bits=3 * (2 * width * 2 + 16), messages=3,
                             index_bits=width, repeats=2)  # fmt: skip
    runs = 400
    told = np.array([triple_sketch(v, low, rival, rng).fraction for _ in range(runs)])
    assert abs(told.mean() - truth) < SIGMAS * told.std() / math.sqrt(runs)
    assert triple_sketch(v, low, rival, rng).ledger.totals.online_bits == rival.bits


def test_layers_of_adapters_are_described_one_by_one():
    rng = np.random.default_rng(3)
    layers = [Tangent.of(rng.normal(size=(n, 1)), rng.normal(size=(1, m))) for n, m in
              ((30, 20), (24, 16))]  # fmt: skip
    span = Blocks(((600, layers[0]), (7, None), (384, layers[1])))
    pieces = [
        np.outer(low.rows[:, 0] + 0.2 * rng.normal(size=n), low.columns[:, 0]).ravel()
        for low, n in zip(layers, (30, 24), strict=True)
    ]
    v = np.concatenate([pieces[0], 0.1 * rng.normal(size=7), 0.7 * pieces[1]])
    planned = layer_rival(v, span, 0.2, 0.05)
    assert [one is None for one in planned.layers] == [False, True, False]
    assert best_subspace_rival(span, 0.2, 0.05, gradient=v).bits <= planned.bits
    # The same with short indices, so that the search is quick.
    short = [None if one is None else dataclasses.replace(one, index_bits=7, repeats=6)
             for one in planned.layers]  # fmt: skip
    rival = dataclasses.replace(planned, layers=tuple(short))
    told = np.array([triple_sketch(v, span, rival, rng).fraction for _ in range(300)])
    assert abs(told.mean() - span.energy(v) / (v @ v)) < SIGMAS * told.std() / math.sqrt(300)
    with pytest.raises(InputError, match="another kind"):
        triple_sketch(v, layers[0], rival, rng)
    assert layer_rival(rng.normal(size=991), span, 0.2, 0.05) is not None  # 20 singular values
    mixed = Blocks(((600, layers[0]), (391, Coordinates(np.arange(391) < 9))))
    assert layer_rival(v, mixed, 0.2, 0.05) is None


@pytest.mark.slow
def test_the_rival_runs_on_vectors_of_ten_thousand():
    d, runs = 10_000, 12
    rng = np.random.default_rng(12)
    v, some = rng.normal(size=d), Dense.of(np.linalg.qr(rng.normal(size=(d, 400)))[0].T)
    rival = index_rival(d, 400, 0.1, 0.05, 8)
    told = np.array([index_sketch(v, some, rival, rng).fraction for _ in range(runs)])
    spread = index_spread(d, 400, rival.messages, 8)
    assert abs(told.mean() - some.energy(v) / (v @ v)) < SIGMAS * spread / math.sqrt(runs)
    assert told.std() < 2.2 * spread  # chi-squared of 12, false alarm below 1e-6


def test_structure_helps_the_rival_of_adapters():
    rng = np.random.default_rng(2)
    low = Tangent.of(rng.normal(size=(256, 4)), rng.normal(size=(4, 256)))
    full = rng.normal(size=256 * 256)
    few = (rng.normal(size=(256, 8)) @ rng.normal(size=(8, 256))).reshape(-1)
    one, other = (best_subspace_rival(low, 0.1, 0.05, gradient=g) for g in (full, few))
    assert (one.name, other.name) == (SketchKind.INDEX, TRIPLES)
    assert other.messages == 8
    assert other.bits < one.bits
    assert isinstance(other, DescribedTriples)
    assert other.bits == 8 * (2 * other.index_bits * other.repeats + 16)
    tiny = Dense.of(rng.normal(size=(2, 5)))
    assert best_subspace_rival(tiny, 0.01, 0.01).name == EVERYTHING
