"""Gather, scatter, all-to-all, send and receive under PyTorch's names."""

# PyTorch overloads these methods in ways that one signature each cannot repeat.
# mypy: disable-error-code="override, assignment"

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qring.errors import InputError
from qring.torch.engine import exchange
from qring.torch.surface.arguments import (
    check_dense,
    cut,
    one,
    parts_of,
    root_of,
    rows_of,
    same_sizes,
)  # fmt: skip
from qring.torch.surface.member import Member
from qring.torch.surface.staging import Staged, stage
from qring.torch.surface.untraced import untraced
from qring.torch.surface.work import RingWork
from qring.torch.surface.worker import named_range

__all__ = ["Exchanges"]


@untraced
class Exchanges(Member):
    """The operations of the process group whose messages go directly to their destination."""

    def gather(
        self, output_tensors: Any, input_tensors: Any, opts: Any = None, timeout: Any = None,
        **kw: Any,
    ) -> RingWork:  # fmt: skip
        """Collect a tensor from all ranks in a list at the root."""
        tensor, root = one(input_tensors), root_of(opts, kw, self.size())
        outs = parts_of(output_tensors) if self.rank() == root else []
        if self.rank() == root:
            same_sizes("gather", tensor, outs, self.size())
        check_dense("gather", [tensor])
        mine, staged = Staged(tensor), stage(outs)
        call = self._call("gather", opts, timeout, mine.flat, root=root)

        def job() -> None:
            flats = [out.flat for out in staged]
            exchange.gather(self._node, mine.fetch(), flats, root, call)
            for out in staged:
                out.deliver()

        return self._submit("gather", job, [list(outs)], opts)

    def scatter(
        self, output_tensors: Any, input_tensors: Any, opts: Any = None, timeout: Any = None,
        **kw: Any,
    ) -> RingWork:  # fmt: skip
        """Give each rank its tensor of the root's list."""
        out, root = one(output_tensors), root_of(opts, kw, self.size())
        parts = parts_of(input_tensors) if self.rank() == root else []
        if self.rank() == root:
            same_sizes("scatter", out, parts, self.size())
        check_dense("scatter", [out])
        mine, staged = Staged(out), stage(parts)
        call = self._call("scatter", opts, timeout, mine.flat, root=root)

        def job() -> None:
            chunks = [part.fetch() for part in staged]
            exchange.scatter(self._node, chunks, mine.flat, root, call)
            mine.deliver()

        return self._submit("scatter", job, [out], opts)

    def alltoall(
        self, output_tensors: Any, input_tensors: Any, opts: Any = None, timeout: Any = None
    ) -> RingWork:
        """Give rank j this rank's j-th tensor, and get one from each."""
        if not len(output_tensors) == len(input_tensors) == self.size():
            raise InputError(
                f"all_to_all takes {self.size()} tensors on each side, not "
                f"{len(input_tensors)} and {len(output_tensors)}"
            )
        check_dense("all_to_all", [*input_tensors, *output_tensors])
        outs, parts = stage(output_tensors), stage(input_tensors)
        call = self._call("all_to_all", opts, timeout, outs[0].flat).of_bytes(0)

        def job() -> None:
            chunks = [part.fetch() for part in parts]
            exchange.all_to_all(self._node, chunks, [out.flat for out in outs], call)
            for out in outs:
                out.deliver()

        return self._submit("all_to_all", job, list(output_tensors), opts)

    def all_to_all_single(
        self,
        output: Any,
        input: Any,  # noqa: A002
        output_split_sizes: Sequence[int] = (),
        input_split_sizes: Sequence[int] = (),
        opts: Any = None,
        timeout: Any = None,
    ) -> RingWork:
        """Give rank j this rank's j-th rows of a tensor, and get rows from each."""
        check_dense("all_to_all_single", [input, output])
        mine, whole = Staged(output), Staged(input)
        outs = rows_of(output, mine.flat, output_split_sizes, self.size())
        sizes = [len(p) for p in rows_of(input, whole.flat, input_split_sizes, self.size())]
        call = self._call("all_to_all", opts, timeout, mine.flat).of_bytes(0)

        def job() -> None:
            chunks = cut(whole.fetch(), sizes)
            exchange.all_to_all(self._node, chunks, outs, call)
            mine.deliver()

        return self._submit("all_to_all_single", job, [output], opts)

    def send(self, tensors: Any, dst: int, tag: int = 0) -> RingWork:
        """Send a tensor to rank ``dst``; done when the system has taken it."""
        tensor = one(tensors)
        check_dense("send", [tensor])
        with named_range("send", [tensor]):
            return self._noted(
                self._messages.send(tensor, self._peer(dst), tag, self._limit_s(None))
            )

    def recv(self, tensors: Any, src: int, tag: int = 0) -> RingWork:
        """Receive a tensor from rank ``src``."""
        tensor = one(tensors)
        check_dense("recv", [tensor])
        with named_range("receive", [tensor]):
            return self._noted(
                self._messages.receive(tensor, self._peer(src), tag, self._limit_s(None))
            )

    def recv_anysource(self, tensors: Any, tag: int = 0) -> RingWork:
        """Receive a tensor from any rank."""
        tensor = one(tensors)
        check_dense("recv", [tensor])
        with named_range("receive", [tensor]):
            return self._noted(self._messages.receive(tensor, None, tag, self._limit_s(None)))

    def _peer(self, rank: int) -> int:
        if not 0 <= rank < self.size():
            raise InputError(f"rank {rank} is not one of the ranks 0..{self.size() - 1}")
        return rank
