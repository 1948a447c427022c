"""Random collectives, one after another, until time is up: no hang, no wrong bit, no leak."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from ranks import run

import qring.torch as qt

DTYPES = (torch.float32, torch.float64, torch.int64, torch.uint8, torch.bfloat16)


def _soak(rank: int, size: int, seconds: float, seed: int) -> list[object]:
    """Do what ``seed`` says, the same on all ranks; values are small enough to add exactly."""
    choose = random.Random(seed)  # noqa: S311
    groups = [None, *(dist.new_group(members) for members in ([0, 1], [1, 2], [0, 2]))]
    deadline, done, wrong, before = time.monotonic() + seconds, 0, [], None
    late = torch.zeros(1)
    while True:
        if done % 50 == 0:  # stop together
            late[0] = float(time.monotonic() > deadline)
            dist.broadcast(late, 0)
            if late.item():
                break
            if done == 100:
                before = _held()
        group = choose.choice(groups)
        members = dist.get_process_group_ranks(group)
        dtype, elements = choose.choice(DTYPES), choose.choice((0, 1, 7, 1000, 70_001, 1_500_000))
        kind, root = choose.choice(range(6)), choose.choice(members)
        waits = choose.random() < 0.7
        done += 1
        if rank not in members:
            continue
        mine = torch.full((elements,), rank + 1, dtype=dtype)
        total = sum(member + 1 for member in members)
        here = members.index(rank)
        if kind == 0:
            work = dist.all_reduce(mine, group=group, async_op=not waits)
            expected = [(mine, total)]
        elif kind == 1:
            work = dist.broadcast(mine, root, group=group, async_op=not waits)
            expected = [(mine, root + 1)]
        elif kind == 2:
            outs = [torch.empty_like(mine) for _ in members]
            work = dist.all_gather(outs, mine, group=group, async_op=not waits)
            expected = [(out, m + 1) for out, m in zip(outs, members, strict=True)]
        elif kind == 3:
            out, parts = torch.empty_like(mine), mine.repeat(len(members))
            work = dist.reduce_scatter_single(out, parts, group=group, async_op=not waits)
            expected = [(out, total)]
        elif kind == 4:
            out = torch.empty_like(mine.repeat(len(members)))
            sent = mine.repeat(len(members))
            work = dist.all_to_all_single(out, sent, group=group, async_op=not waits)
            expected = [
                (out[i * elements : (i + 1) * elements], m + 1) for i, m in enumerate(members)
            ]
        else:
            right, left = members[(here + 1) % len(members)], members[here - 1]
            came = torch.empty_like(mine)
            jobs = [dist.isend(mine, right, group=group), dist.irecv(came, left, group=group)]
            for job in jobs:
                job.wait()
            work, expected = None, [(came, left + 1)]
        if work is not None:
            work.wait()
        if any(not torch.equal(v, torch.full_like(v, e)) for v, e in expected):
            wrong.append((done, kind, dtype, elements, members))
    dist.barrier()
    return [wrong, done, before, _held()]


def _held() -> tuple[int, int]:
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    resident = int(Path("/proc/self/statm").read_text().split()[1]) // 256
    return descriptors, resident


@pytest.mark.parametrize("transport", ["memory", "tcp"])
def test_a_few_seconds_of_random_collectives(transport):
    _check(run(3, _soak, 4.0, 1, options=qt.Options(transport=transport)))


@pytest.mark.slow
@pytest.mark.timeout(700)
@pytest.mark.parametrize("transport", ["memory", "tcp"])
def test_five_minutes_of_random_collectives(transport, sweep):
    options = qt.Options(transport=transport)
    _check(run(3, _soak, sweep(300.0, sample=10.0), 2, options=options, limit_s=400))


def _check(found: list[list[object]]) -> None:
    for wrong, done, before, after in found:
        assert wrong == []
        assert done > 100
        if before is not None:
            assert after[0] <= before[0] + 12  # connections that lay unused at first
            assert after[1] <= before[1] + 200  # MB


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_tensors_on_a_gpu_pass_through_the_host():
    assert run(2, _on_gpu) == [True, True]


def _on_gpu(rank: int, size: int) -> bool:
    values = torch.full((1000,), float(rank + 1), device="cuda")
    dist.all_reduce(values)
    outs = [torch.empty(3, device="cuda") for _ in range(size)]
    dist.all_gather(outs, torch.full((3,), float(rank), device="cuda"))
    return bool((values == 3).all()) and all(bool((o == r).all()) for r, o in enumerate(outs))
