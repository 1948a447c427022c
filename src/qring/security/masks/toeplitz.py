"""Privacy amplification by a random Toeplitz matrix over Z_{2^B}, in parts, by fast transforms.

    v_a = u_{r+a} + Σ_b τ_{a−b+r−1}·u_b mod 2^B,  b < r, a < k₀, τ random bits

G = [I | J] up to order, J Toeplitz: no fixed non-zero word is in the code that G spans mod 2 with
probability above 2^−r. The r words that are spent come first, so that the others may follow as a
stream. Coins are drawn after the copies were received.
"""

from __future__ import annotations

import numpy as np

from qring.security.masks.amplify import exact_limb
from qring.security.masks.gathering import Words

__all__ = ["Toeplitz"]

_SHORTEST = 1 << 15


class Toeplitz:
    """J for ``spent`` words, shape (rows, r), applied to as many others as come."""

    __slots__ = ("_at_once", "_band", "_limb", "_points", "_rng", "_spectra", "_sum_bits")

    def __init__(self, spent: Words, sum_bits: int, coins: np.random.Generator) -> None:
        lost = spent.shape[1]
        self._points = max(_SHORTEST, 1 << (4 * lost).bit_length())
        self._at_once = self._points - lost + 1
        self._sum_bits, self._limb = sum_bits, exact_limb(self._points, max(1, lost))
        self._rng = coins
        self._band = self._coins(max(0, lost - 1))
        self._spectra = [
            np.fft.rfft(
                ((spent >> np.uint64(low)) & np.uint64((1 << self._limb) - 1)).astype(np.float64),
                self._points,
            )
            for low in range(0, sum_bits, self._limb)
        ]

    def masks(self, words: Words) -> Words:
        """Masks of the next words, shape (rows, count); parts of any length may follow."""
        found = np.empty_like(words)
        for start in range(0, words.shape[1], self._at_once):
            part = words[:, start : start + self._at_once]
            found[:, start : start + part.shape[1]] = self._part(part)
        return found

    def _part(self, words: Words) -> Words:
        count, low_bits = words.shape[1], np.uint64((1 << self._sum_bits) - 1)
        kept = len(self._band)
        band = np.concatenate([self._band, self._coins(count)])
        self._band = band[count:]
        spectrum = np.fft.rfft(band.astype(np.float64), self._points)
        total = words.copy()
        for k, spent in enumerate(self._spectra):
            sums = np.fft.irfft(spent * spectrum, self._points)[:, kept : kept + count]
            total += np.rint(sums).astype(np.int64).view(np.uint64) << np.uint64(k * self._limb)
        return total & low_bits

    def _coins(self, count: int) -> np.ndarray:
        drawn = np.frombuffer(self._rng.bytes(-(-count // 8)), np.uint8)
        return np.unpackbits(drawn)[:count]
