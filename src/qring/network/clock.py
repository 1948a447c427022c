"""Clock of a run: simulated time, moved on by computing and by the rounds of the online phase."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qring.errors import InputError
from qring.network.inventory.fates import Counts
from qring.network.timeline import Activity, Span, Timeline, Use

__all__ = ["Clock"]


class Clock:
    """Simulated seconds since a run began; links that take no time leave it at 0.

    Within a round hops happen at once, so a round lasts as long as its longest hop.
    """

    __slots__ = ("_critical", "_hops", "_longest", "_mine", "_round", "_spans", "now_s", "uses")

    def __init__(self) -> None:
        self.now_s, self._round = 0.0, 0
        self._longest: tuple[float, list[Span]] = (0.0, [])
        self._critical: list[Span] = []
        self._spans: list[Span] = []
        self._hops: dict[tuple[int, int], float] = {}  # end of the last message of this round
        self._mine: dict[tuple[int, int], list[Span]] = {}
        self.uses: list[Use] = []

    def compute(self, seconds: float) -> None:
        """Let all workers compute for so long before the next round.

        Raises:
            InputError: a negative time: the clock would run backwards.
        """
        if not 0 <= seconds < math.inf:
            raise InputError(f"computing takes 0 s or more, not {seconds}: the clock runs forward")
        if seconds:
            self._critical.append(Span(Activity.COMPUTE, self.now_s, self.now_s + seconds))
            self.now_s += seconds

    def ready(self, src: int, dst: int) -> float:
        """Time at which a link can begin a message: now, or after another one of this round."""
        return self._hops.get((src, dst), self.now_s)

    def hop(self, src: int, dst: int, parts: Sequence[tuple[Activity, float]]) -> None:
        """Note what a message of the round under way takes, part by part."""
        time = self.ready(src, dst)
        spans = []
        for activity, seconds in parts:
            if seconds > 0:
                spans.append(Span(activity, time, time + seconds, src, dst, self._round))
                time += seconds
        self._spans += spans
        self._hops[src, dst] = time
        mine = self._mine.setdefault((src, dst), [])
        mine += spans
        if time - self.now_s > self._longest[0]:
            self._longest = (time - self.now_s, mine)

    def end_rounds(self, count: int = 1) -> None:
        """End ``count`` rounds, each as long as the longest hop noted since the last one."""
        longest, spans = self._longest
        for _ in range(count if longest else 0):
            shift = self.now_s - spans[0].start_s
            self._critical += [
                s._replace(start_s=s.start_s + shift, end_s=s.end_s + shift) for s in spans
            ]
            self.now_s += longest
        self._round += count
        self._longest = (0.0, [])
        self._hops.clear()
        self._mine.clear()

    def timeline(self, counts: Counts) -> Timeline:
        """Timeline so far, frozen; ``counts`` are fates of pairs over all links."""
        return Timeline(
            critical=tuple(self._critical), hops=tuple(self._spans), uses=tuple(self.uses),
            counts=counts,
        )  # fmt: skip
