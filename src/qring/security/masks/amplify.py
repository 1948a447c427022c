"""Privacy amplification: fewer words, mod 2^B, of which an eavesdropper knows nothing.

    v_a = Σ_j g_j · u_{a+j} mod 2^B, with the coefficients g of a code's generator as integers.

So v = G·u, where the rows of G mod 2 are shifts of the generator: they span a code. If every
codeword but zero has more than 2K ones, every combination of rows, mod 2^B, but the trivial one
touches more than 2K words. Then v is uniform, whatever was known of any K words, also where it is
a superposition *which* K (there two sets of K appear together: hence 2K and not K).
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["amplify", "exact_limb"]

Words = NDArray[np.uint64]

_SHORTEST = 1 << 15  # points of a transform


def amplify(words: Words, taps: NDArray[np.uint8], sum_bits: int) -> Words:
    """Combine ``words``, shape (…, N), into N − r words mod 2^B; ``taps`` has shape (r+1,).

    Exact: products are formed in double precision from limbs short enough that rounding cannot
    fail. A longer stream is amplified in parts that overlap by r words.
    """
    redundancy = len(taps) - 1
    count = words.shape[-1] - redundancy
    points = max(_SHORTEST, 1 << (4 * redundancy).bit_length())
    points = min(points, 1 << max(1, words.shape[-1] - 1).bit_length())
    limb_bits = exact_limb(points, len(taps))
    response = _response(taps.tobytes(), points)
    masks = np.empty((*words.shape[:-1], count), np.uint64)
    fresh = points - redundancy  # of a cyclic convolution, the points that do not wrap
    for start in range(0, count, fresh):
        part = words[..., start : start + points]
        stop = min(start + fresh, count)
        total = np.zeros((*words.shape[:-1], stop - start), np.uint64)
        for low in range(0, sum_bits, limb_bits):
            limb = (part >> np.uint64(low)) & np.uint64((1 << limb_bits) - 1)
            spectrum = np.fft.rfft(limb.astype(np.float64), points) * response
            sums = np.fft.irfft(spectrum, points)[..., : stop - start]
            total += np.rint(sums).astype(np.int64).view(np.uint64) << np.uint64(low)
        masks[..., start:stop] = total & np.uint64((1 << sum_bits) - 1)
    return masks


@functools.lru_cache(maxsize=4)
def _response(taps: bytes, points: int) -> NDArray[np.complex128]:
    """Spectrum that correlates with the taps."""
    return np.asarray(np.fft.rfft(np.frombuffer(taps, np.uint8), points).conj())


def exact_limb(points: int, taps: int) -> int:
    """Bits of a limb whose sums are off by less than 1/8.

    The error of three transforms is below 8·u·log2(L)·‖limbs‖·‖taps‖, with u = 2^−53 (Higham,
    Accuracy and stability of numerical algorithms, chapter 24; the factor is generous).
    """
    spread = 8 * 2.0**-53 * math.log2(points) * math.sqrt(points) * math.sqrt(taps)
    return min(32, math.floor(-math.log2(8 * spread)))
