"""From a schedule to an MSCCL algorithm file: a thread block for each direction of each link.

Steps keep the schedule's order by dependencies: whoever reads a slot waits for those who wrote to
it, and whoever writes for those who read it before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

from qring.errors import InputError
from qring.schedule.hops import Action, Hop
from qring.schedule.schedule import Collective, Schedule

__all__ = ["write_msccl"]

_NAMES = {
    Collective.ALL_REDUCE: "allreduce",
    Collective.ALL_GATHER: "allgather",
    Collective.REDUCE_SCATTER: "reduce_scatter",
    Collective.BROADCAST: "broadcast",
    Collective.ALL_TO_ALL: "alltoall",
}


def write_msccl(schedule: Schedule) -> str:
    """The file of a schedule, in place.

    Raises:
        InputError: a collective that MSCCL does not have, nodes beside the workers, or chunks whose
            owners do not follow one another.
    """
    kind, n = schedule.collective, schedule.workers
    if kind not in _NAMES:
        raise InputError(f"MSCCL has no {kind.value}; it has {', '.join(_NAMES.values())}")
    if schedule.helpers:
        raise InputError(
            "an MSCCL file has one GPU a worker; the server of this schedule is a node of its own"
        )
    if kind is Collective.BROADCAST and schedule.root:
        raise InputError("an MSCCL broadcast starts at GPU 0; take root 0")
    share = schedule.chunks // n
    if schedule.owners and schedule.owners != tuple(k // share for k in range(schedule.chunks)):
        raise InputError("MSCCL gives GPU k the k-th block of chunks; this schedule does not")
    gpus = [_Gpu() for _ in range(n)]
    for hops in schedule.rounds:
        for hop in hops:
            gpus[hop.src].send(hop)
        for hop in hops:
            gpus[hop.dst].receive(hop)
    many = kind in (Collective.ALL_GATHER, Collective.ALL_TO_ALL)
    mine = schedule.chunks // n if many else schedule.chunks
    outputs = {Collective.ALL_GATHER: schedule.chunks, Collective.REDUCE_SCATTER: share}
    buffers = _Buffers(schedule, mine)
    lines = [
        f'<algo name={quoteattr(schedule.name)} proto="Simple" nchannels="1" '
        f'nchunksperloop="{max(mine, outputs.get(kind, mine))}" ngpus="{n}" '
        f'coll="{_NAMES[kind]}" inplace="1">'
    ]
    for number, gpu in enumerate(gpus):
        lines.append(
            f'  <gpu id="{number}" i_chunks="{mine}" o_chunks="{outputs.get(kind, mine)}" '
            f's_chunks="{schedule.scratch}">'
        )
        lines += gpu.lines(number, buffers)
        lines.append("  </gpu>")
    return "\n".join((*lines, "</algo>", ""))


class _Buffers(NamedTuple):
    """Places of slots in a GPU's buffers."""

    schedule: Schedule
    mine: int

    def of(self, gpu: int, slot: int) -> tuple[str, int]:
        n, kind, chunks = self.schedule.workers, self.schedule.collective, self.schedule.chunks
        if slot >= chunks:
            return "s", slot - chunks
        if kind is Collective.ALL_GATHER:
            return "o", slot
        if kind is Collective.ALL_TO_ALL:
            share = chunks // n**2
            block, part = divmod(slot, share)
            src, dst = divmod(block, n)
            return ("i", dst * share + part) if src == gpu else ("o", src * share + part)
        return "i", slot


class _Operation(NamedTuple):
    """One step of a thread block, and the steps that it waits for: (thread block, step)."""

    type: str
    hop: Hop
    after: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class _Use:
    """Writer of a slot, and its readers since: (thread block, step)."""

    written: list[tuple[int, int]] = field(default_factory=list)
    read: list[tuple[int, int]] = field(default_factory=list)


