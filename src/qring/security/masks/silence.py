"""Workers that fall silent in the middle of a ring, as a scenario."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from qring.collectives.aggregate import Progress
from qring.ledger import Meter
from qring.network.links import Link

__all__ = ["Silence", "SilentError"]


class SilentError(Exception):
    """A message that was due did not come."""


class Silence:
    """Links whose senders are silent from some round on, as ``dropouts`` says: worker → round.

    The others send what is due in that round too; at its end they know who is ``lost``.
    """

    __slots__ = ("_dropouts", "_meter", "lost")

    def __init__(self, dropouts: Mapping[int, int], meter: Meter) -> None:
        self._dropouts, self._meter = dropouts, meter
        self.lost: tuple[int, ...] = ()

    def over(self, open_link: Callable[[int, int], Link]) -> Callable[[int, int], Link]:
        """Open links, but not those of silent senders."""

        def link(src: int, dst: int) -> Link:
            silent = src in self._silent(self._meter.rounds)
            return _Nothing() if silent else open_link(src, dst)

        return link

    def noticed_by(self, progress: Progress) -> Progress:
        """Show progress, and raise at the end of a round in which somebody was silent."""

        def after(done: int, total: int) -> None:
            self.lost = self._silent(done - 1)
            if self.lost:
                raise SilentError
            progress(done, total)

        return after

    def _silent(self, during: int) -> tuple[int, ...]:
        return tuple(sorted(w for w, first in self._dropouts.items() if first <= during))


class _Nothing:
    """A link on which nothing is sent."""

    def carry(self, message: NDArray[np.uint8], bits: int) -> None:
        """Send nothing."""

    def charge(self, bits: int) -> None:
        """Charge nothing."""

    def transmit(self, message: NDArray[np.uint8], bits: int) -> None:
        """Send nothing."""
