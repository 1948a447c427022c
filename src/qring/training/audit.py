"""Audits of a training run: what TieAudit or GapIP says about its steps, and what that costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from torch import nn

from qring.torch import ties
from qring.torch.audit import (
    Audit,
    AuditHook,
    AuditRecord,
    ConflictAudit,
    SubspaceStepAudit,
    TieStepAudit,
)
from qring.torch.subspaces import Span, leading
from qring.torch.ties import Ties
from qring.training.hook import Hook
from qring.training.settings import AuditKind, TrainSettings

__all__ = ["audit_of"]

_CLUSTERS = 16
_RANK = 4


def audit_of(
    run: TrainSettings,
    model: nn.Module,
    hook: Hook | None,
    write: Callable[[dict[str, Any]], None] | None,
) -> AuditHook | None:
    """The state of the hook that audits a run, if it is to be audited; all ranks must call it.

    ``hook`` is what sums the gradients, ``write`` takes a row of metrics, on rank 0. The client
    whose ties are audited keeps a codebook of 16 entries a layer, learned anew for each audit; the
    one whose span is audited adapters of rank 4 at the weights' leading singular vectors.
    """
    if run.audit is AuditKind.NONE:
        return None
    audit: Audit = ConflictAudit()
    if run.audit is AuditKind.TIES:
        audit = TieStepAudit(ties=_codebook)
    elif run.audit is AuditKind.SUBSPACE:
        audit = SubspaceStepAudit(span=_adapters)

    def report(record: AuditRecord) -> None:
        if write is not None:
            write({"protocol": run.protocol, **asdict(record), "winner": record.winner})

    return AuditHook(
        model,
        audit,
        every=run.audit_every,
        report=None if write is None else report,
        inner=None if hook is None else (hook.state, hook.mean),
        seed=run.seed,
    )


def _codebook(module: nn.Module) -> Ties:
    return ties.codebook(module, clusters=_CLUSTERS)


def _adapters(module: nn.Module) -> Span:
    return leading(module, _RANK)
