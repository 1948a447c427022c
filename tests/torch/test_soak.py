"""Random collectives, one after another, until time is up: no hang, no wrong bit, no leak."""

from __future__ import annotations

import ctypes
import os
import random
import re
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from ranks import error_of, run

import qring.torch as qt

DTYPES = (torch.float32, torch.float64, torch.int64, torch.uint8, torch.bfloat16)


def _groups() -> list[dist.ProcessGroup | None]:
    return [None, *(dist.new_group(members) for members in ([0, 1], [1, 2], [0, 2]))]


def _random_collective(choose, groups, rank) -> object:
    """Do what ``choose`` says, the same on all ranks; return what went wrong, if anything did.

    Values are small enough to add exactly.
    """
    group = choose.choice(groups)
    members = dist.get_process_group_ranks(group)
    dtype, elements = choose.choice(DTYPES), choose.choice((0, 1, 7, 1000, 70_001, 1_500_000))
    kind, root = choose.choice(range(6)), choose.choice(members)
    waits = choose.random() < 0.7
    if rank not in members:
        return None
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
        expected = [(out[i * elements : (i + 1) * elements], m + 1) for i, m in enumerate(members)]
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
        return kind, dtype, elements, members
    return None


def _soak(rank: int, size: int, seconds: float, seed: int) -> list[object]:
    _return_memory_when_freed()
    choose, groups = random.Random(seed), _groups()  # noqa: S311
    deadline, done, wrong, before = time.monotonic() + seconds, 0, [], (0, 0)
    late = torch.zeros(1)
    while True:
        if done % 50 == 0:  # stop together
            late[0] = float(time.monotonic() > deadline and done > 100)
            dist.broadcast(late, 0)
            if late.item():
                break
            if done == 100:
                before = _held()
        found = _random_collective(choose, groups, rank)
        done += 1
        if found is not None:
            wrong.append((done, found))
    dist.barrier()
    return [wrong, done, before, _held()]


def _return_memory_when_freed() -> None:
    """Else the C library keeps what large tensors took, and a leak could hide behind it."""
    threshold = -3  # M_MMAP_THRESHOLD
    ctypes.CDLL(None).mallopt(threshold, 1 << 20)


def _held() -> tuple[int, int]:
    """Open descriptors, and MB of memory of our own: that shared with other ranks is theirs too."""
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    status = Path("/proc/self/status").read_text()
    own = next(line for line in status.splitlines() if line.startswith("RssAnon"))
    return descriptors, int(own.split()[1]) // 1024


@pytest.mark.parametrize("transport", ["memory", "tcp"])
def test_a_few_seconds_of_random_collectives(transport):
    _check(run(3, _soak, 2.5, 1, options=qt.Options(transport=transport)))


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
        assert after[0] <= before[0] + 12  # connections that lay unused at first
        assert after[1] <= before[1] + 16  # MB


def _soak_until_death(rank: int, size: int, seed: int) -> list[object]:
    choose, groups = random.Random(seed), _groups()  # noqa: S311
    victim, last = choose.randrange(size), choose.randrange(5, 100)
    wrong = []

    def work() -> None:
        for done in range(last + 50):
            if done == last and rank == victim:
                os.kill(os.getpid(), signal.SIGKILL)
            wrong.append(_random_collective(choose, groups, rank))
        dist.barrier()

    error = error_of(work)
    return [victim, error.kind, error.text, [found for found in wrong if found is not None]]


def _check_death(seed: int, transport: str) -> None:
    before = _left_behind()
    found = run(3, _soak_until_death, seed, options=qt.Options(transport=transport),
                expect_death=True)  # fmt: skip
    survivors = [result for result in found if result is not None]
    assert len(survivors) == 2
    for _, kind, text, wrong in survivors:
        assert wrong == []
        assert kind == "PeerError"
        # A survivor that finds out in a group of two ends there, and the third may miss it first.
        assert re.search(r"rank \d died or left during (\w+ #\d+|receive|send)", text)
    assert any(f"rank {victim} died" in text for victim, _, text, _ in survivors)
    assert _left_behind() <= before


def _left_behind() -> set[str]:
    """Names in shared memory, and in the temporary folder those that are ours."""
    names = re.compile("qring|psm_|torch_")  # ours, and those that Python and PyTorch would choose
    places = Path(tempfile.gettempdir()), Path("/dev/shm")  # noqa: S108
    return {str(path) for place in places for path in place.iterdir() if names.match(path.name)}


@pytest.mark.parametrize("transport", ["memory", "tcp"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_rank_killed_among_random_collectives_is_named(seed, transport):
    _check_death(seed, transport)


@pytest.mark.slow
@pytest.mark.timeout(700)
@pytest.mark.parametrize("transport", ["memory", "tcp"])
def test_many_ranks_killed_among_random_collectives(transport, sweep):
    for seed in range(10, 10 + sweep(100, sample=5)):
        _check_death(seed, transport)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_tensors_on_a_gpu_pass_through_the_host():
    assert run(2, _on_gpu) == [True, True]


def _on_gpu(rank: int, size: int) -> bool:
    values = torch.full((1000,), float(rank + 1), device="cuda")
    dist.all_reduce(values)
    outs = [torch.empty(3, device="cuda") for _ in range(size)]
    dist.all_gather(outs, torch.full((3,), float(rank), device="cuda"))
    return bool((values == 3).all()) and all(bool((o == r).all()) for r, o in enumerate(outs))


def _many_small(rank: int, size: int, collectives: int, groups: int) -> list[object]:
    def held() -> tuple[int, int]:
        dist.barrier()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return len(list(Path("/proc/self/fd").iterdir())), pages * os.sysconf("SC_PAGE_SIZE")

    made = [dist.new_group() for _ in range(groups)]
    tensor, expected = torch.ones(5), float(size)
    for _ in range(collectives // 10):  # what is allocated once is allocated then
        dist.all_reduce(tensor.fill_(1.0))
    before, wrong = held(), 0
    for turn in range(collectives):
        dist.all_reduce(tensor.fill_(1.0), group=made[turn % groups])
        wrong += tensor[0].item() != expected
    after = held()
    return [wrong, after[0] - before[0], after[1] - before[1]]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != "linux", reason="counts what /proc shows")
@pytest.mark.parametrize(
    ("size", "groups", "collectives"), [(2, 64, 100_000), (16, 4, 2_000), (32, 2, 500)]
)
def test_many_ranks_groups_and_small_collectives_cost_nothing_more(
    size, groups, collectives, sweep
):
    count = sweep(collectives, sample=collectives // 50)
    found = run(size, _many_small, count, groups, timeout_s=300, limit_s=850)
    for wrong, descriptors, grown in found:
        assert wrong == 0
        assert descriptors == 0
        assert grown < 8_000_000
