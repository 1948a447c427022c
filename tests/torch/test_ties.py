"""Ties of real modules: where they come from, which pairs are audited, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import nn
from torch.nn.utils import parametrize

from qring import BellDiagonal, InputError
from qring.conflict.matching import Groups, RandomPairs
from qring.conflict.signs import RelativeSigns, ZeroRule, as_signs
from qring.conflict.tie_audit import tie_audit
from qring.torch import ties

TASK = {"epsilon": 0.2, "delta": 0.05}


def members(found, coordinate):
    """All coordinates tied to one, itself included."""
    group = int(found.groups.of_coordinate(np.array([coordinate]))[0])
    if group < 0:
        return {coordinate}
    first, end = found.groups.starts[group : group + 2]
    return set(found.groups.members[first:end].tolist())


class Language(nn.Module):
    """An embedding whose matrix is also the last layer's."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(7, 3)
        self.head = nn.Linear(3, 7)
        self.head.weight = self.embed.weight

    def forward(self, tokens):
        return self.head(self.embed(tokens))


def test_tied_embeddings_are_tied_entry_by_entry():
    found = ties.shared(Language())
    layout = found.layout
    assert layout.coords == 7 * 3 + 7 * 3 + 7
    assert found.groups.tied == 42
    for row in range(7):
        for column in range(3):
            pair = {
                layout.coordinate(name, row, column) for name in ("embed.weight", "head.weight")
            }
            assert members(found, min(pair)) == pair
    assert members(found, layout.coordinate("head.bias", 2)) == {layout.coordinate("head.bias", 2)}
    assert found.coverage == pytest.approx(42 / 49)


def test_views_of_one_memory_are_tied_where_they_overlap():
    model = nn.Module()
    memory = torch.randn(6, 6)
    model.a = nn.Parameter(memory)
    model.b = nn.Parameter(memory.T)  # another parameter, the same memory, turned
    model.c = nn.Parameter(memory[2:4, 1])
    found = ties.shared(model)
    at = found.layout.coordinate
    assert members(found, at("a", 2, 5)) == {at("a", 2, 5), at("b", 5, 2)}
    assert members(found, at("c", 1)) == {at("c", 1), at("a", 3, 1), at("b", 1, 3)}


def test_the_untied_model_computes_the_same_and_has_a_gradient_for_every_name():
    torch.manual_seed(0)
    model = Language()
    free = ties.untied(model)
    tokens = torch.randint(7, (20,))
    assert torch.equal(model(tokens), free(tokens))
    loss = nn.functional.cross_entropy(free(tokens), tokens)
    loss.backward()
    split = ties.gradients(free)
    nn.functional.cross_entropy(model(tokens), tokens).backward()
    # Autograd adds up what the untied model keeps apart.
    both = split["embed.weight"] + split["head.weight"]
    assert torch.allclose(both, model.embed.weight.grad, atol=1e-6)
    with pytest.raises(InputError, match=r"embed.weight and head.weight are one parameter"):
        ties.gradients(model)
    with pytest.raises(InputError, match=r"no gradient; call"):
        ties.gradients(ties.untied(model))


def test_modules_under_two_names_are_untied():
    layer = nn.Linear(4, 4)
    model = nn.Sequential(layer, nn.ReLU(), layer)
    free = ties.untied(model)
    assert free[0] is not free[2]
    assert len(list(free.parameters())) == 4
    found = ties.shared(model)
    assert found.coverage == 1
    assert members(found, 0) == {0, 20}
    assert found.layout == ties.Layout.of(free)


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).transpose(-1, -2)


class Skew(nn.Module):
    def forward(self, x):
        return x.triu(1) - x.triu(1).transpose(-1, -2)


@pytest.mark.parametrize(("kind", "flipped"), [(Symmetric, False), (Skew, True)])
def test_symmetric_weights_are_found_by_probing(kind, flipped):
    model = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 2))
    parametrize.register_parametrization(model[0], "weight", kind())
    found = ties.parametrised(model)
    at = found.layout.coordinate
    for row in range(5):
        for column in range(5):
            expected = {at("0.weight", row, column), at("0.weight", column, row)}
            assert members(found, at("0.weight", row, column)) == expected
    assert found.groups.tied == 20
    assert (found.flipped is not None) == flipped
    assert members(found, at("1.weight", 0, 0)) == {at("1.weight", 0, 0)}
    free = ties.untied(model)
    assert found.layout.flatten(dict(free.named_parameters())).shape == (found.layout.coords,)
    x = torch.randn(3, 5)
    assert torch.equal(model(x), free(x))
    with pytest.raises(InputError, match=r"train untied\(module\)"):
        ties.gradients(model)


