"""Encodings of a gradient's numbers on the wire: floats, integers or fixed point.

An encoding is a frozen value. It turns an array of shape (workers, coords) into values and the
:class:`~qring.encoding.formats.WireFormat` that moves them, and turns sums back.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from qring.encoding.formats import FloatFormat, Values, Width, WireFormat, WordFormat, width_of_sum
from qring.encoding.steps import nearest_steps
from qring.errors import BudgetError, InputError
from qring.validate import check_able, check_enum, check_flag, check_real, check_whole

__all__ = [
    "MAX_SUM_BITS",
    "BitBudget",
    "Encoding",
    "FixedPoint",
    "FloatBits",
    "Integers",
    "OutOfRange",
    "WordEncoding",
    "check_words",
    "refuse_nonfinite",
]

MAX_SUM_BITS = 62
"""Widest sum that words are allowed: it must fit a signed 64-bit integer with room for a carry."""

_CHECKED_AT_ONCE = 1 << 20  # values whose finiteness is looked at together, to bound memory
_ENCODED_AT_ONCE = 1 << 16  # temporaries stay in the processor's cache
_FLOATS = ("float16", "float32", "float64", "bfloat16")


class Encoding(Protocol):
    """Encoding of gradients as values on the wire."""

    def encode(self, gradients: NDArray[Any]) -> tuple[Values, WireFormat]:
        """Return values of the same shape (workers, coords), and the format that moves them."""

    def decode(self, sums: Values, weight: int) -> NDArray[Any]:
        """Turn sums into numbers of the caller's kind; ``weight`` workers are in each sum."""


class WordEncoding(Protocol):
    """An encoding whose values are words in [0, 2^b), so that sums are exact mod 2^B.

    All coordinates are encoded, and all sums decoded, together: an encoding may mix them, and
    there may be more words than coordinates.
    """

    @property
    def word_bits(self) -> int:
        """Bits of a word, b."""

    def budget(self, weight: int) -> BitBudget:
        """Bit budget of a sum whose workers weigh ``weight`` together.

        Without a carry, sums are formed mod 2^b.
        """

    def check(self, gradients: NDArray[Any]) -> None:
        """Refuse what :meth:`encode` would refuse, before any work is done."""

    def encode(self, gradients: NDArray[Any]) -> tuple[NDArray[np.uint64], WordFormat]:
        """Return words of shape (workers, words), and the format that moves them."""

    def decode(self, sums: NDArray[np.uint64], weight: int) -> NDArray[Any]:
        """Turn sums, shape (…, words), into numbers, shape (…, coords).

        The workers in each sum weigh ``weight`` together.
        """


class BitBudget(NamedTuple):
    """Bit budget of a word. ``sum_bits`` = ``word_bits`` + ``carry_bits``."""

    word_bits: int
    carry_bits: int
    sum_bits: int

    @classmethod
    def of(cls, word_bits: int, workers: int) -> BitBudget:
        """Budget of a sum of ``workers`` words of ``word_bits`` bits.

        Raises:
            BudgetError: the sum would not fit ``MAX_SUM_BITS`` bits.
        """
        check_whole("word_bits", word_bits)
        if word_bits < 1:
            raise BudgetError(f"a word needs at least 1 bit, not {word_bits}")
        sum_bits = width_of_sum(word_bits, workers)
        if sum_bits > MAX_SUM_BITS:
            raise BudgetError(
                f"a sum of {workers} words of {word_bits} bits takes {sum_bits} bits, more than "
                f"{MAX_SUM_BITS}; use words of at most "
                f"{MAX_SUM_BITS - (sum_bits - word_bits)} bits"
            )
        return cls(word_bits, sum_bits - word_bits, sum_bits)

    def __str__(self) -> str:
        return f"{self.word_bits} bits a word + {self.carry_bits} carry = {self.sum_bits} bits"


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatBits:
    """The bits of float16, bfloat16, float32 or float64 values travel as they are.

    bfloat16 arrays are those of the package ``ml_dtypes``. Infinities and NaN are refused unless
    ``allow_nonfinite`` is set.
    """

    allow_nonfinite: bool = False

    def __post_init__(self) -> None:
        check_flag("allow_nonfinite", self.allow_nonfinite)

    def encode(self, gradients: NDArray[Any]) -> tuple[Values, WireFormat]:
        """Return the gradients themselves, after a check of their type and values."""
        if gradients.dtype.name not in _FLOATS:
            raise InputError(
                f"float bits cannot carry {gradients.dtype.name}, only {', '.join(_FLOATS)}; "
                "choose a word size (word_bits) to send words"
            )
        if not self.allow_nonfinite:
            refuse_nonfinite(gradients)
        native = gradients.dtype.newbyteorder("=")
        return gradients.astype(native, copy=False), FloatFormat(native)

    def decode(self, sums: Values, weight: int) -> NDArray[Any]:
        """Return the sums themselves."""
        return sums


