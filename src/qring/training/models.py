"""Small classifiers for images of ten classes."""

from __future__ import annotations

from torch import nn

from qring.training.settings import ModelKind

__all__ = ["build", "size"]

_HIDDEN = 128
_CLASSES = 10


def build(kind: ModelKind, pixels: int) -> nn.Module:
    """Return a freshly initialised classifier from ``pixels`` inputs to ten logits."""
    if kind is ModelKind.LINEAR:
        return nn.Linear(pixels, _CLASSES)
    return nn.Sequential(nn.Linear(pixels, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, _CLASSES))


def size(model: nn.Module) -> int:
    """Number of parameters."""
    return sum(parameter.numel() for parameter in model.parameters())
