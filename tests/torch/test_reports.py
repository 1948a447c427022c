"""What public reports about PyTorch, Gloo, Lightning and accelerate ask of a backend."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import sys
import threading
import time
from datetime import timedelta

import pytest
import torch
import torch._dynamo  # DDP wants it: once here rather than once a rank
import torch.distributed as dist
from ranks import error_of, run
from torch import nn
from torch.distributed.tensor.debug import CommDebugMode
from torch.nn.parallel import DistributedDataParallel

import qring.torch as qt
from qring.errors import InputError, PeerError

TRANSPORTS = ("memory", "tcp")
SHUT_DOWN = "PeerError: this process group was shut down"


def timed(function) -> tuple[str, float]:
    started = time.monotonic()
    return str(error_of(function)), time.monotonic() - started


# Timeouts: pytorch 165422, accelerate 2611


def _timeouts(rank: int, size: int) -> list[object]:
    given = dist.new_group(timeout=timedelta(minutes=30))
    inherited = dist.new_group()
    dist.distributed_c10d._set_pg_timeout(timedelta(seconds=0.3))
    late = ("", 0.0)
    if rank == 0:
        late = timed(lambda: dist.all_reduce(torch.ones(3)))
    else:
        time.sleep(1)
    return [given.timeout.total_seconds(), inherited.timeout.total_seconds(), *late]


def test_timeouts_that_are_given_or_changed_count():
    found = run(2, _timeouts, timeout_s=20)
    assert [part[:2] for part in found] == [[1800, 20]] * 2
    assert "rank 1 let the timeout of 0.3 s pass" in found[0][2]
    assert found[0][3] < 15


# The end of a group


def _after_destroy(rank: int, size: int) -> list[tuple[str, float]]:
    model = DistributedDataParallel(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)))
    model(torch.ones(2, 4)).sum().backward()
    group = dist.group.WORLD
    caught: list[object] = []
    threading.excepthook = caught.append
    dist.destroy_process_group()
    synchronous = dist.AllreduceOptions()
    synchronous.asyncOp = False
    found = [
        timed(lambda: model(torch.ones(2, 4))),
        timed(lambda: group.allreduce(torch.ones(3)).wait()),
        timed(lambda: group.allreduce([torch.ones(3)], synchronous).wait()),
        timed(lambda: group.recv([torch.ones(3)], 1 - rank, 0).wait()),
        timed(lambda: group.send([torch.ones(3)], 1 - rank, 0).wait()),
    ]
    time.sleep(0.1)
    return [*found, (str(caught), 0.0)]


def test_a_group_that_was_destroyed_says_so_at_once():
    for *calls, (caught, _) in run(2, _after_destroy, timeout_s=20):
        assert caught == "[]"
        for error, took in calls:
            assert error == SHUT_DOWN
            assert took < 15


def _destroy_while_pending(rank: int, size: int) -> list[object]:
    tensor = torch.full((1_000_000,), float(rank + 1))
    message = torch.full((30_000_000,), 7.0)  # more than the system takes without a receiver
    if rank == 0:
        works = [dist.all_reduce(tensor, async_op=True), dist.isend(message, 1)]
        dist.destroy_process_group()
        return [tensor[0].item(), [work.is_success() for work in works]]
    time.sleep(1.2)
    dist.recv(message.zero_(), 0)
    time.sleep(0.5)
    work = dist.all_reduce(tensor, async_op=True)
    dist.destroy_process_group()
    return [tensor[0].item(), [work.is_success(), bool((message == 7).all())]]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_destroying_a_group_waits_for_what_is_under_way(transport):
    found = run(2, _destroy_while_pending, options=qt.Options(transport=transport))
    assert found == [[3.0, [True, True]]] * 2


def _destroy_beside_a_silent_peer(rank: int, size: int) -> tuple[str, float]:
    if rank == 1:
        time.sleep(2)
        return "", 0.0
    work = dist.all_reduce(torch.ones(1_000_000), async_op=True)
    _, took = timed(dist.destroy_process_group)
    return str(error_of(work.wait)), took


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_destroying_a_group_waits_no_longer_than_its_timeout(transport):
    options = qt.Options(transport=transport)
    error, took = run(2, _destroy_beside_a_silent_peer, options=options, timeout_s=0.5)[0]
    assert "PeerError" in error
    assert 0.4 < took < 15


# Signal handlers: Lightning 21406


def _handler_interrupts(rank: int, size: int) -> list[float]:
    tensor, sums = torch.full((1_000_000,), 1.0 + rank), []

    def handler(number: int, frame: object) -> None:
        mine = torch.full((4,), 100.0 + rank)
        dist.all_reduce(mine)
        sums.append(mine[0].item())

    if rank == 0:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        dist.all_reduce(tensor)  # the other is late, so the handler runs in the middle
    else:
        time.sleep(0.4)
        dist.all_reduce(tensor)
        handler(0, None)
    dist.barrier()
    return [tensor[0].item(), tensor[-1].item(), *sums]


def _handler_raises(rank: int, size: int) -> list[object]:
    tensor = torch.full((1_000_000,), 1.0 + rank)

    def handler(number: int, frame: object) -> None:
        raise TimeoutError("too slow")

    error = None
    if rank == 0:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        error = error_of(lambda: dist.all_reduce(tensor))
    else:
        time.sleep(0.4)
        dist.all_reduce(tensor)
    dist.barrier()
    return [tensor[0].item(), str(error)]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_signal_handler_may_use_the_group_in_whose_collective_it_runs(transport):
    found = run(2, _handler_interrupts, options=qt.Options(transport=transport))
    assert found == [[3.0, 3.0, 201.0]] * 2


def test_an_error_that_a_signal_handler_raises_leaves_the_group_alone():
    found = run(2, _handler_raises)
    assert found == [[3.0, "TimeoutError: too slow"], [3.0, "None"]]


# Memory of a slow receiver: pytorch 129341

COUNT, ELEMENTS = 20, 4_000_000  # 320 MB


def _slow_receiver(rank: int, size: int) -> list[object]:
    numbers = torch.arange(float(ELEMENTS + COUNT))
    if rank == 0:
        works = [
            dist.isend(numbers[k : k + ELEMENTS], 1, tag=k) for k in (*range(COUNT), *range(3))
        ]
        dist.barrier()
        time.sleep(0.5)
        early = sum(work.is_completed() for work in works)
        for work in works:
            work.wait()
        return [early < COUNT]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    came = torch.empty(ELEMENTS)
    dist.recv(came, 0, tag=0)
    dist.barrier()
    time.sleep(1.0)
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    right = []
    for tag in (*range(1, COUNT), 2, 1, 0):  # the last three in another order than they were sent
        dist.recv(came, 0, tag=tag)
        right.append(came[0].item() == tag and came[-1].item() == tag + ELEMENTS - 1)
    return [grown, all(right)]


def test_a_slow_receiver_keeps_what_is_unclaimed_within_bounds():
    (early,), (grown, right) = run(2, _slow_receiver)
    assert early
    assert grown < 110_000_000  # 64 MiB are kept, 16 are being received
    assert right


# A peer that is not to be reached, a store that is lost: gloo 511, pytorch 129367


def _in_threads(*calls) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = [("", 0.0)] * len(calls)

    def call(k: int) -> None:
        found[k] = timed(calls[k])

    threads = [threading.Thread(target=call, args=(k,)) for k in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


def test_a_rank_that_fails_in_set_up_tells_the_others():
    store, limit = dist.HashStore(), timedelta(seconds=40)
    options = [qt.Options(), qt.Options(host="203.0.113.7")]  # an address of no host
    found = _in_threads(
        *(lambda r=r: qt.create_group(store, r, 2, limit, options[r]) for r in range(2))
    )
    assert "InputError: cannot listen on 203.0.113.7" in found[1][0]
    assert "QRING_HOST" in found[1][0]
    assert "PeerError: cannot listen on 203.0.113.7" in found[0][0]
    assert "(as rank 1 found)" in found[0][0]
    assert max(took for _, took in found) < 20


def test_a_store_that_is_lost_during_set_up_is_what_is_blamed():
    limit = timedelta(seconds=40)
    server = [dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)]
    client = dist.TCPStore("127.0.0.1", server[0].port, is_master=False, timeout=limit)

    causes: list[BaseException | None] = []

    def join() -> None:
        try:
            qt.create_group(client, 1, 2, limit, qt.Options())
        except PeerError as error:
            causes.append(error.__cause__)
            raise

    def lose() -> None:
        time.sleep(0.3)
        server.clear()

    (error, took), _ = _in_threads(join, lose)
    assert error.startswith("PeerError: the store through which the ranks meet is gone")
    assert isinstance(causes[0], RuntimeError)
    assert took < 20


def test_a_peer_that_is_not_to_be_reached_ends_a_send_at_its_timeout():
    from qring.torch.transport.endpoints import Endpoint
    from qring.torch.transport.liveness import Liveness
    from qring.torch.transport.rendezvous import _connect
    from qring.torch.transport.senders import Sender

    class Nobody:
        owner = 0

    watch = Liveness(Nobody(), [0, 1])  # type: ignore[arg-type]
    errors: list[BaseException | None] = []
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        crowd = [socket.socket() for _ in range(4)]  # more than it takes: what comes is dropped
        for one in crowd:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        end = Endpoint(host="127.0.0.1", port=port, token=bytes(16))
        started = time.monotonic()
        sender = Sender(1, 0, end, watch)
        sender.put(b"", torch.ones(1).numpy(), 0.4, lambda error, _: errors.append(error))
        sender.close()
        sender.join()
        watch.begin("set-up", 0.4)
        with pytest.raises(PeerError, match=r"rank 0 let the timeout of 0\.4 s pass during set-up"):
            _connect(full, [end, end], 1, [0], watch)
        assert time.monotonic() - started < 15
        for one in crowd:
            one.close()
    assert str(errors[0]) == "rank 1 let the timeout of 0.4 s pass during send"
    with pytest.raises(PeerError, match=r"rank 1 cannot reach rank 0 at 127.*QRING_HOST"):
        _connect(full, [end, end], 1, [0], watch)


# torch.compile: pytorch 141827


def _compiled(rank: int, size: int, backend: str) -> list[object]:
    def communicate(x):
        y = x * 2
        dist.broadcast(y, 1)
        dist.reduce(y, 0)
        dist.barrier()
        dist.all_reduce(y, async_op=True).wait()
        dist.scatter(x, [y, y + 1] if rank == 0 else None, 0)
        if rank == 0:
            dist.send(y, 1)
        else:
            dist.recv(y, 0)
        return x + y

    x = torch.ones(2) * (rank + 1)
    expected = communicate(x.clone()).tolist()
    found = torch.compile(communicate, backend=backend)(x).tolist()
    if backend == "inductor":  # which takes long enough for the one
        return [found == expected, True]
    net = DistributedDataParallel(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)))
    compiled = torch.compile(net, backend=backend)
    for _ in range(2):
        compiled(torch.randn(4, 4)).sum().backward()
    return [found == expected, net.module[0].weight.grad is not None]


@pytest.mark.filterwarnings("ignore")  # the compiler's, about what it cannot trace
@pytest.mark.parametrize(
    "backend",
    ["eager", pytest.param("inductor", marks=[pytest.mark.slow, pytest.mark.timeout(300)])],
)
def test_functions_and_models_that_communicate_can_be_compiled(backend, tmp_path, monkeypatch):
    if backend == "inductor" and shutil.which("g++") is None:
        pytest.skip("no C++ compiler")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    assert run(2, _compiled, backend, limit_s=280) == [[True, True]] * 2


# Sparse gradients: pytorch 111422


def _sparse_clipping(rank: int, size: int) -> list[object]:
    torch.manual_seed(1)
    embedding = nn.Embedding(6, 3, sparse=True)
    net = DistributedDataParallel(embedding)
    net(torch.tensor([rank, 2])).square().sum().backward()
    gradient = embedding.weight.grad
    norm = gradient.coalesce().values().norm()
    gradient.mul_(1 / norm)
    whole = torch.tensor([5, 3 - 3 * rank, 3 * rank, 0]).to_sparse()
    dist.all_reduce(whole, op=dist.ReduceOp.AVG)
    return [gradient.coalesce().values().norm().item(), whole.to_dense().tolist()]


def test_sparse_gradients_can_be_clipped_by_their_values():
    for norm, mean in run(2, _sparse_clipping):
        assert norm == pytest.approx(1)
        assert mean == [5, 1, 1, 0]


# What tools see: pytorch 125475


def _seen_by_tools(rank: int, size: int) -> list[object]:
    tensor, whole = torch.ones(4), torch.ones(8)

    def calls() -> None:
        dist.all_reduce(tensor)
        dist.broadcast(tensor, 0)
        dist.barrier()
        dist.all_gather_single(whole, tensor)
        dist.all_reduce(tensor, async_op=True).wait()
        if rank == 0:
            dist.send(tensor, 1)
        else:
            dist.recv(tensor, 0)

    with CommDebugMode() as mode:
        calls()
    counts = {str(operator): count for operator, count in mode.get_comm_counts().items()}
    cpu = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=cpu, record_shapes=True) as profile:
        calls()
    events = [event for event in profile.events() if event.name.startswith("qring")]
    return [counts, [(event.name[7:], event.input_shapes) for event in events]]


@pytest.mark.filterwarnings("ignore")
def test_tools_see_each_call_once_and_its_shapes():
    for rank, (counts, ranges) in enumerate(run(2, _seen_by_tools)):
        assert counts == {"c10d.allreduce_": 2, "c10d.broadcast_": 1, "c10d._allgather_base_": 1}
        assert ranges == [
            ("all_reduce", [[4]]), ("broadcast", [[4]]), ("barrier", []),
            ("all_gather_single", [[8]]), ("all_reduce", [[4]]),
            ("receive" if rank else "send", [[4]]),
        ]  # fmt: skip


def _overlap(rank: int, size: int) -> float:
    net = DistributedDataParallel(
        nn.Sequential(*(nn.Linear(512, 512) for _ in range(6))), bucket_cap_mb=1
    )
    inputs = torch.randn(64, 512)
    for _ in range(2):  # DDP arranges its buckets after the first step
        net(inputs).sum().backward()
    every = torch._C._profiler._ExperimentalConfig(profile_all_threads=True)
    cpu = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=cpu, experimental_config=every) as profile:
        for _ in range(6):  # a busy machine may run the two threads in turn
            net(inputs).sum().backward()
    events = profile.events()
    spans = [e.time_range for e in events if e.name == "qring::all_reduce"]
    backward = [e.time_range for e in events if e.name == "aten::mm"]
    return sum(max(0.0, min(a.end, b.end) - max(a.start, b.start)) for a in spans for b in backward)


@pytest.mark.filterwarnings("ignore")
def test_all_reduces_of_ddp_run_while_backward_does():
    assert all(microseconds > 0 for microseconds in run(2, _overlap))


# What a group costs


def _costs_of_groups(rank: int, size: int) -> list[float]:
    def count() -> tuple[int, int]:
        dist.barrier()
        return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))  # noqa: PTH208

    before = count()
    groups = [dist.new_group() for _ in range(8)]
    after = count()
    while groups:
        dist.destroy_process_group(groups.pop())
    left = count()
    return [*((b - a) / 8 for a, b in zip(before, after, strict=True)), left, before]


@pytest.mark.skipif(sys.platform != "linux", reason="counts what /proc shows")
def test_a_group_costs_few_descriptors_and_threads_and_gives_them_back():
    for descriptors, threads, left, before in run(2, _costs_of_groups):
        assert descriptors <= 1
        assert threads <= 2
        assert all(now <= then for now, then in zip(left, before, strict=True))


def _without_memfd(rank: int, size: int) -> list[object]:
    def forbidden(name: str) -> int:
        raise PermissionError(1, "forbidden")

    os.memfd_create = forbidden
    group = dist.new_group()
    tensor = torch.ones(1000)
    dist.all_reduce(tensor, group=group)
    return [tensor[0].item(), list(group._node.transports.values())]


def test_where_memory_files_are_forbidden_messages_go_by_tcp():
    assert run(2, _without_memfd) == [[2.0, ["tcp"]]] * 2


def _busy(rank: int, size: int) -> list[float]:
    tensor, late = torch.ones(6_000_000), []
    for _ in range(3):
        dist.barrier()
        started = time.perf_counter()
        work = dist.all_reduce(tensor, async_op=True)
        while not work.is_completed():
            sum(range(100))
        late.append(time.perf_counter() - started)
    return [min(late), sys.getswitchinterval()]


def test_the_interpreter_switches_threads_as_often_as_before():
    for _, interval in run(2, _busy):
        assert interval == pytest.approx(0.005)


# Groups that libraries make: torchft


def _made_by_a_library(rank: int, size: int) -> list[object]:
    store = dist.PrefixStore("library/1", dist.distributed_c10d._get_default_store())
    group = qt.create_group(
        store, rank, size, timedelta(seconds=20), qt.Options(protocol="classical")
    )
    tensor = torch.full((3,), 1.0 + rank)
    group.allreduce([tensor]).wait()
    links = {(entry.src, entry.dst) for entry in qt.ledger(group)}
    group.shutdown()
    return [tensor.tolist(), links]


def test_a_library_makes_groups_through_a_public_function():
    assert run(2, _made_by_a_library) == [[[3.0] * 3, {(0, 1)}], [[3.0] * 3, {(1, 0)}]]
    with pytest.raises(InputError, match="rank 2 is not one of the ranks 0..1"):
        qt.create_group(dist.HashStore(), 2, 2)
