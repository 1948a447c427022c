"""Words of any width to a dense bit stream and back."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["pack_words", "unpack_words"]

# Eight words of w bits fill exactly w bytes, so every group of eight has the same layout and
# one vector operation serves all groups at once.
_GROUP = 8

_WHOLE = (8, 16, 32, 64)  # widths of whole words of the machine


def pack_words(words: NDArray[np.uint64], width: int) -> NDArray[np.uint8]:
    """Lay the low ``width`` bits of each word end to end, highest bit first.

    ``words`` has shape (count,), ``width`` is 1..64; the result has ⌈count·width/8⌉ bytes, the
    unused low bits of the last one zero.
    """
    if width in _WHOLE:
        return words.astype(f">u{width // 8}").view(np.uint8)
    count = len(words)
    groups = -(-count // _GROUP)
    padded = np.zeros((groups, _GROUP), np.uint64)
    padded.reshape(-1)[:count] = words
    if width < 64:
        padded &= np.uint64((1 << width) - 1)
    packed = np.zeros((groups, width), np.uint8)
    for word, byte, shift in _overlaps(width):
        column = padded[:, word]
        part = column >> np.uint64(shift) if shift >= 0 else column << np.uint64(-shift)
        packed[:, byte] |= part.astype(np.uint8)
    return packed.reshape(-1)[: -(-count * width // 8)]


def unpack_words(message: NDArray[np.uint8], count: int, width: int) -> NDArray[np.uint64]:
    """Undo :func:`pack_words`: read ``count`` words of ``width`` bits, shape (count,)."""
    if width in _WHOLE:
        return (
            np.ascontiguousarray(message[: count * width // 8])
            .view(f">u{width // 8}")
            .astype(np.uint64)
        )
    groups = -(-count // _GROUP)
    packed = np.zeros((groups, width), np.uint8)
    packed.reshape(-1)[: len(message)] = message
    words = np.zeros((groups, _GROUP), np.uint64)
    for word, byte, shift in _overlaps(width):
        column = packed[:, byte].astype(np.uint64)
        words[:, word] |= column << np.uint64(shift) if shift >= 0 else column >> np.uint64(-shift)
    if width < 64:
        words &= np.uint64((1 << width) - 1)
    return words.reshape(-1)[:count]


def _overlaps(width: int) -> Iterator[tuple[int, int, int]]:
    """Yield (word, byte, right shift that aligns the word with the byte) within one group."""
    for word in range(_GROUP):
        first, end = word * width, (word + 1) * width
        for byte in range(first // 8, -(-end // 8)):
            yield word, byte, end - 8 * (byte + 1)