@pytest.mark.parametrize("kind", [Symmetric, Skew])
def test_a_gradient_along_the_tie_agrees_and_one_across_it_conflicts(kind):
    model = nn.Sequential(nn.Linear(9, 9, bias=False))
    parametrize.register_parametrization(model[0], "weight", kind())
    found = ties.parametrised(model)
    raw = torch.randn(9, 9, generator=torch.Generator().manual_seed(1))
    along = Symmetric()(raw) if kind is Symmetric else Skew()(raw)
    across = Skew()(raw) if kind is Symmetric else Symmetric()(raw)
    rng = np.random.default_rng(0)
    for gradient, fraction in ((along, 0), (across, 1)):
        result = found.audit({"0.weight": gradient}, rng=rng, zeros=ZeroRule.PLUS, **TASK)
        assert result.fraction == fraction


def test_a_codebook_is_one_dimensional_k_means():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(200, 50), nn.Linear(50, 10))
    centres = torch.tensor([-2.0, -0.5, 0.1, 1.0])
    with torch.no_grad():
        for layer in model:
            pick = torch.randint(4, layer.weight.shape)
            layer.weight.copy_(centres[pick] + 0.02 * torch.randn(layer.weight.shape))
    found = ties.codebook(model, clusters=4)
    assert len(found.groups.sizes) == 8  # a codebook a layer
    values = found.layout.flatten(dict(model.named_parameters()))
    for first, end in zip(found.groups.starts, found.groups.starts[1:], strict=False):
        assert np.ptp(values[found.groups.members[first:end]]) < 0.25
    assert found.groups.tied == 200 * 50 + 50 * 10
    assert found.matching(np.random.default_rng(0)).tied >= found.groups.tied - 8
    assert found.coverage > 0.99


def test_lloyds_rounds_do_not_raise_the_distortion_of_quantiles():
    values = np.random.default_rng(0).standard_t(3, 5000)

    def distortion(labels):
        return sum(values[labels == k].var() * (labels == k).sum() for k in np.unique(labels))

    quantiles = np.searchsorted(np.quantile(values, np.arange(1, 16) / 16), values)
    assert distortion(ties._clustered(values, 16)) < 0.7 * distortion(quantiles)


def test_quantised_weights_are_tied_within_their_tensor():
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 4))
    with torch.no_grad():
        for layer in model:
            layer.weight.copy_(torch.arange(12).reshape(layer.weight.shape) % 3 * 0.5)
    found = ties.quantised(model)
    at = found.layout.coordinate
    assert sorted(found.groups.sizes) == [4] * 6
    assert at("0.weight", 0, 3) in members(found, at("0.weight", 0, 0))
    assert not members(found, at("0.weight", 0, 0)) & members(found, at("1.weight", 0, 0))
    with torch.no_grad():
        model[0].weight.add_(0.1 * torch.rand(model[0].weight.shape))
    binned = ties.quantised(model, step=0.5)
    assert [sorted(members(binned, k)) for k in range(12)] == [
        sorted(members(found, k)) for k in range(12)
    ]


def test_a_users_pairs_may_be_opposite():
    model = nn.Linear(4, 2)
    at = ties.Layout.of(model).coordinate
    rows = [[at("weight", 0, 0), at("weight", 1, 1), 1], [at("bias", 0), at("bias", 1), -1]]
    found = ties.explicit(model, rows)
    gradient = np.ones(10)
    rng = np.random.default_rng(0)
    assert found.audit(gradient, rng=rng, **TASK).fraction == pytest.approx(0.5, abs=0.3)
    gradient[at("bias", 1)] = -1
    assert found.audit(gradient, rng=rng, **TASK).fraction == 0
    assert ties.explicit(model, [[0, 1]]).flipped is None


def test_an_audit_estimates_what_the_gradient_does_to_the_groups():
    # The mean over re-matchings is the share of disagreeing pairs in all groups.
    rng = np.random.default_rng(1)
    torch.manual_seed(1)
    model = nn.Linear(40, 10, bias=False)
    found = ties.codebook(model, clusters=5)
    gradient = rng.normal(size=400) + 0.5
    truth = total = 0.0
    for first, end in zip(found.groups.starts, found.groups.starts[1:], strict=False):
        minus = int((gradient[found.groups.members[first:end]] < 0).sum())
        size = int(end - first)
        pairs = size // 2
        truth += pairs * 2 * minus * (size - minus) / (size * (size - 1))
        total += pairs
    truth /= total
    results = [found.audit(gradient, epsilon=0.1, delta=0.05, rng=rng) for _ in range(300)]
    hits = sum(result.hits for result in results)
    mean = float(np.mean([result.fraction for result in results]))
    # Copies within a matching repeat pairs: variance at most doubles (each matching's own spread).
    assert abs(mean - truth) < 5.5 * math.sqrt(2 * truth * (1 - truth) / hits)


