"""Every collective, on both transports, against what it should give; all-reduce against Gloo."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
from ranks import error_of, run

import qring.torch as qt

TRANSPORTS = ("memory", "tcp")
SIZES = (0, 1, 2, 3, 5, 17, 1000, 4097, 262_145, 1_000_003)
FLOATS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


def values(rank: int, elements: int, dtype: torch.dtype) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1000 * rank + elements)
    if dtype is torch.bool or not (dtype.is_floating_point or dtype.is_complex):
        return torch.randint(0, 100, (elements,), generator=generator).to(dtype)
    return torch.randn(elements, generator=generator).mul(3).to(dtype)


def same_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    if a.dtype is torch.bool:  # Gloo leaves 2 where it adds true and true
        return torch.equal(a.view(torch.uint8).ne(0), b.view(torch.uint8).ne(0))
    return torch.equal(a.view(torch.uint8), b.view(torch.uint8))


def _all_reduce_like_gloo(rank: int, size: int) -> list[object]:
    gloo = dist.new_group(backend="gloo")
    different = []
    for dtype in FLOATS:
        for elements in SIZES:
            ours = values(rank, elements, dtype)
            theirs = ours.clone()
            dist.all_reduce(ours)
            dist.all_reduce(theirs, group=gloo)
            if not same_bits(ours, theirs):
                different.append((dtype, elements))
    return different


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("size", [2, 3, 4])
def test_all_reduce_has_the_bits_of_gloo(size, transport):
    options = qt.Options(transport=transport)
    assert run(size, _all_reduce_like_gloo, options=options) == [[]] * size


@pytest.mark.slow
@pytest.mark.parametrize("size", [5, 7, 16])
def test_all_reduce_has_the_bits_of_gloo_on_more_ranks(size):
    assert run(size, _all_reduce_like_gloo, limit_s=110) == [[]] * size


OPS = ("SUM", "AVG", "PRODUCT", "MIN", "MAX", "BAND", "BOR", "BXOR")
INTEGERS = (torch.uint8, torch.int8, torch.int32, torch.int64)
REDUCED = (*INTEGERS, *FLOATS, torch.bool)


def _ops_like_gloo(rank: int, size: int) -> list[object]:
    gloo = dist.new_group(backend="gloo")
    different = []
    for dtype in (*REDUCED, torch.int16, torch.float8_e5m2):
        for name in OPS:
            ours = values(rank, 37, dtype)
            theirs = ours.clone()
            accepted = []
            for tensor, group in ((ours, None), (theirs, gloo)):
                try:
                    dist.all_reduce(tensor, op=getattr(dist.ReduceOp, name), group=group)
                    accepted.append(True)
                except (RuntimeError, ValueError):
                    accepted.append(False)
            if name == "AVG" and dtype in INTEGERS:  # which Gloo refuses, and NCCL takes
                total = values(rank, 37, dtype)
                dist.all_reduce(total, group=gloo)
                theirs, accepted[1] = total.div_(size, rounding_mode="trunc"), True
            if accepted[0] != accepted[1] or (accepted[0] and not same_bits(ours, theirs)):
                different.append((dtype, name, accepted))
    return different


def test_every_operator_and_type_does_as_gloo_and_whole_numbers_average_as_with_nccl():
    assert run(3, _ops_like_gloo) == [[]] * 3


def _everything(rank: int, size: int, lengths=(0, 1, 5, 300_001)) -> list[str]:
    """Names of collectives whose result is wrong."""
    wrong = []

    def check(name: str, found: torch.Tensor, expected: torch.Tensor) -> None:
        if not torch.equal(found, expected.to(found.dtype)):
            wrong.append(f"{name}: {found} is not {expected}")

    for elements in lengths:
        of = [values(r, elements, torch.float32) for r in range(size)]
        root, total = size - 1, sum(of[1:], of[0].clone())
        tensor = of[rank].clone()
        dist.broadcast(tensor, root)
        check("broadcast", tensor, of[root])
        outs = [torch.empty(elements) for _ in range(size)]
        dist.all_gather(outs, of[rank])
        check("all_gather", torch.stack(outs), torch.stack(of))
        out = torch.empty(size * elements)
        dist.all_gather_single(out, of[rank])
        check("all_gather_single", out, torch.cat(of))
        tensor = of[rank].clone()
        dist.reduce(tensor, root)
        if rank == root and not torch.allclose(tensor, total, atol=1e-4):
            wrong.append("reduce")
        outs = [torch.empty(elements) for _ in range(size)] if rank == root else None
        dist.gather(of[rank], outs, root)
        if outs is not None:
            check("gather", torch.stack(outs), torch.stack(of))
        out = torch.empty(elements)
        dist.scatter(out, of if rank == root else None, root)
        check("scatter", out, of[rank])
        ints = [torch.arange(elements * size, dtype=torch.int64) * (r + 1) for r in range(size)]
        whole = sum(ints[1:], ints[0].clone())
        mine = slice(rank * elements, (rank + 1) * elements)
        out = torch.empty(elements, dtype=torch.int64)
        dist.reduce_scatter_single(out, ints[rank])
        check("reduce_scatter_single", out, whole[mine])
        out = torch.empty(elements, dtype=torch.int64)
        dist.reduce_scatter(out, list(ints[rank].split(elements) if elements else [out] * size))
        check("reduce_scatter", out, whole[mine])
        out = torch.empty(elements * size)
        dist.all_to_all_single(out, torch.cat([of[rank] + j for j in range(size)]))
        check("all_to_all_single", out, torch.cat([of[i] + rank for i in range(size)]))
    return wrong


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("size", [1, 2, 4])
def test_every_collective(size, transport):
    options = qt.Options(transport=transport)
    assert run(size, _everything, options=options) == [[]] * size


def test_every_collective_on_sixteen_ranks():
    assert run(16, _everything, (0, 1, 37)) == [[]] * 16


def _odd_tensors(rank: int, size: int) -> list[str]:
    wrong = []
    columns = torch.full((4, 6), float(rank))[:, ::2]
    dist.all_reduce(columns)
    if not torch.equal(columns, torch.full((4, 3), float(sum(range(size))))):
        wrong.append("non-contiguous")
    scalar = torch.tensor(2.0, requires_grad=True)
    dist.all_reduce(scalar)
    if scalar.item() != 2.0 * size:
        wrong.append("leaf scalar")
    number = torch.tensor([1 + 2j, rank * 1j])
    dist.all_reduce(number)
    if not torch.equal(
        number, torch.tensor([1 + 2j, 0]) * size + torch.tensor([0, 1j]) * sum(range(size))
    ):
        wrong.append("complex")
    indices = torch.tensor([[rank, size]])
    entries = torch.sparse_coo_tensor(indices, torch.ones(2), (size + 1,), check_invariants=True)
    dist.all_reduce(entries)
    if not torch.equal(entries.to_dense(), torch.tensor([1.0] * size + [float(size)])):
        wrong.append("sparse")
    rows = [torch.full((rank + 1, 2), float(rank * 10 + j)) for j in range(size)]
    outs = [torch.empty(i + 1, 2) for i in range(size)]
    dist.all_to_all(outs, rows)
    if any(
        not torch.equal(out, torch.full((i + 1, 2), float(i * 10 + rank)))
        for i, out in enumerate(outs)
    ):
        wrong.append("uneven all_to_all")
    out = torch.empty(sum(i + 1 for i in range(size)), 2)
    dist.all_to_all_single(out, torch.cat(rows), [i + 1 for i in range(size)], [rank + 1] * size)
    if not torch.equal(out, torch.cat(outs)):
        wrong.append("uneven all_to_all_single")
    with torch.inference_mode():
        held = torch.ones(3)
        dist.all_reduce(held)
        if not torch.equal(held, torch.full((3,), float(size))):
            wrong.append("inference tensor")
    nans = torch.tensor([float("nan"), 1.0]) if rank == 0 else torch.tensor([1.0, float("inf")])
    dist.all_reduce(nans)
    if size > 1 and not (nans[0].isnan() and nans[1].isinf()):
        wrong.append("nan and inf")
    return wrong


def test_odd_tensors():
    assert run(3, _odd_tensors) == [[]] * 3


def _objects(rank: int, size: int) -> list[object]:
    everybody: list[object] = [None] * size
    dist.all_gather_object(everybody, {"rank": rank})
    shared = [("from", rank)] if rank == 1 else [None]
    dist.broadcast_object_list(shared, 1)
    mine: list[object] = [None]
    dist.scatter_object_list(mine, list("abcdefgh"[:size]) if rank == 0 else None, 0)
    gathered: list[object] | None = [None] * size if rank == 0 else None
    dist.gather_object(rank * 2, gathered, 0)
    return [everybody, shared, mine, gathered]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_objects(transport):
    for rank, found in enumerate(run(3, _objects, options=qt.Options(transport=transport))):
        assert found[0] == [{"rank": r} for r in range(3)]
        assert found[1] == [("from", 1)]
        assert found[2] == ["abc"[rank]]
        assert found[3] == ([0, 2, 4] if rank == 0 else None)


def _messages(rank: int, size: int) -> list[object]:
    right, left = (rank + 1) % size, (rank - 1) % size
    big = torch.full((300_000,), float(rank))
    came = torch.empty_like(big)
    reqs = dist.batch_isend_irecv(
        [dist.P2POp(dist.isend, big, right), dist.P2POp(dist.irecv, came, left)]
    )
    for req in reqs:
        req.wait()
    found: list[object] = [bool((came == left).all())]
    if rank == 0:  # tags may be asked for in another order
        dist.send(torch.tensor([1]), 1, tag=1)
        dist.send(torch.tensor([2]), 1, tag=2)
    elif rank == 1:
        two, one = torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64)
        dist.recv(two, 0, tag=2)
        dist.recv(one, 0, tag=1)
        found += [one.item(), two.item()]
    dist.barrier()
    if rank == 0:
        senders = set()
        for _ in range(size - 1):
            any_ = torch.zeros(1, dtype=torch.int64)
            source = dist.recv(any_)
            senders.add((source, any_.item()))
        found.append(sorted(senders))
    else:
        dist.send(torch.tensor([rank * 7]), 0)
    later = torch.zeros(2)
    pending = dist.irecv(later, left) if rank else None
    dist.all_reduce(torch.ones(3))  # a waiting receive must not hold up a collective
    dist.isend(torch.ones(2), right).wait() if right else None
    if pending is not None:
        pending.wait()
        found.append(later.tolist())
    return found


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_messages(transport):
    found = run(3, _messages, options=qt.Options(transport=transport))
    assert found[0] == [True, [(1, 7), (2, 14)]]
    assert found[1] == [True, 1, 2, [1.0, 1.0]]
    assert found[2] == [True, [1.0, 1.0]]


def _coalesced(rank: int, size: int) -> list[object]:
    tensors = [torch.full((k + 1,), float(rank)) for k in range(3)]
    with dist._coalescing_manager():
        for tensor in tensors:
            dist.all_reduce(tensor)
    outs = [torch.empty(size * 2) for _ in range(2)]
    with dist._coalescing_manager(async_ops=True) as manager:
        for k, out in enumerate(outs):
            dist.all_gather_single(out, torch.full((2,), float(rank + k)))
    manager.wait()
    parts = [torch.empty(1) for _ in range(2)]
    with dist._coalescing_manager():
        for part in parts:
            dist.reduce_scatter_single(part, torch.arange(float(size)))
    mixed = torch.ones(2)
    with dist._coalescing_manager(device=torch.device("cpu")):
        dist.broadcast(mixed, 0)
    return [[t.tolist() for t in tensors], [o.tolist() for o in outs], [p.tolist() for p in parts]]


def test_coalesced_calls():
    for rank, found in enumerate(run(2, _coalesced)):
        assert found[0] == [[1.0], [1.0, 1.0], [1.0, 1.0, 1.0]]
        assert found[1] == [[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 2.0, 2.0]]
        assert found[2] == [[2.0 * rank], [2.0 * rank]]


def _groups(rank: int, size: int) -> list[object]:
    pairs = [dist.new_group([0, 1]), dist.new_group([2, 3])]
    mine = pairs[rank // 2]
    tensor = torch.tensor([float(rank)])
    dist.all_reduce(tensor, group=mine)
    dist.broadcast(tensor, 2 * (rank // 2), group=mine)
    ledger = qt.gather_ledger(mine)
    links = sorted({(e.src, e.dst) for e in ledger})
    return [tensor.item(), links, mine.timeout.total_seconds(), mine.options.protocol]


def test_groups_of_some_ranks():
    found = run(4, _groups, options=qt.Options(protocol="classical"), timeout_s=44)
    assert found[:2] == [[1.0, [(0, 1), (1, 0)], 44.0, "classical"]] * 2
    assert found[2:] == [[5.0, [(2, 3), (3, 2)], 44.0, "classical"]] * 2


def _refused(rank: int, size: int) -> list[str]:
    group = dist.group.WORLD
    calls = [
        lambda: dist.all_reduce(torch.ones(2, dtype=torch.int16)),
        lambda: dist.all_reduce(torch.ones(2, dtype=torch.bool), op=dist.ReduceOp.AVG),
        lambda: dist.all_reduce(torch.ones(2), op=dist.ReduceOp.BAND),
        lambda: dist.all_gather([torch.ones(2)] * size, torch.ones(3)),
        lambda: dist.all_gather_single(torch.ones(3), torch.ones(3)),
        lambda: dist.reduce_scatter_single(torch.ones(3), torch.ones(3)),
        lambda: group.broadcast([torch.ones(1), torch.ones(1)], dist.BroadcastOptions()),
    ]
    errors = [error_of(call) for call in calls]
    dist.barrier()  # bad input does not end the group
    return [f"{error}" for error in errors]


def test_bad_input_is_refused_at_once_and_the_group_lives_on():
    for errors in run(2, _refused):
        assert all(error.startswith("InputError") for error in errors), errors
