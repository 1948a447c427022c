"""Noise that ranks share out, through every hook of words."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ranks import run
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import qring
import qring.torch as qt
from qring import DistributedGaussian, Ghz, Private, Promise, SecAgg

pytest.importorskip("dp_accounting")
pytest.importorskip("cryptography")

RANKS, COORDS = 3, 44


def gradient(rank: int, hook, state, **settings) -> np.ndarray:
    """One backward pass of a linear model."""
    torch.manual_seed(0)
    net = DistributedDataParallel(nn.Linear(10, 4), **settings)
    if hook is not None:
        net.register_comm_hook(state, hook)
    x = torch.randn(8, 10, generator=torch.Generator().manual_seed(rank))
    (0.1 * net(x).square().mean()).backward()
    return torch.cat([p.grad.reshape(-1) for p in net.parameters()]).numpy()


HOOKS = {
    "ghz": lambda words: (qt.ghz_mean, qt.GhzHook(Ghz(encoding=words))),
    "secagg": lambda words: (qt.secagg_mean, qt.SecAggHook(SecAgg(encoding=words))),
    "private": lambda words: (qt.private_mean, qt.PrivateHook(Private(encoding=words))),
}


def _hooked(rank: int, size: int, plan) -> dict[str, np.ndarray]:
    words = DistributedGaussian(plan=plan)
    means = {name: gradient(rank, *make(words)) for name, make in HOOKS.items()}
    return {**means, "exact": gradient(rank, None, None)}


def planned():
    promise = Promise(epsilon=20.0, delta=1e-5, clip=1.0)
    return qring.calibrate(promise, workers=RANKS, coords=COORDS, word_bits=16)


def test_all_ranks_hold_the_same_noisy_mean_by_every_hook():
    plan = planned()
    results = run(RANKS, _hooked, plan, limit_s=110)
    for found in results:
        for name in HOOKS:
            assert (found[name] == results[0][name]).all()
            error = RANKS * (found[name] - found["exact"])
            assert 0 < np.abs(error).max() < 6.5 * plan.sum_std
            # A chi of 44 coordinates lies within these bounds but for 1 case in a million.
            assert 0.5 < np.linalg.norm(error) / (plan.sum_std * COORDS**0.5) < 1.6
