"""Symbolic verification: a schedule carries every contribution exactly once to where it must be.

Each slot of each worker is followed as the set of workers whose contributions it holds. What is
added twice is found when it happens; what is missing is found at the end, and traced back to the
message that left too early or to the place where it was lost. No value is looked at, so a schedule
that passes is right for all values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from qring.errors import InputError
from qring.schedule.hops import Action, Hop, Round
from qring.schedule.schedule import Schedule

__all__ = ["Flaw", "FlawKind", "check", "contributions", "find_flaw", "holdings"]


class FlawKind(Enum):
    """Fault of a schedule."""

    MISPLACED = "misplaced"
    UNREAD = "read before it is there"
    TOO_EARLY = "read too early"
    DOUBLED = "doubled"
    MIXED = "mixed"
    LOST = "lost"
    MISCOUNTED = "miscounted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """The first thing that is wrong with a schedule; ``str()`` says it in one line."""

    kind: FlawKind
    text: str

    def __str__(self) -> str:
        return self.text


class _Held(NamedTuple):
    """Content of a slot: of which chunk, and the contributions as bits, worker w being bit w."""

    chunk: int
    mask: int


_Memory = list[dict[int, _Held]]
"""For each worker, what its slots hold; a slot that holds nothing is not there."""


class _FlawError(Exception):
    def __init__(self, kind: FlawKind, text: str) -> None:
        super().__init__(text)
        self.flaw = Flaw(kind=kind, text=text)


def check(schedule: Schedule) -> None:
    """Prove a schedule right.

    Raises:
        InputError: it is not; the message says which contribution is lost, doubled or read too
            early, and where.
    """
    flaw = find_flaw(schedule)
    if flaw is not None:
        raise InputError(f"the schedule {schedule.name} is wrong: {flaw}")


def find_flaw(schedule: Schedule) -> Flaw | None:
    """The first thing that is wrong with a schedule, or None if it is right."""
    try:
        memory = _follow(schedule)
        for worker, chunk, mask in _wanted(schedule):
            found = memory[worker].get(chunk)
            if found is None or found.mask != mask:
                return _explain(schedule, worker, chunk, mask)
    except _FlawError as error:
        return error.flaw
    return None


def holdings(schedule: Schedule) -> list[dict[int, frozenset[int]]]:
    """For each worker and chunk slot in use at the end, the workers whose contributions it holds.

    Raises:
        InputError: the schedule reads what is not there, or adds a contribution twice.
    """
    try:
        memory = _follow(schedule)
    except _FlawError as error:
        raise InputError(f"the schedule {schedule.name} is wrong: {error.flaw}") from None
    return [
        {slot: frozenset(_workers(held.mask)) for slot, held in slots.items()} for slots in memory
    ]


def contributions(schedule: Schedule) -> Iterator[list[list[int]]]:
    """After every round, what each node's chunks hold: sets of workers as bits, 0 for nothing.

    Raises:
        InputError: the schedule reads what is not there, or adds a contribution twice.
    """
    memory = _start(schedule)
    for number, hops in enumerate(schedule.rounds):
        try:
            _follow_round(schedule, memory, number, hops)
        except _FlawError as error:
            raise InputError(f"the schedule {schedule.name} is wrong: {error.flaw}") from None
        yield [
            [slots[chunk].mask if chunk in slots else 0 for chunk in range(schedule.chunks)]
            for slots in memory
        ]


def _start(schedule: Schedule) -> _Memory:
    memory: _Memory = [{} for _ in range(schedule.nodes)]
    for chunk in range(schedule.chunks):
        for worker in schedule.bringers(chunk):
            memory[worker][chunk] = _Held(chunk, 1 << worker)
    return memory


def _wanted(schedule: Schedule) -> list[tuple[int, int, int]]:
    """(worker, chunk, contributions) that must be there in the end."""
    found = []
    for chunk in range(schedule.chunks):
        mask = sum(1 << worker for worker in schedule.bringers(chunk))
        found += [(worker, chunk, mask) for worker in sorted(schedule.takers(chunk))]
    return found


def _follow(schedule: Schedule) -> _Memory:
    memory = _start(schedule)
    for number, hops in enumerate(schedule.rounds):
        _follow_round(schedule, memory, number, hops)
    return memory


def _follow_round(schedule: Schedule, memory: _Memory, number: int, hops: Round) -> None:
    messages = [(hop, _read(schedule, memory, number, hop)) for hop in hops]
    written: set[tuple[int, int]] = set()
    for hop, message in messages:
        for slot, held in zip(hop.target, message, strict=True):
            place = hop.dst, slot
            if hop.action is Action.KEEP and place in written:
                raise _FlawError(
                    FlawKind.MIXED,
                    f"round {number}: slot {slot} of worker {hop.dst} is written, and overwritten "
                    "in the same round",
                )
            written.add(place)
            memory[hop.dst][slot] = _written(memory, number, hop, slot, held)


def _written(memory: _Memory, number: int, hop: Hop, slot: int, held: _Held) -> _Held:
    if hop.action is Action.KEEP:
        return held
    mine = memory[hop.dst].get(slot)
    if mine is None:
        raise _FlawError(
            FlawKind.UNREAD,
            f"round {number}: worker {hop.dst} adds to slot {slot}, which holds nothing yet",
        )
    if mine.chunk != held.chunk:
        raise _FlawError(
            FlawKind.MIXED,
            f"round {number}: worker {hop.dst} adds chunk {held.chunk} to chunk {mine.chunk}",
        )
    twice = mine.mask & held.mask
    if twice:
        raise _FlawError(
            FlawKind.DOUBLED,
            f"round {number}: the contribution of worker {_workers(twice)[0]} to chunk "
            f"{held.chunk} is added twice at worker {hop.dst}, by the message from worker "
            f"{hop.src}",
        )
    return _Held(held.chunk, mine.mask | held.mask)


def _read(schedule: Schedule, memory: _Memory, number: int, hop: Hop) -> list[_Held]:
    _check_places(schedule, number, hop)
    slots = memory[hop.src]
    found = []
    for chunk, slot in zip(hop.chunks, hop.source, strict=True):
        held = slots.get(slot)
        if held is None:
            raise _FlawError(
                FlawKind.UNREAD,
                f"round {number}: worker {hop.src} sends chunk {chunk} to worker {hop.dst} before "
                "it has it",
            )
        if held.chunk != chunk:
            raise _FlawError(
                FlawKind.MIXED,
                f"round {number}: slot {slot} of worker {hop.src} holds chunk {held.chunk}, not "
                f"chunk {chunk}",
            )
        if held.mask.bit_count() != hop.summed:
            few = held.mask.bit_count() < hop.summed
            raise _FlawError(
                FlawKind.TOO_EARLY if few else FlawKind.MISCOUNTED,
                f"round {number}: worker {hop.src} sends chunk {chunk} to worker {hop.dst} as a "
                f"sum of {hop.summed}, but it holds the contributions of {held.mask.bit_count()}",
            )
        found.append(held)
    return found


def _check_places(schedule: Schedule, number: int, hop: Hop) -> None:
    slots = schedule.chunks + schedule.scratch
    problem = ""
    for worker in (hop.src, hop.dst):
        if not 0 <= worker < schedule.nodes:
            problem = f"worker {worker} is not one of 0..{schedule.nodes - 1}"
    if hop.span < 1:
        problem = f"a message of {hop.span} chunks"
    elif not 0 <= hop.chunk <= schedule.chunks - hop.span:
        problem = f"chunk {hop.chunks[-1]} is not one of 0..{schedule.chunks - 1}"
    for side in (hop.source, hop.target) if not problem else ():
        if side[0] < 0 or side[-1] >= slots:
            problem = problem or f"slot {side[-1]} is not one of 0..{slots - 1}"
        elif side[0] < schedule.chunks and side != hop.chunks:
            problem = problem or f"chunk {hop.chunk} lies in the slot of chunk {side[0]}"
    if hop.src == hop.dst and hop.source == hop.target:
        problem = problem or f"worker {hop.src} sends chunk {hop.chunk} to itself"
    if problem:
        raise _FlawError(FlawKind.MISPLACED, f"round {number}: {problem}")


class _Write(NamedTuple):
    round: int
    hop: Hop
    mask: int


def _explain(schedule: Schedule, worker: int, chunk: int, mask: int) -> Flaw:
    """Say why a worker does not end up with all contributions to a chunk."""
    memory = _start(schedule)
    history: dict[tuple[int, int], list[_Write]] = {}
    for number, hops in enumerate(schedule.rounds):
        _follow_round(schedule, memory, number, hops)
        for hop in hops:
            for slot in hop.target:
                held = memory[hop.dst][slot]
                if held.chunk == chunk:
                    written = _Write(number, hop, held.mask)
                    history.setdefault((hop.dst, slot), []).append(written)
    place = worker, chunk
    found = memory[worker].get(chunk)
    have = found.mask if found is not None else 0
    lacking = _workers(mask & ~have)
    if not lacking:
        strays = _workers(have & ~mask)
        return Flaw(
            kind=FlawKind.MIXED,
            text=f"worker {worker} ends with chunk {chunk} holding the contribution of worker "
            f"{strays[0]}, which is not part of it",
        )
    who = lacking[0]
    seen: set[tuple[int, int]] = set()
    while place not in seen:  # back along the messages that overwrote the slot
        seen.add(place)
        last = next(
            (w for w in reversed(history.get(place, [])) if w.hop.action is Action.KEEP), None
        )
        if last is None:
            break
        offset = last.hop.target.index(place[1])
        source = last.hop.src, last.hop.source[offset]
        later = next(
            (w for w in history.get(source, []) if w.round >= last.round and w.mask >> who & 1),
            None,
        )
        if later is not None:
            return Flaw(
                kind=FlawKind.TOO_EARLY,
                text=f"worker {worker} ends without the contribution of worker {who} to chunk "
                f"{chunk}: in round {last.round} worker {source[0]} sends the chunk too early to "
                f"worker {place[0]}, since that contribution reaches it in round {later.round}",
            )
        place = source
    return Flaw(
        kind=FlawKind.LOST,
        text=f"the contribution of worker {who} to chunk {chunk} is lost: it never reaches worker "
        f"{worker}",
    )


def _workers(mask: int) -> list[int]:
    return [k for k in range(mask.bit_length()) if mask >> k & 1]
