"""From an MSCCL algorithm to a schedule: its steps are carried out symbolically, round by round.

In a round every thread block that is ready sends one message; what is ready to be received is
received; and local steps follow, until none is left. A message that stays under way for longer
lies in scratch meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from qring.errors import InputError
from qring.schedule.formats.msccl import Algorithm, Block, Instruction, parse
from qring.schedule.formats.races import Clock, Clocks
from qring.schedule.hops import Action, Hop, Round
from qring.schedule.schedule import Collective, Schedule

__all__ = ["read_msccl"]

_RECEIVES = ("r", "rrc", "rrs", "rrcs", "rcs")
_SENDS_ON = ("rrs", "rrcs", "rcs")
_Slots = tuple[int, ...]


def read_msccl(text: bytes) -> Schedule:
    """The schedule of an MSCCL file. Whether it is right is for the symbolic check to say.

    Raises:
        InputError: not an MSCCL file that can be read, a buffer that ends too early, steps that
            wait for one another, or messages that are sent and never received.
        MissingExtraError: defusedxml is not installed.
    """
    algorithm = parse(text)
    machine = _Machine(algorithm)
    machine.run()
    rounds = tuple(hops for hops in machine.rounds if hops)
    n, kind = algorithm.gpus, algorithm.collective
    chunks = machine.layout.chunks
    share = algorithm.chunks if kind is Collective.ALL_GATHER else algorithm.chunks // n
    shared = kind in (Collective.ALL_GATHER, Collective.REDUCE_SCATTER)
    return Schedule(
        name=algorithm.name,
        collective=kind,
        workers=n,
        chunks=chunks,
        make=partial(tuple, rounds),
        owners=tuple(k // share for k in range(chunks)) if shared else (),
        scratch=machine.slots - chunks,
    )


class _Layout(NamedTuple):
    """Places of a GPU's buffers among its slots."""

    algorithm: Algorithm
    chunks: int
    apart: bool  # the output is a place of its own

    @classmethod
    def of(cls, algorithm: Algorithm) -> _Layout:
        n, kind = algorithm.gpus, algorithm.collective
        many = kind in (Collective.ALL_GATHER, Collective.ALL_TO_ALL)
        chunks = algorithm.chunks * n if many else algorithm.chunks
        return cls(algorithm, chunks, kind is Collective.ALL_REDUCE and not algorithm.in_place)

    @property
    def first_scratch(self) -> int:
        return self.chunks * (2 if self.apart else 1)

    def slots(self, gpu: int, place: tuple[str, int], count: int, where: str) -> _Slots:
        buffer, offset = place
        size = self._size(buffer)
        if offset + count > size:
            raise InputError(
                f"{where} uses chunks {offset}..{offset + count - 1} of buffer {buffer}, which has "
                f"{size}"
            )
        return tuple(self._slot(gpu, buffer, offset + k) for k in range(count))

    def _size(self, buffer: str) -> int:
        n, mine, kind = self.algorithm.gpus, self.algorithm.chunks, self.algorithm.collective
        if buffer == "s":
            return self.algorithm.scratch
        if buffer == "o":
            if kind is Collective.ALL_GATHER:
                return mine * n
            if kind is Collective.REDUCE_SCATTER:
                return mine if self.algorithm.in_place else mine // n
        return mine

    def _slot(self, gpu: int, buffer: str, at: int) -> int:
        n, mine, kind = self.algorithm.gpus, self.algorithm.chunks, self.algorithm.collective
        if buffer == "s":
            return self.first_scratch + at
        if kind is Collective.ALL_GATHER and buffer == "i":
            return gpu * mine + at
        if kind is Collective.REDUCE_SCATTER and buffer == "o" and not self.algorithm.in_place:
            return gpu * (mine // n) + at
        if kind is Collective.ALL_TO_ALL:
            share = mine // n
            peer, part = divmod(at, share)
            src, dst = (gpu, peer) if buffer == "i" else (peer, gpu)
            return (src * n + dst) * share + part
        if self.apart and buffer == "o":
            return self.chunks + at
        return at


class _Held(NamedTuple):
    chunk: int
    mask: int


class _Sent(NamedTuple):
    """A message under way: content, slots, the round in which it left, its sender's clock."""

    held: tuple[_Held, ...]
    slots: _Slots
    round: int
    clock: Clock


class _Thread:
    """A thread block that is being carried out."""

    def __init__(self, index: int, gpu: int, number: int, block: Block) -> None:
        self.index, self.gpu, self.number, self.block = index, gpu, number, block
        self.done = 0
        self.to_send: _Slots | None = None  # received by a step that sends on, not yet sent

    @property
    def step(self) -> Instruction | None:
        steps = self.block.steps
        return steps[self.done] if self.done < len(steps) else None

    @property
    def where(self) -> str:
        return f"gpu {self.gpu}, thread block {self.number}, step {self.done}"


class _Machine:
    """All thread blocks of an algorithm."""

    def __init__(self, algorithm: Algorithm) -> None:
        self.algorithm, self.layout = algorithm, _Layout.of(algorithm)
        self.rounds: list[Round] = []
        self.slots = self.layout.first_scratch + algorithm.scratch
        every = [
            (gpu, number, block)
            for gpu, blocks in enumerate(algorithm.blocks)
            for number, block in sorted(blocks.items())
        ]
        self._threads = [_Thread(index, *one) for index, one in enumerate(every)]
        self._by_number = {(t.gpu, t.number): t for t in self._threads}
        self._clocks = Clocks(
            [f"gpu {t.gpu}, thread block {t.number}" for t in self._threads],
            [
                (self._by_number[t.gpu, step.after[0]].index, step.after[1])
                for t in self._threads
                for step in t.block.steps
                if step.after is not None and (t.gpu, step.after[0]) in self._by_number
            ],
        )
        self._lines: dict[tuple[int, int, int], deque[_Sent]] = {}
        self._memory = self._start()
        self._check_connections()

    def run(self) -> None:
        """Carry everything out.

        Raises:
            InputError: steps that never can be, or messages that nobody receives.
        """
        while True:
            moved = self._messages()
            while self._local():
                moved = True
            if not moved:
                break
        self._check_all_done()
        if self.layout.apart:
            self._bring_output_home()

    def _start(self) -> list[dict[int, _Held]]:
        kind, n = self.algorithm.collective, self.algorithm.gpus
        memory: list[dict[int, _Held]] = [{} for _ in range(n)]
        for gpu in range(n):
            if kind is Collective.BROADCAST and gpu:
                continue
            for at in range(self.algorithm.chunks):
                slot = self.layout.slots(gpu, ("i", at), 1, "input")[0]
                memory[gpu][slot] = _Held(slot, 1 << gpu)
        return memory

    def _check_connections(self) -> None:
        ends: dict[tuple[str, int, int, int], _Thread] = {}
        for thread in self._threads:
            block = thread.block
            for kind, peer in (("send", block.send), ("recv", block.recv)):
                if peer < 0:
                    continue
                if peer >= self.algorithm.gpus or peer == thread.gpu:
                    raise InputError(
                        f"gpu {thread.gpu}, thread block {thread.number}: {kind}={peer} is not "
                        f"another of {self.algorithm.gpus} GPUs"
                    )
                key = kind, thread.gpu, peer, block.channel
                if key in ends:
                    raise InputError(
                        f"gpu {thread.gpu}: thread blocks {ends[key].number} and {thread.number} "
                        f"both {kind} on channel {block.channel} with gpu {peer}"
                    )
                ends[key] = thread

    def _is_ready(self, thread: _Thread) -> bool:
        step = thread.step
        if step is None:
            return False
        if step.after is None or thread.to_send is not None:
            return True
        other = self._by_number.get((thread.gpu, step.after[0]))
        if other is None or not 0 <= step.after[1] < len(other.block.steps):
            raise InputError(f"{thread.where} depends on {step.after}, which is not there")
        return other.done > step.after[1]

    def _messages(self) -> bool:
        """One round of messages; False if nothing could be sent or received."""
        hops: list[Hop] = []
        number = len(self.rounds)
        sent = False
        for thread in self._threads:
            step = thread.step
            if step is None or not self._is_ready(thread):
                continue
            if thread.to_send is not None:
                slots = thread.to_send
            elif step.type == "s":
                slots = self._places(thread, step.source, step.span)
            else:
                continue
            self._begin(thread)
            self._clocks.read(thread.index, thread.done, thread.gpu, slots)
            self._post(thread, slots, number)
            sent = True
            thread.to_send = None
            self._end(thread)
        following: list[Hop] = []
        progress = True
        received: set[int] = set()
        while progress:
            progress = False
            for k, thread in enumerate(self._threads):
                step = thread.step
                if k in received or step is None or step.type not in _RECEIVES:
                    continue
                if thread.to_send is not None or not self._is_ready(thread):
                    continue
                line = self._line(thread.block.recv, thread.gpu, thread.block.channel, thread)
                if not line:
                    continue
                self._receive(thread, step, line.popleft(), number, hops, following)
                received.add(k)
                progress = True
        if sent or hops:
            self.rounds.append(tuple(hops))
        if following:
            self.rounds.append(tuple(following))
        return sent or bool(received)

    def _post(self, thread: _Thread, slots: _Slots, number: int) -> None:
        if thread.block.send < 0:
            raise InputError(f"{thread.where} sends, but its thread block has send=-1")
        held = tuple(self._content(thread, slot) for slot in slots)
        line = self._line(thread.gpu, thread.block.send, thread.block.channel, thread)
        line.append(_Sent(held, slots, number, self._clocks.now(thread.index)))

    def _begin(self, thread: _Thread) -> None:
        """Take note of what a step has waited for."""
        step = thread.step
        if step is not None and step.after is not None:
            other = self._by_number[thread.gpu, step.after[0]]
            self._clocks.wait_for(thread.index, other.index, step.after[1])

    def _end(self, thread: _Thread) -> None:
        self._clocks.done(thread.index, thread.done)
        thread.done += 1

    def _receive(
        self,
        thread: _Thread,
        step: Instruction,
        message: _Sent,
        number: int,
        hops: list[Hop],
        following: list[Hop],
    ) -> None:
        src, gpu = thread.block.recv, thread.gpu
        if len(message.held) != step.span:
            raise InputError(
                f"{thread.where} receives {step.span} chunks where gpu {src} sends "
                f"{len(message.held)}"
            )
        adds = step.type in ("rrc", "rrs", "rrcs")
        if step.type == "rrs":  # nothing is stored: the sum lies in scratch until it is sent on
            target = self._fresh(step.span)
        else:
            target = self._places(thread, step.target, step.span)
        own = self._places(thread, step.source, step.span) if adds else ()
        self._begin(thread)
        self._clocks.learn(thread.index, message.clock)
        self._clocks.read(thread.index, thread.done, gpu, own)
        self._clocks.write(thread.index, thread.done, gpu, target)
        in_place = adds and own == target
        action = Action.ADD if in_place else Action.KEEP
        if message.round == number:
            hops += _hops(src, gpu, message.held, action, message.slots, target, self.layout)
        else:
            self._deliver_late(src, gpu, message, action, target, hops)
        for k, held in enumerate(message.held):
            result = held
            if adds:
                mine = self._content(thread, own[k])
                result = _Held(mine.chunk, mine.mask | held.mask)
                if not in_place:
                    following += _hops(
                        gpu, gpu, (mine,), Action.ADD, (own[k],), (target[k],), self.layout
                    )
            self._memory[gpu][target[k]] = result
        if step.type in _SENDS_ON:
            thread.to_send = target
        else:
            self._end(thread)

    def _deliver_late(
        self, src: int, gpu: int, message: _Sent, action: Action, target: _Slots, hops: list[Hop]
    ) -> None:
        """Put a message of an earlier round into scratch in its own round, and move it now."""
        waiting = self._fresh(len(target))
        early = _hops(src, gpu, message.held, Action.KEEP, message.slots, waiting, self.layout)
        self.rounds[message.round] = (*self.rounds[message.round], *early)
        hops += _hops(gpu, gpu, message.held, action, waiting, target, self.layout)

    def _local(self) -> bool:
        """One round of local steps; False if there are none."""
        hops: list[Hop] = []
        written: list[tuple[int, int, _Held]] = []
        ready = [
            (thread, step)
            for thread in self._threads
            if (step := thread.step) is not None
            and step.type in ("cpy", "re", "nop")
            and self._is_ready(thread)
        ]
        for thread, step in ready:
            self._begin(thread)
            if step.type != "nop":
                hops += self._move(thread, step, written)
            self._end(thread)
        for gpu, slot, result in written:
            self._memory[gpu][slot] = result
        if hops:
            self.rounds.append(tuple(hops))
        return bool(ready)

    def _move(
        self, thread: _Thread, step: Instruction, written: list[tuple[int, int, _Held]]
    ) -> list[Hop]:
        """A copy or an addition within a GPU; nothing where a chunk stays where it is."""
        source = self._places(thread, step.source, step.span)
        target = self._places(thread, step.target, step.span)
        if source == target:
            return []
        self._clocks.read(thread.index, thread.done, thread.gpu, source)
        self._clocks.write(thread.index, thread.done, thread.gpu, target)
        held = tuple(self._content(thread, slot) for slot in source)
        action = Action.ADD if step.type == "re" else Action.KEEP
        for one, slot in zip(held, target, strict=True):
            result = one
            if action is Action.ADD:
                mine = self._content(thread, slot)
                result = _Held(mine.chunk, mine.mask | one.mask)
            written.append((thread.gpu, slot, result))
        return _hops(thread.gpu, thread.gpu, held, action, source, target, self.layout)

    def _bring_output_home(self) -> None:
        hops: list[Hop] = []
        for gpu, memory in enumerate(self._memory):
            for chunk in range(self.layout.chunks):
                held = memory.get(self.layout.chunks + chunk)
                if held is None:
                    raise InputError(f"chunk {chunk} of gpu {gpu}'s output is never written")
                hops += _hops(
                    gpu, gpu, (held,), Action.KEEP, (self.layout.chunks + chunk,), (chunk,),
                    self.layout,
                )  # fmt: skip
        self.rounds.append(tuple(hops))

    def _check_all_done(self) -> None:
        for thread in self._threads:
            step = thread.step
            if step is None:
                continue
            if step.type in _RECEIVES and self._is_ready(thread) and thread.to_send is None:
                raise InputError(
                    f"{thread.where} waits for a message from gpu {thread.block.recv} that is "
                    "never sent: a step is missing, or steps wait for one another"
                )
            if not self._is_ready(thread):
                raise InputError(
                    f"{thread.where} waits for thread block {step.after and step.after[0]}, step "
                    f"{step.after and step.after[1]}, which is never done: steps wait for one "
                    "another"
                )
        for (src, dst, channel), line in self._lines.items():
            if line:
                raise InputError(
                    f"gpu {src} sends gpu {dst} {len(line)} messages on channel {channel} that "
                    "are never received: a step is missing"
                )

    def _line(self, src: int, dst: int, channel: int, thread: _Thread) -> deque[_Sent]:
        if src < 0:
            raise InputError(f"{thread.where} receives, but its thread block has recv=-1")
        return self._lines.setdefault((src, dst, channel), deque())

    def _places(self, thread: _Thread, place: tuple[str, int], count: int) -> _Slots:
        return self.layout.slots(thread.gpu, place, count, thread.where)

    def _content(self, thread: _Thread, slot: int) -> _Held:
        held = self._memory[thread.gpu].get(slot)
        if held is None:
            raise InputError(f"{thread.where} reads a chunk before it is there")
        return held

    def _fresh(self, count: int) -> _Slots:
        first, self.slots = self.slots, self.slots + count
        return tuple(range(first, first + count))


def _hops(
    src: int,
    dst: int,
    held: Sequence[_Held],
    action: Action,
    source: _Slots,
    target: _Slots,
    layout: _Layout,
) -> list[Hop]:
    """A message as one hop, or as one a chunk where its chunks do not lie side by side."""
    found: list[Hop] = []
    for one, reads, writes in zip(held, source, target, strict=True):
        hop = Hop(
            src, dst, one.chunk, one.mask.bit_count(), action, 1,
            None if reads == one.chunk else reads, None if writes == one.chunk else writes,
        )  # fmt: skip
        last = found[-1] if found else None
        if last is not None and _follows(last, hop, layout.chunks):
            found[-1] = last._replace(span=last.span + 1)
        else:
            found.append(hop)
    return found


def _follows(last: Hop, hop: Hop, chunks: int) -> bool:
    """Whether a chunk lies right after those of a hop, on both sides."""
    return (
        hop.chunk == last.chunk + last.span
        and hop.summed == last.summed
        and hop.source[0] == last.source[-1] + 1
        and hop.target[0] == last.target[-1] + 1
        and (hop.source[0] < chunks) == (last.source[0] < chunks)
        and (hop.target[0] < chunks) == (last.target[0] < chunks)
    )
