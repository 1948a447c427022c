"""Signs of a gradient: an array, packed bits, or a rule that makes them up on demand."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qring.errors import InputError

__all__ = [
    "ArraySigns",
    "HashedSigns",
    "PackedSigns",
    "RelativeSigns",
    "Signs",
    "ZeroRule",
    "as_signs",
]

_CHUNK_BYTES = 1 << 24


class ZeroRule(str, Enum):
    """Rule for a coordinate that is exactly zero."""

    REFUSE = "refuse"
    PLUS = "plus"
    MINUS = "minus"


class Signs(Protocol):
    """Signs of ``coords`` coordinates, readable anywhere."""

    @property
    def coords(self) -> int:
        """Number of coordinates."""

    def negative(self, indices: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the signs at ``indices`` are −1; shape of ``indices``."""


@dataclass(frozen=True, slots=True, eq=False)
class ArraySigns:
    """One byte a sign: ``minus``, bool, shape (d,)."""

    minus: NDArray[np.bool_]

    @property
    def coords(self) -> int:
        """Number of coordinates."""
        return len(self.minus)

    def negative(self, indices: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the signs at ``indices`` are −1."""
        return self.minus.take(indices)


@dataclass(frozen=True, slots=True, eq=False)
class PackedSigns:
    """One bit a sign, eight a byte, the first in the highest bit; a set bit is −1."""

    packed: NDArray[np.uint8]
    coords: int

    def __post_init__(self) -> None:
        if self.packed.dtype != np.uint8 or self.packed.ndim != 1:
            raise InputError("packed signs are a one-dimensional array of uint8, eight a byte")
        if self.coords < 1 or len(self.packed) < -(-self.coords // 8):
            raise InputError(f"{len(self.packed)} bytes cannot hold {self.coords} signs")

    def negative(self, indices: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the signs at ``indices`` are −1."""
        places = (7 - (indices & 7)).astype(np.uint8)
        bits: NDArray[np.bool_] = (self.packed[indices >> 3] >> places & np.uint8(1)).astype(bool)
        return bits

    @classmethod
    def random(cls, coords: int, rng: np.random.Generator) -> PackedSigns:
        """Independent fair signs; memory is a bit a sign and a chunk."""
        packed = np.empty(-(-coords // 8), np.uint8)
        for start in range(0, len(packed), _CHUNK_BYTES):
            part = packed[start : start + _CHUNK_BYTES]
            words = rng.integers(2**64, size=-(-len(part) // 8), dtype=np.uint64)
            part[:] = words.view(np.uint8)[: len(part)]
        return cls(packed, coords)


@dataclass(frozen=True, slots=True)
class HashedSigns:
    """Signs that a hash of seed and index makes up: any d, no memory.

    The mixing function is that of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    """

    coords: int
    seed: int

    def negative(self, indices: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the signs at ``indices`` are −1."""
        z = indices.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z += np.uint64(self.seed * 0xD1342543DE82EF95 % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        top: NDArray[np.bool_] = (z >> np.uint64(63)).astype(bool)
        return top


@dataclass(frozen=True, slots=True, eq=False)
class RelativeSigns:
    """Signs seen by a client some of whose ties are of opposite signs, θ_i = −θ_j.

    The client flips the phase of the coordinates in ``flipped``, bool, shape (d,), on every copy
    before it measures; then equal signs agree again.
    """

    signs: Signs
    flipped: NDArray[np.bool_]

    @property
    def coords(self) -> int:
        """Number of coordinates."""
        return self.signs.coords

    def negative(self, indices: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the signs at ``indices`` are −1 once the client has flipped its own."""
        return self.signs.negative(indices) ^ self.flipped.take(indices)


def as_signs(values: ArrayLike | Signs, zeros: ZeroRule = ZeroRule.REFUSE) -> Signs:
    """Signs of ±1 in an array of shape (d,); zeros by an explicit rule.

    Raises:
        InputError: another shape, or values other than ±1 (and 0, where a rule is given).
    """
    if isinstance(values, ArraySigns | PackedSigns | HashedSigns | RelativeSigns):
        return values
    array: NDArray[Any] = np.asarray(values)
    if array.ndim != 1 or not len(array):
        raise InputError(f"signs must have shape (d,) with d at least 1, not {array.shape}")
    if array.dtype.kind not in "if":
        raise InputError(f"signs are numbers, +1 or -1, not {array.dtype.name}")
    minus, zero = array == -1, array == 0
    odd = np.flatnonzero(~(minus | (array == 1) | zero))
    if len(odd):
        raise InputError(
            f"coordinate {odd[0]} holds {array[odd[0]]}; signs are +1 or -1: take np.sign first"
        )
    if zero.any():
        if zeros is ZeroRule.REFUSE:
            raise InputError(
                f"coordinate {np.flatnonzero(zero)[0]} is zero ({int(zero.sum())} in all); "
                "choose a rule: count zeros as plus or as minus"
            )
        if zeros is ZeroRule.MINUS:
            minus = minus | zero
    return ArraySigns(minus)
