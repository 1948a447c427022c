"""Keys expanded into words that mask words: AES-256 in counter mode, added mod 2^B."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Words", "add_masks", "word_type"]

Words = NDArray[Any]
"""Unsigned words of shape (coords,), wide enough for B bits; arithmetic wraps in their type."""

_BYTES_AT_ONCE = 1 << 18  # what is drawn together stays in the processor's cache


def word_type(sum_bits: int) -> type[np.uint16 | np.uint32 | np.uint64]:
    """Narrowest type whose words hold ``sum_bits`` bits."""
    if sum_bits <= 16:
        return np.uint16
    return np.uint32 if sum_bits <= 32 else np.uint64


def add_masks(
    words: Words, added: Iterable[bytes], subtracted: Iterable[bytes], sum_bits: int
) -> None:
    """Add to ``words``, in place mod 2^B, expansions of some keys, and subtract those of others.

    A key of 32 bytes must not expand into more than one mask.
    """
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES256
    from cryptography.hazmat.primitives.ciphers.modes import CTR

    start_of_stream = CTR(bytes(16))
    ways = [(np.add, key) for key in added] + [(np.subtract, key) for key in subtracted]
    streams = [(way, Cipher(AES256(key), start_of_stream).encryptor()) for way, key in ways]
    low_bits = words.dtype.type((1 << sum_bits) - 1)
    at_once = _BYTES_AT_ONCE // words.itemsize
    zeros = bytes(min(words.nbytes, _BYTES_AT_ONCE))
    drawn = np.empty(len(zeros) + 15, np.uint8)  # the cipher asks for a block's room to spare
    for start in range(0, len(words), at_once):
        part = words[start : start + at_once]
        mask = drawn[: part.nbytes].view(words.dtype)
        blanks = memoryview(zeros)[: part.nbytes]
        for way, stream in streams:
            stream.update_into(blanks, drawn.data)
            way(part, mask, out=part)  # wraps at the type's width, which 2^B divides
        part &= low_bits
