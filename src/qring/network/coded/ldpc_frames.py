"""LDPC frames over superdense pairs, with incremental redundancy.

A frame that cannot be decoded, or fails its check, is not sent anew: an eighth of its pairs is,
and what both receptions say of a pair is combined. If the second differs from the first by label
d, an error e of the first goes with the error e XOR d of the second, so logarithms of laws add.
The next failure sends the next eighth. Source: Chase, IEEE Trans. Commun. 33, 385 (1985), for
the combination of receptions; the law of pairs is ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.encoding.codes.ldpc import COLUMNS, PAIRED, Bits, LdpcCode
from qring.encoding.codes.min_sum import Decoded, Laws, decode, pair_laws
from qring.errors import InputError
from qring.network.coded.check import CHECK_BITS, checked, with_check
from qring.network.coded.pairs import Labels, PairSource

__all__ = ["Decoder", "Delivery", "deliver", "pairs_sent"]

_PARTS = 8
_ATTEMPTS = 64
_LEAST_SUM = -4096

Decoder = Callable[[LdpcCode, Bits, Laws], Decoded]
"""Finds errors from a syndrome and laws, as :func:`~qring.encoding.codes.min_sum.decode` does."""


class Delivery(NamedTuple):
    """Delivered data, frames still lost after each attempt, unsatisfied checks of the first.

    ``lost[k]`` frames of ``frames`` needed attempt k+2. ``unsatisfied`` are by row of checks.
    """

    data: NDArray[np.uint8]
    lost: tuple[int, ...]
    unsatisfied: NDArray[np.int64]


def pairs_sent(code: LdpcCode, frames: int, lost: tuple[int, ...]) -> int:
    """Pairs that ``frames`` frames took, of which ``lost`` were lost after each attempt."""
    whole = PAIRED * code.lift
    return frames * whole + sum(lost) * (whole // _PARTS)


def deliver(
    code: LdpcCode, data: NDArray[np.uint8], pairs: PairSource, *, decoder: Decoder = decode
) -> Delivery:
    """Send frames that hold ``data``, shape (frames, bytes), until all have arrived.

    Raises:
        InputError: data of another length, or pairs too noisy for this code however often sent.
    """
    held = (code.information_bits - CHECK_BITS) // 8
    if data.shape[1:] != (held,):
        raise InputError(f"a frame of this code holds {held} bytes, not {data.shape[1:]}")
    sent = code.encode(_with_check(code, data))
    labels, known = pairs.take(len(data) * PAIRED * code.lift)
    received = sent ^ _as_bits(labels.reshape(-1, PAIRED, code.lift))
    syndrome = code.syndrome(received)
    unsatisfied = syndrome.sum(axis=(0, 2), dtype=np.int64)
    laws = _laws(known, len(data), PAIRED, code.lift)
    arrived = np.empty_like(data)
    waiting = np.arange(len(data))
    lost: list[int] = []
    for attempt in range(_ATTEMPTS):
        found = decoder(code, syndrome, laws)
        guess, right = _checked(code, received ^ found.errors)
        right &= ~found.lost
        arrived[waiting[right]] = guess[right]
        wrong = ~right
        if not wrong.any():
            return Delivery(arrived, tuple(lost), unsatisfied)
        lost.append(int(wrong.sum()))
        waiting, received, syndrome = waiting[wrong], received[wrong], syndrome[wrong]
        laws = np.broadcast_to(laws, (len(right), 4, PAIRED, code.lift))[wrong].copy()
        _send_part(code, sent[waiting], received, laws, attempt % _PARTS, pairs)
    raise InputError(
        f"{len(waiting)} frames were lost {_ATTEMPTS} times: the pairs are too noisy for any code"
    )


def _send_part(
    code: LdpcCode, sent: Bits, received: Bits, laws: Laws, part: int, pairs: PairSource
) -> None:
    """Send an eighth of the pairs again and add what they say to ``laws``, in place."""
    width = PAIRED // _PARTS
    there = slice(part * width, (part + 1) * width)
    labels, known = pairs.take(len(sent) * width * code.lift)
    again = _as_labels(sent)[:, there] ^ labels.reshape(-1, width, code.lift)
    apart = again ^ _as_labels(received)[:, there]
    fresh = _laws(known, len(sent), width, code.lift)
    fresh = np.broadcast_to(fresh, (len(sent), 4, width, code.lift))
    which = np.arange(4, dtype=np.uint8)[None, :, None, None] ^ apart[:, None]
    total = laws[:, :, there] + np.take_along_axis(fresh, which.astype(np.intp), axis=1)
    total -= total.max(axis=1, keepdims=True)
    laws[:, :, there] = np.maximum(total, _LEAST_SUM)


def _laws(known: NDArray[np.float64], frames: int, columns: int, lift: int) -> Laws:
    if known.ndim == 1:
        return pair_laws(known)
    return pair_laws(known.reshape(4, frames, columns, lift).transpose(1, 0, 2, 3))


def _with_check(code: LdpcCode, data: NDArray[np.uint8]) -> Bits:
    whole = np.unpackbits(with_check(data), axis=1)
    return whole.reshape(len(data), code.information_columns, code.lift)


def _checked(code: LdpcCode, frames: Bits) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Data of decoded frames, and whether each agrees with its check."""
    information = frames[:, : code.information_columns].reshape(len(frames), -1)
    return checked(np.packbits(information, axis=1))


def _as_bits(labels: Labels) -> Bits:
    """Frames of shape (frames, 96, lift) from a label a pair, shape (frames, 48, lift)."""
    bits = np.empty((len(labels), COLUMNS, labels.shape[2]), np.uint8)
    bits[:, :PAIRED], bits[:, PAIRED:] = labels >> 1, labels & 1
    return bits


def _as_labels(bits: Bits) -> Labels:
    return np.asarray(bits[:, :PAIRED] << 1 | bits[:, PAIRED:], np.uint8)
