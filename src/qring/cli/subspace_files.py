"""Subspaces in files: a basis, a matching, group labels, or the factors of adapters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.conflict.matching import Groups, Pairs
from qring.conflict.subspace.span import Blocks, Dense, GroupSpan, PairSpan, Subspace
from qring.conflict.subspace.tangent import Tangent
from qring.data.gradient_files import Layout, read_gradient
from qring.errors import InputError

__all__ = ["read_subspace"]

_LEFT, _RIGHT = "lora_B", "lora_A"
_WRAPPER = "base_model.model."


def read_subspace(path: Path, layout: Layout) -> Subspace:
    """Read a subspace for a gradient of this layout.

    Floats (k, d) are a basis, a row a vector; integers (M, 2) a matching, whose pairs' differences
    span the subspace; integers (d,) group labels, whose groups' constant vectors do. A state dict
    of adapters holds NAME.lora_A (r, n2) and NAME.lora_B (n1, r), with or without ``.weight``, and
    may leave layers out.

    Raises:
        InputError: none of these, or for another gradient.
    """
    vector, own = read_gradient(path)
    tensors = own.split(vector)
    if any(_RIGHT in name or _LEFT in name for name in tensors):
        return _adapters(path, tensors, layout)
    if len(tensors) != 1:
        raise InputError(
            f"{path} holds {len(tensors)} arrays and no {_RIGHT} among them; a subspace is one "
            "array, or the factors of adapters"
        )
    array = next(iter(tensors.values()))
    coords = sum(int(np.prod(shape, dtype=np.int64)) for _, shape in layout.shapes)
    if array.dtype.kind not in "iu":
        if array.ndim == 2 and array.shape[1] != coords:
            raise InputError(
                f"{path} has rows of {array.shape[1]} coordinates, but the gradient {coords}"
            )
        return Dense.of(array)
    if array.ndim == 2:
        return PairSpan(Pairs.of(array, coords))
    if array.shape != (coords,):
        raise InputError(f"{path} labels {array.size} coordinates, but the gradient has {coords}")
    return GroupSpan(Groups.of(array))


def _adapters(path: Path, tensors: dict[str, NDArray[Any]], layout: Layout) -> Subspace:
    """The tangent space of every layer that has an adapter."""
    factors: dict[str, dict[str, NDArray[Any]]] = {}
    for name, array in tensors.items():
        for side in (_LEFT, _RIGHT):
            if side in name:
                layer = name.split(f".{side}")[0].split(side)[0].removeprefix(_WRAPPER)
                factors.setdefault(layer.rstrip("."), {})[side] = array
    found: dict[str, Tangent] = {}
    for layer, pair in factors.items():
        if len(pair) != 2:
            raise InputError(f"{path} holds only one factor of the adapter {layer or 'it names'!r}")
        found[layer] = Tangent.of(pair[_LEFT], pair[_RIGHT])
    shapes = dict(layout.shapes)
    if len(shapes) == len(found) == 1:
        return _fits(path, next(iter(found.values())), *next(iter(shapes.items())))
    parts: list[tuple[int, Subspace | None]] = []
    left = dict(found)
    for name, shape in shapes.items():
        adapter = left.pop(name.removeprefix(_WRAPPER).removesuffix(".weight"), None)
        size = int(np.prod(shape, dtype=np.int64))
        parts.append((size, None if adapter is None else _fits(path, adapter, name, shape)))
    if left:
        raise InputError(
            f"{path} has an adapter of {next(iter(left))!r}, but the gradient has no such layer"
        )
    return Blocks(tuple(parts))


def _fits(path: Path, adapter: Tangent, name: str, shape: tuple[int, ...]) -> Tangent:
    if adapter.shape != shape:
        raise InputError(
            f"{path} adapts a matrix {adapter.shape}, but the gradient's {name!r} is {shape}"
            if name
            else f"{path} adapts a matrix {adapter.shape}, but the gradient is {shape}"
        )
    return adapter
