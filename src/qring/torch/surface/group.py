"""The process group: all collectives, under all the names that PyTorch has for them."""

# PyTorch overloads these methods in ways that one signature each cannot repeat.
# mypy: disable-error-code="override, assignment"

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qring.torch.surface.collectives import Collectives
from qring.torch.surface.exchanges import Exchanges
from qring.torch.surface.member import NAME
from qring.torch.surface.untraced import untraced
from qring.torch.surface.work import RingWork

__all__ = ["NAME", "RingProcessGroup"]


@untraced
class RingProcessGroup(Collectives, Exchanges):
    """A process group whose messages travel around a simulated quantum ring.

    Ranks in arguments are ranks in the group, as for PyTorch's own groups. A method that were not
    overridden would silently use the attached Gloo group, uncharged.
    """

    def allgather_coalesced(self, output_lists: Any, input_list: Any, opts: Any = None) -> RingWork:
        """Gather several tensors: ``output_lists[r][k]`` is rank r's ``input_list[k]``."""
        works = [
            self.allgather([[outs[k] for outs in output_lists]], [tensor], opts)
            for k, tensor in enumerate(input_list)
        ]
        return RingWork.of_all("all_gather_coalesced", works, list(output_lists))

    def all_gather_single_coalesced(
        self, outputs: Sequence[Any], inputs: Sequence[Any], opts: Any = None
    ) -> RingWork:
        """Gather several tensors, each into one."""
        works = [
            self.all_gather_single(output, tensor, opts)
            for output, tensor in zip(outputs, inputs, strict=True)
        ]
        return RingWork.of_all("all_gather_single_coalesced", works, list(outputs))

    def reduce_scatter_single_coalesced(
        self, outputs: Sequence[Any], inputs: Sequence[Any], opts: Any = None
    ) -> RingWork:
        """Reduce and scatter several tensors."""
        works = [
            self.reduce_scatter_single(output, tensor, opts)
            for output, tensor in zip(outputs, inputs, strict=True)
        ]
        return RingWork.of_all("reduce_scatter_single_coalesced", works, list(outputs))

    # Older names of the same

    _allgather_base = Collectives.all_gather_single
    allgather_into_tensor_coalesced = all_gather_single_coalesced
    _reduce_scatter_base = Collectives.reduce_scatter_single
    reduce_scatter_tensor_coalesced = reduce_scatter_single_coalesced
    alltoall_base = Exchanges.all_to_all_single
