"""Collectives whose messages go straight from rank to rank."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from qring.schedule.schedule import Collective
from qring.torch.engine.memory import Cargo
from qring.torch.engine.node import Call, Node

__all__ = ["all_to_all", "gather", "scatter"]


def gather(
    node: Node, mine: torch.Tensor, outs: Sequence[torch.Tensor], root: int, call: Call
) -> None:
    """Put rank r's ``mine``, shape (elements,), into ``outs[r]`` of ``root``."""
    if node.rank == root:
        outs[root].copy_(mine)
    lengths = dict.fromkeys(range(node.size), len(mine))
    cargo = Cargo(lengths=lengths, brings={node.rank: mine}, takes=dict(enumerate(outs)))
    if node.size > 1:
        plan = node.laid.plan(Collective.GATHER, node.rank, root).plan
        node.run(call, plan, cargo)


def scatter(
    node: Node, chunks: Sequence[torch.Tensor], out: torch.Tensor, root: int, call: Call
) -> None:
    """Put ``chunks[r]`` of ``root`` into rank r's ``out``, shape (elements,)."""
    if node.rank == root:
        out.copy_(chunks[root])
    lengths = dict.fromkeys(range(node.size), len(out))
    cargo = Cargo(lengths=lengths, brings=dict(enumerate(chunks)), takes={node.rank: out})
    if node.size > 1:
        plan = node.laid.plan(Collective.SCATTER, node.rank, root).plan
        node.run(call, plan, cargo)


def all_to_all(
    node: Node, chunks: Sequence[torch.Tensor], outs: Sequence[torch.Tensor], call: Call
) -> None:
    """Put ``chunks[j]`` of rank i into ``outs[i]`` of rank j; sizes may differ."""
    me, size = node.rank, node.size
    outs[me].copy_(chunks[me])
    brings = {me * size + j: chunk for j, chunk in enumerate(chunks)}
    takes = {i * size + me: out for i, out in enumerate(outs)}
    lengths = {chunk: len(values) for chunk, values in (brings | takes).items()}
    if size > 1:
        cargo = Cargo(lengths=lengths, brings=brings, takes=takes)
        node.run(call, node.laid.plan(Collective.ALL_TO_ALL, me).plan, cargo)
