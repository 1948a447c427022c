"""The server of one secure sum, as a state machine: bytes in, bytes out, one running total.

It keeps the graph's keys and shares and one sum: a masked vector is added as it arrives. It trusts
nobody: a message that is damaged, doubled or another's is refused, and its sender counts as lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.encoding.packing import unpack_words
from qring.errors import PeerError
from qring.security.secagg import shamir, steps
from qring.security.secagg.agreement import KEY_BYTES, require_cryptography
from qring.security.secagg.masks import word_type
from qring.security.secagg.messages.frames import SERVER, Kind, pack, pieces, unpack
from qring.security.secagg.messages.identity import Directory, check_signature
from qring.security.secagg.messages.offer import Offer
from qring.security.secagg.outcome import Reason, Reveal

__all__ = ["Server"]

_SEALED = 4 + steps.SEALED_BYTES
_REVEALED = 4 + 1 + shamir.SHARE_BYTES


class Server:
    """The server in one sum: :meth:`receive` what arrives, then :meth:`close` the stage.

    Args:
        offer: what is offered; ``offer.packed`` is the first message to all.
        directory: identities of the members, if keys are signed; a check of what arrives.

    ``ended`` says why there is no sum, ``contributors`` and ``total`` what the sum is.
    """

    def __init__(self, offer: Offer, directory: Directory | None = None) -> None:
        require_cryptography()
        self.offer, self.directory = offer, directory
        self.due: Kind | None = Kind.ADVERTISE
        self.ended: Reason | None = None
        self.contributors: tuple[int, ...] = ()
        self.total: NDArray[Any] = np.zeros(offer.words, word_type(offer.sum_bits))
        self.received_bytes = 0
        self._present: tuple[int, ...] = tuple(range(len(offer.members)))
        self._arrived: dict[int, Any] = {}
        self._adverts: dict[int, bytes] = {}
        self._roster: dict[int, steps.PublicKeys] = {}
        self._sealed: dict[int, dict[int, bytes]] = {}
        self._sharers: frozenset[int] = frozenset()
        self._bitmap = b""

    def receive(self, message: bytes) -> int:
        """Take a client's message of this stage; return the worker it is from.

        Raises:
            PeerError: it is not one that is due; nothing has changed.
        """
        if self.due is None:
            raise PeerError("this sum is over: nothing more is due")
        signed = self.offer.signed
        frame = unpack(message, self.due, self.offer.session, signed=signed)
        worker = frame.sender
        if worker not in self._present or worker in self._arrived:
            raise PeerError(f"worker {worker} is not waited for, or has answered already")
        if signed and frame.signature and self.directory is not None:
            member = self.offer.members[worker]
            check_signature(self.directory, member, frame.signed, frame.signature)
        self._arrived[worker] = {
            Kind.ADVERTISE: self._advertised,
            Kind.SHARES: self._shared,
            Kind.MASKED: self._masked,
            Kind.CONSENT: self._consented,
            Kind.REVEAL: self._revealed,
        }[self.due](worker, message, frame.body)
        self.received_bytes += len(message)
        return worker

    def close(self) -> dict[int, bytes]:
        """End the stage: who has not answered is lost. Return the next messages, by worker.

        None are left once ``total`` is the sum, or the sum has ``ended``.
        """
        if self.due is None:
            return {}
        stage, arrived = self.due, self._arrived
        self._present, self._arrived = tuple(sorted(arrived)), {}
        self.ended = self._judge(stage)
        if self.ended is not None:
            self.due = None
            return {}
        following = {
            Kind.ADVERTISE: Kind.SHARES,
            Kind.SHARES: Kind.MASKED,
            Kind.MASKED: Kind.CONSENT if self.offer.signed else Kind.REVEAL,
            Kind.CONSENT: Kind.REVEAL,
        }
        self.due = following.get(stage)
        if stage is Kind.ADVERTISE:
            self._adverts = arrived
            return self._to_all(Kind.ROSTER, lambda w: self._near(w, arrived))
        if stage is Kind.SHARES:
            self._sealed = arrived
            self._sharers = frozenset(arrived)
            return self._to_all(Kind.DELIVERY, self._delivery)
        if stage is Kind.MASKED:
            self._sealed = {}
            self.contributors = self._present
            flags = np.zeros(len(self.offer.members), np.uint8)
            flags[list(self._present)] = 1
            self._bitmap = np.packbits(flags).tobytes()
            return self._to_all(Kind.SURVIVORS, lambda _: self._bitmap)
        if stage is Kind.CONSENT:
            return self._to_all(Kind.CONSENTS, lambda w: self._near(w, arrived))
        offer = self.offer
        steps.recover(
            self.total, self._roster, self.contributors, arrived, offer.threshold, offer.sum_bits,
            offer.graph.around, offer.session,
        )  # fmt: skip
        return {}

    def _judge(self, stage: Kind) -> Reason | None:
        offer, present = self.offer, self._present
        if len(present) < (offer.fewest if stage is not Kind.REVEAL else 1):
            return Reason.TOO_FEW
        if stage is Kind.MASKED and not offer.graph.connected(present):
            return Reason.CUT
        here = frozenset(present)
        asked = self._sharers if stage in (Kind.CONSENT, Kind.REVEAL) else here
        enough = all(
            len(here.intersection((w, *offer.graph.around(w)))) >= offer.threshold for w in asked
        )
        return None if enough else Reason.NEIGHBOURS

    # What arrives

    def _advertised(self, worker: int, message: bytes, body: bytes) -> bytes:
        if len(body) != 2 * KEY_BYTES:
            raise PeerError(f"worker {worker} advertises {len(body)} bytes of keys")
        self._roster[worker] = steps.PublicKeys(body[:KEY_BYTES], body[KEY_BYTES:])
        return message

    def _shared(self, worker: int, _: bytes, body: bytes) -> dict[int, bytes]:
        parts = {int.from_bytes(part[:4], "big"): part[4:] for part in pieces(body, _SEALED)}
        wanted = [w for w in self.offer.graph.around(worker) if w in self._adverts]
        if sorted(parts) != wanted or len(parts) * _SEALED != len(body):
            raise PeerError(f"worker {worker} did not share with each of its neighbours once")
        return parts

    def _masked(self, worker: int, _: bytes, body: bytes) -> bool:
        offer = self.offer
        size = -(-offer.words * offer.sum_bits // 8)
        if len(body) != size:
            raise PeerError(f"worker {worker} masked {len(body)} bytes; {size} are due")
        words = unpack_words(np.frombuffer(body, np.uint8), offer.words, offer.sum_bits)
        self.total += words.astype(self.total.dtype)
        return True

    def _consented(self, worker: int, message: bytes, body: bytes) -> bytes:
        if body != hashlib.sha256(self._bitmap).digest():
            raise PeerError(f"worker {worker} consents to other survivors")
        return message

    def _revealed(self, worker: int, _: bytes, body: bytes) -> Reveal:
        seeds: dict[int, int] = {}
        keys: dict[int, int] = {}
        arrived = frozenset(self.contributors)
        for part in pieces(body, _REVEALED):
            owner, lost = int.from_bytes(part[:4], "big"), part[4]
            if lost != (owner not in arrived) or lost > 1:
                raise PeerError(f"worker {worker} shows the wrong share of worker {owner}")
            (keys if lost else seeds)[owner] = int.from_bytes(part[5:], "big")
        near = self._sharers.intersection((worker, *self.offer.graph.around(worker)))
        if {*seeds, *keys} != near:
            raise PeerError(f"worker {worker} does not show one share of each neighbour")
        return Reveal(seeds=seeds, keys=keys)

    # What goes out

    def _near(self, worker: int, messages: Mapping[int, bytes]) -> bytes:
        around = self.offer.graph.around(worker)
        return b"".join(messages[other] for other in around if other in messages)

    def _delivery(self, worker: int) -> bytes:
        return b"".join(
            owner.to_bytes(4, "big") + self._sealed[owner].pop(worker)
            for owner in self.offer.graph.around(worker)
            if owner in self._sealed
        )

    def _to_all(self, kind: Kind, body: Callable[[int], bytes]) -> dict[int, bytes]:
        session = self.offer.session
        return {worker: pack(kind, session, SERVER, body(worker)) for worker in self._present}
