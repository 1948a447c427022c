"""Collectives that follow the group's topology."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch

from qring.schedule.chunks import even_chunks
from qring.schedule.schedule import Collective
from qring.torch.engine.layout import gloo_lengths
from qring.torch.engine.memory import Cargo
from qring.torch.engine.node import Call, Node
from qring.torch.engine.plans import Planned
from qring.torch.engine.reduction import Reduction

__all__ = [
    "all_gather", "all_reduce", "barrier", "broadcast", "gather_bytes", "reduce",
    "reduce_scatter",
]  # fmt: skip


def all_reduce(node: Node, flat: torch.Tensor, reduction: Reduction, call: Call) -> None:
    """Replace ``flat``, shape (elements,), by the reduction over all ranks."""
    if node.size > 1:
        planned = node.laid.plan(Collective.ALL_REDUCE, node.rank)
        node.run(call, planned.plan, _cut(flat, planned, in_place=True), reduction.fold)
    reduction.finish(flat, node.size)


def reduce(node: Node, flat: torch.Tensor, root: int, reduction: Reduction, call: Call) -> None:
    """Replace the ``flat`` of ``root`` by the reduction; the others' stay as they are."""
    if node.size > 1:
        planned = node.laid.plan(Collective.REDUCE, node.rank, root)
        node.run(call, planned.plan, _cut(flat, planned), reduction.fold)
    if node.rank == root:
        reduction.finish(flat, node.size)


def reduce_scatter(
    node: Node, chunks: Sequence[torch.Tensor], out: torch.Tensor, reduction: Reduction, call: Call
) -> None:
    """Put the reduction of everybody's ``chunks[rank]`` into ``out``, shape (elements,)."""
    if node.size > 1:
        planned = node.laid.plan(Collective.REDUCE_SCATTER, node.rank)
        brings = _blocks(dict(enumerate(chunks)), planned.blocks)
        lengths = {chunk: len(values) for chunk, values in brings.items()}
        takes = _blocks({node.rank: out}, planned.blocks)
        cargo = Cargo(lengths=lengths, brings=brings, takes=takes)
        node.run(call, planned.plan, cargo, reduction.fold)
    else:
        out.copy_(chunks[0])
    reduction.finish(out, node.size)


def all_gather(node: Node, mine: torch.Tensor, outs: Sequence[torch.Tensor], call: Call) -> None:
    """Put rank r's ``mine``, shape (elements,), into everybody's ``outs[r]``."""
    if outs[node.rank].data_ptr() != mine.data_ptr():
        outs[node.rank].copy_(mine)
    if node.size > 1:
        planned = node.laid.plan(Collective.ALL_GATHER, node.rank)
        takes = _blocks(dict(enumerate(outs)), planned.blocks)
        lengths = {chunk: len(out) for chunk, out in takes.items()}
        brings = _blocks({node.rank: mine}, planned.blocks)
        node.run(call, planned.plan, Cargo(lengths=lengths, brings=brings, takes=takes))


def broadcast(node: Node, flat: torch.Tensor, root: int, call: Call) -> None:
    """Replace ``flat``, shape (elements,), by that of ``root``."""
    if node.size > 1:
        planned = node.laid.plan(Collective.BROADCAST, node.rank, root)
        node.run(call, planned.plan, _cut(flat, planned))


def barrier(node: Node, call: Call) -> None:
    """Return when all ranks have come: an all-gather of nothing."""
    nothing = torch.empty(0, dtype=torch.uint8)
    all_gather(node, nothing, [nothing] * node.size, call)


def gather_bytes(node: Node, mine: bytes, timeout_s: float) -> list[bytes]:
    """Everybody's ``mine``, by rank, carried for the simulation itself and so not charged."""
    call = Call(kind="gather_ledger", timeout_s=timeout_s, charged=False)
    lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(node.size)]
    here = torch.tensor([len(mine)])
    all_gather(node, here, lengths, call._replace(dtype=torch.int64))
    widest = max(int(length) for length in lengths) + 1
    padded = torch.frombuffer(bytearray(mine.ljust(widest, b"\0")), dtype=torch.uint8)
    outs = [torch.empty(widest, dtype=torch.uint8) for _ in range(node.size)]
    all_gather(node, padded, outs, call)
    return [out[: int(length)].numpy().tobytes() for out, length in zip(outs, lengths, strict=True)]


def _cut(flat: torch.Tensor, planned: Planned, *, in_place: bool = False) -> Cargo:
    elements = flat.numel()
    if planned.like_gloo and planned.chunks > 1:
        lengths = gloo_lengths(elements, flat.itemsize, planned.chunks)
    else:
        lengths = _even_lengths(elements, planned.chunks)
    chunks = dict(enumerate(flat.split_with_sizes(lengths)))
    whole = flat if planned.plan.widest > 1 else None
    return Cargo(
        lengths=dict(enumerate(lengths)), brings=chunks, takes=chunks, in_place=in_place,
        whole=whole,
    )  # fmt: skip


@functools.lru_cache(maxsize=256)
def _even_lengths(elements: int, chunks: int) -> tuple[int, ...]:
    return tuple(part.stop - part.start for part in even_chunks(elements, chunks))


def _blocks(tensors: dict[int, torch.Tensor], blocks: int) -> dict[int, torch.Tensor]:
    """Every rank's tensor cut into its chunks."""
    if blocks == 1:
        return tensors
    return {
        rank * blocks + k: values[part]
        for rank, values in tensors.items()
        for k, part in enumerate(even_chunks(len(values), blocks))
    }
