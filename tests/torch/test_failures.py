"""Ranks that die, hang, leave or disagree: the others end in time and say who and where."""

from __future__ import annotations

import functools
import os
import signal
import time
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist
from ranks import error_of, run

import qring.torch as qt

TRANSPORTS = ("memory", "tcp")


def _killed(rank: int, size: int, victim: int, elements: int) -> list[object]:
    clock = torch.zeros(1, dtype=torch.float64)
    tensor = torch.ones(elements)
    dist.all_reduce(tensor)
    if rank == victim:
        clock[0] = time.time()
        dist.broadcast(clock, victim)
        os.kill(os.getpid(), signal.SIGKILL)
    dist.broadcast(clock, victim)

    def forever() -> None:
        while True:
            dist.all_reduce(tensor)

    error = error_of(forever)
    late = time.time() - clock.item()
    again = error_of(lambda: dist.all_reduce(tensor))
    return [error.kind, error.text, late, again.kind]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("elements", [3, 3_000_000])
def test_a_killed_rank_is_named_in_time(transport, elements):
    # A quarter of a second is promised, on a machine that is at leisure: that is measured in
    # benchmarks/bench_allreduce.py. Here it is as many times longer as there are programs for
    # each core, and one try in four must keep to it.
    latest = []
    for _ in range(4):
        limit_s = 0.25 * max(2.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        latest.append(_latest_to_name_a_killed_rank(transport, elements))
        if latest[-1] < limit_s:
            return
    raise AssertionError(f"seconds until all had named it: {latest}")


def _latest_to_name_a_killed_rank(transport, elements) -> float:
    options = qt.Options(transport=transport)
    found = run(4, _killed, 2, elements, options=options, expect_death=True)
    assert found[2] is None
    for rank in (0, 1, 3):
        kind, text, _, again = found[rank]
        assert kind == again == "PeerError"
        assert "rank 2 died" in text
        assert "all_reduce" in text
    return max(found[rank][2] for rank in (0, 1, 3))


def _killed_before_it_wrote(rank: int, size: int) -> list[object]:
    if rank == 0:
        time.sleep(0.5)  # until the other's wait is no short one
        os.kill(os.getpid(), signal.SIGKILL)
    started = time.monotonic()
    error = error_of(lambda: dist.recv(torch.ones(10), 0))
    return [error.kind, error.text, time.monotonic() - started]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_receive_from_a_killed_rank_that_has_never_written_ends(transport):
    options = qt.Options(transport=transport)
    kind, text, took = run(2, _killed_before_it_wrote, options=options, expect_death=True)[1]
    assert (kind, text) == ("PeerError", "rank 0 died or left during receive")
    assert took < 5  # the timeout is 30 s


def _silent(rank: int, size: int) -> list[object]:
    if rank == 0:
        time.sleep(1.0)
        dist.send(torch.full((10,), 7.0), 1)
        return []
    came = torch.empty(10)
    dist.recv(came, 0)
    return [came[9].item()]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_message_is_received_although_its_sender_ends_at_once(transport):
    assert run(2, _silent, options=qt.Options(transport=transport))[1] == [7.0]


def _hung(rank: int, size: int) -> list[object]:
    if rank == 1:
        time.sleep(4)
        return []
    started = time.monotonic()
    error = error_of(lambda: dist.all_reduce(torch.ones(10)))
    return [error.kind, error.text, time.monotonic() - started]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_hung_rank_is_named_at_the_timeout(transport):
    found = run(3, _hung, options=qt.Options(transport=transport), timeout_s=1.5)
    for rank in (0, 2):
        kind, text, took = found[rank]
        assert kind == "PeerError"
        assert 1.3 < took < 3.9  # the hung rank wakes after 4 s
        assert "all_reduce" in text
    assert any("rank 1" in found[rank][1] for rank in (0, 2))
    if transport == "memory":
        assert all("rank 1 let" in found[rank][1] for rank in (0, 2))


def _disagreements(rank: int, size: int) -> dict[str, str]:
    one, odd, maximum = torch.ones(4), rank == 1, dist.ReduceOp.MAX
    calls = {
        "size": lambda g: dist.all_reduce(torch.ones(5 if odd else 4), group=g),
        "dtype": lambda g: dist.all_reduce(one.int() if odd else one, group=g),
        "operator": lambda g: dist.all_reduce(
            one, op=maximum if odd else dist.ReduceOp.SUM, group=g
        ),
        "collective": lambda g: (
            dist.broadcast(one, 0, group=g) if odd else dist.all_reduce(one, group=g)
        ),
        "root": lambda g: dist.broadcast(one, 2 if odd else 0, group=g),
        "number": lambda g: (
            [dist.all_reduce(one, group=g) for _ in range(2 if odd else 1)] and dist.barrier(g)
        ),
        "splits": lambda g: dist.all_to_all_single(
            torch.empty(3 + odd), torch.ones(3 + odd), [1, 1, 1 + odd], [1, 1, 1 + odd], group=g
        ),
    }
    found = {}
    for name, call in calls.items():
        group = dist.new_group()
        # Who only sends may be done before anybody objects; then the next collective says so.
        error = error_of(functools.partial(call, group)) or error_of(
            functools.partial(dist.barrier, group)
        )
        found[name] = str(error)
        group.shutdown()
    dist.barrier()  # the other groups are none the worse
    return found


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_disagreement_is_an_error_on_every_rank(transport):
    started = time.monotonic()
    found = run(3, _disagreements, options=qt.Options(transport=transport), timeout_s=40)
    assert time.monotonic() - started < 40  # nobody waited for the timeout
    for name in found[0]:
        assert all(part[name].startswith("PeerError") for part in found), (name, found)
        assert any("rank 1" in part[name] for part in found), (name, found)


def _leaves(rank: int, size: int) -> str:
    dist.barrier()
    if rank == 2:
        return ""
    time.sleep(0.2)
    return str(error_of(lambda: dist.all_reduce(torch.ones(2))))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_rank_that_leaves_early_is_named(transport):
    found = run(3, _leaves, options=qt.Options(transport=transport))
    assert all("rank 2 died or left" in text for text in found[:2])


def _leaves_after_its_part(rank: int, size: int) -> float:
    tensor = torch.ones(2_000_000)
    dist.broadcast(tensor, 0)
    return tensor.sum().item()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_rank_may_leave_when_its_part_is_done(transport):
    for _ in range(3):
        found = run(3, _leaves_after_its_part, options=qt.Options(transport=transport))
        assert found == [2_000_000.0] * 3


def _message_errors(rank: int, size: int) -> list[str]:
    if rank == 1:
        dist.send(torch.ones(3), 0, tag=4)
        dist.barrier()
        return []
    short = error_of(lambda: dist.recv(torch.empty(2), 1, tag=4))
    dist.barrier()
    time.sleep(0.2)
    gone = error_of(lambda: dist.recv(torch.empty(2), 1))
    return [str(short), str(gone)]


def test_messages_of_the_wrong_size_or_from_nobody():
    short, gone = run(2, _message_errors)[0]
    assert "sent 12 bytes where this rank expects 8" in short
    assert "rank 1 died or left" in gone


def _late_message(rank: int, size: int) -> str:
    error = "" if rank else str(error_of(lambda: dist.recv(torch.empty(2), 1)))
    time.sleep(0.6 if rank else 0)
    dist.barrier()
    return error


def test_a_message_that_never_comes():
    found = run(2, _late_message, timeout_s=1.0)[0]
    assert "rank 1 let the timeout of 1 s pass" in found


def _monitored(rank: int, size: int) -> list[object]:
    qt.monitored_barrier()
    limit = timedelta(seconds=0.5)
    if rank in (1, 2):
        time.sleep(2)
        return []
    return [str(error_of(lambda: qt.monitored_barrier(timeout=limit, wait_all_ranks=True)))]


def test_a_monitored_barrier_names_all_who_are_missing():
    found = run(4, _monitored)
    assert found[0] == found[3]
    assert "ranks [1, 2]" in found[0][0]


def _times_out_alone(rank: int, size: int) -> str:
    if rank == 0:
        work = dist.all_reduce(torch.ones(2), async_op=True)
        error = str(error_of(lambda: work.wait(timedelta(seconds=0.2))))
        work.wait()
        return error
    time.sleep(0.6)
    dist.all_reduce(torch.ones(2))
    return ""


def test_a_wait_may_be_shorter_than_the_collective():
    assert "not done after 0.2 s" in run(2, _times_out_alone)[0]


def _other_options(rank: int, size: int) -> str:
    protocol = "classical" if rank else "superdense"
    return str(error_of(lambda: dist.new_group(pg_options=qt.Options(protocol=protocol))))


def test_options_must_agree():
    for text in run(2, _other_options):
        assert text.startswith("InputError")
        assert "rank 1 uses protocol 'classical'" in text


def _again(rank: int, size: int) -> list[float]:
    found = []
    for turn in range(3):
        tensor = torch.ones(1) * (rank + turn)
        dist.all_reduce(tensor)
        found.append(tensor.item())
        group = dist.new_group([0, 1])
        dist.barrier(group)
        dist.destroy_process_group(group)
    return found


def test_groups_come_and_go():
    assert run(2, _again) == [[1.0, 3.0, 5.0]] * 2


def _reopened(rank: int, size: int, path: str) -> list[float]:
    """A group made anew over the same store must not read what the first one left there."""
    dist.destroy_process_group()
    found = []
    store = dist.FileStore(path, size)
    for turn in range(4):
        dist.init_process_group("qring", store=store, rank=rank, world_size=size)
        tensor = torch.ones(1) * (rank + turn)
        dist.all_reduce(tensor)
        found.append(tensor.item())
        dist.destroy_process_group()
    return found


def test_a_store_can_be_used_again(tmp_path):
    assert run(2, _reopened, str(tmp_path / "again")) == [[1.0, 3.0, 5.0, 7.0]] * 2
