"""Reductions, broadcasts and all-gathers under PyTorch's names: checked and submitted."""

# PyTorch overloads these methods in ways that one signature each cannot repeat.
# mypy: disable-error-code="override, assignment"

from __future__ import annotations

from typing import Any

import torch

from qring.torch.engine import ring, sparse
from qring.torch.engine.reduction import reduction_for
from qring.torch.surface.arguments import (
    check_dense,
    cut,
    equal_parts,
    one,
    op_of,
    parts_of,
    reduction_of,
    root_of,
    same_sizes,
)  # fmt: skip
from qring.torch.surface.member import Member
from qring.torch.surface.staging import Staged, stage
from qring.torch.surface.untraced import untraced
from qring.torch.surface.work import RingWork

__all__ = ["Collectives"]


@untraced
class Collectives(Member):
    """The collectives of the process group that follow its topology."""

    def allreduce(self, tensors: Any, opts: Any = None, timeout: Any = None, **kw: Any) -> RingWork:
        """Reduce a tensor over all ranks, in place."""
        tensor, op = one(tensors), op_of(opts, kw)
        if tensor.layout is torch.sparse_coo:
            return self._allreduce_sparse(tensor, op, opts)
        reduction = reduction_of("all_reduce", op, [tensor])
        staged = Staged(tensor)
        call = self._call("all_reduce", opts, timeout, staged.flat, reduction.code)

        def job() -> None:
            ring.all_reduce(self._node, staged.fetch(), reduction, call)
            staged.deliver()

        return self._submit("all_reduce", job, [tensor], opts)

    def allreduce_coalesced(self, tensors: Any, opts: Any = None) -> RingWork:
        """Reduce several tensors as if they were one, in place."""
        op = op_of(opts, {})
        reduction = reduction_of("all_reduce", op, tensors)
        staged = stage(tensors)
        sizes = [part.flat.numel() for part in staged]
        call = self._call("all_reduce", opts, None, staged[0].flat, reduction.code)
        call = call.of_bytes(sum(sizes) * staged[0].flat.itemsize)

        def job() -> None:
            whole = torch.cat([part.fetch() for part in staged])
            ring.all_reduce(self._node, whole, reduction, call)
            for part, values in zip(staged, cut(whole, sizes), strict=True):
                part.flat.copy_(values)
                part.deliver()

        return self._submit("all_reduce_coalesced", job, list(tensors), opts)

    def reduce(self, tensors: Any, opts: Any = None, timeout: Any = None, **kw: Any) -> RingWork:
        """Reduce a tensor over all ranks, in place at the root."""
        tensor, root = one(tensors), root_of(opts, kw, self.size())
        reduction = reduction_of("reduce", op_of(opts, kw), [tensor])
        staged = Staged(tensor)
        call = self._call("reduce", opts, timeout, staged.flat, reduction.code, root)

        def job() -> None:
            ring.reduce(self._node, staged.fetch(), root, reduction, call)
            staged.deliver()

        return self._submit("reduce", job, [tensor], opts)

    def broadcast(self, tensors: Any, opts: Any = None, timeout: Any = None, **kw: Any) -> RingWork:
        """Send a tensor from the root to all ranks, in place."""
        tensor, root = one(tensors), root_of(opts, kw, self.size())
        check_dense("broadcast", [tensor])
        staged = Staged(tensor)
        call = self._call("broadcast", opts, timeout, staged.flat, root=root)

        def job() -> None:
            ring.broadcast(self._node, staged.fetch(), root, call)
            staged.deliver()

        return self._submit("broadcast", job, [tensor], opts)

    def allgather(
        self, output_tensors: Any, input_tensors: Any, opts: Any = None, timeout: Any = None
    ) -> RingWork:
        """Collect a tensor from all ranks in a list, everywhere."""
        outs, tensor = parts_of(output_tensors), one(input_tensors)
        same_sizes("all_gather", tensor, outs, self.size())
        mine, staged = Staged(tensor), stage(outs)
        call = self._call("all_gather", opts, timeout, mine.flat)

        def job() -> None:
            ring.all_gather(self._node, mine.fetch(), [out.flat for out in staged], call)
            for out in staged:
                out.deliver()

        return self._submit("all_gather", job, [list(outs)], opts)

    def all_gather_single(self, output: Any, input: Any, opts: Any = None) -> RingWork:  # noqa: A002
        """Collect a tensor from all ranks in one tensor, everywhere."""
        check_dense("all_gather_single", [input, output])
        mine, whole = Staged(input), Staged(output)
        outs = equal_parts("all_gather_single", whole.flat, mine.flat.numel(), self.size())
        call = self._call("all_gather", opts, None, mine.flat)

        def job() -> None:
            ring.all_gather(self._node, mine.fetch(), outs, call)
            whole.deliver()

        return self._submit("all_gather_single", job, [output], opts)

    def reduce_scatter(
        self, output_tensors: Any, input_tensors: Any, opts: Any = None, timeout: Any = None,
        **kw: Any,
    ) -> RingWork:  # fmt: skip
        """Reduce one tensor a rank over all ranks, each rank keeping its own."""
        out, parts = one(output_tensors), parts_of(input_tensors)
        reduction = reduction_of("reduce_scatter", op_of(opts, kw), [out, *parts])
        same_sizes("reduce_scatter", out, parts[self.rank() : self.rank() + 1], 1)
        same_sizes("reduce_scatter", parts[0], parts, self.size())
        mine, staged = Staged(out), stage(parts)
        call = self._call("reduce_scatter", opts, timeout, mine.flat, reduction.code)

        def job() -> None:
            chunks = [part.fetch() for part in staged]
            ring.reduce_scatter(self._node, chunks, mine.flat, reduction, call)
            mine.deliver()

        return self._submit("reduce_scatter", job, [out], opts)

    def reduce_scatter_single(self, output: Any, input: Any, opts: Any = None) -> RingWork:  # noqa: A002
        """Reduce one part a rank of a tensor over all ranks, each rank keeping its own."""
        reduction = reduction_of("reduce_scatter_single", op_of(opts, {}), [output, input])
        mine, whole = Staged(output), Staged(input)
        length = mine.flat.numel()
        equal_parts("reduce_scatter_single", whole.flat, length, self.size())
        call = self._call("reduce_scatter", opts, None, mine.flat, reduction.code)

        def job() -> None:
            values = whole.fetch()
            chunks = equal_parts("reduce_scatter_single", values, length, self.size())
            ring.reduce_scatter(self._node, chunks, mine.flat, reduction, call)
            mine.deliver()

        return self._submit("reduce_scatter_single", job, [output], opts)

    def barrier(self, opts: Any = None, timeout: Any = None) -> RingWork:
        """Wait for all ranks."""
        call = self._call("barrier", opts, timeout)
        return self._submit("barrier", lambda: ring.barrier(self._node, call), [], opts)

    def _allreduce_sparse(self, tensor: torch.Tensor, op: object, opts: Any) -> RingWork:
        reduction = reduction_for(op, tensor.dtype)
        call = self._call("all_reduce", opts, reduction=reduction.code)

        def job() -> None:
            sparse.all_reduce_sparse(self._node, tensor, reduction, call)

        return self._submit("all_reduce_sparse", job, [tensor], opts)
