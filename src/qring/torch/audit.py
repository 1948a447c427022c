"""Audits of a DDP run: every so many steps, what a quantum network would tell about conflicts.

    state = qring.torch.audit.AuditHook(model, audit, every=50, report=print)
    model.register_comm_hook(state, qring.torch.audit.audited)

The gradients are summed as before, by the process group or by the hook that is handed over. A
simulation has to bring the ranks' gradients together: that traffic runs over a group of its own
and is no part of the account.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn

from qring.conflict.oracle import ConflictOracle
from qring.conflict.signs import ZeroRule
from qring.conflict.sketches import best_rival
from qring.conflict.tie_rivals import best_tie_rival
from qring.errors import InputError
from qring.torch.subspaces import Span
from qring.torch.ties import Ties
from qring.validate import check_enum

# torch inspects the hooks' annotations, so this module must not postpone their evaluation.

__all__ = [
    "Audit",
    "AuditHook",
    "AuditRecord",
    "ConflictAudit",
    "SubspaceStepAudit",
    "TieStepAudit",
    "audited",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One audit, and what the cheapest classical rival would have sent.

    ``fraction`` is the share of ties, or of pairs of ranks, found in conflict, or the share of the
    step inside a subspace. ``interval`` holds the true share with the audit's confidence, and is
    None for pairs of ranks, each of which is right with the confidence asked for. ``qubits`` and
    ``bits`` were sent online; ``rival_bits`` is what the cheapest classical rival, named, would
    have sent: one broadcast, whoever else is served by it, or for pairs one of each rank but the
    last.
    """

    audit: str
    step: int
    fraction: float
    interval: tuple[float, float] | None
    qubits: int
    bits: int
    rival: str
    rival_bits: int

    @property
    def winner(self) -> str:
        """Winner by carriers sent online, ``quantum`` or ``classical``."""
        return "quantum" if self.qubits + self.bits < self.rival_bits else "classical"


