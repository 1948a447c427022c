"""BCH frames over superdense pairs: sent anew when lost.

Two bits that follow each other ride on one pair, so a pair flips none, one or both.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.encoding.codes.bch import BchCode, Bits, Corrected, bch_code
from qring.encoding.codes.bch_polynomial import redundancy
from qring.encoding.superdense import pairs_for
from qring.errors import InputError
from qring.network.coded.check import checked, with_check
from qring.network.coded.pairs import Labels, PairSource

__all__ = ["BchShape", "Delivery", "count_losses", "deliver", "loss"]

_ATTEMPTS = 1000


class BchShape(NamedTuple):
    """A BCH code shortened to ``held`` bytes of data and four of check a frame."""

    field_degree: int
    corrects: int
    held: int

    @property
    def code(self) -> BchCode:
        """The code, with its tables."""
        return bch_code(self.field_degree, self.corrects)

    @property
    def frame_bits(self) -> int:
        """Data, check and parity of a frame, in bits."""
        return 8 * (self.held + 4) + redundancy(self.field_degree, self.corrects)

    @property
    def pairs(self) -> int:
        """Pairs a frame; an odd last bit takes a whole one."""
        return pairs_for(self.frame_bits)


class Delivery(NamedTuple):
    """Data as it arrived, and how many frames were lost after each attempt."""

    data: NDArray[np.uint8]
    lost: tuple[int, ...]


def loss(shape: BchShape, law: NDArray[np.float64]) -> float:
    """Probability that more bits of a frame are flipped than the code corrects.

    ``law`` has shape (4,), by label. Standing: exact for a bounded-distance decoder that counts
    miscorrection as a loss. The terms are coefficients of (λ0 + (λ1+λ2)z + λ3·z²)^pairs.
    """
    none, one, two = float(law[0]), float(law[1] + law[2]), float(law[3])
    pairs, most = shape.pairs, shape.corrects
    if none <= 0:
        return 1.0
    terms = [1.0]
    for k in range(1, most + 1):
        term = (pairs - k + 1) * one * terms[k - 1]
        if k > 1:
            term += (2 * pairs - k + 2) * two * terms[k - 2]
        terms.append(term / (k * none))
    start = pairs * math.log(none)
    within = math.fsum(math.exp(start + math.log(term)) for term in terms if term > 0)
    return min(1.0, max(0.0, 1 - within))


def deliver(shape: BchShape, data: NDArray[np.uint8], pairs: PairSource) -> Delivery:
    """Send frames that hold ``data``, shape (frames, held), until all have arrived.

    Raises:
        InputError: pairs so noisy that frames are lost again and again.
    """
    code = shape.code
    information = np.unpackbits(with_check(data), axis=1)
    sent = code.encode(information)
    arrived = np.empty_like(data)
    waiting = np.arange(len(data))
    lost: list[int] = []
    for _ in range(_ATTEMPTS):
        labels, _ = pairs.take(len(waiting) * shape.pairs)
        found = code.decode(sent[waiting] ^ _flips(labels, shape))
        guess, right = _checked(found)
        arrived[waiting[right]] = guess[right]
        waiting = waiting[~right]
        if len(waiting) == 0:
            return Delivery(arrived, tuple(lost))
        lost.append(len(waiting))
    raise _too_noisy(shape)


def count_losses(shape: BchShape, frames: int, pairs: PairSource) -> tuple[int, ...]:
    """Losses of ``frames`` frames by counting flips, without a decoder.

    Raises:
        InputError: as :func:`deliver`.
    """
    lost: list[int] = []
    for _ in range(_ATTEMPTS):
        labels, _ = pairs.take(frames * shape.pairs)
        flips = _flips(labels, shape).sum(axis=1, dtype=np.int64)
        frames = int((flips > shape.corrects).sum())
        if frames == 0:
            return tuple(lost)
        lost.append(frames)
    raise _too_noisy(shape)


def _too_noisy(shape: BchShape) -> InputError:
    return InputError(
        f"a frame that corrects {shape.corrects} errors was lost {_ATTEMPTS} times: the pairs are "
        "too noisy for this code; use ldpc, or plain bits"
    )


def _flips(labels: Labels, shape: BchShape) -> Bits:
    bits = np.stack([labels >> 1, labels & 1], axis=1).reshape(-1, 2 * shape.pairs)
    return bits[:, : shape.frame_bits]


def _checked(found: Corrected) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    data, right = checked(np.packbits(found.information, axis=1))
    return data, right & ~found.lost
