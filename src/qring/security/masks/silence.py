"""Workers that fall silent in the middle of a ring, as a scenario."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from qring.collectives.aggregate import Progress
from qring.network.links import Link
from qring.network.run import Run

__all__ = ["Silence", "SilentError"]


class SilentError(Exception):
    """A message that was due did not come."""


class Silence:
    """Links whose senders are silent from some round on, as ``dropouts`` says: worker → round.

    The others send what is due in that round too; at its end they know who is ``lost``.
    """

    __slots__ = ("_dropouts", "lost")

    def __init__(self, dropouts: Mapping[int, int]) -> None:
        self._dropouts = dropouts
        self.lost: tuple[int, ...] = ()

    def over(self, kind: Callable[[Run, int, int], Link]) -> Callable[[Run, int, int], Link]:
        """Links of this ``kind`` on which silent senders send nothing."""
        if not self._dropouts:
            return kind

        def interrupted(run: Run, src: int, dst: int) -> Link:
            return _Interrupted(kind(run, src, dst), lambda: src in self._silent(run.rounds))

        return interrupted

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


class _Interrupted:
    """A link on which nothing is sent while its sender is ``silent``."""

    __slots__ = ("_link", "_silent")

    def __init__(self, link: Link, silent: Callable[[], bool]) -> None:
        self._link, self._silent = link, silent

    def carry(self, message: NDArray[np.uint8], bits: int) -> None:
        """Charge and transmit, unless the sender is silent."""
        if not self._silent():
            self._link.carry(message, bits)

    def charge(self, bits: int) -> None:
        """Charge, unless the sender is silent."""
        if not self._silent():
            self._link.charge(bits)

    def transmit(self, message: NDArray[np.uint8], bits: int) -> None:
        """Transmit, unless the sender is silent."""
        if not self._silent():
            self._link.transmit(message, bits)
