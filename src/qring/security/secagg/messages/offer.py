"""Offer of the server: everything that all clients must see alike.

The session that all later messages name is the SHA-256 of the offer, so clients that were told
different things do not understand each other.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from qring.encoding.values import MAX_SUM_BITS
from qring.errors import InputError, PeerError
from qring.security.secagg.graph import Graph, Neighbourhood, Neighbours
from qring.security.secagg.messages.frames import SERVER, Kind, pack, unpack
from qring.validate import check_flag, check_whole

__all__ = ["Offer"]

_FIXED = struct.Struct(">16sQ32s32sIIIBBQI")


@dataclass(frozen=True, kw_only=True)
class Offer:
    """Terms of one sum.

    Args:
        nonce: 16 random bytes; an offer is not made twice.
        round: counts up; a client answers a later round than its last only.
        members: numbers in the directory of identities; worker k is ``members[k]``.
        words: coordinates of the masked vector.
        sum_bits: B; sums are formed mod 2^B.
        degree: neighbours of a worker, even, or one less than all.
        threshold: holders among a worker and its neighbours that recover a secret.
        fewest: contributors without whom there is no sum.
        signed: whether keys and survivors are signed.
        model: a hash of what all train on; zeros if that is not checked.
        seed: 32 bytes that order the graph's circle.
    """

    nonce: bytes
    round: int
    members: tuple[int, ...]
    words: int
    sum_bits: int
    degree: int
    threshold: int
    fewest: int
    signed: bool
    model: bytes = bytes(32)
    seed: bytes = bytes(32)

    def __post_init__(self) -> None:
        for name, size in (("nonce", 16), ("model", 32), ("seed", 32)):
            if len(getattr(self, name)) != size:
                raise InputError(f"{name} has {len(getattr(self, name))} bytes; use {size}")
        workers = len(self.members)
        if workers < 3 or len(set(self.members)) < workers:
            raise InputError(f"{workers} members cannot sum: at least 3 are needed, all different")
        check_flag("signed", self.signed)
        check_whole("round", self.round, least=0, most=2**64 - 1)
        check_whole("words", self.words, least=1, most=2**40)
        check_whole("sum_bits", self.sum_bits, least=1, most=MAX_SUM_BITS)
        check_whole("degree", self.degree, least=2, most=workers - 1)
        if self.degree % 2 and self.degree != workers - 1:
            raise InputError(f"a degree of {self.degree} is odd: no circle has it")
        check_whole("threshold", self.threshold, least=2, most=self.degree + 1)
        check_whole("fewest", self.fewest, least=3, most=workers)

    @classmethod
    def among(
        cls,
        members: tuple[int, ...],
        neighbours: Neighbours | None = None,
        **terms: Any,  # noqa: ANN401 - the other fields
    ) -> Offer:
        """An offer with the thresholds of :class:`~qring.security.secagg.method.SecAgg`."""
        workers = len(members)
        if neighbours is None:
            degree, threshold = workers - 1, (workers + 1) // 2 + 1
        else:
            plan = neighbours.plan(workers)
            degree, threshold = plan.degree, plan.threshold
            terms.setdefault("fewest", workers - plan.lost)
        terms = {"degree": degree, "threshold": threshold, "fewest": max(3, threshold), **terms}
        return cls(members=members, **terms)

    @cached_property
    def packed(self) -> bytes:
        """The message to all clients."""
        fixed = _FIXED.pack(
            self.nonce, self.round, self.model, self.seed, self.degree, self.threshold,
            self.fewest, self.sum_bits, self.signed, self.words, len(self.members),
        )  # fmt: skip
        names = b"".join(member.to_bytes(8, "big") for member in self.members)
        return pack(Kind.OFFER, bytes(32), SERVER, fixed + names)

    @cached_property
    def session(self) -> bytes:
        """SHA-256 of the message: the name of this sum."""
        return hashlib.sha256(self.packed).digest()

    @cached_property
    def graph(self) -> Graph:
        """Neighbours by client."""
        plan = Neighbourhood(
            workers=len(self.members), degree=self.degree, threshold=self.threshold,
            lost=0, corrupt=0, corrupt_near=0, rates=Neighbours(),
        )  # fmt: skip
        return Graph(plan, self.seed)

    @classmethod
    def unpack(cls, message: bytes) -> Offer:
        """Read an offer.

        Raises:
            PeerError: bytes that are none, or terms that cannot be.
        """
        body = unpack(message, Kind.OFFER, bytes(32)).body
        if len(body) < _FIXED.size:
            raise PeerError(f"an offer of {len(body)} bytes: too short")
        nonce, number, model, seed, degree, threshold, fewest, bits, signed, words, count = (
            _FIXED.unpack_from(body)
        )
        if len(body) != _FIXED.size + 8 * count or signed > 1:
            raise PeerError(f"an offer to {count} members has {len(body)} bytes: it is damaged")
        names = body[_FIXED.size :]
        try:
            return cls(
                nonce=nonce, round=number, model=model, seed=seed, degree=degree,
                threshold=threshold, fewest=fewest, sum_bits=bits, signed=bool(signed), words=words,
                members=struct.unpack(f">{count}Q", names),
            )  # fmt: skip
        except InputError as error:
            raise PeerError(f"an offer that cannot be: {error}") from None
