"""Programs as users write them: DDP, FSDP2, device meshes, checkpoints, hooks, profilers."""

from __future__ import annotations

import hashlib

import pytest
import torch
import torch._dynamo  # DDP wants it: once here rather than once a rank
import torch.distributed as dist
from ranks import run
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks import powerSGD_hook as power
from torch.nn.parallel import DistributedDataParallel

import qring.torch as qt


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 3))


def digest(parameters) -> str:
    state = b"".join(p.detach().numpy().tobytes() for p in parameters)
    return hashlib.sha256(state).hexdigest()


def step(net: nn.Module, optimiser: torch.optim.Optimizer, rank: int, turn: int) -> None:
    generator = torch.Generator().manual_seed(100 * turn + rank)
    x = torch.randn(16, 20, generator=generator)
    y = torch.randint(0, 3, (16,), generator=generator)
    optimiser.zero_grad()
    nn.functional.cross_entropy(net(x), y).backward()
    optimiser.step()


def _ddp(rank: int, size: int) -> tuple[str, str]:
    digests = []
    for group in (None, dist.new_group(backend="gloo")):
        net = DistributedDataParallel(model(), bucket_cap_mb=0.01, process_group=group)
        optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
        for turn in range(6):
            step(net, optimiser, rank, turn)
        with net.no_sync():
            net(torch.ones(2, 20)).sum().backward()
        digests.append(digest(net.parameters()))
    return digests[0], digests[1]


@pytest.mark.parametrize("protocol", ["superdense", "classical"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_ddp_ends_with_the_bits_of_gloo(size, protocol):
    found = run(size, _ddp, options=qt.Options(protocol=protocol))
    assert len({d for pair in found for d in pair}) == 1


def _power_sgd(rank: int, size: int) -> str:
    torch.manual_seed(0)
    net = nn.Sequential(*(nn.Linear(64, 64) for _ in range(6)), nn.Linear(64, 3))
    net = DistributedDataParallel(net, bucket_cap_mb=0.02)
    state = power.PowerSGDState(None, matrix_approximation_rank=2, start_powerSGD_iter=2)
    net.register_comm_hook(state, power.powerSGD_hook)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01)
    for turn in range(8):
        generator = torch.Generator().manual_seed(100 * turn + rank)
        optimiser.zero_grad()
        net(torch.randn(16, 64, generator=generator)).square().mean().backward()
        optimiser.step()
    return digest(net.parameters())


@pytest.mark.parametrize("size", [2, 4])
def test_power_sgd_finishes_and_agrees(size):
    for _ in range(2):
        assert len(set(run(size, _power_sgd))) == 1


def _hook_fails(rank: int, size: int) -> str:
    net = DistributedDataParallel(nn.Linear(4, 4))

    def hook(state, bucket):
        future = dist.all_reduce(bucket.buffer(), async_op=True).get_future()

        def then(_):
            raise ValueError("a hook's own mistake")

        return future.then(then)

    net.register_comm_hook(None, hook)
    try:
        net(torch.ones(2, 4)).sum().backward()
    except Exception as error:
        return str(error)
    return "nothing"


def test_an_error_in_a_hook_reaches_the_caller():
    assert all("a hook's own mistake" in found for found in run(2, _hook_fails))


def _fsdp2(rank: int, size: int) -> list[object]:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (size,))
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(20, 33), nn.ReLU(), nn.Linear(33, 3))
    alone = nn.Sequential(nn.Linear(20, 33), nn.ReLU(), nn.Linear(33, 3))
    alone.load_state_dict(net.state_dict())
    for layer in net:
        if isinstance(layer, nn.Linear):
            fully_shard(layer, mesh=mesh)
    fully_shard(net, mesh=mesh)
    pair = [(m, torch.optim.SGD(m.parameters(), lr=0.1)) for m in (net, alone)]
    for turn in range(4):
        xs = [torch.randn(8, 20, generator=torch.Generator().manual_seed(10 * turn + r))
              for r in range(size)]  # fmt: skip
        for (m, optimiser), x in zip(pair, (xs[rank], torch.cat(xs)), strict=True):
            optimiser.zero_grad()
            m(x).square().mean().backward()
            optimiser.step()
    norm = nn.utils.clip_grad_norm_(net.parameters(), 1.0).full_tensor()
    return [
        all(torch.allclose(p.full_tensor(), q, atol=1e-5)
            for p, q in zip(net.parameters(), alone.parameters(), strict=True)),
        bool(norm > 0),
    ]  # fmt: skip


def test_fsdp2_trains_as_one_process_does():
    assert run(2, _fsdp2) == [[True, True]] * 2


def _fsdp1_and_zero(rank: int, size: int) -> list[object]:
    from torch.distributed.optim import ZeroRedundancyOptimizer

    net = DistributedDataParallel(model())
    optimiser = ZeroRedundancyOptimizer(net.parameters(), torch.optim.Adam, lr=0.01)
    for turn in range(3):
        step(net, optimiser, rank, turn)
    return [digest(net.parameters())]


def test_zero_redundancy_optimiser():
    found = run(2, _fsdp1_and_zero)
    assert found[0] == found[1]


