"""Telling PyTorch's ``CommDebugMode`` which collectives are called.

It watches the dispatcher, which groups written in Python are called without.
"""

from __future__ import annotations

import sys
from typing import Any

import torch

__all__ = ["tell_observers"]

_OPERATORS = {
    "all_gather": "allgather_",
    "all_gather_single": "_allgather_base_",
    "all_reduce": "allreduce_",
    "all_reduce_coalesced": "allreduce_coalesced_",
    "all_reduce_sparse": "allreduce_",
    "all_to_all": "alltoall_",
    "all_to_all_single": "alltoall_base_",
    "broadcast": "broadcast_",
    "gather": "gather_",
    "reduce": "reduce_",
    "reduce_scatter": "reduce_scatter_",
    "reduce_scatter_single": "_reduce_scatter_base_",
    "scatter": "scatter_",
}


class _Call:
    """The operator of PyTorch that other backends are called through; calling it does nothing."""

    def __init__(self, operator: str) -> None:
        self._overloadpacket = getattr(torch.ops.c10d, operator)

    def __call__(self, *arguments: object, **keywords: object) -> None:
        """Do nothing."""


def tell_observers(collective: str) -> None:
    """Count a collective in every ``CommDebugMode`` that is active in this thread."""
    debug: Any = sys.modules.get("torch.distributed.tensor.debug._comm_mode")
    if debug is None or collective not in _OPERATORS:
        return
    for depth in range(torch._C._len_torch_dispatch_stack()):
        mode = torch._C._get_dispatch_stack_at(depth)
        if isinstance(mode, debug.CommDebugMode):
            mode.__torch_dispatch__(_Call(_OPERATORS[collective]), ())
