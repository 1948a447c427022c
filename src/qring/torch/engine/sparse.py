"""The sum of sparse tensors: everybody gathers everybody's entries, and adds them up."""

from __future__ import annotations

import torch

from qring.errors import InputError
from qring.torch.engine import ring
from qring.torch.engine.node import Call, Node
from qring.torch.engine.reduction import Reduction

__all__ = ["all_reduce_sparse"]


def all_reduce_sparse(node: Node, tensor: torch.Tensor, reduction: Reduction, call: Call) -> None:
    """Replace a sparse COO ``tensor`` by the coalesced sum over all ranks.

    Raises:
        InputError: the reduction is not a sum.
    """
    if reduction.code not in (1, 2):
        raise InputError("sparse tensors can only be added")
    mine = tensor.coalesce()
    indices, values = mine.indices().contiguous(), mine.values().contiguous()
    counts = [torch.zeros(1, dtype=torch.int64) for _ in range(node.size)]
    here = torch.tensor([indices.shape[1]])
    ring.all_gather(node, here, counts, call._replace(dtype=torch.int64, nbytes=8, reduction=0))
    most = max(int(count) for count in counts)
    all_indices = _gather_columns(node, indices.t().contiguous(), most, call)
    all_values = _gather_columns(node, values, most, call)
    total = mine
    for rank, count in enumerate(counts):
        entries = int(count)
        part = torch.sparse_coo_tensor(
            all_indices[rank][:entries].t(), all_values[rank][:entries], mine.shape,
            check_invariants=False,
        )  # fmt: skip
        total = part if rank == 0 else total + part
    total = total.coalesce()
    indices, values = total.indices(), total.values()
    reduction.finish(values, node.size)
    with torch.inference_mode(False), torch.no_grad():
        # The user's tensor takes over these two, and cannot be trained with those of inference.
        tensor.copy_(
            torch.sparse_coo_tensor(
                indices.clone(), values.clone(), mine.shape, is_coalesced=True,
                check_invariants=False,
            )
        )  # fmt: skip


def _gather_columns(node: Node, rows: torch.Tensor, most: int, call: Call) -> list[torch.Tensor]:
    padded = rows.new_zeros((most, *rows.shape[1:]))
    padded[: len(rows)] = rows
    outs = [torch.empty_like(padded) for _ in range(node.size)]
    flat = padded.view(-1)
    nbytes = flat.numel() * flat.itemsize
    step = call._replace(dtype=flat.dtype, nbytes=nbytes, reduction=0)
    ring.all_gather(node, flat, [out.view(-1) for out in outs], step)
    return outs