def _mesh(rank: int, size: int) -> list[object]:
    from torch.distributed._functional_collectives import all_gather_tensor, all_reduce
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor

    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("rows", "columns"))
    whole = torch.arange(24.0).view(6, 4)
    spread = distribute_tensor(whole, mesh, [Shard(0), Shard(1)])
    back = spread.redistribute(mesh, [Replicate(), Replicate()]).to_local()
    moved = spread.redistribute(mesh, [Shard(1), Replicate()]).full_tensor()
    product = spread @ distribute_tensor(whole.t().contiguous(), mesh, [Shard(1), Shard(0)])
    functional = all_reduce(torch.tensor([1.0 + rank]), "sum", mesh.get_group("columns"))
    gathered = all_gather_tensor(torch.tensor([rank]), 0, mesh.get_group("rows"))
    return [
        torch.equal(back, whole), torch.equal(moved, whole),
        torch.allclose(product.full_tensor(), whole @ whole.t()),
        functional.tolist(), gathered.tolist(),
    ]  # fmt: skip


def test_device_mesh_dtensor_and_functional_collectives():
    found = run(4, _mesh)
    assert all(part[:3] == [True, True, True] for part in found)
    assert [part[3] for part in found] == [[3.0], [3.0], [7.0], [7.0]]
    assert [part[4] for part in found] == [[0, 2], [1, 3], [0, 2], [1, 3]]


def _checkpoint(rank: int, size: int, folder: str) -> bool:
    import torch.distributed.checkpoint as dcp

    state = {"weight": torch.arange(5.0), "step": 7}
    dcp.save(state, checkpoint_id=f"{folder}/sync")
    dcp.async_save(state, checkpoint_id=f"{folder}/async").result()
    ok = True
    for name in ("sync", "async"):
        found = {"weight": torch.zeros(5), "step": 0}
        dcp.load(found, checkpoint_id=f"{folder}/{name}")
        ok = ok and torch.equal(found["weight"], torch.arange(5.0)) and found["step"] == 7
    return ok


@pytest.mark.filterwarnings("ignore")
def test_distributed_checkpoint(tmp_path):
    assert run(2, _checkpoint, str(tmp_path)) == [True, True]


def _profile(rank: int, size: int, all_threads: bool) -> list[tuple[str, int]]:
    config = torch._C._profiler._ExperimentalConfig(profile_all_threads=all_threads)
    cpu = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=cpu, experimental_config=config) as profile:
        dist.all_reduce(torch.ones(10), async_op=True).wait()
    return [(event.name, event.thread) for event in profile.events() if "qring" in event.name]


@pytest.mark.filterwarnings("ignore")
def test_the_profiler_sees_a_range_on_each_thread_that_it_looks_at():
    for all_threads in (False, True):
        for found in run(2, _profile, all_threads):
            assert {name for name, _ in found} == {"qring::all_reduce"}
            assert len({thread for _, thread in found}) == 1 + all_threads


def _futures(rank: int, size: int) -> list[object]:
    tensor = torch.ones(3)
    work = dist.all_reduce(tensor, async_op=True)
    doubled = work.get_future().then(lambda f: f.value()[0] * 2)
    work.wait()
    chained = torch.ones(2)

    def again(_: object) -> torch.Tensor:
        dist.all_reduce(chained)  # from the group's own thread
        return chained

    last = dist.all_reduce(torch.ones(1), async_op=True).get_future().then(again)
    return [doubled.wait().tolist(), last.wait().tolist(), work.is_completed(), work.is_success()]


def test_futures_and_collectives_inside_callbacks():
    assert run(2, _futures) == [[[4.0] * 3, [2.0] * 2, True, True]] * 2


def _gloo_sockets(rank: int, size: int) -> list[str]:
    """Connections of this process that are not qring's own: there are none without Gloo's."""
    from pathlib import Path

    _everything_once(rank, size)
    inodes = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target.startswith("socket:"):
            inodes.append(target[8:-1])
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return [line for line in lines if line.split()[9] in inodes and line.split()[3] == "01"]


def _everything_once(rank: int, size: int) -> None:
    from test_collectives import _coalesced, _everything, _objects, _odd_tensors

    _everything(rank, size)
    _odd_tensors(rank, size)
    _objects(rank, size)
    _coalesced(rank, size)
    group = dist.group.WORLD
    one, two = torch.ones(1), torch.ones(size)
    for name, arguments in {
        "_allgather_base": (two, one),
        "_reduce_scatter_base": (one, two),
        "alltoall_base": (two, two.clone(), [], []),
        "allgather_into_tensor_coalesced": ([two], [one]),
        "reduce_scatter_tensor_coalesced": ([one], [two]),
        "allgather_coalesced": ([[torch.ones(1)] for _ in range(size)], [one]),
        "allreduce_coalesced": ([one],),
    }.items():
        getattr(group, name)(*arguments).wait()
    group.barrier(opts=dist.BarrierOptions()).wait()


def test_the_attached_gloo_group_connects_to_nobody():
    found = run(2, _gloo_sockets, options=qt.Options(transport="memory"))
    assert found == [[], []]
