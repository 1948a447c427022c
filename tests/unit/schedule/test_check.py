"""A schedule that is wrong is refused with the right reason."""

import sys
import time
from functools import partial
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qring.errors import InputError
from qring.schedule import ring
from qring.schedule.check import FlawKind, check, find_flaw, holdings
from qring.schedule.hops import Action, Hop
from qring.schedule.schedule import Collective, Schedule

sys.path.append(str(Path(__file__).parents[2]))  # where random_schedules.py lies
from random_schedules import all_reduces

ADD, KEEP = Action.ADD, Action.KEEP


def among(workers, *rounds, chunks=1, scratch=0, collective=Collective.ALL_REDUCE, **more):
    return Schedule(
        name="by hand",
        collective=collective,
        workers=workers,
        chunks=chunks,
        make=partial(tuple, rounds),
        scratch=scratch,
        **more,
    )


UP = (Hop(1, 0, 0, 1, ADD), Hop(2, 0, 0, 1, ADD))
DOWN = (Hop(0, 1, 0, 3, KEEP), Hop(0, 2, 0, 3, KEEP))


@pytest.mark.parametrize(
    ("schedule", "kind", "words"),
    [
        (among(3, UP), FlawKind.LOST, "contribution of worker 0 to chunk 0 is lost: it never"),
        (among(3, UP[:1], DOWN), FlawKind.TOO_EARLY, "as a sum of 3, but it holds .* of 2"),
        (among(3, UP, (Hop(1, 0, 0, 1, ADD),), DOWN), FlawKind.DOUBLED, "worker 1 to chunk 0 is"),
        (among(3, UP, (DOWN[0],)), FlawKind.LOST, "never reaches worker 2"),
        (
            among(3, (UP[0],), (Hop(0, 1, 0, 2, KEEP),), (UP[1],), (DOWN[1],)),
            FlawKind.TOO_EARLY,
            "contribution of worker 2 to chunk 0: in round 1 worker 0 sends the chunk too early to "
            "worker 1, since that contribution reaches it in round 2",
        ),
        (among(3, UP, (Hop(0, 3, 0, 3, KEEP),)), FlawKind.MISPLACED, "worker 3 is not one of"),
        (among(3, UP, (Hop(0, 1, 1, 3, KEEP),)), FlawKind.MISPLACED, "chunk 1 is not one of 0..0"),
        (among(3, (Hop(0, 0, 0, 1, ADD),)), FlawKind.MISPLACED, "sends chunk 0 to itself"),
        (among(2, (Hop(0, 1, 0, 1, KEEP, 0),)), FlawKind.MISPLACED, "a message of 0 chunks"),
        (
            among(2, (Hop(0, 1, 0, 1, KEEP, 1, 1),), scratch=1),
            FlawKind.UNREAD,
            "sends chunk 0 to worker 1 before it has it",
        ),
        (
            among(2, (Hop(0, 1, 0, 1, ADD, 1, None, 1),), scratch=1),
            FlawKind.UNREAD,
            "adds to slot 1, which holds nothing yet",
        ),
        (
            among(2, (Hop(0, 1, 0, 1, ADD), Hop(0, 1, 0, 1, KEEP))),
            FlawKind.MIXED,
            "is written, and overwritten",
        ),
        (among(2, (Hop(0, 1, 0, 1, KEEP, 1, 5),)), FlawKind.MISPLACED, "slot 5 is not one of"),
        (
            among(2, (Hop(0, 1, 0, 1, KEEP, 1, None, 1),), chunks=2),
            FlawKind.MISPLACED,
            "chunk 0 lies in the slot of chunk 1",
        ),
        (
            among(2, (Hop(1, 0, 0, 1, KEEP),), collective=Collective.BROADCAST),
            FlawKind.UNREAD,
            "before it has it",
        ),
    ],
)
def test_what_is_wrong_is_said(schedule, kind, words):
    flaw = find_flaw(schedule)
    assert flaw is not None
    assert flaw.kind is kind
    with pytest.raises(InputError, match=words):
        check(schedule)


@given(all_reduces(), st.data())
def test_a_random_schedule_without_one_of_its_messages_is_refused(schedule, data):
    rounds = list(schedule.rounds)
    hops = [(t, k) for t, r in enumerate(rounds) for k in range(len(r))]
    assume(hops)
    t, k = data.draw(st.sampled_from(hops))
    rounds[t] = rounds[t][:k] + rounds[t][k + 1 :]
    # A message that is overwritten before it is read may be missed by nobody: what an exchange
    # leaves at a worker that is reached again later.
    flaw = find_flaw(among(schedule.workers, *rounds, chunks=schedule.chunks,
                           scratch=schedule.scratch))  # fmt: skip
    if flaw is None:
        assert _is_useless(schedule, t, k)
    else:
        assert flaw.kind in (FlawKind.LOST, FlawKind.TOO_EARLY, FlawKind.UNREAD)


def _is_useless(schedule, t, k):
    """Whether what a message leaves at its receiver is overwritten before anybody reads it."""
    rounds = list(schedule.rounds)
    hop = rounds[t][k]
    for slot in hop.target:
        for later in rounds[t + 1 :]:
            if any(h.src == hop.dst and slot in h.source for h in later):
                return False
            if any(h.dst == hop.dst and slot in h.target and h.action is KEEP for h in later):
                break
        else:
            return False
    return True


@given(all_reduces(), st.data())
def test_a_contribution_sent_twice_is_refused(schedule, data):
    rounds = list(schedule.rounds)
    adds = [(t, h) for t, r in enumerate(rounds) for h in r if h.action is ADD and h.src != h.dst]
    assume(adds)
    t, hop = data.draw(st.sampled_from(adds))
    rounds[t] = (*rounds[t], hop)
    flaw = find_flaw(among(schedule.workers, *rounds, chunks=schedule.chunks,
                           scratch=schedule.scratch))  # fmt: skip
    assert flaw is not None
    assert flaw.kind is FlawKind.DOUBLED


def test_holdings_name_the_contributions():
    found = holdings(among(3, UP))
    assert found == [{0: frozenset({0, 1, 2})}, {0: frozenset({1})}, {0: frozenset({2})}]
    with pytest.raises(InputError, match="added twice"):
        holdings(among(3, UP, UP))


def test_a_ring_of_256_workers_is_checked_in_time():
    start = time.perf_counter()
    check(ring.schedule(Collective.ALL_REDUCE, 256))
    assert time.perf_counter() - start < 60  # seconds; about one on an idle machine


@pytest.mark.parametrize(
    "broken",
    [
        lambda: among(0),
        lambda: among(2, chunks=0),
        lambda: among(2, root=2),
        lambda: among(2, collective=Collective.ALL_GATHER),
        lambda: among(2, collective=Collective.ALL_GATHER, owners=(2,)),
        lambda: among(2, collective=Collective.ALL_TO_ALL),
    ],
)
def test_sizes_that_do_not_fit_are_refused(broken):
    with pytest.raises(InputError):
        broken()
