"""The min-sum kernel twice, bit for bit the same: in loops to be compiled, and in NumPy.

A check sends the least of its other bits' beliefs, scaled: by 12/16 at first, which finds most
errors, and by 15/16 after twenty passes, which frees the few bits that the first scale leaves
stuck. Both kernels fill ``errors`` and ``passes`` in place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["in_loops", "in_numpy"]

_SCALE_FIRST, _SCALE_LATER, _PASSES_FIRST = 12, 15, 20
_LARGEST = 1200  # of a check's message before scaling: 12 such messages stay within 16 bits

_Int16 = NDArray[np.int16]
_Int32 = NDArray[np.int32]
_Bits = NDArray[np.uint8]


def in_loops(
    syndrome: _Bits, starts: _Int32, columns: _Int32, shifts: _Int32, laws: _Int16,
    iterations: int, errors: _Bits, passes: _Int32,
) -> None:  # fmt: skip
    """Decode frame by frame: :func:`qring.encoding.codes.min_sum.decode` in loops."""
    frames, rows, lift = syndrome.shape
    half = laws.shape[2]
    widest = 0
    for row in range(rows):
        widest = max(widest, starts[row + 1] - starts[row])
    belief = np.empty((2 * half, lift), np.int16)
    paired = np.empty((2 * half, lift), np.int16)
    told = np.empty((len(columns), lift), np.int16)
    heard = np.empty((widest, lift), np.int16)
    least, second = np.empty(lift, np.int16), np.empty(lift, np.int16)
    sign = np.empty(lift, np.int16)
    for frame in range(frames):
        law = laws[frame if len(laws) > 1 else 0]
        told[:] = 0
        for c in range(half):
            none, right, left, both = law[0, c], law[1, c], law[2, c], law[3, c]
            for z in range(lift):
                first = max(none[z], right[z]) - max(left[z], both[z])
                other = max(none[z], left[z]) - max(right[z], both[z])
                paired[c, z] = belief[c, z] = np.int16(first)
                paired[c + half, z] = belief[c + half, z] = np.int16(other)
        passes[frame] = -1
        for turn in range(iterations):
            scale = np.int16(_SCALE_FIRST if turn < _PASSES_FIRST else _SCALE_LATER)
            for row in range(rows):
                begin = starts[row]
                weight = starts[row + 1] - begin
                for z in range(lift):
                    least[z] = second[z] = np.int16(32767)
                    sign[z] = -np.int16(syndrome[frame, row, z])
                for k in range(weight):
                    source, shift = belief[columns[begin + k]], shifts[begin + k]
                    kept = lift - shift
                    before, now = told[begin + k], heard[k]
                    part, old, new = source[shift:], before[:kept], now[:kept]
                    for z in range(kept):
                        new[z] = part[z] - old[z]
                    part, old, new = source[:shift], before[kept:], now[kept:]
                    for z in range(shift):
                        new[z] = part[z] - old[z]
                    for z in range(lift):
                        value = now[z]
                        size = abs(value)
                        second[z] = min(second[z], max(least[z], size))
                        least[z] = min(least[z], size)
                        sign[z] ^= value
                for k in range(weight):
                    target, shift = belief[columns[begin + k]], shifts[begin + k]
                    kept = lift - shift
                    before, now = told[begin + k], heard[k]
                    for z in range(lift):
                        value = now[z]
                        size = second[z] if abs(value) == least[z] else least[z]
                        size = (min(size, np.int16(_LARGEST)) * scale) >> 4
                        turned = (sign[z] ^ value) >> 15
                        message = np.int16((size ^ turned) - turned)
                        before[z] = message
                        now[z] = np.int16(value + message)
                    target[shift:] = now[:kept]
                    target[:shift] = now[kept:]
            for c in range(half):
                none, right, left, both = law[0, c], law[1, c], law[2, c], law[3, c]
                for z in range(lift):
                    one = np.int16(belief[c, z] - paired[c, z])
                    two = np.int16(belief[c + half, z] - paired[c + half, z])
                    to_two = max(none[z] + one, left[z]) - max(right[z] + one, both[z])
                    to_one = max(none[z] + two, right[z]) - max(left[z] + two, both[z])
                    paired[c, z], paired[c + half, z] = np.int16(to_one), np.int16(to_two)
                    belief[c, z] = np.int16(one + to_one)
                    belief[c + half, z] = np.int16(two + to_two)
            wrong = np.int16(0)
            for row in range(rows):
                for z in range(lift):
                    sign[z] = -np.int16(syndrome[frame, row, z])
                for k in range(starts[row], starts[row + 1]):
                    source, shift = belief[columns[k]], shifts[k]
                    kept = lift - shift
                    part, new = source[shift:], sign[:kept]
                    for z in range(kept):
                        new[z] ^= part[z]
                    part, new = source[:shift], sign[kept:]
                    for z in range(shift):
                        new[z] ^= part[z]
                for z in range(lift):
                    wrong |= sign[z] >> 15
                if wrong != 0:
                    break
            if wrong == 0:
                passes[frame] = turn + 1
                break
        for c in range(2 * half):
            for z in range(lift):
                errors[frame, c, z] = belief[c, z] < 0


def in_numpy(
    syndrome: _Bits, starts: _Int32, columns: _Int32, shifts: _Int32, laws: _Int16,
    iterations: int, errors: _Bits, passes: _Int32,
) -> None:  # fmt: skip
    """Decode all frames at once, and go on with those that are not done."""
    half, lift = laws.shape[2], syndrome.shape[2]
    passes[:] = -1
    live = np.arange(len(syndrome))
    law = np.broadcast_to(laws, (len(syndrome), *laws.shape[1:]))
    none, right, left, both = (law[:, label] for label in range(4))
    paired = np.concatenate(
        [
            np.maximum(none, right) - np.maximum(left, both),
            np.maximum(none, left) - np.maximum(right, both),
        ],
        axis=1,
    )
    belief = paired.copy()
    told = np.zeros((len(live), len(columns), lift), np.int16)
    wanted = -syndrome.astype(np.int16)
    for turn in range(iterations):
        if len(live) == 0:
            break
        scale = np.int16(_SCALE_FIRST if turn < _PASSES_FIRST else _SCALE_LATER)
        for row in range(len(starts) - 1):
            _check(belief, told, wanted[:, row], row, starts, columns, shifts, scale)
        one, two = belief[:, :half] - paired[:, :half], belief[:, half:] - paired[:, half:]
        paired[:, half:] = np.maximum(none + one, left) - np.maximum(right + one, both)
        paired[:, :half] = np.maximum(none + two, right) - np.maximum(left + two, both)
        belief[:, :half], belief[:, half:] = one + paired[:, :half], two + paired[:, half:]
        solved = ~_wrong(belief, wanted, starts, columns, shifts)
        passes[live[solved]] = turn + 1
        errors[live[solved]] = belief[solved] < 0
        if solved.any():
            going = ~solved
            live, belief, paired, told = live[going], belief[going], paired[going], told[going]
            wanted, law = wanted[going], law[going]
            none, right, left, both = (law[:, label] for label in range(4))
    errors[live] = belief < 0


def _check(
    belief: _Int16, told: _Int16, wanted: _Int16, row: int, starts: _Int32, columns: _Int32,
    shifts: _Int32, scale: np.int16,
) -> None:  # fmt: skip
    """Pass messages to and from the checks of one row of the base matrix."""
    cells = range(starts[row], starts[row + 1])
    heard = np.stack([np.roll(belief[:, columns[k]], -shifts[k], 1) for k in cells])
    heard -= told[:, starts[row] : starts[row + 1]].transpose(1, 0, 2)
    sizes = np.abs(heard)
    lowest = np.partition(sizes, 1, axis=0)[:2]
    sign = np.bitwise_xor.reduce(heard, axis=0) ^ wanted
    for number, k in enumerate(cells):
        size = np.where(sizes[number] == lowest[0], lowest[1], lowest[0])
        size = np.minimum(size, np.int16(_LARGEST)) * scale >> np.int16(4)
        turned = (sign ^ heard[number]) >> np.int16(15)
        message = (size ^ turned) - turned
        told[:, k] = message
        belief[:, columns[k]] = np.roll(heard[number] + message, shifts[k], 1)


def _wrong(
    belief: _Int16, wanted: _Int16, starts: _Int32, columns: _Int32, shifts: _Int32
) -> NDArray[np.bool_]:
    """Frames whose signs do not explain the syndrome."""
    wrong = np.zeros(len(belief), np.bool_)
    for row in range(len(starts) - 1):
        sign = wanted[:, row].copy()
        for k in range(starts[row], starts[row + 1]):
            sign ^= np.roll(belief[:, columns[k]], -shifts[k], 1)
        wrong |= (sign < 0).any(axis=1)
    return wrong
