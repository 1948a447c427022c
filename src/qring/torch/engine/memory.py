"""The memory of one rank during a collective: what it brings, takes home, and works in."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch

from qring.torch.engine.plan import Place, Plan, Run, Runs

__all__ = ["Cargo", "Memory"]

Pieces = Sequence[torch.Tensor]
"""Flat tensors whose values follow one another in a message."""


class Cargo(NamedTuple):
    """The flat tensors of one rank, by chunk: what it brings and what it takes home.

    ``lengths`` are in elements, for all chunks that the rank sends or receives. ``in_place`` says
    that what it brings may be overwritten as soon as it has been used. Where all chunks lie one
    after another in one tensor, brought and taken, that is ``whole``.
    """

    lengths: Mapping[int, int]
    brings: Mapping[int, torch.Tensor]
    takes: Mapping[int, torch.Tensor]
    in_place: bool = False
    whole: torch.Tensor | None = None


class Memory:
    """Finds the values of runs of slots, a window of every chunk at a time.

    ``window`` is in elements.
    """

    __slots__ = ("_dtype", "_lengths", "_offsets", "_snapshots", "_stores", "_whole", "_window",
                 "windows")  # fmt: skip

    def __init__(self, cargo: Cargo, plan: Plan, window: int, dtype: torch.dtype) -> None:
        self._lengths, self._window, self._dtype = cargo.lengths, window, dtype
        longest = max(cargo.lengths.values(), default=0)
        self.windows = -(-longest // window) if longest else 1
        work: Mapping[int, torch.Tensor] = {}
        if plan.work:
            work = {
                slot: torch.empty(max(cargo.lengths[chunk] for chunk in chunks), dtype=dtype)
                for slot, chunks in plan.work.items()
            }
        self._stores = (cargo.brings, cargo.takes, work)
        self._snapshots: dict[tuple[int, int], Pieces] = {}
        self._whole = cargo.whole if plan.widest > 1 and self.windows == 1 else None
        self._offsets: Sequence[int] = ()
        if self._whole is not None:
            self._offsets = _offsets(tuple(cargo.lengths.values()))

    def elements(self, chunks: range, number: int) -> int:
        """Number of elements of chunks in window ``number``; −1 if it is left out.

        A message of nothing is sent only in the first window.
        """
        lengths = self._lengths
        if self.windows == 1:
            if len(chunks) == 1:
                return lengths[chunks[0]]
            return sum([lengths[chunk] for chunk in chunks])
        start, window, found = number * self._window, self._window, 0
        for chunk in chunks:
            length = lengths[chunk] - start
            found += window if length > window else max(length, 0)
        return -1 if found <= 0 < start else found

    def pieces(self, runs: Runs, number: int) -> Pieces:
        """The values in window ``number``, without empty pieces."""
        if len(runs) == 1:
            return self._run(runs[0], number)
        return [piece for run in runs for piece in self._run(run, number)]

    def snapshot(self, key: int, runs: Runs, number: int) -> None:
        """Copy values, to be found again at ``Place.SNAPSHOT``."""
        self._snapshots[number, key] = [piece.clone() for piece in self.pieces(runs, number)]

    def _run(self, run: Run, number: int) -> Pieces:
        place, first, chunk, span = run
        if place is Place.SNAPSHOT:
            return self._snapshots.pop((number, first))
        if span > 1 and self._whole is not None and place is not Place.WORK:
            start, end = self._offsets[first], self._offsets[first + span]
            return (self._whole[start:end],) if end > start else ()
        store, lengths = self._stores[place], self._lengths
        if self.windows == 1 and place is not Place.WORK:
            return [store[first + k] for k in range(span) if lengths[chunk + k]]
        found = []
        start = number * self._window
        for k in range(span):
            length = min(self._window, lengths[chunk + k] - start)
            if length > 0:
                found.append(store[first + k][start : start + length])
        return found


@functools.lru_cache(maxsize=256)
def _offsets(lengths: tuple[int, ...]) -> tuple[int, ...]:
    return (0, *itertools.accumulate(lengths))
