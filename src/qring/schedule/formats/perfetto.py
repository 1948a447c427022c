"""Schedules as Chrome traces, which Perfetto and chrome://tracing open.

Time is in rounds, a round being a millisecond on the screen: a schedule says what comes before
what, not how long it takes.
"""

from __future__ import annotations

import json
from typing import Any

from qring.schedule.chunks import even_chunks
from qring.schedule.schedule import Schedule

__all__ = ["write_perfetto"]

_ROUND_US = 1000


def write_perfetto(schedule: Schedule, coords: int) -> str:
    """The trace of a schedule on ``coords`` words: one track for each directed link.

    Source: Trace Event Format, events of types M (names) and X (complete).
    """
    lengths = [part.stop - part.start for part in even_chunks(coords, schedule.chunks)]
    events: list[dict[str, Any]] = []
    for node in range(schedule.nodes):
        name = f"worker {node}" if node < schedule.workers else f"server {node}"
        events.append({"ph": "M", "name": "process_name", "pid": node, "args": {"name": name}})
    links: set[tuple[int, int]] = set()
    for number, hops in enumerate(schedule.rounds):
        queued: dict[tuple[int, int], int] = {}
        on_link: dict[tuple[int, int], int] = {}
        for hop in hops:
            ends = hop.src, hop.dst
            on_link[ends] = on_link.get(ends, 0) + 1
        for hop in hops:
            ends = hop.src, hop.dst
            if ends not in links:
                links.add(ends)
                name = f"to {hop.dst}" if hop.src != hop.dst else "within"
                events.append({"ph": "M", "name": "thread_name", "pid": hop.src, "tid": hop.dst,
                               "args": {"name": name}})  # fmt: skip
            share = _ROUND_US // on_link[ends]
            start = number * _ROUND_US + queued.get(ends, 0) * share
            queued[ends] = queued.get(ends, 0) + 1
            last = hop.chunks[-1]
            what = f"chunk {hop.chunk}" if hop.span == 1 else f"chunks {hop.chunk}–{last}"
            events.append(
                {
                    "ph": "X",
                    "name": f"{hop.action.value} {what}",
                    "cat": hop.action.value,
                    "pid": hop.src,
                    "tid": hop.dst,
                    "ts": start,
                    "dur": share,
                    "args": {
                        "round": number,
                        "to": hop.dst,
                        "words": sum(lengths[chunk] for chunk in hop.chunks),
                        "summed": hop.summed,
                    },
                }
            )
    return json.dumps(
        {
            "traceEvents": events,
            "displayTimeUnit": "ms",
            "otherData": {"schedule": schedule.name, "unit": "1 ms = 1 round, not a time"},
        }
    )
