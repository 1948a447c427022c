"""The hook of any method: ``model.register_comm_hook(*qring.torch.hook(method))``.

Protocols that know how ranks take part have a hook of their own; of any other the ranks bring their
gradients together and run it, all alike. That is what a simulation needs, and no part of the
protocol or its account.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from qring.collectives.aggregate import Aborted, Aggregate, Method, Outcome
from qring.collectives.all_reduce import all_reduce
from qring.encoding.values import FixedPoint, FloatBits, OutOfRange
from qring.errors import InputError, PeerError
from qring.ledger import Ledger
from qring.network.network import Network
from qring.protocols.entry import Entry, Sums, default_arguments, entry_of
from qring.registry import PROTOCOLS
from qring.validate import check_able

# torch inspects the hook's annotations, so this module must not postpone their evaluation.

__all__ = ["Hook", "MethodHook", "State", "hook", "method_mean"]


class State(Protocol):
    """State of a hook on one rank."""

    ledger: Ledger


class Hook(NamedTuple):
    """Arguments of DDP's ``register_comm_hook``: ``model.register_comm_hook(*hook)``."""

    state: State
    mean: Callable[..., Any]


class MethodHook:
    """State of the hook that runs a method on all ranks' gradients. ``ledger`` is that of all.

    Make it on all ranks with the same ``method``, ``network`` and ``seed``: it forms a group.
    ``outcome`` is how the last sum ended.
    """

    def __init__(
        self,
        method: Method[Outcome],
        *,
        network: Network | None = None,
        seed: int = 0,
        process_group: dist.ProcessGroup | None = None,
    ) -> None:
        ranks = None if process_group is None else dist.get_process_group_ranks(process_group)
        self.method, self.network = method, network or Network()
        self._group: dist.ProcessGroup | None = dist.new_group(ranks, backend="gloo")
        self.workers, self._rank = dist.get_world_size(self._group), dist.get_rank(self._group)
        self._rng = np.random.default_rng(seed)  # the same on all ranks: all draw the same
        self.ledger = Ledger()
        self.outcome: Outcome | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_group": None}  # process groups do not survive a checkpoint

    def sum(self, own: NDArray[Any]) -> Outcome:
        """Sum every rank's ``own``, shape (coords,), as the method does.

        Raises:
            InputError: what the method refuses, or a state restored without its group.
        """
        if self._group is None:
            raise InputError("this hook's state was restored from a file: make a new hook")
        mine = torch.from_numpy(np.ascontiguousarray(own))
        rows = [torch.empty_like(mine) for _ in range(self.workers)]
        dist.all_gather(rows, mine, group=self._group)
        together = np.stack([row.numpy() for row in rows])
        self.outcome = all_reduce(together, method=self.method, network=self.network, rng=self._rng)
        self.ledger += self.outcome.ledger
        return self.outcome

    def mean(self, own: NDArray[Any]) -> NDArray[Any]:
        """The mean of every rank's ``own``, as this rank holds it.

        Raises:
            PeerError: the method ended without a sum.
        """
        outcome = self.sum(own)
        if isinstance(outcome, Aborted):
            raise PeerError(f"no sum: {outcome}")
        found: Aggregate = outcome
        rows = found.sums if len(found.sums) == self.workers else found.sums[:1]
        total: NDArray[Any] = rows[min(self._rank, len(rows) - 1)]
        return total / self.workers


def method_mean(state: MethodHook, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:
    """Replace a bucket by the mean of all ranks' gradients, summed by the state's method."""
    buffer = bucket.buffer()
    mean = torch.from_numpy(state.mean(buffer.detach().cpu().numpy()))
    future: torch.futures.Future[torch.Tensor] = torch.futures.Future()
    future.set_result(mean.to(device=buffer.device, dtype=buffer.dtype))
    return future


def hook(
    method: Method[Outcome] | str,
    *,
    network: Network | None = None,
    seed: int = 0,
    word_bits: int = 16,
    limit: float = 1.0,
    process_group: dist.ProcessGroup | None = None,
) -> Hook:
    """A communication hook that sums gradients by ``method``, a method or a protocol's name.

    Args:
        method: a name stands for the protocol at its defaults; where it sums words only, gradients
            are clipped to [−limit, limit] and rounded to ``word_bits`` bits.
        network: that the method runs on.
        seed: of all that is drawn, the same on all ranks.
        word_bits: of a named protocol's words.
        limit: of a named protocol's words.
        process_group: ranks that take part; all of them unless given.

    Raises:
        InputError: no such protocol, no method, or what the method refuses.
    """
    entry: Entry | None
    if isinstance(method, str):
        entry = PROTOCOLS[method]
        words = FixedPoint(word_bits=word_bits, limit=limit, out_of_range=OutOfRange.CLIP)
        encoding = FloatBits() if entry.sums is Sums.FLOATS else words
        chosen = entry.method(encoding, default_arguments(entry.name))
    else:
        check_able("method", method, ("run",), "a method such as qring.Ghz(...), or its name")
        chosen, entry = method, entry_of(method)
    if entry is not None and entry.member:
        module, _, attribute = entry.member.partition(":")
        make = getattr(import_module(module), attribute)
        state, mean = make(chosen, network=network, seed=seed, process_group=process_group)
        return Hook(state, mean)
    state = MethodHook(chosen, network=network, seed=seed, process_group=process_group)
    return Hook(state, method_mean)