@given(st.lists(st.integers(-1, 4), min_size=6, max_size=40), st.integers(0, 99))
def test_a_random_matching_is_a_matching_within_groups(labels, seed):
    labels = np.array(labels, np.int8)
    if np.unique(labels[labels >= 0], return_counts=True)[1].max(initial=0) < 2:
        return
    groups = Groups.of(labels)
    pairs = RandomPairs(groups, np.random.default_rng(seed))
    every = np.arange(len(labels))
    first = pairs.partner(every)
    assert (pairs.partner(every) == first).all()  # what was told stays
    matched = np.flatnonzero(first >= 0)
    assert len(matched) == pairs.tied
    assert (first[first[matched]] == matched).all()
    assert (labels[first[matched]] == labels[matched]).all()
    assert (first[matched] != matched).all()


@pytest.mark.parametrize("size", [4, 5])
def test_every_matching_of_a_group_is_as_likely(size):
    rng = np.random.default_rng(size)
    runs = 6000
    counts = {}
    for _ in range(runs):
        pairs = RandomPairs(Groups.of(np.zeros(size, np.uint8)), rng)
        # Asked in a random order, as the measurement does.
        order = rng.permutation(size)
        partner = np.empty(size, int)
        partner[order] = pairs.partner(order)
        counts[tuple(partner)] = counts.get(tuple(partner), 0) + 1
    kinds = {4: 3, 5: 15}[size]
    assert len(counts) == kinds
    assert stats.chisquare(list(counts.values())).pvalue > 1e-6


def test_narrow_labels_group_as_wide_ones_do():
    rng = np.random.default_rng(0)
    wide = rng.integers(-1, 100, 3000)
    groups = [Groups.of(wide.astype(kind)) for kind in (np.int8, np.int16, np.int32, np.int64)]
    for other in groups[1:]:
        assert (other.members == groups[0].members).all()
        assert (other.starts == groups[0].starts).all()
    for k, (first, end) in enumerate(zip(groups[0].starts, groups[0].starts[1:], strict=False)):
        inside = groups[0].members[first:end]
        assert (wide[inside] == wide[inside[0]]).all()
        assert len(inside) == (wide == wide[inside[0]]).sum()
        assert (groups[0].of_coordinate(inside) == k).all()
    assert (groups[0].of_coordinate(np.flatnonzero(wide == -1)) == -1).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda m: ties.shared(m), "no two parameters share memory"),
        (lambda m: ties.quantised(m), "no two weights of a tensor are equal"),
        (lambda m: ties.quantised(m, step=0.0), "step is positive"),
        (lambda m: ties.quantised(m, step=math.nan), "step is positive"),
        (lambda m: ties.codebook(m, clusters=0), "at least 1 entry"),
        (lambda _: ties.codebook(nn.BatchNorm1d(4), clusters=2), "no tensor has two axes"),
        (lambda m: ties.parametrised(m), "no parametrisation ties"),
        (lambda m: ties.explicit(m, [[0, 1], [1, 2]]), "must not overlap"),
        (lambda m: ties.explicit(m, [[0, 99]]), "names coordinate 99"),
        (lambda m: ties.explicit(m, [[0, 1, 0]]), "its sign"),
        (lambda m: ties.explicit(m, [[0.0, 1.0]]), "rows of integers"),
        (lambda m: ties.Layout.of(m).coordinate("wheel", 0), "no parameter 'wheel'"),
        (lambda m: ties.Layout.of(m).coordinate("weight", 9, 9), "no entry"),
        (lambda m: ties.Layout.of(m).flatten({}), "not nothing"),
    ],
)
def test_what_has_no_ties_is_refused(make, message):
    torch.manual_seed(0)
    with pytest.raises(InputError, match=message):
        make(nn.Linear(4, 3))


def test_gradients_that_cannot_be_audited_are_refused():
    found = ties.explicit(nn.Linear(4, 2), [[0, 1]])
    rng = np.random.default_rng(0)
    gradient = np.ones(10)
    with pytest.raises(InputError, match="shape"):
        found.audit(gradient[:-1], rng=rng, **TASK)
    gradient[3] = 0
    with pytest.raises(InputError, match="zero at 1 coordinates, the first 3"):
        found.audit(gradient, rng=rng, **TASK)
    assert found.audit(gradient, rng=rng, zeros=ZeroRule.MINUS, **TASK).hits > 0
    gradient[4] = math.nan
    with pytest.raises(InputError, match="nan at coordinate 4"):
        found.audit(gradient, rng=rng, zeros=ZeroRule.PLUS, **TASK)
    with pytest.raises(InputError, match="without noise"):
        tie_audit(
            RelativeSigns(as_signs([1, 1]), np.array([False, True])), [[0, 1]], rng=rng,
            noise=BellDiagonal.depolarising(0.1), **TASK,
        )  # fmt: skip
