"""Sums in which coordinates may have different contributors, as lost workers leave them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.collectives.aggregate import Aggregate, Told
from qring.encoding.values import WordEncoding
from qring.errors import InputError

__all__ = ["Fate", "PartialAggregate", "Span", "decoded", "joined", "listed", "numbers", "told_by"]


_NAMED = 8  # spans that a message names


class Fate(Enum):
    """Fate of a coordinate.

    ``SUMMED``: its sum is in the result. ``GIVEN_UP``: it is not, and whoever listened may know
    it: never sum it again without a worker of it. ``UNTOUCHED``: it is not, and nothing that was
    sent ties the lost workers to it: it may be summed without them.
    """

    SUMMED = "summed"
    GIVEN_UP = "given up"
    UNTOUCHED = "untouched"


class Span(NamedTuple):
    """Coordinates from ``start`` to ``stop``, exclusive, over ``workers``, with one fate.

    Where noise is shared out in words, these are words: the coordinates of the rotated gradient.
    """

    start: int
    stop: int
    workers: tuple[int, ...]
    fate: Fate

    def row(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**self._asdict(), "workers": list(self.workers), "fate": self.fate.value}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PartialAggregate(Aggregate):
    """A sum of which some workers, or coordinates, may be missing, as ``spans`` say.

    ``sums`` has a row for each of ``holders``, in their order; it is 0 where there is no sum.
    """

    spans: tuple[Span, ...]
    holders: tuple[int, ...]

    @property
    def contributors(self) -> tuple[int, ...]:
        """Workers that are in the sum of every coordinate that has one."""
        summed = [set(span.workers) for span in self.spans if span.fate is Fate.SUMMED]
        return tuple(sorted(set.intersection(*summed))) if summed else ()

    @property
    def counts(self) -> NDArray[np.int64]:
        """Contributors of each coordinate, shape (coords,); 0 where there is no sum."""
        found = np.zeros(self.sums.shape[1], np.int64)
        for span in self.spans:
            if span.fate is Fate.SUMMED:
                found[span.start : span.stop] = len(span.workers)
        return found

    @property
    def is_whole(self) -> bool:
        """Whether every coordinate has a sum."""
        return all(span.fate is Fate.SUMMED for span in self.spans)

    @property
    def sum(self) -> NDArray[Any]:
        """The first holder's sum, shape (coords,).

        Raises:
            InputError: some coordinates have no sum.
        """
        if not self.is_whole:
            without = [span for span in self.spans if span.fate is not Fate.SUMMED]
            raise InputError(
                f"coordinates {listed(without)} have no sum: read sums where counts > 0, or "
                "mean_or(0.0)"
            )
        first: NDArray[Any] = self.sums[0]
        return first

    @property
    def mean(self) -> NDArray[Any]:
        """The sum over the number of contributors of each coordinate, shape (coords,).

        Raises:
            InputError: some coordinates have no sum.
        """
        mean: NDArray[Any] = self.sum / self.counts.astype(self.sums.dtype)
        return mean

    def mean_or(self, value: float) -> NDArray[Any]:
        """The mean of every coordinate that has one, ``value`` elsewhere; shape (coords,)."""
        counts = self.counts
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(counts > 0, self.sums[0] / np.maximum(counts, 1), value)

    @property
    def told(self) -> tuple[Told, ...]:
        """One sum a coordinate at most: that in the result, or one that was given up."""
        return told_by(self.spans)


def told_by(spans: Iterable[Span]) -> tuple[Told, ...]:
    """Sums that whoever listened may know."""
    return tuple(
        Told(span.start, span.stop, span.workers)
        for span in spans
        if span.fate is not Fate.UNTOUCHED
    )


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Spans in order of coordinates, without empty ones, neighbours of one kind made one."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        if span.start == span.stop:
            continue
        if found and (found[-1].stop, *found[-1][2:]) == (span.start, *span[2:]):
            found[-1] = found[-1]._replace(stop=span.stop)
        else:
            found.append(span)
    return tuple(found)


def decoded(
    encoding: WordEncoding, words: NDArray[np.uint64], spans: Iterable[Span]
) -> NDArray[Any]:
    """Decode sums of words, shape (holders, words), each with the number of workers in it.

    For encodings that do not mix coordinates, or where all spans have one number of workers.
    """
    weights = {len(span.workers) for span in spans if span.fate is Fate.SUMMED}
    whole = {weight: encoding.decode(words, weight) for weight in weights}
    if len(whole) == 1 and all(span.fate is Fate.SUMMED for span in spans):
        return whole.popitem()[1]
    found = np.zeros_like(next(iter(whole.values())))
    for start, stop, workers, fate in spans:
        if fate is Fate.SUMMED:
            found[:, start:stop] = whole[len(workers)][:, start:stop]
    return found


def numbers(spans: Iterable[Span]) -> NDArray[np.intp]:
    """The coordinates of ``spans``, in their order."""
    parts = [np.arange(span.start, span.stop) for span in spans]
    return np.concatenate(parts) if parts else np.empty(0, np.intp)


def listed(spans: Sequence[Span]) -> str:
    """Coordinates of ``spans``, such as ``0..9, 30``; of many, the first."""
    names = [
        f"{span.start:,}..{span.stop - 1:,}" if span.stop - span.start > 1 else f"{span.start:,}"
        for span in spans[:_NAMED]
    ]
    if len(spans) > _NAMED:
        more = sum(span.stop - span.start for span in spans[_NAMED:])
        names.append(f"and {more:,} more")
    return ", ".join(names)
