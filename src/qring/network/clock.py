"""Clock of a run: simulated time, moved on by the rounds of the online phase."""

from __future__ import annotations

__all__ = ["Clock"]


class Clock:
    """Simulated seconds since a run began; links that take no time leave it at 0.

    Within a round hops happen at once, so a round lasts as long as its longest hop.
    """

    __slots__ = ("_longest_s", "now_s")

    def __init__(self) -> None:
        self.now_s = self._longest_s = 0.0

    def hop(self, seconds: float) -> None:
        """Note that a hop of the round under way takes ``seconds``."""
        self._longest_s = max(self._longest_s, seconds)

    def end_rounds(self, count: int = 1) -> None:
        """End ``count`` rounds, each as long as the longest hop noted since the last one."""
        self.now_s += count * self._longest_s
        self._longest_s = 0.0