class _Gpu:
    """The thread blocks of one GPU."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[str, int], int] = {}
        self._steps: list[list[_Operation]] = []
        self._uses: dict[int, _Use] = {}

    def send(self, hop: Hop) -> None:
        """Add the sending end of a hop; moves within the GPU are for the receiving end."""
        if hop.src != hop.dst:
            block = self._block("send", hop.dst)
            after = [w for slot in hop.source for w in self._use(slot).written]
            self._add(block, "s", hop, after)
            for slot in hop.source:
                self._use(slot).read.append((block, len(self._steps[block]) - 1))

    def receive(self, hop: Hop) -> None:
        """Add the receiving end of a hop, or a move."""
        moves, adds = hop.src == hop.dst, hop.action is Action.ADD
        block = self._block("move", -1) if moves else self._block("recv", hop.src)
        after = [
            place
            for slot in hop.target
            for place in (*self._use(slot).written, *self._use(slot).read)
        ]
        if moves:
            after += [w for slot in hop.source for w in self._use(slot).written]
        self._add(block, ("re" if adds else "cpy") if moves else "rrc" if adds else "r", hop, after)
        here = block, len(self._steps[block]) - 1
        if moves:
            for slot in hop.source:
                self._use(slot).read.append(here)
        for slot in hop.target:
            self._uses[slot] = _Use(written=[here])

    def lines(self, gpu: int, buffers: _Buffers) -> Iterator[str]:
        """The thread blocks in XML."""
        starts = self._numbering()
        awaited = {
            starts[block][step]
            for steps in self._steps
            for operation in steps
            for block, step in operation.after
        }
        for (kind, peer), block in self._blocks.items():
            send, recv = (peer if kind == "send" else -1), (peer if kind == "recv" else -1)
            yield f'    <tb id="{block}" send="{send}" recv="{recv}" chan="0">'
            number = 0
            for operation in self._steps[block]:
                after = [(b, starts[b][s][1]) for b, s in operation.after]
                for dependency in after[:-1]:
                    yield _step(number, "nop", ("i", 0), ("i", 0), 0, dependency, False)
                    number += 1
                hop, last = operation.hop, (after[-1] if after else None)
                source = buffers.of(hop.src, hop.source[0])
                target = buffers.of(hop.dst, hop.target[0])
                if operation.type == "rrc":
                    source = target  # of a step that receives and adds: what is here
                waited = (block, number) in awaited
                yield _step(number, operation.type, source, target, hop.span, last, waited)
                number += 1
            yield "    </tb>"

    def _numbering(self) -> list[list[tuple[int, int]]]:
        """(thread block, number) of every step, counting the empty steps that only wait."""
        found = []
        for block, steps in enumerate(self._steps):
            numbers, number = [], 0
            for operation in steps:
                number += max(0, len(operation.after) - 1)
                numbers.append((block, number))
                number += 1
            found.append(numbers)
        return found

    def _block(self, kind: str, peer: int) -> int:
        if (kind, peer) not in self._blocks:
            self._blocks[kind, peer] = len(self._steps)
            self._steps.append([])
        return self._blocks[kind, peer]

    def _use(self, slot: int) -> _Use:
        return self._uses.setdefault(slot, _Use())

    def _add(self, block: int, kind: str, hop: Hop, after: list[tuple[int, int]]) -> None:
        latest: dict[int, int] = {}
        for other, step in after:
            if other != block:
                latest[other] = max(step, latest.get(other, -1))
        self._steps[block].append(_Operation(kind, hop, tuple(sorted(latest.items()))))


def _step(
    number: int,
    kind: str,
    source: tuple[str, int],
    target: tuple[str, int],
    count: int,
    after: tuple[int, int] | None,
    awaited: bool,
) -> str:
    block, step = after or (-1, -1)
    return (
        f'      <step s="{number}" type="{kind}" srcbuf="{source[0]}" srcoff="{source[1]}" '
        f'dstbuf="{target[0]}" dstoff="{target[1]}" cnt="{count}" depid="{block}" deps="{step}" '
        f'hasdep="{int(awaited)}"/>'
    )
