"""MNIST for experiments: loaded once, split anew for every seed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qring.data import images
from qring.data.images import ImageSet

__all__ = ["Images", "Split"]

_TEST_SHARE = 0.2
_SIDE = 28
_SHIFT = 8


class Split(NamedTuple):
    """Pairs of float32 pixels, (count, pixels), and integer classes."""

    training: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


class Images(NamedTuple):
    """All images there are: pixels in [0, 1] and classes."""

    pixels: NDArray[np.float32]
    classes: NDArray[np.int64]

    @classmethod
    def load(cls, count: int) -> Images:
        """The first ``count`` after a fixed shuffle.

        Raises:
            MissingExtraError: the images are not installed.
        """
        found, _ = images.load(ImageSet.MNIST, seed=0, test_share=0.0)
        return cls(found.images[:count], found.labels[:count])

    def split(self, seed: int) -> Split:
        """Training and held-out images, shuffled by ``seed``."""
        order = np.random.default_rng(seed).permutation(len(self.classes))
        held = round(_TEST_SHARE * len(order))
        parts = [
            (torch.from_numpy(self.pixels[part]), torch.from_numpy(self.classes[part]))
            for part in (order[held:], order[:held])
        ]
        return Split(*parts)

    def overlaid(self, seed: int) -> Split:
        """Two digits on one canvas of 36×36, one up and left, one down and right.

        Classes have shape (count, 2). Source: the MultiMNIST construction of Sabour et al. (2017),
        with which Sener and Koltun (2018) test multi-task learning.
        """
        parts = []
        rng = np.random.default_rng(seed)
        for pixels, classes in self.split(seed):
            other = torch.from_numpy(rng.permutation(len(classes)))
            side = _SIDE + _SHIFT
            canvas = torch.zeros(2, len(classes), side, side)
            canvas[0, :, :_SIDE, :_SIDE] = pixels.reshape(-1, _SIDE, _SIDE)
            canvas[1, :, _SHIFT:, _SHIFT:] = pixels[other].reshape(-1, _SIDE, _SIDE)
            both = torch.stack([classes, classes[other]], dim=1)
            parts.append((canvas.amax(dim=0).flatten(1), both))
        return Split(*parts)
