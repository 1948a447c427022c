"""Every schedule gives the symbolic result between processes, by memory and by TCP."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from ranks import run

import qring.torch as qt
from qring.schedule import direct, ring
from qring.schedule.check import check
from qring.schedule.hops import Action, Hop
from qring.schedule.schedule import Collective, Schedule
from qring.torch.engine.compile import make_plans
from qring.torch.engine.memory import Cargo
from qring.torch.engine.node import Call

sys.path.append(str(Path(__file__).parents[1]))  # where random_schedules.py lies
from random_schedules import all_reduces

TRANSPORTS = ("memory", "tcp")
# A failure is shown as it is drawn: to shrink it would start ranks for many minutes.
FEW = settings(
    max_examples=2,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
ADD, KEEP = Action.ADD, Action.KEEP


def carried_out(rank: int, size: int, schedules: list[Schedule], elements: int) -> list[str]:
    """Names of the schedules whose result is not the symbolic one."""
    node = dist.group.WORLD._node
    wrong = []
    for number, schedule in enumerate(schedules):
        cut = [(c + 1) * elements // schedule.chunks for c in range(schedule.chunks)]
        lengths = [b - a for a, b in zip([0, *cut], cut, strict=False)]
        for in_place in (False, True):
            whole = torch.full((elements,), 16**rank, dtype=torch.int64)
            brings = dict(enumerate(whole.split(lengths)))
            takes = brings if in_place else {k: torch.full_like(v, -1) for k, v in brings.items()}
            if not in_place:
                for k, there in takes.items():  # as those who call a node do
                    if rank in schedule.takers(k) and rank in schedule.bringers(k):
                        there.copy_(brings[k])
            cargo = Cargo(
                lengths=dict(enumerate(lengths)),
                brings=brings,
                takes=takes,
                in_place=in_place and schedule.collective is Collective.ALL_REDUCE,
                whole=whole if in_place else None,
            )
            call = Call(kind="all_reduce", timeout_s=20, dtype=torch.int64, nbytes=8 * elements)
            node.run(call, make_plans(schedule)[rank], cargo, torch.add)
            for k in range(schedule.chunks):
                expected = sum(16**w for w in schedule.bringers(k))
                if rank in schedule.takers(k) and not bool((takes[k] == expected).all()):
                    held = sorted({hex(v) for v in takes[k].tolist()})[:3]
                    wrong.append(f"{number} {schedule.name} in place {in_place}: {held}")
    return wrong


def add_twice_then_send() -> Schedule:
    """A tree of five: rank 1 adds what ranks 2 and 3 send before it sends to rank 0."""
    rounds = (
        (Hop(2, 1, 0, 1, ADD),),
        (Hop(3, 1, 0, 1, ADD),),
        (Hop(1, 0, 0, 3, ADD),),
        (Hop(4, 0, 0, 1, ADD),),
        (Hop(0, 1, 0, 5, KEEP), Hop(0, 4, 0, 5, KEEP)),
        (Hop(1, 2, 0, 5, KEEP), Hop(1, 3, 0, 5, KEEP)),
    )
    return Schedule(
        name="tree of five",
        collective=Collective.ALL_REDUCE,
        workers=5,
        chunks=1,
        make=partial(tuple, rounds),
    )


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_rank_that_adds_twice_before_it_sends_loses_nothing(transport):
    schedule = add_twice_then_send()
    check(schedule)
    for elements in (3, 400_000):
        found = run(5, carried_out, [schedule], elements, options=qt.Options(transport=transport))
        assert found == [[]] * 5


KINDS = (Collective.ALL_REDUCE, Collective.REDUCE_SCATTER, Collective.ALL_GATHER,
         Collective.BROADCAST, Collective.REDUCE)  # fmt: skip
STRAIGHT = (Collective.GATHER, Collective.SCATTER, Collective.ALL_TO_ALL)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("size", [2, 5])
def test_schedules_in_the_tree_give_the_symbolic_result(size, transport):
    schedules = [ring.schedule(kind, size, root=1) for kind in KINDS]
    schedules += [direct.schedule(kind, size, root=1) for kind in STRAIGHT]
    options = qt.Options(transport=transport)
    assert run(size, carried_out, schedules, 61, options=options) == [[]] * size


@pytest.mark.parametrize("transport", TRANSPORTS)
@FEW
@given(st.lists(all_reduces(workers=5), min_size=12, max_size=14))
def test_random_schedules_give_the_symbolic_result(transport, schedules):
    options = qt.Options(transport=transport)
    assert run(5, carried_out, schedules, 13, options=options) == [[]] * 5


@pytest.mark.parametrize("transport", TRANSPORTS)
@settings(FEW, max_examples=1)
@given(st.lists(all_reduces(workers=4), min_size=3, max_size=4))
def test_random_schedules_of_long_vectors_travel_in_windows(transport, schedules):
    options = qt.Options(transport=transport)
    assert run(4, carried_out, schedules, 1_000_003, options=options) == [[]] * 4
