"""Random schedules that are right, for Hypothesis: trees, exchanges, chunks that skip workers."""

from __future__ import annotations

from functools import partial

from hypothesis import strategies as st

from qring.schedule.hops import Action, Hop
from qring.schedule.schedule import Collective, Schedule


@st.composite
def all_reduces(draw, workers=None, most_chunks=4):
    """An all-reduce in which every block of chunks goes its own way."""
    n = draw(st.integers(1, 6)) if workers is None else workers
    chunks = draw(st.integers(1, most_chunks))
    timeline: dict[int, list[Hop]] = {}
    scratch, first = chunks, 0
    while first < chunks:
        span = draw(st.integers(1, chunks - first))
        moment = draw(st.integers(0, 2))
        for hops in _block(draw, n, first, span, scratch):
            timeline.setdefault(moment, []).extend(hops)
            moment += 1 + draw(st.integers(0, 1))
        scratch += span
        first += span
    rounds = [tuple(draw(st.permutations(timeline[t]))) for t in sorted(timeline)]
    return Schedule(
        name="random",
        collective=Collective.ALL_REDUCE,
        workers=n,
        chunks=chunks,
        make=partial(tuple, tuple(rounds)),
        scratch=chunks,
    )


def _block(draw, n, first, span, scratch):
    """Rounds that sum one block of chunks and spread it: lists of hops."""
    groups = [({w}, {w}) for w in range(n)]  # contributions, workers that hold their sum
    while len(groups) > 1:
        count = draw(st.integers(2, min(4, len(groups))))
        merged = [groups.pop(draw(st.integers(0, len(groups) - 1))) for _ in range(count)]
        holders = sorted(set().union(*(h for _, h in merged)))
        targets = draw(st.lists(st.sampled_from(holders), min_size=1, unique=True))
        hops, local = [], []
        for dst in targets:
            for contributions, holding in merged:
                if dst in holding:
                    continue
                src = draw(st.sampled_from(sorted(holding)))
                slots = None
                if draw(st.booleans()) and not any(hop.dst == dst for hop in local):
                    slots = scratch
                    local += _cut(
                        draw, dst, dst, first, span, len(contributions), Action.ADD, scratch, None
                    )
                action = Action.ADD if slots is None else Action.KEEP
                hops += _cut(draw, src, dst, first, span, len(contributions), action, None, slots)
        yield hops
        if local:
            yield local
        groups.append((set().union(*(c for c, _ in merged)), set(targets)))
    _, holding = groups.pop()
    missing = [w for w in draw(st.permutations(range(n))) if w not in holding]
    while missing:
        reached = missing[: draw(st.integers(1, len(missing)))]
        missing = missing[len(reached) :]
        hops = []
        for dst in reached:
            src = draw(st.sampled_from(sorted(holding)))
            hops += _cut(draw, src, dst, first, span, n, Action.KEEP, None, None)
        yield hops
        holding |= set(reached)


def _cut(draw, src, dst, first, span, summed, action, reads, writes):
    """One message for a block, or several for parts of it."""
    hops, done = [], 0
    while done < span:
        part = draw(st.integers(1, span - done))
        hops.append(
            Hop(
                src, dst, first + done, summed, action, part,
                None if reads is None else reads + done,
                None if writes is None else writes + done,
            )
        )  # fmt: skip
        done += part
    return hops
