"""Private subspaces of real modules: adapters' spans, ties that must stay, convolutions.

    span = qring.torch.subspaces.adapters(peft_model, base)
    result = span.audit(gradients_of_the_base, epsilon=0.1, delta=0.05, rng=rng)

Coordinates are those of the untied model that the server trains, as in :mod:`qring.torch.ties`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qring.conflict.matching import Groups
from qring.conflict.rival import Rival
from qring.conflict.subspace.audit import SubspaceAudit, subspace_audit
from qring.conflict.subspace.rivals import best_subspace_rival
from qring.conflict.subspace.span import Blocks, Flipped, GroupSpan, Subspace
from qring.conflict.subspace.tangent import Tangent
from qring.errors import InputError
from qring.torch.layout import Layout
from qring.torch.ties import Ties

__all__ = ["Span", "adapters", "convolution", "leading", "tied"]

_LEFT, _RIGHT = "lora_B", "lora_A"
_WRAPPER = "base_model.model."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Span:
    """A client's subspace of the layout's coordinates."""

    layout: Layout
    subspace: Subspace

    def audit(
        self,
        gradient: Mapping[str, Tensor] | NDArray[Any],
        *,
        epsilon: float,
        delta: float,
        rng: np.random.Generator,
    ) -> SubspaceAudit:
        """Estimate what share of a step lies in the subspace, within ε but with δ.

        Args:
            gradient: of the untied model, by name or flat: what DDP left after its all-reduce.
            epsilon: accuracy of the share, in (0, 1).
            delta: probability of a larger error, in (0, 1).
            rng: source of the measurements' outcomes.

        Raises:
            InputError: a gradient of another shape, of zeros, or not finite.
        """
        return subspace_audit(
            self.flat(gradient), self.subspace, epsilon=epsilon, delta=delta, rng=rng
        )

    def rival(
        self, gradient: Mapping[str, Tensor] | NDArray[Any], epsilon: float, delta: float
    ) -> Rival:
        """The cheapest classical broadcast that tells as much."""
        return best_subspace_rival(self.subspace, epsilon, delta, gradient=self.flat(gradient))

    def flat(self, gradient: Mapping[str, Tensor] | NDArray[Any]) -> NDArray[Any]:
        """The gradient as one array."""
        return gradient if isinstance(gradient, np.ndarray) else self.layout.flatten(gradient)


def adapters(adapted: nn.Module, base: nn.Module, *, name: str | None = None) -> Span:
    """Subspace that a module's low-rank adapters can move: {dB·A + B·dA} of every layer with one.

    ``adapted`` is a PEFT model or any module with ``lora_A`` and ``lora_B`` parameters beside a
    layer; ``base`` the module whose weights the server trains. ``name`` picks one of several
    adapters. Weights of convolutions are taken as (out, in·height·width).

    Raises:
        InputError: no adapters, several without a ``name``, or layers that do not match.
    """
    factors: dict[str, dict[str, dict[str, Tensor]]] = {}
    for full, value in adapted.named_parameters():
        for side in (_LEFT, _RIGHT):
            if f"{side}" in full:
                layer, _, rest = full.partition(f".{side}")
                chosen = rest.removesuffix(".weight").strip(".") or "default"
                layer = layer.removeprefix(_WRAPPER)
                factors.setdefault(chosen, {}).setdefault(layer, {})[side] = value.detach()
    if not factors:
        raise InputError("the module has no lora_A and lora_B parameters; there is no adapter")
    if name is None and len(factors) > 1:
        raise InputError(f"the module has the adapters {', '.join(factors)}; name one of them")
    if name is not None and name not in factors:
        raise InputError(f"there is no adapter {name!r}; there are {', '.join(factors)}")
    found = factors[name if name is not None else next(iter(factors))]
    layout = Layout.of(base)
    parts: list[tuple[int, Subspace | None]] = []
    for tensor, shape in layout.shapes.items():
        pair = found.pop(tensor.removesuffix(".weight"), None)
        parts.append((math.prod(shape), None if pair is None else _tangent(tensor, shape, pair)))
    if found:
        raise InputError(f"the base has no weight of the adapted layer {next(iter(found))!r}")
    return Span(layout=layout, subspace=Blocks(tuple(parts)))


def _tangent(name: str, shape: tuple[int, ...], pair: dict[str, Tensor]) -> Tangent:
    if len(pair) != 2:
        raise InputError(f"the adapter of {name} has only one factor")
    left, right = (
        pair[side].double().cpu().reshape(len(pair[side]), -1).numpy() for side in (_LEFT, _RIGHT)
    )
    tangent = Tangent.of(left, right)
    if tangent.shape != (shape[0], math.prod(shape[1:])):
        raise InputError(f"the adapter of {name} makes a matrix {tangent.shape}, not {shape}")
    return tangent


def leading(module: nn.Module, rank: int) -> Span:
    """Subspace of adapters that start at the weights' leading singular vectors.

    Of every weight of two or more axes whose smaller side exceeds ``rank``; the start of PiSSA
    (Meng, Wang and Zhang 2024).

    Raises:
        InputError: a rank below 1, or no weight that is large enough.
    """
    if rank < 1:
        raise InputError(f"an adapter has a rank of at least 1, not {rank}")
    layout = Layout.of(module)
    values = dict(module.named_parameters(remove_duplicate=False))
    parts: list[tuple[int, Subspace | None]] = []
    for name, shape in layout.shapes.items():
        rest = math.prod(shape[1:])
        if len(shape) < 2 or min(shape[0], rest) <= rank or name not in values:
            parts.append((math.prod(shape), None))
            continue
        matrix = values[name].detach().double().cpu().reshape(shape[0], rest)
        left, _, right = torch.linalg.svd(matrix, full_matrices=False)
        tangent = Tangent(left[:, :rank].numpy(), right[:rank].T.numpy())
        parts.append((math.prod(shape), tangent))
    if all(part is None for _, part in parts):
        raise InputError(f"no weight has more than {rank} rows and columns; lower the rank")
    return Span(layout=layout, subspace=Blocks(tuple(parts)))


def tied(ties: Ties, *, free: bool = True) -> Span:
    """Updates that leave a client's ties intact: of a codebook, a quantisation, symmetric weights.

    ``free`` says that coordinates in no tie may move, each on its own.
    """
    span: Subspace = GroupSpan(ties.groups, free=free)
    if ties.flipped is not None:
        span = Flipped(span, ties.flipped)
    return Span(layout=ties.layout, subspace=span)


def convolution(layer: nn.Conv1d | nn.Conv2d | nn.Conv3d, size: tuple[int, ...]) -> GroupSpan:
    """Matrices that are a convolution on inputs of this ``size``: (channels, height, width).

    The server's dense matrix, flattened row by row, is (outputs, inputs); entries that a kernel
    weight fills are tied, and all others are zero.

    Raises:
        InputError: a size that the layer does not take.
    """
    inputs = math.prod(size)
    count = layer.weight.numel()
    numbered = torch.arange(1, count + 1, dtype=torch.float64).reshape(layer.weight.shape)
    run = nn.functional.conv2d
    if isinstance(layer, nn.Conv1d):
        run = nn.functional.conv1d
    elif isinstance(layer, nn.Conv3d):
        run = nn.functional.conv3d
    if layer.padding_mode != "zeros":
        raise InputError(f"padding by {layer.padding_mode} adds entries up; use zeros")
    basis = torch.eye(inputs, dtype=torch.float64).reshape(inputs, *size)
    try:
        columns = run(basis, numbered, None, layer.stride, layer.padding, layer.dilation,
                      layer.groups)  # fmt: skip
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"the layer does not take inputs of {size}: {reason}") from None
    labels = columns.reshape(inputs, -1).T.round().long().numpy() - 1
    return GroupSpan(Groups.of(labels.reshape(-1)))
