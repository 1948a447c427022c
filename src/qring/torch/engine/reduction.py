"""Reductions: supported operators and types, and folding one tensor into another."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch.distributed import ReduceOp

from qring.errors import InputError
from qring.torch.transport.channels import Fold

__all__ = ["DTYPES", "Reduction", "reduction_for"]

DTYPES = (
    torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16,
    torch.bfloat16, torch.float32, torch.float64, torch.bool, torch.complex64, torch.complex128,
    torch.uint16, torch.uint32, torch.uint64, torch.float8_e4m3fn, torch.float8_e5m2,
)  # fmt: skip

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_INTEGERS = (torch.uint8, torch.int8, torch.int32, torch.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """A reduction of two values to one.

    With ``divide`` the result of all is divided by the number of ranks. ``linear`` reductions
    treat the two parts of a complex number alike.
    """

    code: int
    fold: Fold
    divide: bool = False
    linear: bool = False

    def finish(self, total: torch.Tensor, size: int) -> None:
        """Divide what ``size`` ranks have reduced, in place, if the reduction is a mean.

        Whole numbers are rounded towards zero, as NCCL does.
        """
        if self.divide:
            total.div_(size, rounding_mode=None if total.is_floating_point() else "trunc")


_FOLDS: Mapping[object, Reduction] = {
    ReduceOp.SUM: Reduction(code=1, fold=torch.add, linear=True),
    ReduceOp.AVG: Reduction(code=2, fold=torch.add, divide=True, linear=True),
    ReduceOp.PRODUCT: Reduction(code=3, fold=torch.mul),
    ReduceOp.MIN: Reduction(code=4, fold=torch.minimum),
    ReduceOp.MAX: Reduction(code=5, fold=torch.maximum),
    ReduceOp.BAND: Reduction(code=6, fold=torch.bitwise_and),
    ReduceOp.BOR: Reduction(code=7, fold=torch.bitwise_or),
    ReduceOp.BXOR: Reduction(code=8, fold=torch.bitwise_xor),
}


def reduction_for(op: object, dtype: torch.dtype) -> Reduction:
    """The reduction that ``op`` asks for on values of ``dtype``.

    Raises:
        InputError: Gloo does not take the two together either.
    """
    return _reduction_for(getattr(op, "op", op), dtype)


@functools.cache
def _reduction_for(kind: object, dtype: torch.dtype) -> Reduction:
    found = _FOLDS.get(kind)
    name = str(kind).rpartition(".")[2]
    if found is None:
        known = ", ".join(str(k).rpartition(".")[2] for k in _FOLDS)
        raise InputError(f"cannot reduce with {name}; choose one of {known}")
    if dtype not in (*_FLOATS, *_INTEGERS, torch.bool):
        raise InputError(f"cannot reduce {dtype} tensors")
    if found.divide and dtype is torch.bool:
        raise InputError("cannot average torch.bool tensors; convert to float first")
    if found.code >= 6 and dtype in _FLOATS:
        raise InputError(f"{name} works on the bits of whole numbers, not on {dtype}")
    return found
