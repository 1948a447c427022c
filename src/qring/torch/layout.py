"""The flat coordinates of a module in which nothing is tied: what a server trains and audits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parametrize

from qring.errors import InputError

__all__ = ["Layout", "untied_tensors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Places of the untied model's tensors among the flat coordinates: names and shapes."""

    shapes: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, module: nn.Module) -> Layout:
        """Read the names and shapes off a module, tied or not."""
        return cls(shapes={name: tuple(value.shape) for name, value in untied_tensors(module)})

    @property
    def coords(self) -> int:
        """Coordinates of the untied model."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    def coordinate(self, name: str, *index: int) -> int:
        """The flat coordinate of one entry of a tensor.

        Raises:
            InputError: no such tensor, or an index out of range.
        """
        start = 0
        for other, shape in self.shapes.items():
            if other == name:
                try:
                    return start + int(np.ravel_multi_index(index, shape))
                except ValueError:
                    raise InputError(f"{name} has shape {shape}; it has no entry {index}") from None
            start += math.prod(shape)
        raise InputError(f"no parameter {name!r}; there are {', '.join(self.shapes)}")

    def flatten(self, tensors: Mapping[str, Tensor]) -> NDArray[Any]:
        """One flat array from tensors by name.

        Raises:
            InputError: a tensor is missing or of another shape.
        """
        parts = []
        for name, shape in self.shapes.items():
            if name not in tensors or tuple(tensors[name].shape) != shape:
                found = tuple(tensors[name].shape) if name in tensors else "nothing"
                raise InputError(f"{name} must come with shape {shape}, not {found}")
            parts.append(tensors[name].detach().reshape(-1))
        flat = torch.cat(parts)
        flat = flat.float() if flat.dtype in (torch.bfloat16, torch.float16) else flat
        return np.asarray(flat.cpu().numpy())


def untied_tensors(module: nn.Module) -> list[tuple[str, Tensor]]:
    """Tensors of the untied model by name: every name of a parameter, and parametrised weights."""
    found = []
    for prefix, part in module.named_modules(remove_duplicate=False):
        start = f"{prefix}." if prefix else ""
        if isinstance(part, parametrize.ParametrizationList):
            continue
        chains = getattr(part, "parametrizations", {})
        own = [(name, value) for name, value in part.named_parameters(recurse=False)]
        own += [(name, getattr(part, name)) for name in chains]
        found += [(start + name, value.detach()) for name, value in own]
    return found
