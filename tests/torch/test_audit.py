"""Audits of a DDP run between real processes: the step stays as it was, the findings are right."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ranks import error_of, run
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import qring.torch as qt
from qring import FixedPoint, Ghz, OutOfRange
from qring.torch import audit, ties

WORDS = FixedPoint(word_bits=16, limit=8.0, out_of_range=OutOfRange.CLIP)


def _model() -> DistributedDataParallel:
    torch.manual_seed(0)
    return DistributedDataParallel(
        nn.Sequential(nn.Linear(30, 40), nn.Linear(40, 5)), bucket_cap_mb=0.001
    )


def _steps(rank: int, net: DistributedDataParallel) -> list[np.ndarray]:
    """Gradients of five steps; ranks 0 and 1 want the same, rank 2 the opposite."""
    found = []
    x = torch.randn(8, 30, generator=torch.Generator().manual_seed(1))
    for _ in range(5):
        net.zero_grad()
        (net(x).sum() * (-1 if rank == 2 else 1)).backward()
        found.append(torch.cat([p.grad.reshape(-1) for p in net.parameters()]).numpy())
    return found


def _conflicts(rank: int, size: int) -> tuple:
    records: list[audit.AuditRecord] = []
    net = _model()
    state = audit.AuditHook(
        net, audit.ConflictAudit(), every=2, report=records.append if rank == 0 else None
    )
    net.register_comm_hook(state, audit.audited)
    refused = error_of(lambda: audit.AuditHook(net, audit.ConflictAudit(), every=0))
    return _steps(rank, net), _steps(rank, _model()), records, refused


def test_an_audit_leaves_the_mean_alone_and_finds_who_opposes_whom():
    results = run(3, _conflicts)
    for audited, plain, _, refused in results:
        assert "every 1 step or more" in refused.text
        for mine, theirs in zip(audited, plain, strict=True):
            assert np.array_equal(mine, theirs)
    records = results[0][2]
    assert [record.step for record in records] == [0, 2, 4]
    # Cosines are +1 and -1: three decisions, each right but for 5 %; nine in all, 2 may err.
    wrong = sum(abs(round(3 * record.fraction) - 2) for record in records)
    assert wrong <= 5
    assert all(record.qubits % 11 == 0 and record.qubits > 0 for record in records)
    assert all(record.interval is None for record in records)
    assert not results[1][2]


def _ties(rank: int, size: int, ghz: bool) -> tuple:
    records: list[audit.AuditRecord] = []
    net = _model()
    inner = None
    if ghz:
        inner = (qt.GhzHook(Ghz(encoding=WORDS)), qt.ghz_mean)
    pairs = np.arange(1200).reshape(-1, 2)  # of the first matrix
    state = audit.AuditHook(
        net,
        audit.TieStepAudit(ties=lambda module: ties.explicit(module, pairs)),
        every=4,
        report=records.append,
        inner=inner,
    )
    net.register_comm_hook(state, audit.audited)
    means = _steps(rank, net)
    return means, records


@pytest.mark.parametrize("ghz", [False, True])
def test_ties_are_audited_on_the_step_that_all_take(ghz):
    results = run(2, _ties, ghz)
    means, records = results[0]
    assert [record.step for record in records] == [0, 4]
    for record in records:
        minus = means[record.step][:1200] < 0
        truth = float((minus[0::2] != minus[1::2]).mean())
        low, high = record.interval
        assert low <= truth <= high  # 95 %, with a fixed seed
        assert record.qubits % 11 == 0
        assert record.rival_bits > 0
        assert record.winner == "classical"  # 2,000 coordinates are few
    assert records == results[1][1]  # every rank that listens hears the same