@dataclass(frozen=True, slots=True, kw_only=True)
class Integers:
    """Integers travel as words of ``word_bits`` bits, wide enough on the way for the exact sum.

    Signed arrays hold values with |x| ≤ 2^(b−1)−1, unsigned and boolean ones 0..2^b−1. Sums come
    back as int64.
    """

    word_bits: int
    width: Width = Width.FIXED
    signed: bool = True

    def __post_init__(self) -> None:
        _check_bits(self.word_bits, least=1)
        check_enum("width", self.width, Width)
        check_flag("signed", self.signed)

    def budget(self, weight: int) -> BitBudget:
        """Words and their carry."""
        return BitBudget.of(self.word_bits, weight)

    def check(self, gradients: NDArray[Any]) -> None:
        """Refuse values that are not integers or do not fit.

        Raises:
            InputError: not integers.
            BudgetError: values too large for the words, or sums too wide.
        """
        self.budget(len(gradients))
        if gradients.dtype.kind not in "iub":
            raise InputError(f"integer words cannot carry {gradients.dtype.name}; use FixedPoint")
        low, high = -self._offset, (1 << self.word_bits) - 1 - self._offset
        if self.signed:
            high = self._offset
        if gradients.size and (int(gradients.min()) < low or int(gradients.max()) > high):
            raise BudgetError(
                f"values reach from {int(gradients.min())} to {int(gradients.max())}, but words of "
                f"{self.word_bits} bits hold {low}..{high}; raise word_bits"
            )

    def encode(self, gradients: NDArray[Any]) -> tuple[NDArray[np.uint64], WordFormat]:
        """Shift signed values into [0, 2^b), after :meth:`check`."""
        self.check(gradients)
        words = (gradients.astype(np.int64) + self._offset).view(np.uint64)
        return words, self.format(len(gradients))

    def format(self, workers: int) -> WordFormat:
        """The format that moves sums of this many workers' words."""
        return WordFormat(word_bits=self.word_bits, workers=workers, width=self.width)

    def decode(self, sums: NDArray[np.uint64], weight: int) -> NDArray[np.int64]:
        """Undo the shift, once for each worker summed."""
        return sums.view(np.int64) - weight * self._offset

    @property
    def _offset(self) -> int:
        return (1 << (self.word_bits - 1)) - 1 if self.signed else 0