class Audit(Protocol):
    """Question to one step: a frozen value."""

    def record(
        self, step: int, products: NDArray[np.float64], mean: dict[str, Tensor], model: nn.Module,
        rng: np.random.Generator,
    ) -> AuditRecord:  # fmt: skip
        """Audit a step from all ranks' inner products and the mean gradient by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictAudit:
    """GapIP between every two ranks' own gradients: do they oppose?"""

    margin: float = 0.1
    error: float = 0.05
    name: str = "conflicts"

    def record(
        self, step: int, products: NDArray[np.float64], mean: dict[str, Tensor], model: nn.Module,
        rng: np.random.Generator,
    ) -> AuditRecord:  # fmt: skip
        """Ask every pair once."""
        coords = sum(value.numel() for value in mean.values())
        oracle = ConflictOracle(products, coords, margin=self.margin, error=self.error, rng=rng)
        ranks = range(len(products))
        found = [oracle.conflicts(i, j) for j in ranks for i in range(j)]
        rival = best_rival(coords, self.margin, self.error)
        totals = oracle.ledger.totals
        return AuditRecord(
            audit=self.name,
            step=step,
            fraction=sum(found) / max(1, len(found)),
            interval=None,
            qubits=totals.online_qubits,
            bits=totals.online_bits,
            rival=rival.name,
            rival_bits=rival.bits * (len(products) - 1),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TieStepAudit:
    """TieAudit of the step that all ranks are about to take, for one client's private ties.

    ``ties`` reads them off the model at the time; a gradient of zero counts as ``zeros`` says.
    """

    ties: Callable[[nn.Module], Ties]
    epsilon: float = 0.1
    delta: float = 0.05
    zeros: ZeroRule = ZeroRule.PLUS
    name: str = "ties"

    def __post_init__(self) -> None:
        check_enum("zeros", self.zeros, ZeroRule)

    def record(
        self, step: int, products: NDArray[np.float64], mean: dict[str, Tensor], model: nn.Module,
        rng: np.random.Generator,
    ) -> AuditRecord:  # fmt: skip
        """Audit the signs of the mean gradient."""
        ties = self.ties(model)
        result = ties.audit(mean, epsilon=self.epsilon, delta=self.delta, rng=rng, zeros=self.zeros)
        rival = best_tie_rival(ties.groups, self.epsilon, self.delta)
        return AuditRecord(
            audit=self.name,
            step=step,
            fraction=result.fraction,
            interval=result.interval,
            qubits=result.qubits,
            bits=0,
            rival=rival.name,
            rival_bits=rival.bits,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SubspaceStepAudit:
    """SubspaceAudit of the step that all ranks are about to take, for one client's private span.

    ``span`` reads it off the model at the time; ``fraction`` is the share of the step inside.
    """

    span: Callable[[nn.Module], Span]
    epsilon: float = 0.1
    delta: float = 0.05
    name: str = "subspace"

    def record(
        self, step: int, products: NDArray[np.float64], mean: dict[str, Tensor], model: nn.Module,
        rng: np.random.Generator,
    ) -> AuditRecord:  # fmt: skip
        """Audit the mean gradient."""
        span = self.span(model)
        flat = span.flat(mean)
        result = span.audit(flat, epsilon=self.epsilon, delta=self.delta, rng=rng)
        rival = span.rival(flat, self.epsilon, self.delta)
        return AuditRecord(
            audit=self.name,
            step=step,
            fraction=result.fraction,
            interval=result.interval,
            qubits=result.qubits,
            bits=0,
            rival=rival.name,
            rival_bits=rival.bits,
        )


class AuditHook:
    """State of :func:`audited` on one rank.

    Args:
        model: the wrapped module, or DDP's wrapper of it.
        audit: what to ask.
        every: audit the first step and every so many after it.
        report: called with each record, on the ranks that have one; the others only take part.
        inner: the state and hook that sum the gradients; the process group's mean without it.
        seed: of the measurements, the same on all ranks.

    Make it on all ranks: it forms a group.

    Raises:
        InputError: ``every`` below 1.
    """

    def __init__(
        self,
        model: nn.Module,
        audit: Audit,
        *,
        every: int,
        report: Callable[[AuditRecord], None] | None = None,
        inner: tuple[Any, Callable[..., Any]] | None = None,
        seed: int = 0,
    ) -> None:
        if every < 1:
            raise InputError(f"an audit happens every 1 step or more, not every {every}")
        module = model.module if isinstance(model, nn.parallel.DistributedDataParallel) else model
        self.module: nn.Module = module
        self.audit, self.every, self.report = audit, every, report
        self.inner: tuple[Any, Callable[..., Any]] = inner or (None, _mean)
        self._wiring = dist.new_group(backend="gloo")
        self._names = {id(value): name for name, value in module.named_parameters()}
        self._rng = np.random.default_rng(seed)
        self._step, self._seen, self._mean = 0, 0, dict[str, Tensor]()
        self._products = np.zeros((self.workers, self.workers))

    @property
    def workers(self) -> int:
        """Ranks whose gradients are summed."""
        return dist.get_world_size(self._wiring)

    @property
    def due(self) -> bool:
        """Whether the step under way is to be audited."""
        return self._step % self.every == 0

    def take(self, own: Tensor) -> None:
        """Add a bucket of every rank's own gradient to the inner products."""
        mine = own.detach().float().cpu()
        rows = [torch.empty_like(mine) for _ in range(self.workers)]
        dist.all_gather(rows, mine, group=self._wiring)
        wide = torch.stack(rows).double()
        self._products += (wide @ wide.T).numpy()

    def keep(self, parameters: list[Tensor], mean: Tensor) -> None:
        """Keep a bucket of the mean; audit when the last has come."""
        if self.due:
            pieces = torch.split(mean.detach(), [value.numel() for value in parameters])
            for parameter, piece in zip(parameters, pieces, strict=True):
                name = self._names[id(parameter)]
                self._mean[name] = piece.reshape(parameter.shape).clone()
        self._seen += len(parameters)
        if self._seen < len(self._names):
            return
        if self.due and self.report is not None:
            record = self.audit.record(
                self._step, self._products, self._mean, self.module, self._rng
            )
            self.report(record)
        self._step, self._seen, self._mean = self._step + 1, 0, {}
        self._products = np.zeros_like(self._products)


def _mean(_: None, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:
    """Mean as DDP forms it without a hook, to the bit: scale by 1/n, then sum."""
    buffer = bucket.buffer().mul_(1.0 / dist.get_world_size())
    summed: torch.futures.Future[Any] = dist.all_reduce(buffer, async_op=True).get_future()
    mean: torch.futures.Future[torch.Tensor] = summed.then(lambda future: future.value()[0])
    return mean


def audited(state: AuditHook, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:
    """Sum a bucket as before, and audit the step when it is due."""
    parameters = bucket.parameters()
    if state.due:
        state.take(bucket.buffer())
    inner_state, hook = state.inner

    def finish(future: torch.futures.Future[torch.Tensor]) -> torch.Tensor:
        mean = future.value()
        state.keep(parameters, mean)
        return mean

    summed: torch.futures.Future[torch.Tensor] = hook(inner_state, bucket)
    return summed.then(finish)
