"""Subspaces as values: dense bases, coordinates, pairs, groups, complements, blocks.

Each knows its projector P by two verbs: ``project`` gives P·v, ``energy`` gives |P·v|² without
more rounding than its structure needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qring.conflict.matching import Groups, Matching
from qring.errors import InputError
from qring.validate import check_enum, check_whole

__all__ = [
    "Blocks",
    "Complement",
    "Coordinates",
    "Dense",
    "Flipped",
    "GroupSpan",
    "PairSpan",
    "Parity",
    "Subspace",
    "check_dimension",
    "squared",
]

_RANK_TOLERANCE = 1e-8  # of the largest singular value: below it a direction counts as missing


class Subspace(Protocol):
    """A subspace of R^d with 0 < k < d."""

    @property
    def coords(self) -> int:
        """D."""

    @property
    def dimension(self) -> int:
        """K."""

    def project(self, vector: NDArray[Any]) -> NDArray[Any]:
        """P·v, shape (d,)."""

    def energy(self, vector: NDArray[Any]) -> float:
        """|P·v|²."""


def check_dimension(dimension: int, coords: int) -> None:
    """Refuse a subspace of nothing or of everything.

    Raises:
        InputError: k is 0 or at least d.
    """
    if not 0 < dimension < coords:
        raise InputError(
            f"a subspace of {dimension} of {coords} dimensions has nothing to ask: every vector "
            "lies outside, or inside; give one with 0 < k < d"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """The span of orthonormal rows, ``basis`` of shape (k, d).

    ``orthonormalised`` says that :meth:`of` was given rows that were not orthonormal.
    """

    basis: NDArray[np.floating[Any]]
    orthonormalised: bool = False

    def __post_init__(self) -> None:
        check_dimension(*self.basis.shape)

    @property
    def coords(self) -> int:
        """D."""
        return int(self.basis.shape[1])

    @property
    def dimension(self) -> int:
        """K."""
        return len(self.basis)

    def project(self, vector: NDArray[Any]) -> NDArray[Any]:
        """P·v."""
        return np.asarray(self.basis.T @ (self.basis @ vector))

    def energy(self, vector: NDArray[Any]) -> float:
        """|P·v|²."""
        return float((np.asarray(self.basis @ vector, np.float64) ** 2).sum())

    @classmethod
    def of(cls, vectors: ArrayLike) -> Dense:
        """The span of any linearly independent rows, shape (k, d); orthonormalised where needed.

        Raises:
            InputError: not (k, d) real numbers, not finite, or rows that depend on each other.
        """
        try:
            rows: NDArray[Any] = np.asarray(vectors)
        except ValueError:
            raise InputError("a basis is an array (k, d); its rows differ in length") from None
        if rows.ndim != 2 or rows.dtype.kind not in "biuf":
            raise InputError(
                f"a basis is an array (k, d) of real numbers, not {rows.dtype.name} {rows.shape}"
            )
        check_dimension(*rows.shape)
        rows = rows if rows.dtype in (np.float32, np.float64) else rows.astype(np.float64)
        bad = np.argwhere(~np.isfinite(rows))
        if len(bad):
            raise InputError(f"the basis holds {rows[tuple(bad[0])]} in row {bad[0][0]}")
        near = 1e-5 if rows.dtype == np.float32 else 1e-10
        if np.abs(rows @ rows.T - np.eye(len(rows))).max() <= near:
            return cls(rows)
        scaled = rows / np.maximum(np.abs(rows).max(axis=1, keepdims=True), 1e-300)
        left, sizes, right = np.linalg.svd(scaled, full_matrices=False)
        rank = int((sizes > _RANK_TOLERANCE * sizes[0]).sum())
        if rank < len(rows):
            raise InputError(
                f"the {len(rows)} rows of the basis span {rank} dimensions only; give independent "
                "rows"
            )
        return cls(np.asarray(left @ right), orthonormalised=True)


@dataclass(frozen=True, slots=True, eq=False)
class Coordinates:
    """The span of some coordinates, such as a pruning mask keeps: ``kept``, bool, shape (d,)."""

    kept: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.kept.ndim != 1 or self.kept.dtype != np.bool_:
            raise InputError("a mask of coordinates is a one-dimensional boolean array")
        check_dimension(self.dimension, self.coords)

    @property
    def coords(self) -> int:
        """D."""
        return len(self.kept)

    @property
    def dimension(self) -> int:
        """K."""
        return int(np.count_nonzero(self.kept))

    def project(self, vector: NDArray[Any]) -> NDArray[Any]:
        """P·v."""
        return np.where(self.kept, vector, vector.dtype.type(0))

    def energy(self, vector: NDArray[Any]) -> float:
        """|P·v|²."""
        return float((vector[self.kept].astype(np.float64) ** 2).sum())


class Parity(Enum):
    """Combination of two coordinates: (e_i − e_j)/√2, or (e_i + e_j)/√2."""

    ODD = "odd"
    EVEN = "even"


@dataclass(frozen=True, slots=True, eq=False)
class PairSpan:
    """The span of one combination of each pair: what tied coordinates differ by, or share."""

    pairs: Matching
    parity: Parity = Parity.ODD

    def __post_init__(self) -> None:
        check_enum("parity", self.parity, Parity)
        check_dimension(self.dimension, self.coords)

    @property
    def coords(self) -> int:
        """D."""
        return self.pairs.coords

    @property
    def dimension(self) -> int:
        """k, the number of pairs."""
        return self.pairs.tied // 2

    def project(self, vector: NDArray[Any]) -> NDArray[Any]:
        """P·v."""
        partner = self.pairs.partner(np.arange(self.coords))
        sign = -1 if self.parity is Parity.ODD else 1
        half = (vector + sign * vector[np.maximum(partner, 0)]) / 2
        return np.where(partner >= 0, half, 0)

    def energy(self, vector: NDArray[Any]) -> float:
        """|P·v|²; of signs an integer, without rounding."""
        total, block = 0.0, 1 << 20
        for start in range(0, self.coords, block):
            index = np.arange(start, min(self.coords, start + block))
            partner = self.pairs.partner(index)
            first = index < partner
            a = vector[index[first]].astype(np.float64)
            b = vector[partner[first]].astype(np.float64)
            whole = a - b if self.parity is Parity.ODD else a + b
            total += float(whole @ whole) / 2
        return total


@dataclass(frozen=True, slots=True, eq=False)
class GroupSpan:
    """The span of the groups' constant vectors, and of every other coordinate if ``free``.

    Updates that leave a client's ties intact; groups are of two or more coordinates.
    """

    groups: Groups
    free: bool = False

    def __post_init__(self) -> None:
        check_dimension(self.dimension, self.coords)

    @property
    def coords(self) -> int:
        """D."""
        return self.groups.coords

    @property
    def dimension(self) -> int:
        """k, the number of groups, and of coordinates in none if they are free."""
        loose = self.coords - self.groups.tied if self.free else 0
        return len(self.groups.sizes) + loose

    def _sums(self, vector: NDArray[Any]) -> NDArray[np.float64]:
        members = vector[self.groups.members].astype(np.float64)
        return np.asarray(np.add.reduceat(members, self.groups.starts[:-1]))

    def project(self, vector: NDArray[Any]) -> NDArray[Any]:
        """P·v."""
        found = vector.astype(np.float64) if self.free else np.zeros(self.coords, np.float64)
        means = self._sums(vector) / self.groups.sizes
        found[self.groups.members] = np.repeat(means, self.groups.sizes)
        return found

    def energy(self, vector: NDArray[Any]) -> float:
        """|P·v|²."""
        tied = float((self._sums(vector) ** 2 / self.groups.sizes).sum())
        if not self.free:
            return tied
        members = vector[self.groups.members].astype(np.float64)
        return tied + squared(vector) - float(members @ members)


@dataclass(frozen=True, slots=True, eq=False)
class Flipped:
    """A subspace seen through flips of sign: ties of θ_i to −θ_j; ``flipped``, bool, shape (d,)."""

    of: Subspace
    flipped: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.flipped.shape != (self.of.coords,) or self.flipped.dtype != np.bool_:
            raise InputError(f"flips are a boolean array of {self.of.coords} coordinates")

    @property
    def coords(self) -> int:
        """D."""
        return self.of.coords

    @property
    def dimension(self) -> int:
        """K."""
        return self.of.dimension

    def _turned(self, vector: NDArray[Any]) -> NDArray[Any]:
        return np.where(self.flipped, -vector, vector)

    def project(self, vector: NDArray[Any]) -> NDArray[Any]:
        """P·v."""
        return self._turned(self.of.project(self._turned(vector)))

    def energy(self, vector: NDArray[Any]) -> float:
        """|P·v|²."""
        return self.of.energy(self._turned(vector))


@dataclass(frozen=True, slots=True, eq=False)
class Complement:
    """All that is orthogonal to a subspace."""

    of: Subspace

    @property
    def coords(self) -> int:
        """D."""
        return self.of.coords

    @property
    def dimension(self) -> int:
        """D − k."""
        return self.of.coords - self.of.dimension

    def project(self, vector: NDArray[Any]) -> NDArray[Any]:
        """(1 − P)·v."""
        return np.asarray(vector - self.of.project(vector))

    def energy(self, vector: NDArray[Any]) -> float:
        """|v|² − |P·v|²."""
        return squared(vector) - self.of.energy(vector)


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """A subspace of each of several consecutive layers, block-diagonal over them.

    ``parts`` are (length, subspace) in order; None in place of a subspace is the zero space.
    """

    parts: tuple[tuple[int, Subspace | None], ...]

    def __post_init__(self) -> None:
        for length, part in self.parts:
            check_whole("the length of a layer", length, least=1)
            if part is not None and part.coords != length:
                raise InputError(
                    f"a layer of {length} coordinates has a subspace of {part.coords} coordinates"
                )
        check_dimension(self.dimension, self.coords)

    @property
    def coords(self) -> int:
        """D."""
        return sum(length for length, _ in self.parts)

    @property
    def dimension(self) -> int:
        """k, added over the layers."""
        return sum(part.dimension for _, part in self.parts if part is not None)

    def _cut(self, vector: NDArray[Any]) -> list[NDArray[Any]]:
        return np.split(vector, np.cumsum([length for length, _ in self.parts])[:-1])

    def project(self, vector: NDArray[Any]) -> NDArray[Any]:
        """P·v."""
        layers = zip(self._cut(vector), self.parts, strict=True)
        return np.concatenate(
            [np.zeros_like(v) if part is None else part.project(v) for v, (_, part) in layers]
        )

    def energy(self, vector: NDArray[Any]) -> float:
        """|P·v|²."""
        layers = zip(self._cut(vector), self.parts, strict=True)
        return sum(part.energy(v) for v, (_, part) in layers if part is not None)


def squared(vector: NDArray[Any]) -> float:
    """|v|², blocks summed in the vector's type and their sums in float64."""
    block = 1 << 18
    return sum(
        float(np.dot(vector[start : start + block], vector[start : start + block]))
        for start in range(0, len(vector), block)
    )
