"""Words of all ranks brought together, as a simulation must, and what says that one is silent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from qring.errors import PeerError

Words = NDArray[np.uint64]

__all__ = ["SilentError", "Together", "as_tensor", "wait_for"]


class SilentError(PeerError):
    """Another rank does not answer. A ``PeerError`` where masks are made on their own."""


class Together:
    """Brings words of all ranks together, as a simulation must."""

    def __init__(self, group: dist.ProcessGroup, workers: int) -> None:
        self._group, self._workers = group, workers

    def total(self, own: Words) -> Words:
        """Sum of all ranks' words, mod 2^64."""
        summed = as_tensor(own.sum(axis=0, dtype=np.uint64).view(np.int64))
        _attempt(lambda: dist.all_reduce(summed, group=self._group))  # wraps, as phases do
        return np.asarray(summed.numpy().view(np.uint64))

    def everyone(self, own: Words) -> Words:
        """All ranks' words, a row each."""
        mine = as_tensor(own[0].view(np.int64).copy())
        rows = [torch.empty_like(mine) for _ in range(self._workers)]
        _attempt(lambda: dist.all_gather(rows, mine, group=self._group))
        return np.stack([row.numpy() for row in rows]).view(np.uint64)


def as_tensor(array: NDArray[Any]) -> torch.Tensor:
    """Tensor that shares an array's memory."""
    return torch.from_numpy(array)


def wait_for(work: Any) -> None:
    """Wait until an operation is done.

    Raises:
        SilentError: another rank does not answer.
    """
    _attempt(work.wait)


def _attempt(call: Callable[[], Any]) -> None:
    try:
        call()
    except RuntimeError as error:
        raise SilentError("another rank died, or does not answer") from error
