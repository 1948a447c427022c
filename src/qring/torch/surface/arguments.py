"""Checks of collectives' arguments, in the several forms in which PyTorch passes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.distributed import ReduceOp

from qring.errors import InputError
from qring.torch.engine.reduction import DTYPES, Reduction, reduction_for

__all__ = [
    "check_dense",
    "cut",
    "equal_parts",
    "one",
    "op_of",
    "parts_of",
    "reduction_of",
    "root_of",
    "rows_of",
    "same_sizes",
]

_KNOWN = frozenset(DTYPES)


def one(tensors: Any) -> torch.Tensor:
    """The tensor of a list of one, or of no list."""
    if isinstance(tensors, torch.Tensor):
        return tensors
    if len(tensors) != 1:
        raise InputError(f"a collective takes one tensor a rank, not {len(tensors)}")
    return tensors[0]  # type: ignore[no-any-return]


def parts_of(lists: Any) -> Sequence[torch.Tensor]:
    """The tensors of a list of one list, or of a list."""
    found: Sequence[torch.Tensor]
    if lists and isinstance(lists[0], torch.Tensor):
        found = lists
    elif len(lists) == 1:
        found = lists[0]
    else:
        raise InputError(f"a collective takes one list of tensors a rank, not {len(lists)}")
    return found


def op_of(opts: Any, keywords: Mapping[str, Any]) -> object:
    """The reduce operator of an options object, given by itself, or by keyword."""
    found = keywords.get("op", opts)
    return ReduceOp.SUM if found is None else getattr(found, "reduceOp", found)


def root_of(opts: Any, keywords: Mapping[str, Any], size: int) -> int:
    """The root of an options object, given by itself, or by keyword."""
    found = keywords.get("root", opts)
    root = int(getattr(found, "rootRank", found))
    if not 0 <= root < size:
        raise InputError(f"root {root} is not one of the ranks 0..{size - 1}")
    return root


def check_dense(name: str, tensors: Sequence[torch.Tensor]) -> None:
    """Check that tensors can travel together.

    Raises:
        InputError: one is sparse, of a type that cannot travel, or unlike the first.
    """
    if not tensors:
        raise InputError(f"{name} got no tensor")
    first = tensors[0]
    if first.dtype not in _KNOWN:
        raise InputError(f"{name} cannot carry {first.dtype}")
    for tensor in tensors:
        if tensor.layout is not torch.strided:
            raise InputError(f"{name} takes dense tensors, not {tensor.layout}")
        if tensor is first:
            continue
        if tensor.dtype is not first.dtype or tensor.device != first.device:
            raise InputError(
                f"{name} got {first.dtype} on {first.device} and {tensor.dtype} on "
                f"{tensor.device}; give tensors of one type on one device"
            )


def reduction_of(name: str, op: object, tensors: Sequence[torch.Tensor]) -> Reduction:
    """Check that tensors can be reduced together with ``op``, and return how.

    Raises:
        InputError: they cannot.
    """
    check_dense(name, tensors)
    dtype = tensors[0].dtype
    reduction = reduction_for(op, dtype.to_real())
    if dtype.is_complex and not reduction.linear:
        raise InputError(f"{name} of complex tensors takes SUM or AVG")
    return reduction


def same_sizes(name: str, tensor: torch.Tensor, others: Sequence[torch.Tensor], count: int) -> None:
    """Check that there are ``count`` others, of the type and number of elements of ``tensor``."""
    if len(others) != count:
        raise InputError(f"{name} needs {count} tensors in the list, not {len(others)}")
    check_dense(name, [tensor, *others])
    for other in others:
        if other.numel() != tensor.numel():
            raise InputError(
                f"{name} of {tensor.numel()} elements got a tensor of {other.numel()} in the list"
            )


def equal_parts(name: str, flat: torch.Tensor, length: int, size: int) -> Sequence[torch.Tensor]:
    """Cut a flat tensor into ``size`` parts of ``length`` elements."""
    if flat.numel() != length * size:
        raise InputError(
            f"{name} on {size} ranks of {length} elements each needs a tensor of "
            f"{length * size}, not {flat.numel()}"
        )
    return [flat[k * length : (k + 1) * length] for k in range(size)]


def rows_of(
    tensor: torch.Tensor, flat: torch.Tensor, rows: Sequence[int], size: int
) -> Sequence[torch.Tensor]:
    """Cut ``flat``, which stands for ``tensor``, into the given numbers of rows, or evenly."""
    total = tensor.shape[0] if tensor.dim() else 1
    if not rows:
        if total % size:
            raise InputError(f"all_to_all_single cannot share {total} rows among {size} ranks")
        rows = [total // size] * size
    if len(rows) != size or sum(rows) != total:
        raise InputError(
            f"all_to_all_single got splits {list(rows)} for {total} rows and {size} ranks"
        )
    width = flat.numel() // total if total else 0
    return cut(flat, [count * width for count in rows])


def cut(flat: torch.Tensor, lengths: Sequence[int]) -> Sequence[torch.Tensor]:
    """Cut a flat tensor into pieces of these lengths."""
    pieces: Sequence[torch.Tensor] = flat.split(list(lengths))  # type: ignore[no-untyped-call]
    return pieces
