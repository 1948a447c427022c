"""Superdense coding in packed Pauli frames: two bits a pair, four pairs a byte.

The sender applies Z^b1 X^b2 to its half of Φ+ and sends it; the receiver's Bell measurement
returns (b1, b2). So the *frame* of a pair, the Pauli that separates it from Φ+, is the two bits
themselves, and a message packed eight bits to a byte (first bit in the highest place) already
is its frame packed four pairs to a byte. Encoding and noiseless decoding cost nothing; noise is
an XOR onto the frame. Source: paper section 3.2 and appendix A.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["IDENTITY", "PAULIS", "X", "Y", "Z", "frames", "pairs_for", "pauli_labels"]

IDENTITY, X, Z, Y = 0, 1, 2, 3
"""The label of a Pauli is its two bits (b1, b2) read as a number: Z^b1 X^b2."""

PAULIS = "IXZY"
"""Names of the labels 0, 1, 2, 3."""


def pairs_for(bits: int) -> int:
    """Pairs that carry ``bits`` bits; an odd last bit takes a whole pair."""
    return (bits + 1) // 2


def pauli_labels(message: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Spread a packed message into one Pauli label a pair.

    ``message`` has shape (⌈bits/8⌉,); the result has shape (pairs,) and values 0..3 as in
    ``PAULIS``. An odd last bit is followed by a 0.
    """
    digits = np.unpackbits(message, count=bits)
    if bits % 2:
        digits = np.append(digits, np.uint8(0))
    return (2 * digits[0::2] + digits[1::2]).astype(np.uint8)


def frames(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pack one label a pair (shape (pairs,)) into frames, shape (⌈pairs/4⌉,)."""
    bits = np.stack([labels >> 1, labels & 1], axis=1).ravel()
    return np.packbits(bits)
