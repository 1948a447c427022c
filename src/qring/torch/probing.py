"""Entries of a parametrised weight that are equal, or opposite, whatever its parameters are."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

__all__ = ["probe"]

_SEEDS = (1, 2)  # two draws: entries that meet in both by chance have probability zero


def probe(chain: nn.Module) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Evaluate a parametrisation on random parameters; label equal entries alike.

    ``chain`` is the ``ParametrizationList`` of a weight. Returns labels, −1 for entries that are
    always zero, and which entries are the opposite of their group's first; both flat.
    """
    draws = [_drawn(chain, seed) for seed in _SEEDS]
    sizes = [np.unique(np.abs(draw), return_inverse=True)[1] for draw in draws]
    # Opposite in one draw and equal in the other is no tie: the product of signs tells them apart.
    relation = (np.sign(draws[0]) * np.sign(draws[1]) > 0).astype(np.int64)
    key = (sizes[0] * len(sizes[1]) + sizes[1]) * 2 + relation
    _, first, labels = np.unique(key, return_index=True, return_inverse=True)
    flipped = np.sign(draws[0]) != np.sign(draws[0][first[labels]])
    zero = (draws[0] == 0) & (draws[1] == 0)
    return np.where(zero, -1, labels), np.asarray(flipped & ~zero)


def _drawn(chain: nn.Module, seed: int) -> NDArray[Any]:
    generator = torch.Generator().manual_seed(seed)
    state = {
        name: torch.randn(value.shape, generator=generator, dtype=value.dtype)
        for name, value in chain.named_parameters()
    }
    with torch.no_grad():
        weight = torch.func.functional_call(chain, state, ())
    return np.asarray(weight.reshape(-1).double().numpy())
