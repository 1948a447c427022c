"""Races: two thread blocks of a GPU that touch one slot while nothing says which comes first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError

__all__ = ["Clocks"]

Clock = NDArray[np.int32]


@dataclass(slots=True)
class _Touched:
    """Last writer of a slot, and its readers since: (thread, its steps done by then)."""

    written: tuple[int, int] | None = None
    read: list[tuple[int, int]] = field(default_factory=list)


class Clocks:
    """Vector clock of every thread: for each thread, how many of its steps have happened.

    ``names[t]`` says in words which thread is number t; ``kept`` are the (thread, step) that others
    wait for. Source: Mattern, Virtual time and global states of distributed systems (1989).
    """

    def __init__(self, names: Sequence[str], kept: Iterable[tuple[int, int]]) -> None:
        self._names = names
        self._now = np.zeros((len(names), len(names)), np.int32)
        self._kept: dict[tuple[int, int], Clock | None] = dict.fromkeys(kept)
        self._touched: dict[tuple[int, int], _Touched] = {}

    def now(self, thread: int) -> Clock:
        """A copy of what a thread knows now."""
        clock: Clock = self._now[thread].copy()
        return clock

    def learn(self, thread: int, clock: Clock) -> None:
        """A thread has received a message that was sent knowing ``clock``."""
        np.maximum(self._now[thread], clock, out=self._now[thread])

    def wait_for(self, thread: int, other: int, step: int) -> None:
        """A thread has waited until another had done a step."""
        found = self._kept.get((other, step))
        if found is not None:
            self.learn(thread, found)

    def done(self, thread: int, step: int) -> None:
        """A thread has done a step."""
        self._now[thread, thread] = step + 1
        if (thread, step) in self._kept:
            self._kept[thread, step] = self.now(thread)

    def read(self, thread: int, step: int, gpu: int, slots: Iterable[int]) -> None:
        """A thread reads slots.

        Raises:
            InputError: another thread has written to one, and this one did not wait for that.
        """
        for slot in slots:
            touched = self._touched.setdefault((gpu, slot), _Touched())
            self._check(thread, step, slot, touched.written)
            touched.read.append((thread, step))

    def write(self, thread: int, step: int, gpu: int, slots: Iterable[int]) -> None:
        """A thread writes to slots.

        Raises:
            InputError: another thread has read or written one, and this one did not wait for that.
        """
        for slot in slots:
            touched = self._touched.setdefault((gpu, slot), _Touched())
            for other in (touched.written, *touched.read):
                self._check(thread, step, slot, other)
            touched.written, touched.read = (thread, step), []

    def _check(self, thread: int, step: int, slot: int, other: tuple[int, int] | None) -> None:
        if other is None or other[0] == thread or self._now[thread, other[0]] > other[1]:
            return
        raise InputError(
            f"{self._names[other[0]]}, step {other[1]}, and {self._names[thread]}, step {step}, "
            f"use the same chunk (slot {slot}), and nothing says which of them comes first: a "
            "dependency is missing"
        )
