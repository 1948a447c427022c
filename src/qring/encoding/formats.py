"""Wire formats: a chunk of values as the bits of one message, and the sum of two chunks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qring.encoding.packing import pack_words, unpack_words
from qring.validate import check_enum

__all__ = ["FloatFormat", "Width", "WireFormat", "WordFormat", "width_of_sum"]

Values = NDArray[Any]


class WireFormat(Protocol):
    """Wire format of the values that an executor moves.

    ``summed`` is the number of workers whose words a message holds.
    """

    @property
    def whole(self) -> int:
        """Fewest values, at any width, that end on a whole byte."""

    def bits(self, count: int, summed: int) -> int:
        """Bits of a message of ``count`` values."""

    def pack(self, values: Values, summed: int) -> NDArray[np.uint8]:
        """Return the message in a new buffer, eight bits a byte, first bit highest."""

    def unpack(self, message: NDArray[np.uint8], count: int, summed: int) -> Values:
        """Undo :meth:`pack`."""

    def passed(self, values: Values, summed: int) -> Values:
        """``values`` after :meth:`pack` and :meth:`unpack`; perhaps not a copy."""

    def add(self, received: Values, own: Values) -> Values:
        """Sum of two chunks, as the receiver forms it."""

    def add_into(self, received: Values, own: Values) -> None:
        """Put :meth:`add` of the two into ``own``; NumPy's warnings are left to the caller."""


@dataclass(frozen=True, slots=True)
class FloatFormat:
    """Floating-point values travel as their own bits; sums need no carry but round."""

    dtype: np.dtype[Any]

    @property
    def whole(self) -> int:
        """1: every value is whole bytes."""
        return 1

    def bits(self, count: int, summed: int) -> int:
        """Bits of a message of ``count`` values."""
        return count * self.dtype.itemsize * 8

    def pack(self, values: Values, summed: int) -> NDArray[np.uint8]:
        """Return the bytes of the values, in memory order."""
        return np.array(values, dtype=self.dtype, order="C").view(np.uint8)

    def unpack(self, message: NDArray[np.uint8], count: int, summed: int) -> Values:
        """Read the bytes as values again."""
        return message.view(self.dtype)

    def passed(self, values: Values, summed: int) -> Values:
        """The values themselves."""
        return values

    def add(self, received: Values, own: Values) -> Values:
        """Add in the format's own precision; overflow to infinity is the format's own."""
        with np.errstate(all="ignore"):
            return np.asarray(received + own)

    def add_into(self, received: Values, own: Values) -> None:
        """Add in place, in the format's own precision."""
        np.add(received, own, out=own)


class Width(Enum):
    """Whether partial sums travel at the width of the whole sum, or only as wide as they are."""

    FIXED = "fixed"
    GROWING = "growing"


def width_of_sum(word_bits: int, summed: int) -> int:
    """Bits that hold the sum of ``summed`` words of ``word_bits`` bits: W_k = bitlen(k(2^b−1))."""
    return (summed * ((1 << word_bits) - 1)).bit_length()


@dataclass(frozen=True, slots=True, kw_only=True)
class WordFormat:
    """Words in [0, 2^b), kept as uint64; sums are formed mod 2^B, B holding that of all workers.

    Where words do not carry, B is b: sums wrap.
    """

    word_bits: int
    workers: int
    width: Width = Width.FIXED
    carry: bool = True

    def __post_init__(self) -> None:
        check_enum("width", self.width, Width)

    @property
    def whole(self) -> int:
        """8: so many words of any width are whole bytes."""
        return 8

    @property
    def sum_bits(self) -> int:
        """B: bits of the sum of all workers' words."""
        return width_of_sum(self.word_bits, self.workers) if self.carry else self.word_bits

    def _travelling_bits(self, summed: int) -> int:
        if not self.carry:
            return self.word_bits
        wide = self.workers if self.width is Width.FIXED else summed
        return width_of_sum(self.word_bits, wide)

    def bits(self, count: int, summed: int) -> int:
        """Bits of a message of ``count`` words."""
        return count * self._travelling_bits(summed)

    def pack(self, values: Values, summed: int) -> NDArray[np.uint8]:
        """Return the low bits of each word, one word after another, highest bit first."""
        return pack_words(values, self._travelling_bits(summed))

    def unpack(self, message: NDArray[np.uint8], count: int, summed: int) -> Values:
        """Undo :meth:`pack`."""
        return unpack_words(message, count, self._travelling_bits(summed))

    def passed(self, values: Values, summed: int) -> Values:
        """The low bits that travel; the words themselves where those are B."""
        width = self._travelling_bits(summed)
        return values if width >= self.sum_bits else values & np.uint64((1 << width) - 1)

    def add(self, received: Values, own: Values) -> Values:
        """Add mod 2^B."""
        return (received + own) & np.uint64((1 << self.sum_bits) - 1)

    def add_into(self, received: Values, own: Values) -> None:
        """Add mod 2^B, in place."""
        np.add(received, own, out=own)
        own &= np.uint64((1 << self.sum_bits) - 1)
