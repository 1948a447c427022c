"""Timeline of a run: what its time went into, and how pairs fared on each link."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from qring.network.inventory.fates import Counts

__all__ = ["Activity", "Span", "Timeline", "Use"]


class Activity(str, Enum):
    """Activity that passes the time.

    ``COMPUTE``: before a collective. ``WAIT``: for pairs. ``SEND``: qubits leave. ``TRAVEL``: the
    last of them, or the last bit, is under way. ``RESEND``: answers to lost frames, and what is
    sent again travels. ``CLASSICAL``: bits leave.
    """

    COMPUTE = "compute"
    WAIT = "wait for pairs"
    SEND = "send"
    TRAVEL = "travel"
    RESEND = "retransmit"
    CLASSICAL = "classical"


class Span(NamedTuple):
    """One activity from ``start_s`` to ``end_s``, on the link src → dst (-1: on all workers)."""

    activity: Activity
    start_s: float
    end_s: float
    src: int = -1
    dst: int = -1
    round: int = 0


class Use(NamedTuple):
    """Pairs that one message took: how many were held before, and mean age and fidelity at use."""

    time_s: float
    src: int
    dst: int
    pairs: int
    held: int
    mean_age_s: float
    mean_fidelity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Time of a run, exactly once: ``critical`` spans follow one another without gaps.

    In a round hops go side by side, and the longest is critical; ``hops`` holds all of them.
    ``uses`` tells of the pairs, ``counts`` their fates over all links.
    """

    critical: tuple[Span, ...] = ()
    hops: tuple[Span, ...] = ()
    uses: tuple[Use, ...] = ()
    counts: Counts = Counts()  # noqa: RUF009 - a frozen value

    @property
    def total_s(self) -> float:
        """From the first moment to the last."""
        return self.critical[-1].end_s - self.critical[0].start_s if self.critical else 0.0

    @property
    def totals_s(self) -> dict[Activity, float]:
        """Seconds by activity; they add up to :attr:`total_s`."""
        found = dict.fromkeys(Activity, 0.0)
        for span in self.critical:
            found[span.activity] += span.end_s - span.start_s
        return found

    @property
    def mean_fidelity(self) -> float:
        """Of all pairs as they were used; 1 if none was."""
        pairs = sum(use.pairs for use in self.uses)
        return sum(use.pairs * use.mean_fidelity for use in self.uses) / pairs if pairs else 1.0

    @property
    def mean_age_s(self) -> float:
        """Of all pairs as they were used; 0 if none was."""
        pairs = sum(use.pairs for use in self.uses)
        return sum(use.pairs * use.mean_age_s for use in self.uses) / pairs if pairs else 0.0

    def __str__(self) -> str:
        parts = ", ".join(f"{a.value} {s:.3g} s" for a, s in self.totals_s.items() if s > 0)
        return f"{self.total_s:.4g} s on the virtual clock: {parts or 'nothing takes time'}"

    def as_dict(self) -> dict[str, Any]:
        """Sums as plain values, ready for JSON."""
        return {
            "total_s": self.total_s,
            "totals_s": {activity.value: s for activity, s in self.totals_s.items()},
            "mean_fidelity": self.mean_fidelity,
            "mean_age_s": self.mean_age_s,
            "pairs": {name: getattr(self.counts, name) for name in Counts.__slots__},
        }

    def chrome_trace(self) -> str:
        """JSON in Chrome's trace format, which Perfetto opens: a track a sender, times in µs."""
        events: list[dict[str, Any]] = [
            {"ph": "M", "name": "process_name", "pid": 0, "args": {"name": "critical path"}},
            {"ph": "M", "name": "process_name", "pid": 1, "args": {"name": "links"}},
        ]
        events += [_event(span, 0, 0) for span in self.critical]
        events += [_event(span, 1, span.src) for span in self.hops]
        for use in self.uses:
            events.append({
                "ph": "C", "name": f"pairs held {use.src}→{use.dst}", "pid": 1,
                "ts": use.time_s * 1e6, "args": {"pairs": use.held},
            })  # fmt: skip
        return json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}, ensure_ascii=False)


def _event(span: Span, process: int, thread: int) -> dict[str, Any]:
    return {
        "ph": "X", "name": span.activity.value, "cat": "qring", "pid": process, "tid": thread,
        "ts": span.start_s * 1e6, "dur": (span.end_s - span.start_s) * 1e6,
        "args": {"src": span.src, "dst": span.dst, "round": span.round},
    }  # fmt: skip
