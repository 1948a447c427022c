"""A message over noisy pairs that arrives as it was sent, and what that took.

Every frame carries a CRC-32, and every message a keyed hash of 64 bits. A wrong frame that passes
both goes unnoticed with probability at most 2^−64 a message, taking the keyed hash for a random
function of the message that is independent of the noise. Standing: bound, under that assumption.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.encoding.codes.min_sum import decode
from qring.network.coded import bch_frames, ldpc_frames
from qring.network.coded.adaptation import Flips, observed
from qring.network.coded.bch_frames import BchShape
from qring.network.coded.calibration import Measured
from qring.network.coded.choice import DIGEST_BYTES, Plan, Segment
from qring.network.coded.coding import Emulation
from qring.network.coded.ldpc_frames import Decoder
from qring.network.coded.pairs import AlikePairs, PairSource, law_of

__all__ = ["Receipt", "send"]


class Receipt(NamedTuple):
    """Carriers and attempts of one message.

    ``pairs`` were shared, one half of each sent; ``plain_bits`` went forward and ``ack_bits``
    back. ``attempts`` is the number of rounds until the last frame had arrived, at least one;
    ``frames`` and ``lost`` count coded frames, the latter by attempt. ``flips`` is what syndromes
    of LDPC frames told of the pairs.
    """

    pairs: int
    plain_bits: int
    ack_bits: int
    attempts: int
    frames: int
    lost: tuple[int, ...]
    flips: Flips | None = None

    def then(self, other: Receipt) -> Receipt:
        """This message sent again: everything adds."""
        return Receipt(
            self.pairs + other.pairs,
            self.plain_bits + other.plain_bits,
            self.ack_bits + other.ack_bits,
            self.attempts + other.attempts,
            self.frames + other.frames,
            _added((self.lost, other.lost)),
            other.flips or self.flips,
        )


def send(
    message: NDArray[np.uint8], bits: int, plan: Plan, pairs: PairSource, emulation: Emulation,
    rng: np.random.Generator, *, key: bytes, decoder: Decoder = decode,
) -> Receipt:  # fmt: skip
    """Carry ``bits`` bits, packed in ``message``; what arrives is left in it.

    ``key`` is a public coin of the link, drawn apart from the noise. Only ``DECODED`` changes the
    message on its way; the other emulations know that what arrives is what was sent.

    Raises:
        InputError: pairs too noisy for the codes of the plan, or too few of them.
    """
    if not plan.segments:
        return Receipt(0, bits, 0, 1, 0, ())
    if emulation is not Emulation.DECODED:
        return _receipt([_fate(part, pairs, rng) for part in plan.segments])
    size = -(-bits // 8)
    sent = message[:size].tobytes()
    whole = sent + hashlib.blake2b(sent, digest_size=DIGEST_BYTES, key=key).digest()
    total: Receipt | None = None
    while True:
        arrived, receipt = _decoded(whole, plan, pairs, decoder)
        total = receipt if total is None else total.then(receipt)
        body = arrived[:size]
        if hashlib.blake2b(body, digest_size=DIGEST_BYTES, key=key).digest() == arrived[size:]:
            message[:size] = np.frombuffer(body, np.uint8)
            return total


class _Sent(NamedTuple):
    """Carriers and losses of one segment."""

    pairs: int
    plain_bits: int
    frames: int
    lost: tuple[int, ...]
    flips: Flips | None = None


def _decoded(
    whole: bytes, plan: Plan, pairs: PairSource, decoder: Decoder
) -> tuple[bytes, Receipt]:
    padded = np.frombuffer(whole.ljust(sum(part.bytes for part in plan.segments), b"\0"), np.uint8)
    arrived, taken, start = [], [], 0
    for part in plan.segments:
        data = padded[start : start + part.bytes].reshape(part.frames, part.held)
        start += part.bytes
        received, sent = _segment(part, data, pairs, decoder)
        arrived.append(received.tobytes())
        taken.append(sent)
    return b"".join(arrived)[: len(whole)], _receipt(taken)


def _segment(
    part: Segment, data: NDArray[np.uint8], pairs: PairSource, decoder: Decoder
) -> tuple[NDArray[np.uint8], _Sent]:
    if part.shape is None:
        return data, _taken(part, ())
    received = np.empty_like(data)
    lost: tuple[int, ...] = ()
    unsatisfied: NDArray[np.int64] | int = 0
    step = max(1, _BYTES_AT_ONCE // part.held)
    for start in range(0, part.frames, step):
        some = data[start : start + step]
        if isinstance(part.shape, BchShape):
            delivered = bch_frames.deliver(part.shape, some, pairs)
            received[start : start + step] = delivered.data
            lost = _added((lost, delivered.lost))
        else:
            sent = ldpc_frames.deliver(part.shape.code, some, pairs, decoder=decoder)
            received[start : start + step] = sent.data
            lost = _added((lost, sent.lost))
            unsatisfied = unsatisfied + sent.unsatisfied
    taken = _taken(part, lost)
    if isinstance(part.shape, Measured) and not isinstance(unsatisfied, int):
        taken = taken._replace(flips=observed(part.shape.code, unsatisfied, part.frames))
    return received, taken


_BYTES_AT_ONCE = 1 << 18


def _fate(part: Segment, pairs: PairSource, rng: np.random.Generator) -> _Sent:
    """Losses of a segment's frames, drawn without sending them."""
    shape = part.shape
    if shape is None:
        return _taken(part, ())
    if isinstance(shape, Measured):
        return _taken(part, _drawn(part.frames, shape.loss, rng))
    if not isinstance(pairs, AlikePairs):
        return _taken(part, bch_frames.count_losses(shape, part.frames, pairs))
    rate = bch_frames.loss(shape, law_of(pairs.noise))
    return _taken(part, _drawn(part.frames, lambda _: rate, rng))


def _drawn(frames: int, loss: Callable[[int], float], rng: np.random.Generator) -> tuple[int, ...]:
    lost: list[int] = []
    attempt = 0
    while frames:
        attempt += 1
        frames = int(rng.binomial(frames, loss(attempt)))
        if frames:
            lost.append(frames)
    return tuple(lost)


def _taken(part: Segment, lost: tuple[int, ...]) -> _Sent:
    if part.shape is None:
        return _Sent(0, 8 * part.bytes, 0, ())
    if isinstance(part.shape, BchShape):
        return _Sent(part.shape.pairs * (part.frames + sum(lost)), 0, part.frames, lost)
    return _Sent(ldpc_frames.pairs_sent(part.shape.code, part.frames, lost), 0, part.frames, lost)


def _receipt(parts: Sequence[_Sent]) -> Receipt:
    """All segments travel at once; every frame sent is acknowledged by a bit, and the message."""
    lost = _added([part.lost for part in parts])
    frames = sum(part.frames for part in parts)
    return Receipt(
        pairs=sum(part.pairs for part in parts),
        plain_bits=sum(part.plain_bits for part in parts),
        ack_bits=frames + sum(lost) + 1,
        attempts=1 + len(lost),
        frames=frames,
        lost=lost,
        flips=next((part.flips for part in parts if part.flips is not None), None),
    )


def _added(parts: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    longest = max((len(part) for part in parts), default=0)
    return tuple(sum(part[k] for part in parts if k < len(part)) for k in range(longest))
