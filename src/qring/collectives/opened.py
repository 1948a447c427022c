"""Links of a schedule's rounds, opened once for rounds that share their ends."""

from __future__ import annotations

from qring.network.bundle import Bundle, Kind, bundle_of
from qring.network.run import Run
from qring.schedule.hops import HopArrays

__all__ = ["Opened"]


class Opened:
    """Bundles of one kind of link in a run, by the arrays of their ends."""

    __slots__ = ("_bundles", "_kind", "_run")

    def __init__(self, run: Run, kind: Kind) -> None:
        self._run, self._kind = run, kind
        self._bundles: dict[tuple[int, int], tuple[HopArrays, Bundle]] = {}

    def bundle(self, hops: HopArrays) -> Bundle:
        """The links of a round. Arrays are known again by identity, not by what they hold."""
        key = id(hops.src), id(hops.dst)
        found = self._bundles.get(key)
        if found is None:  # kept with its arrays, so that no others get their identity
            bundle = bundle_of(self._kind, self._run, hops.src, hops.dst)
            found = self._bundles[key] = hops, bundle
        return found[1]
