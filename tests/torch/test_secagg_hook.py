"""Secure aggregation between real processes, some of which are killed on the way."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
import torch.distributed as dist
from ranks import error_of, run
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import qring
from qring import FixedPoint, Integers, Ledger, OnDropout, OutOfRange

pytest.importorskip("cryptography")

from qring.security.secagg.method import SecAgg
from qring.security.secagg.outcome import Reason, SecAggAborted, Stage
from qring.torch import secagg as hooks
from qring.torch.secagg import SecAggHook, secagg_mean

WORDS = FixedPoint(word_bits=16, limit=1.0, out_of_range=OutOfRange.CLIP)
COUNTS = Integers(word_bits=11)
STEP = {Stage.ADVERTISE: "draw", Stage.SHARE: "share", Stage.MASK: "mask", Stage.UNMASK: "unmask"}


def row(rank: int) -> np.ndarray:
    return np.random.default_rng(rank).integers(-1000, 1001, size=70_003)


def gradients(rank: int, state: SecAggHook | None) -> np.ndarray:
    """Two backward passes of a small model; two buckets."""
    torch.manual_seed(0)
    net = DistributedDataParallel(
        nn.Sequential(nn.Linear(30, 40), nn.Linear(40, 5)), bucket_cap_mb=0.001
    )
    if state is not None:
        net.register_comm_hook(state, secagg_mean)
    for turn in range(2):
        net.zero_grad()
        x = torch.randn(8, 30, generator=torch.Generator().manual_seed(10 * turn + rank))
        net(x).square().mean().backward()
    return torch.cat([p.grad.reshape(-1) for p in net.parameters()]).numpy()


def _mean(rank: int, size: int) -> tuple:
    state = SecAggHook(SecAgg(encoding=WORDS, server=1))
    return gradients(rank, state), gradients(rank, None)


def test_the_mean_is_that_of_floats_but_for_half_a_step():
    results = run(3, _mean)
    for masked, exact in results:
        assert np.abs(masked - exact).max() <= WORDS.step * 0.51
        assert (masked == results[0][0]).all()


def _sum(rank: int, size: int) -> tuple:
    state = SecAggHook(SecAgg(encoding=COUNTS, server=2))
    first, second = state.sum(row(rank)), state.sum(row(rank))
    return first.sum, second.sum, first.ledger.rows(), first.ledger.rounds, first.transcript


def test_ranks_send_what_one_process_accounts_for_and_only_the_server_sees_shares():
    results = run(4, _sum)
    rows = np.stack([row(rank) for rank in range(4)])
    expected = qring.all_reduce(rows, method=SecAgg(encoding=COUNTS, server=2))
    for first, second, *_ in results:
        assert (first == rows.sum(axis=0)).all()
        assert (second == first).all()
    sent = Ledger.side_by_side(Ledger.from_rows(r, rounds) for _, _, r, rounds, _ in results)
    assert sent == expected.ledger
    for rank, (*_, transcript) in enumerate(results):
        assert set(transcript.revealed) == (set(range(4)) if rank == 2 else {rank})
        assert transcript.present == expected.transcript.present


def _killed(rank: int, size: int, victim: int, stage: Stage, policy: OnDropout):
    dist.destroy_process_group()  # the ring's own group would notice the death first
    store = dist.FileStore(os.environ["SECAGG_STORE"], size)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=size)
    state = SecAggHook(SecAgg(encoding=COUNTS, threshold=3, on_dropout=policy), timeout_s=8)
    dist.barrier()
    if rank == victim:
        setattr(hooks.steps, STEP[stage], lambda *_: os._exit(9))
    first = state.sum(row(rank))
    again = state.sum(row(rank)) if not isinstance(first, SecAggAborted) else None
    found = [
        (o.reason, o.stage, o.present) if isinstance(o, SecAggAborted) else (o.sum, o.contributors)
        for o in (first, again)
        if o is not None
    ]
    os.environ.pop("SECAGG_STORE")
    return found


@pytest.mark.parametrize("stage", Stage)
def test_a_worker_killed_at_any_stage_is_recovered_from(stage, tmp_path, monkeypatch):
    monkeypatch.setenv("SECAGG_STORE", str(tmp_path / "store"))
    results = run(4, _killed, 2, stage, OnDropout.RECOVER, expect_death=True)
    assert results[2] is None
    without = row(0) + row(1) + row(3)
    for rank in (0, 1, 3):
        first, again = results[rank]
        counted = stage is Stage.UNMASK
        assert (first[0] == without + counted * row(2)).all()
        assert first[1] == ((0, 1, 2, 3) if counted else (0, 1, 3))
        assert (again[0] == without).all()


@pytest.mark.parametrize(
    ("victim", "policy", "reason"),
    [(2, OnDropout.ABORT, Reason.DROPOUT), (0, OnDropout.RECOVER, Reason.SERVER_LOST)],
)
def test_a_killed_worker_aborts_where_that_was_asked_and_a_killed_server_does_always(
    victim, policy, reason, tmp_path, monkeypatch
):
    monkeypatch.setenv("SECAGG_STORE", str(tmp_path / "store"))
    results = run(4, _killed, victim, Stage.MASK, policy, expect_death=True)
    for rank in {0, 1, 2, 3} - {victim}:
        assert results[rank][0][:2] == (reason, Stage.MASK)


def _spoilt(rank: int, size: int, spoilt: int):
    state = SecAggHook(SecAgg(encoding=WORDS))
    own = np.full(100_000, 0.25)
    own[77_777] = np.nan if rank == spoilt else 0
    error = error_of(lambda: state.sum(own))
    after = state.sum(np.full(10, 0.5))
    return error, state.ledger.rounds, str(state.outcome), after.sum[0]


def test_a_rank_that_cannot_encode_says_so_and_the_others_go_on_without_it():
    results = run(4, _spoilt, 2)
    assert "holds nan at coordinate 77777" in results[2][0].text
    assert all(results[rank][0] is None for rank in (0, 1, 3))
    assert all(last == pytest.approx(2, abs=1e-3) for *_, last in results)


class Bucket:
    """As much of a DDP bucket as a hook looks at."""

    def __init__(self, values: list[float]) -> None:
        self._values = torch.tensor(values)

    def buffer(self) -> torch.Tensor:
        return self._values


def _hook_aborts(rank: int, size: int):
    state = SecAggHook(SecAgg(encoding=FixedPoint(word_bits=8, limit=1.0), threshold=4))
    error = error_of(lambda: secagg_mean(state, Bucket([0.5, 2.0 if rank == 1 else 0.0])))
    return error, getattr(state.outcome, "reason", None)


def test_a_hook_whose_sum_is_aborted_raises_with_the_reason():
    for rank, (error, reason) in enumerate(run(4, _hook_aborts)):
        if rank == 1:
            assert "reaches 2 but 8-bit words" in error.text
        else:
            assert error.kind == "PeerError"
            assert "secure aggregation aborted at the stage 'advertise'" in error.text
            assert "3 of 4 present, threshold 4" in error.text
            assert reason is Reason.TOO_FEW


def _refused(rank: int, size: int):
    few = error_of(lambda: SecAggHook(SecAgg(encoding=WORDS, threshold=9)))
    played = error_of(lambda: SecAggHook(SecAgg(encoding=WORDS, dropouts={1: Stage.MASK})))
    state = SecAggHook(SecAgg(encoding=WORDS))
    restored = SecAggHook.__new__(SecAggHook)
    restored.__dict__.update(state.__getstate__())
    return few, played, error_of(lambda: restored.sum(np.zeros(3)))


def test_bad_states_are_refused_clearly():
    for few, played, restored in run(3, _refused):
        assert "threshold of 9 cannot be" in few.text
        assert "drop out by themselves" in played.text
        assert "make a new SecAggHook" in restored.text
