"""Subspaces of real modules: adapters, ties that stay, convolutions, and audits of DDP steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ranks import run
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import parametrize

from qring.conflict.subspace.audit import share
from qring.errors import InputError
from qring.torch import audit, subspaces, ties

ACCURACY = {"epsilon": 0.1, "delta": 0.05}


class Adapted(nn.Module):
    """A layer with low-rank factors beside it, named as PEFT names them."""

    def __init__(self, base, rank):
        super().__init__()
        self.base = base
        self.lora_A = nn.Parameter(torch.randn(rank, base.in_features))
        self.lora_B = nn.Parameter(torch.randn(base.out_features, rank))

    def forward(self, x):
        return self.base(x) + x @ self.lora_A.T @ self.lora_B.T


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 5), nn.Linear(5, 4)


def two():
    torch.manual_seed(0)
    base = Two()
    adapted = Two()
    adapted.first = Adapted(adapted.first, 2)
    return base, adapted


def test_a_step_of_the_factors_lies_in_the_adapters_span():
    base, adapted = two()
    span = subspaces.adapters(adapted, base)
    assert span.subspace.dimension == 2 * (5 + 6 - 2)
    layer = adapted.first
    move = 1e-3
    before = (layer.lora_B @ layer.lora_A).detach()
    after = (layer.lora_B + move * torch.randn(5, 2)) @ (layer.lora_A + move * torch.randn(2, 6))
    step = {name: torch.zeros_like(value) for name, value in base.named_parameters()}
    step["first.weight"] = (after - before).detach()
    assert share(span.flat(step), span.subspace) > 1 - 1e-4
    assert share(span.flat({**step, "second.bias": torch.ones(4)}), span.subspace) < 1e-4
    result = span.audit(step, **ACCURACY, rng=np.random.default_rng(0))
    assert result.hits == result.copies
    rival = span.rival(step, 0.1, 0.05)
    assert rival.bits > 0


def test_peft_models_are_read():
    peft = pytest.importorskip("peft")
    torch.manual_seed(0)
    base = Two()
    config = peft.LoraConfig(r=2, target_modules=["first", "second"], init_lora_weights=False)
    adapted = peft.get_peft_model(Two(), config)
    span = subspaces.adapters(adapted, base)
    assert span.subspace.dimension == 2 * (5 + 6 - 2) + 2 * (4 + 5 - 2)
    adapted.add_adapter("other", config)
    with pytest.raises(InputError, match="default, other; name one"):
        subspaces.adapters(adapted, base)
    assert subspaces.adapters(adapted, base, name="other").subspace.dimension == 32
    with pytest.raises(InputError, match="no adapter 'third'"):
        subspaces.adapters(adapted, base, name="third")


def test_leading_adapters_hold_the_weights_themselves():
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Linear(20, 10))
    span = subspaces.leading(net, 2)
    assert span.subspace.dimension == 2 * (8 + 27 - 2) + 2 * (20 + 10 - 2)
    with torch.no_grad():
        left, sizes, right = torch.linalg.svd(net[1].weight)
        low = (left[:, :2] * sizes[:2]) @ right[:2]
    step = {name: torch.zeros_like(value) for name, value in net.named_parameters()}
    step["1.weight"] = low
    assert share(span.flat(step), span.subspace) == pytest.approx(1, abs=1e-5)
    with pytest.raises(InputError, match="lower the rank"):
        subspaces.leading(net, 50)
    with pytest.raises(InputError, match="at least 1"):
        subspaces.leading(net, 0)


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).T


class Skew(nn.Module):
    def forward(self, x):
        return x.triu(1) - x.triu(1).T


@pytest.mark.parametrize("kind", [Symmetric, Skew])
def test_symmetric_weights_stay_symmetric(kind):
    net = nn.Sequential(nn.Linear(5, 5, bias=False))
    parametrize.register_parametrization(net[0], "weight", kind())
    span = subspaces.tied(ties.parametrised(net), free=False)
    matrix = torch.randn(5, 5)
    half = (matrix + matrix.T) / 2 if kind is Symmetric else (matrix - matrix.T) / 2
    off = (half - torch.diag(torch.diag(half))).reshape(-1).double().numpy()
    flat = matrix.reshape(-1).double().numpy()
    expected = float(off @ off) / float(flat @ flat)
    assert share(flat, span.subspace) == pytest.approx(expected, rel=1e-6)
    assert span.subspace.dimension == 10
    np.testing.assert_allclose(span.subspace.project(flat), off, atol=1e-6)


def test_codebooks_and_free_coordinates():
    torch.manual_seed(2)
    net = nn.Linear(12, 9)
    found = ties.codebook(net, clusters=4)
    span = subspaces.tied(found)
    groups = len(found.groups.sizes)
    assert span.subspace.dimension == groups + (117 - found.groups.tied)
    rng = np.random.default_rng(3)
    v = rng.normal(size=117)
    inside = span.subspace.project(v)
    assert span.subspace.energy(v) == pytest.approx(float(inside @ inside))
    np.testing.assert_allclose(span.subspace.project(inside), inside)
    np.testing.assert_allclose(inside[found.groups.labels < 0], v[found.groups.labels < 0])


@pytest.mark.parametrize(
    ("layer", "size"),
    [
        (nn.Conv2d(2, 3, 3, padding=1, bias=False), (2, 4, 5)),
        (nn.Conv1d(4, 4, 2, stride=2, groups=2, bias=False), (4, 6)),
        (nn.Conv2d(1, 2, 2, dilation=2, bias=False), (1, 5, 5)),
    ],
)
def test_convolutions_are_tied_matrices(layer, size):
    span = subspaces.convolution(layer, size)
    inputs = int(np.prod(size))
    with torch.no_grad():
        matrix = layer(torch.eye(inputs).reshape(inputs, *size)).reshape(inputs, -1).T
    assert share(matrix.reshape(-1).double().numpy(), span) == pytest.approx(1, abs=1e-5)
    noise = np.random.default_rng(0).normal(size=span.coords)
    assert share(noise, span) < 0.5
    with pytest.raises(InputError, match="does not take"):
        subspaces.convolution(layer, (7, *size[1:]))


def test_modules_without_adapters_are_refused():
    base, adapted = two()
    with pytest.raises(InputError, match="no adapter"):
        subspaces.adapters(base, base)
    with pytest.raises(InputError, match="no weight of the adapted layer 'first'"):
        subspaces.adapters(adapted, nn.Linear(6, 5))
    del adapted.first.lora_A
    with pytest.raises(InputError, match="only one factor"):
        subspaces.adapters(adapted, base)


def _steps(rank: int, size: int) -> tuple:
    torch.manual_seed(0)
    net = DistributedDataParallel(nn.Sequential(nn.Linear(30, 40), nn.Linear(40, 5)))
    records: list[audit.AuditRecord] = []
    kind = audit.SubspaceStepAudit(span=lambda module: subspaces.leading(module, 3))
    net.register_comm_hook(
        audit.AuditHook(net, kind, every=2, report=records.append), audit.audited
    )
    x = torch.randn(8, 30, generator=torch.Generator().manual_seed(rank))
    shares = []
    for _ in range(3):
        net.zero_grad()
        net(x).square().sum().backward()
        span = subspaces.leading(net.module, 3)
        grads = {name: value.grad for name, value in net.module.named_parameters()}
        shares.append(share(span.flat(grads), span.subspace))
    return shares, records


def test_steps_of_a_ddp_run_are_audited():
    results = run(2, _steps)
    shares, records = results[0]
    assert [record.step for record in records] == [0, 2]
    for record in records:
        low, high = record.interval
        assert low <= shares[record.step] <= high  # 95 %, with a fixed seed
        assert record.qubits == 100 * 11
        assert record.rival_bits > 0
    assert records == results[1][1]