class OutOfRange(Enum):
    """Treatment of values beyond the limit of fixed point."""

    REFUSE = "refuse"
    CLIP = "clip"


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedPoint:
    """Reals in [−limit, limit] become signed words of ``word_bits`` bits, rounded to nearest.

    One step is limit / (2^(b−1)−1), so a sum of n values is exact in steps and off by at most
    n/2 steps in value, at every word size. Sums come back as float64, whose 53 bits round sums
    of wider words once more.
    """

    word_bits: int
    limit: float
    out_of_range: OutOfRange = OutOfRange.REFUSE
    width: Width = Width.FIXED

    def __post_init__(self) -> None:
        check_real("the limit of fixed point", self.limit, above=0)
        _check_bits(self.word_bits, least=2)
        check_enum("out_of_range", self.out_of_range, OutOfRange)
        check_enum("width", self.width, Width)
        if self.step < np.finfo(np.float64).tiny:
            raise InputError(
                f"a limit of {self.limit:g} in {self.word_bits}-bit words leaves steps too small "
                "for floats; scale the values up"
            )

    @property
    def step(self) -> float:
        """Value of the least significant bit, in units of the gradient."""
        return self.limit / ((1 << (self.word_bits - 1)) - 1)

    @property
    def words(self) -> Integers:
        """The integer encoding underneath."""
        return Integers(word_bits=self.word_bits, width=self.width)

    def budget(self, weight: int) -> BitBudget:
        """Words and their carry."""
        return BitBudget.of(self.word_bits, weight)

    def check(self, gradients: NDArray[Any]) -> None:
        """Refuse non-finite values and, unless they are clipped, values beyond the limit.

        Raises:
            InputError: NaN or infinity.
            BudgetError: values beyond the limit, or sums too wide.
        """
        self.budget(len(gradients))
        if not np.isfinite(self.limit * len(gradients)):
            raise BudgetError(
                f"a sum of {len(gradients)} values up to {self.limit:g} exceeds what a float "
                "holds; lower the limit, or scale the values"
            )
        refuse_nonfinite(gradients)
        if self.out_of_range is OutOfRange.CLIP or gradients.size == 0:
            return
        largest = max(-float(gradients.min()), float(gradients.max()))
        if largest > self.limit:
            raise BudgetError(
                f"|gradient| reaches {largest:.6g} but {self.word_bits}-bit words at step "
                f"{self.step:.6g} hold {self.limit:.6g}; raise the limit, or clip"
            )

    def encode(self, gradients: NDArray[Any]) -> tuple[NDArray[np.uint64], WordFormat]:
        """Clip if allowed, round to steps, and encode as integers, after :meth:`check`."""
        self.check(gradients)
        words = np.empty(gradients.shape, np.uint64)
        largest = (1 << (self.word_bits - 1)) - 1
        for row, target in zip(gradients, words, strict=True):
            for start in range(0, len(row), _ENCODED_AT_ONCE):
                block = slice(start, start + _ENCODED_AT_ONCE)
                reals = row[block].astype(np.float64)
                if self.out_of_range is OutOfRange.CLIP:
                    np.clip(reals, -self.limit, self.limit, out=reals)
                steps = nearest_steps(reals, self.limit, self.word_bits)
                np.add(steps, largest, out=target[block].view(np.int64))
        return words, self.words.format(len(gradients))

    def decode(self, sums: NDArray[np.uint64], weight: int) -> NDArray[np.float64]:
        """Return sums in the gradient's units."""
        return self.words.decode(sums, weight).astype(np.float64) * self.step


def check_words(encoding: object, carried_by: str) -> None:
    """Refuse an encoding that makes no words.

    Raises:
        InputError: it is one of float bits, or no encoding at all.
    """
    check_able(
        f"the encoding of {carried_by}", encoding,
        ("word_bits", "budget", "check", "encode", "decode"),
        "an encoding of words such as qring.FixedPoint(word_bits=16, limit=1.0)",
    )  # fmt: skip


def _check_bits(word_bits: int, *, least: int) -> None:
    """Refuse word sizes that no sum could have."""
    check_whole("word_bits", word_bits)
    if word_bits < least:
        kind, unit = ("word", "bit") if least == 1 else ("signed word", "bits")
        raise BudgetError(f"a {kind} needs at least {least} {unit}, not {word_bits}")
    if word_bits > MAX_SUM_BITS:
        raise BudgetError(f"sums have at most {MAX_SUM_BITS} bits, but a word has {word_bits}")


def refuse_nonfinite(gradients: NDArray[Any]) -> None:
    """Raise if any value is NaN or infinite; say where the first one is.

    Raises:
        InputError: with the worker and coordinate of the first such value.
    """
    if gradients.dtype in (np.float32, np.float64):  # a finite sum has finite terms
        with np.errstate(all="ignore"):
            if np.isfinite(np.add.reduce(gradients, axis=None)):
                return
    stretch = max(1, _CHECKED_AT_ONCE // max(1, len(gradients)))
    for start in range(0, gradients.shape[1], stretch):
        finite = np.isfinite(gradients[:, start : start + stretch])
        if not finite.all():
            worker, coord = (int(k) for k in np.argwhere(~finite)[0])
            value = gradients[worker, start + coord]
            who = f"worker {worker}" if len(gradients) > 1 else "the gradient"
            raise InputError(
                f"{who} holds {value} at coordinate {start + coord}; "
                "remove it, or allow non-finite values (float bits only)"
            )
