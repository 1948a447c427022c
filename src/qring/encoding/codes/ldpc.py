"""Quasi-cyclic LDPC codes whose bits travel in pairs.

A code is a base matrix of ``rows`` × 96 cells, each empty or a circulant of ``lift`` × ``lift``.
A frame is an array of bits of shape (96, lift): the information columns come first, then one
parity column a row, dual-diagonal, so that parity follows from running sums. Bits (c, z) and
(c + 48, z) ride on one superdense pair, as its first and its second bit. A fifth of the
information columns has weight 9, the others weight 3, and no two columns meet in two checks.
Source: Richardson and Urbanke, *Modern Coding Theory* (2008); Myung, Yang and Kim, IEEE Trans.
Inf. Theory 51, 2894 (2005), for the parity columns.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError

__all__ = ["COLUMNS", "LARGEST_LIFT", "LARGEST_ROWS", "LdpcCode", "ldpc_code"]

COLUMNS = 96
"""Columns of every base matrix."""

PAIRED = COLUMNS // 2
"""Column c shares its pairs with column c + 48."""

LARGEST_ROWS, LARGEST_LIFT = 52, 1024

_HEAVY_SHARE, _HEAVY_WEIGHT, _LIGHT_WEIGHT = 0.2, 9, 3
_SHIFTS_TRIED, _COLUMNS_TRIED = 200, 50

Bits = NDArray[np.uint8]
Row = tuple[tuple[int, int], ...]
"""Cells of a row that are not empty: (column, shift), by column."""


@dataclass(frozen=True, slots=True)
class LdpcCode:
    """One code: its cells by row, as tuples and flat for decoders.

    Check z of a row is the XOR of the bits (column, z + shift mod lift) of its cells.
    """

    rows: int
    lift: int
    cells: tuple[Row, ...] = field(repr=False)
    starts: NDArray[np.int32] = field(repr=False, compare=False)
    columns: NDArray[np.int32] = field(repr=False, compare=False)
    shifts: NDArray[np.int32] = field(repr=False, compare=False)

    @property
    def information_columns(self) -> int:
        """Columns that carry information; the others carry parity."""
        return COLUMNS - self.rows

    @property
    def information_bits(self) -> int:
        """Information bits a frame."""
        return self.information_columns * self.lift

    @property
    def frame_bits(self) -> int:
        """Bits a frame, information and parity; a pair carries two."""
        return COLUMNS * self.lift

    @property
    def rate(self) -> float:
        """Information bits a bit of the frame."""
        return self.information_columns / COLUMNS

    def encode(self, information: Bits) -> Bits:
        """Frames of shape (frames, 96, lift) from bits of shape (frames, columns, lift).

        Raises:
            InputError: another shape.
        """
        wanted = (self.information_columns, self.lift)
        if information.ndim != 3 or information.shape[1:] != wanted:
            raise InputError(
                f"information of this code has shape (frames, {wanted[0]}, {wanted[1]}), not "
                f"{information.shape}"
            )
        k, count = self.information_columns, len(information)
        frames = np.zeros((count, COLUMNS, self.lift), np.uint8)
        frames[:, :k] = information
        sums = np.zeros((self.rows, count, self.lift), np.uint8)
        for row, cells in enumerate(self.cells):
            for column, shift in cells:
                if column < k:
                    _add_turned(sums[row], frames[:, column], shift)
        # All rows add up to the first parity column: its outer circulants cancel.
        frames[:, k] = np.bitwise_xor.reduce(sums, axis=0)
        for row, cells in enumerate(self.cells):
            for column, shift in cells:
                if column == k:
                    _add_turned(sums[row], frames[:, k], shift)
        running = sums[0]
        for row in range(self.rows - 1):
            frames[:, k + 1 + row] = running
            running = running ^ sums[row + 1]
        return frames

    def syndrome(self, frames: Bits) -> Bits:
        """Checks of shape (frames, rows, lift) that bits of shape (frames, 96, lift) leave."""
        found = np.zeros((self.rows, len(frames), self.lift), np.uint8)
        for row, cells in enumerate(self.cells):
            for column, shift in cells:
                _add_turned(found[row], frames[:, column], shift)
        return np.ascontiguousarray(found.transpose(1, 0, 2))


@functools.lru_cache(maxsize=64)
def ldpc_code(rows: int, lift: int) -> LdpcCode:
    """The code of ``rows`` parity columns and circulants of ``lift``; always the same one.

    Raises:
        InputError: ``rows`` not in 3..52 or ``lift`` not in 16..1024.
    """
    if not (3 <= rows <= LARGEST_ROWS and 16 <= lift <= LARGEST_LIFT):
        raise InputError(
            f"a code of {rows} rows and circulants of {lift}: rows lie in 3..{LARGEST_ROWS}, "
            f"circulants in 16..{LARGEST_LIFT}"
        )
    cells = _place(rows, lift)
    flat = [cell for row in cells for cell in row]
    starts = np.cumsum([0, *(len(row) for row in cells)]).astype(np.int32)
    columns = np.array([column for column, _ in flat], np.int32)
    shifts = np.array([shift for _, shift in flat], np.int32)
    for array in (starts, columns, shifts):
        array.setflags(write=False)  # cached
    return LdpcCode(rows, lift, cells, starts, columns, shifts)


def _place(rows: int, lift: int) -> tuple[Row, ...]:
    """Choose the cells, from a fixed seed: dual-diagonal parity, then column by column."""
    k = COLUMNS - rows
    grid: list[dict[int, int]] = [{} for _ in range(rows)]
    grid[0][k], grid[rows // 2][k], grid[rows - 1][k] = 1, 0, 1
    for row in range(rows - 1):
        grid[row][k + 1 + row] = grid[row + 1][k + 1 + row] = 0
    draws = _draws(rows, lift)
    heavy = round(_HEAVY_SHARE * k)
    for column in range(k):
        weight = min(_HEAVY_WEIGHT if column < heavy else _LIGHT_WEIGHT, rows)
        load = [len(row) + 0.9 * next(draws) / 2**32 for row in grid]
        chosen = sorted(range(rows), key=load.__getitem__)[:weight]
        for row, shift in _column(grid, column, chosen, lift, draws).items():
            grid[row][column] = shift
    return tuple(tuple(sorted(row.items())) for row in grid)


def _column(
    grid: list[dict[int, int]], column: int, chosen: list[int], lift: int, draws: Iterator[int]
) -> dict[int, int]:
    """Shifts of one column's cells that close no cycle of four, if such are found in time."""
    found: dict[int, int] = {}
    for _ in range(_COLUMNS_TRIED):
        found = {}
        for row in chosen:
            for _ in range(_SHIFTS_TRIED):
                shift = next(draws) % lift
                if not _closes(grid, column, row, shift, found, lift):
                    found[row] = shift
                    break
            else:
                break
        if len(found) == len(chosen):
            return found
    return {row: found.get(row, next(draws) % lift) for row in chosen}  # tiny circulants only


def _closes(
    grid: list[dict[int, int]], column: int, row: int, shift: int, found: dict[int, int], lift: int
) -> bool:
    """Whether a cell meets another column twice, or its pair's other bit in one check."""
    partner = column + PAIRED if column < PAIRED else column - PAIRED
    if grid[row].get(partner) == shift:
        return True
    for other, its_shift in found.items():
        apart = (shift - its_shift) % lift
        theirs = grid[other]
        for shared, here in grid[row].items():
            there = theirs.get(shared)
            if there is not None and (here - there) % lift == apart:
                return True
    return False


def _draws(rows: int, lift: int) -> Iterator[int]:
    """32-bit numbers that every version of NumPy draws alike: a generator's raw words."""
    source = np.random.PCG64(rows * 4096 + lift)
    while True:
        yield int(source.random_raw()) >> 32


def _add_turned(target: Bits, column: Bits, shift: int) -> None:
    """XOR ``column`` onto ``target``, both of shape (frames, lift), turned left by ``shift``."""
    kept = column.shape[1] - shift
    target[:, :kept] ^= column[:, shift:]
    if shift:
        target[:, kept:] ^= column[:, :shift]
