"""Ties between coordinates: a client's private pairs, or groups of more than two."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qring.errors import InputError

__all__ = ["AffinePairs", "Groups", "Matching", "Pairs", "RandomPairs", "as_ties"]


class Matching(Protocol):
    """Disjoint pairs among ``coords`` coordinates."""

    @property
    def coords(self) -> int:
        """Coordinates there are, tied or not."""

    @property
    def tied(self) -> int:
        """Coordinates in some pair."""

    def partner(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """The coordinates they are paired with, or −1; shape of ``indices``."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs in a list; ``partners`` has shape (d,), −1 where a coordinate is free.

    They are int32 where that is enough: half the memory to read, and most of a sample's cost.
    """

    partners: NDArray[Any]
    tied: int

    @property
    def coords(self) -> int:
        """Coordinates there are, tied or not."""
        return len(self.partners)

    def partner(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """The coordinates they are paired with, or −1."""
        found: NDArray[Any] = self.partners.take(indices)
        return found

    @classmethod
    def of(cls, pairs: ArrayLike, coords: int) -> Pairs:
        """Read an integer array of shape (M, 2).

        Raises:
            InputError: another shape, indices out of range, or a coordinate in two pairs.
        """
        array = _integers(pairs, "a matching").astype(np.int64)
        if array.ndim != 2 or array.shape[1] != 2 or not len(array):
            raise InputError(f"pairs must have shape (M, 2) with M at least 1, not {array.shape}")
        outside = array[(array < 0) | (array >= coords)]
        if len(outside):
            raise InputError(
                f"a pair names coordinate {outside[0]}, but coordinates run from 0 to {coords - 1}"
            )
        seen = np.bincount(array.ravel(), minlength=coords)
        if seen.max() > 1:
            raise InputError(
                f"coordinate {int(seen.argmax())} appears {int(seen.max())} times; pairs must not "
                "overlap (larger ties are given as one group label a coordinate)"
            )
        kind = np.int32 if coords <= np.iinfo(np.int32).max else np.int64
        partners = np.full(coords, -1, kind)
        partners[array[:, 0]] = array[:, 1]
        partners[array[:, 1]] = array[:, 0]
        return cls(partners, 2 * len(array))


@dataclass(frozen=True, slots=True, kw_only=True)
class AffinePairs:
    """A perfect matching by rule, of any size: (a·2t + b, a·(2t+1) + b) mod d, t = 0..d/2−1.

    ``coords`` is even, ``multiplier`` a has no common divisor with it.
    """

    coords: int
    multiplier: int = 1
    offset: int = 0

    def __post_init__(self) -> None:
        if self.coords < 2 or self.coords % 2 or self.coords > 3_000_000_000:
            raise InputError(
                f"a perfect matching by rule needs an even number of coordinates up to 3e9, "
                f"not {self.coords}"
            )
        if math.gcd(self.multiplier, self.coords) != 1:
            raise InputError(
                f"multiplier {self.multiplier} shares a divisor with {self.coords} coordinates"
            )

    @property
    def tied(self) -> int:
        """All of them."""
        return self.coords

    def partner(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """The coordinates they are paired with."""
        d, inverse = self.coords, pow(self.multiplier, -1, self.coords)
        places = (indices - self.offset % d) % d * inverse % d
        back: NDArray[np.int64] = ((places ^ 1) * (self.multiplier % d) + self.offset % d) % d
        return back


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Ties of two or more coordinates, in a list of members cut at ``starts``.

    ``labels`` has shape (d,); group k has the label ``names[k]``, which ascend, and the members
    ``members[starts[k]:starts[k+1]]``. Coordinates with other labels are free.
    """

    labels: NDArray[Any]
    names: NDArray[np.int64]
    members: NDArray[np.int64]
    starts: NDArray[np.int64]

    @property
    def coords(self) -> int:
        """Coordinates there are, tied or not."""
        return len(self.labels)

    @property
    def tied(self) -> int:
        """Coordinates in some group."""
        return len(self.members)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Members of each group."""
        return np.diff(self.starts)

    def of_coordinate(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """The groups of coordinates, −1 where they are free; shape of ``indices``."""
        labels = self.labels.take(indices)
        group = np.minimum(np.searchsorted(self.names, labels), len(self.names) - 1)
        return np.where(self.names[group] == labels, group, -1)

    @classmethod
    def of(cls, labels: ArrayLike) -> Groups:
        """Read one integer label a coordinate, shape (d,): equal labels are tied, −1 is free.

        Labels of 8 or 16 bits are sorted in a time that is linear in d.

        Raises:
            InputError: another shape, labels below −1, or no two coordinates tied.
        """
        array = _integers(labels, "group labels")
        if array.ndim != 1 or not len(array):
            raise InputError(f"group labels must have shape (d,), not {array.shape}")
        lowest = int(array.min())
        if lowest < -1:
            raise InputError(f"group labels are -1 (free) or more, not {lowest}")
        order = np.argsort(array, kind="stable")
        names, counts = _counted(array, order)
        tied = (counts > 1) & (names >= 0)  # a group of one is free
        if not tied.any():
            raise InputError("no two coordinates share a label; nothing is tied")
        members = order if tied.all() else order[np.repeat(tied, counts)]
        return cls(array, names[tied], members, np.concatenate([[0], np.cumsum(counts[tied])]))


class RandomPairs:
    """A uniformly random matching within groups, of which only what is asked for is drawn.

    One member of a group of odd size stays free. Pairs once told stay as they are, so the law is
    that of a matching drawn whole; an audit of a hundred copies asks for a hundred pairs.
    """

    __slots__ = ("_groups", "_partners", "_rng", "_widowed", "tied")

    def __init__(self, groups: Groups, rng: np.random.Generator) -> None:
        self._groups, self._rng = groups, rng
        self._partners: dict[int, int] = {}
        self._widowed: set[int] = set()  # groups of odd size whose free member is known
        self.tied = int((groups.sizes // 2 * 2).sum())

    @property
    def coords(self) -> int:
        """Coordinates there are, tied or not."""
        return self._groups.coords

    def partner(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """The coordinates they are paired with, or −1; shape of ``indices``."""
        groups = self._groups.of_coordinate(indices)
        pairs = zip(indices.tolist(), groups.tolist(), strict=True)
        return np.array([-1 if k < 0 else self._of(i, k) for i, k in pairs], np.int64)

    def _of(self, coordinate: int, group: int) -> int:
        if coordinate in self._partners:
            return self._partners[coordinate]
        first, end = self._groups.starts[group : group + 2].tolist()
        places = end - first + (end - first) % 2  # to be paired with the last place is to be free
        while True:
            drawn = first + int(self._rng.random() * places)
            if drawn == end:
                if group not in self._widowed:
                    self._widowed.add(group)
                    self._partners[coordinate] = -1
                    return -1
                continue
            other = int(self._groups.members[drawn])
            if other != coordinate and other not in self._partners:
                self._partners[coordinate], self._partners[other] = other, coordinate
                return other


def as_ties(ties: ArrayLike | Matching | Groups, coords: int) -> Matching | Groups:
    """Pairs from an (M, 2) array, groups from (d,) labels; checked against ``coords``.

    Raises:
        InputError: not integers, neither shape, or another number of coordinates.
    """
    read: Matching | Groups
    if isinstance(ties, Pairs | AffinePairs | RandomPairs | Groups):
        read = ties
    else:
        array = np.asarray(ties)
        read = Pairs.of(array, coords) if array.ndim == 2 else Groups.of(array)
    if read.coords != coords:
        raise InputError(
            f"ties are given for {read.coords} coordinates, but there are {coords} signs"
        )
    if isinstance(read, Groups) and (read.sizes == 2).all():
        return Pairs.of(read.members.reshape(-1, 2), coords)
    return read


def _counted(
    array: NDArray[Any], order: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each label that occurs, ascending, and how often."""
    if array.dtype.itemsize <= 2:
        counts = np.bincount(array.astype(np.int64) + 1)  # −1 is the least
        names = np.flatnonzero(counts)
        return names - 1, counts[names]
    ordered = array[order].astype(np.int64)
    starts = np.concatenate([[0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1])
    return ordered[starts], np.diff(np.append(starts, len(ordered)))


def _integers(values: ArrayLike, what: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.asarray(values)
    except ValueError:
        raise InputError(
            f"{what} must be an array of integers; its rows differ in length"
        ) from None
    if array.dtype.kind not in "iu":
        raise InputError(f"{what} must hold integers, not {array.dtype.name}")
    return array
