"""From a schedule to the plans of all its ranks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import NamedTuple

from qring.schedule.hops import Action, Hop, Round
from qring.schedule.schedule import Schedule
from qring.torch.engine.plan import Arrival, Departure, Move, Place, Plan, Run, Runs, Snapshot, Step

__all__ = ["make_plans"]

_HELD_AT_ONCE = 2
"""Messages composed by one rank that others hold from one step to the next, for each window."""


def make_plans(schedule: Schedule) -> tuple[Plan, ...]:
    """Work out what each rank does; worker k of the schedule is rank k.

    The schedule must be right (:func:`qring.schedule.check.check`).
    """
    steps, rounds = _in_steps(schedule)
    lives = [_Life(schedule, rank, ops) for rank, ops in enumerate(_operations(schedule, steps))]
    _choose_what_is_held(lives, len(steps))
    known = _known_at_arrival(schedule.workers, steps)
    drafts = [_Draft(life, len(steps), known) for life in lives]
    widest = max((hop.span for step in steps for hop in step.hops), default=1)
    lends = all(draft.lends for draft in drafts)
    return tuple(Plan(tuple(draft.steps), rounds, widest, lends, draft.work) for draft in drafts)


class _Hops(NamedTuple):
    """The messages of one step, and the round that they belong to."""

    round: int
    hops: Round


def _in_steps(schedule: Schedule) -> tuple[list[_Hops], int]:
    """Rounds cut into steps in which a rank sends at most one message and receives at most one.

    Messages that write to one slot arrive in the order in which they stand in the round.
    """
    steps: list[_Hops] = []
    rounds = 0
    for number, hops in enumerate(schedule.rounds):
        rounds += any(hop.src != hop.dst for hop in hops)
        parts: list[list[Hop]] = []
        busy: list[tuple[set[int], set[int]]] = []
        written: dict[tuple[int, int], int] = {}  # the last part that writes to a slot
        for hop in map(Hop._make, hops):  # each an object of its own, by which it is known
            places = [(hop.dst, slot) for slot in hop.target]
            k = 1 + max(written.get(place, -1) for place in places)
            while k < len(parts) and (hop.src in busy[k][0] or hop.dst in busy[k][1]):
                k += 1
            if k == len(parts):
                parts.append([])
                busy.append((set(), set()))
            parts[k].append(hop)
            busy[k][0].add(hop.src)
            busy[k][1].add(hop.dst)
            written.update(dict.fromkeys(places, k))
        steps += [_Hops(number, tuple(part)) for part in parts]
    return steps, rounds


class _Kind(Enum):
    SNAPSHOT = 0
    DEPARTURE = 1
    ARRIVAL = 2
    MOVE = 3


class _Operation(NamedTuple):
    """One thing that a rank does; ``early`` departures and moves read a snapshot."""

    step: int
    kind: _Kind
    hop: Hop
    early: bool

    @property
    def reads(self) -> tuple[int, ...]:
        """Slots whose content is used."""
        if self.kind is _Kind.SNAPSHOT:
            return tuple(self.hop.source)
        adds = tuple(self.hop.target) if self.hop.action is Action.ADD else ()
        if self.kind is _Kind.ARRIVAL:
            return adds
        source = () if self.early else tuple(self.hop.source)
        return source if self.kind is _Kind.DEPARTURE else (*source, *adds)

    @property
    def writes(self) -> tuple[int, ...]:
        """Slots whose content is replaced."""
        return tuple(self.hop.target) if self.kind in (_Kind.ARRIVAL, _Kind.MOVE) else ()


def _operations(schedule: Schedule, steps: Sequence[_Hops]) -> list[list[_Operation]]:
    """For each rank, all that it does, in order."""
    found: list[list[_Operation]] = [[] for _ in range(schedule.workers)]
    for first, last in _spans(steps):
        early: set[int] = set()
        written: set[tuple[int, int]] = set()
        for number in range(first, last):
            for hop in steps[number].hops:
                if any((hop.src, slot) in written for slot in hop.source):
                    early.add(id(hop))
                    found[hop.src].append(_Operation(first, _Kind.SNAPSHOT, hop, True))
            written.update((hop.dst, slot) for hop in steps[number].hops for slot in hop.target)
        for number in range(first, last):
            there = [hop for hop in steps[number].hops if hop.src != hop.dst]
            for hop in there:
                departure = _Operation(number, _Kind.DEPARTURE, hop, id(hop) in early)
                found[hop.src].append(departure)
            for hop in there:
                found[hop.dst].append(_Operation(number, _Kind.ARRIVAL, hop, False))
            for hop in steps[number].hops:
                if hop.src == hop.dst:
                    found[hop.src].append(_Operation(number, _Kind.MOVE, hop, id(hop) in early))
    return found


def _spans(steps: Sequence[_Hops]) -> Iterator[tuple[int, int]]:
    """First step of every round, and the one after its last."""
    first = 0
    for number in range(1, len(steps) + 1):
        if number == len(steps) or steps[number].round != steps[first].round:
            yield first, number
            first = number


class _Life:
    """The uses of every message that one rank receives."""

    def __init__(self, schedule: Schedule, rank: int, operations: Sequence[_Operation]) -> None:
        self.schedule, self.rank, self.operations = schedule, rank, operations
        self._uses: dict[int, list[int]] = {}
        for number, operation in enumerate(operations):
            for slot in dict.fromkeys((*operation.reads, *operation.writes)):
                self._uses.setdefault(slot, []).append(number)
        self._position = {
            (slot, number): k
            for slot, numbers in self._uses.items()
            for k, number in enumerate(numbers)
        }
        self.handed: dict[int, int] = {}  # arrivals that are handed on, and their departures

    def onward(self, arrival: int) -> int | None:
        """The departure in the next step that carries on exactly what arrived, if there is one."""
        hop = self.operations[arrival].hop
        following = {self._next(arrival, slot) for slot in hop.target}
        if len(following) != 1:
            return None
        number = following.pop()
        if number is None:
            return None
        step, kind, later, early = self.operations[number]
        same = (later.source, later.chunks) == (hop.target, hop.chunks)
        soon = step == self.operations[arrival].step + 1
        return number if same and soon and kind is _Kind.DEPARTURE and not early else None

    def is_kept(self, number: int) -> bool:
        """Whether what an operation writes is used, but for being handed on at once."""
        skip = self.handed.get(number)
        return any(self._is_used(number, slot, skip) for slot in self.operations[number].writes)

    def _next(self, number: int, slot: int) -> int | None:
        k = self._position[slot, number] + 1
        numbers = self._uses[slot]
        return numbers[k] if k < len(numbers) else None

    def _is_used(self, number: int, slot: int, skip: int | None) -> bool:
        following = self._next(number, slot)
        if following is not None and following == skip:
            following = self._next(following, slot)
        if following is None:
            return self.takes(slot)
        return slot in self.operations[following].reads

    def takes(self, slot: int) -> bool:
        """Whether the rank is to end up with the chunk of a slot."""
        return slot < self.schedule.chunks and self.rank in self.schedule.takers(slot)


def _choose_what_is_held(lives: Sequence[_Life], steps: int) -> None:
    """Hand on what may be handed on, but never hold many messages of one rank at a time."""
    arrivals: list[list[tuple[_Life, int]]] = [[] for _ in range(steps)]
    for life in lives:
        for number, operation in enumerate(life.operations):
            if operation.kind is _Kind.ARRIVAL:
                arrivals[operation.step].append((life, number))
    owners: dict[tuple[int, int], int] = {}  # of what is handed on, by rank and departure
    departures = [
        {id(op.hop): number for number, op in enumerate(life.operations)
         if op.kind is _Kind.DEPARTURE}
        for life in lives
    ]  # fmt: skip
    for coming in arrivals:
        held = [0] * len(lives)
        for life, number in coming:
            hop = life.operations[number].hop
            owner = owners.get((hop.src, departures[hop.src][id(hop)]), hop.src)
            onward = life.onward(number)
            if onward is not None and held[owner] < _HELD_AT_ONCE:
                life.handed[number] = onward
                held[owner] += 1
                owners[life.rank, onward] = owner


def _known_at_arrival(workers: int, steps: Sequence[_Hops]) -> dict[int, tuple[int, ...]]:
    """For each message, which steps its receiver knows each rank to have done when it comes."""
    known = [[-1] * workers for _ in range(workers)]
    found = {}
    for number, step in enumerate(steps):
        clocks = {hop.src: tuple(known[hop.src]) for hop in step.hops}
        for hop in step.hops:
            merged = list(map(max, known[hop.dst], clocks[hop.src]))
            known[hop.dst] = merged
            found[id(hop)] = tuple(merged)
        for rank in range(workers):
            known[rank][rank] = number
    return found


class _Loan(NamedTuple):
    """A departure that reads slots until rank ``dst`` has done step ``step``."""

    operation: int
    dst: int
    step: int


class _Draft:
    """The steps of one rank."""

    def __init__(self, life: _Life, steps: int, known: dict[int, tuple[int, ...]]) -> None:
        self._life, self._known = life, known
        self._schedule, self._rank = life.schedule, life.rank
        bringers = self._schedule.bringers
        self._places = {
            slot: Place.INPUT
            for slot in range(self._schedule.chunks)
            if self._rank in bringers(slot)
        }
        self._early: dict[int, Snapshot] = {}
        self._lent = self._find_loans()
        self._handed_on = frozenset(life.handed.values())
        self.work: dict[int, frozenset[int]] = {}
        self.lends = all(self._lent.values())
        self.steps = [Step()] * steps
        for number, operation in enumerate(life.operations):
            step = self.steps[operation.step]
            self.steps[operation.step] = self._with(step, number, operation)

    def _with(self, step: Step, number: int, operation: _Operation) -> Step:
        hop = operation.hop
        if operation.kind is _Kind.SNAPSHOT:
            snapshot = Snapshot(len(self._early), self._runs(hop.source, hop.chunks))
            self._early[id(hop)] = snapshot
            return step._replace(snapshots=(*step.snapshots, snapshot))
        if operation.kind is _Kind.DEPARTURE:
            handed = number in self._handed_on
            runs = () if handed else self._source(operation)
            self.lends = self.lends and len(runs) < 2
            departure = Departure(hop.dst, hop.chunks, handed, runs, self._lent[number])
            return step._replace(departures=(*step.departures, departure))
        source = self._source(operation) if operation.kind is _Kind.MOVE else ()
        adds = hop.action is Action.ADD
        mine = self._runs(hop.target, hop.chunks) if adds else ()
        self.lends = self.lends and len(mine) < 2
        home: Runs = ()
        if self._life.is_kept(number):
            for slot in hop.target:
                self._places[slot] = Place.OUTPUT if self._life.takes(slot) else Place.WORK
            home = self._runs(hop.target, hop.chunks)
            self.lends = self.lends and all(run.place is Place.OUTPUT for run in home)
            for slot, chunk in zip(hop.target, hop.chunks, strict=True):
                if self._places[slot] is Place.WORK:
                    self.work[slot] = self.work.get(slot, frozenset()) | {chunk}
        if operation.kind is _Kind.MOVE:
            return step._replace(moves=(*step.moves, Move(hop.chunks, source, mine, home)))
        arrival = Arrival(hop.src, hop.chunks, mine, home, number in self._life.handed)
        return step._replace(arrivals=(*step.arrivals, arrival))

    def _source(self, operation: _Operation) -> Runs:
        hop = operation.hop
        if not operation.early:
            return self._runs(hop.source, hop.chunks)
        return (Run(Place.SNAPSHOT, self._early[id(hop)].key, hop.chunk, hop.span),)

    def _runs(self, slots: Iterable[int], chunks: range) -> Runs:
        """The slots, as they lie now, in as few runs as possible."""
        runs: list[Run] = []
        for slot, chunk in zip(slots, chunks, strict=True):
            place = self._places[slot]
            last = runs[-1] if runs else None
            if last is not None and (last.place, last.slot + last.span) == (place, slot):
                runs[-1] = last._replace(span=last.span + 1)
            else:
                runs.append(Run(place, slot, chunk, 1))
        return tuple(runs)

    def _find_loans(self) -> dict[int, bool]:
        """For each departure, whether nothing is written to its slots while it may be read."""
        lent: dict[int, bool] = {}
        loans: dict[int, list[_Loan]] = {}
        for number, (step, kind, hop, early) in enumerate(self._life.operations):
            if kind is _Kind.DEPARTURE:
                lent[number] = True
                if not early:
                    for slot in hop.source:
                        loans.setdefault(slot, []).append(_Loan(number, hop.dst, step))
            elif kind is not _Kind.SNAPSHOT:
                known = self._known[id(hop)]
                for slot in hop.target:
                    for loan in loans.pop(slot, ()):
                        lent[loan.operation] &= known[loan.dst] >= loan.step
        return lent
