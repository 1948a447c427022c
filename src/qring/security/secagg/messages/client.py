"""A client of one secure sum, as a state machine: bytes in, bytes out.

Formal guarantee: with signatures, at most one set of survivors finds a threshold of consents in
any neighbourhood with 2·threshold > degree + 1 + corrupt neighbours, and no client answers for
both shares of one worker. So a server that lies, and colludes with as many, learns one sum over at
least ``fewest`` clients, or nothing. It can always stop a sum, and it is not prevented from handing
out a wrong model afterwards; see :class:`Rules` for what is refused beforehand.

Source: Bonawitz et al. (CCS 2017), figure 4, with the consistency check; Bell et al. (CCS 2020).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.encoding.packing import pack_words
from qring.errors import InputError, PeerError
from qring.security.secagg import shamir, steps
from qring.security.secagg.agreement import KEY_BYTES, KeyPair, require_cryptography
from qring.security.secagg.masks import word_type
from qring.security.secagg.messages.frames import Kind, pack, pieces, unpack
from qring.security.secagg.messages.identity import Directory, Identity, check_signature
from qring.security.secagg.messages.offer import Offer
from qring.validate import check_whole

__all__ = ["Client", "Rules"]

_ADVERT = 50 + 2 * KEY_BYTES
_SEALED = 4 + steps.SEALED_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Requirements of a client, whatever the server offers.

    Args:
        withstands: corrupt neighbours, the server's own client among them, that together with the
            server must read nothing: 2·threshold > degree + 1 + withstands.
        fewest: contributors without whom it reveals nothing, at least 3.
        after_round: the last round it took part in; it answers later ones only.
        model: the hash of the model it was given; none if that is not checked.
    """

    withstands: int = 1
    fewest: int = 3
    after_round: int = -1
    model: bytes | None = None

    def __post_init__(self) -> None:
        check_whole("withstands", self.withstands, least=0)
        check_whole("fewest", self.fewest, least=3)
        check_whole("after_round", self.after_round, least=-1)


class Client:
    """One client in one sum. Feed it the server's messages in turn by :meth:`receive`.

    Args:
        member: its number in the directory.
        identity: its own signing key; none for an honest-but-curious server.
        directory: public keys of all members, from elsewhere than the server; with ``identity``.
        rules: what it insists on.
        source: where its secrets come from. Leave it, but in tests.

    After any refusal (:class:`~qring.PeerError`) it answers nothing more.
    """

    def __init__(
        self,
        member: int,
        *,
        identity: Identity | None = None,
        directory: Directory | None = None,
        rules: Rules | None = None,
        source: steps.Source = os.urandom,
    ) -> None:
        require_cryptography()
        if (identity is None) != (directory is None):
            raise InputError("signatures take both: an identity, and a directory of all members'")
        self.member, self.identity, self.directory = member, identity, directory
        self.rules, self.source = rules or Rules(), source
        self.due: Kind | None = Kind.OFFER
        self.offer: Offer | None = None
        self.received: dict[Kind, bytes] = {}
        self.secrets: tuple[bytes, bytes, bytes] = (b"", b"", b"")
        self.own = steps.Shares(0, 0)
        self.agreed: dict[bytes, bytes] = {}
        self._pairs: steps.Secrets | None = None
        self._words: NDArray[Any] | None = None

    def contribute(self, words: NDArray[Any]) -> None:
        """Set the words to sum, shape (words,), each below 2^B; before the delivery of shares.

        Raises:
            InputError: there is no offer yet, or they do not fit it.
        """
        if self.offer is None:
            raise InputError("there is no offer yet: receive it first")
        if words.shape != (self.offer.words,) or words.dtype.kind not in "u":
            raise InputError(
                f"{self.offer.words} unsigned words were offered to be summed, "
                f"not {words.dtype.name} of shape {words.shape}"
            )
        if len(words) and int(words.max()) >> self.offer.sum_bits:
            raise InputError(f"a word of {int(words.max())} exceeds {self.offer.sum_bits} bits")
        self._words = words.astype(word_type(self.offer.sum_bits))  # a copy, masked in place

    def receive(self, message: bytes) -> bytes:
        """Check the server's next message, and return the answer.

        Raises:
            PeerError: the message is not what an honest server would send; says why.
            InputError: words to mask were not contributed.
        """
        if self.due is None:
            raise PeerError("this client's part in the sum is over: it answers nothing more")
        if self.due is Kind.DELIVERY and self._words is None:
            raise InputError("contribute words before the delivery of shares is received")
        due, self.due = self.due, None
        answer = {
            Kind.OFFER: self._advertise,
            Kind.ROSTER: self._share,
            Kind.DELIVERY: self._mask,
            Kind.SURVIVORS: self._consent,
            Kind.CONSENTS: self._unmask,
        }[due](message)
        self.received[due] = message
        following = {
            Kind.OFFER: Kind.ROSTER,
            Kind.ROSTER: Kind.DELIVERY,
            Kind.DELIVERY: Kind.SURVIVORS,
            Kind.SURVIVORS: Kind.CONSENTS if self._offer.signed else None,
        }
        self.due = following.get(due)
        return answer

    # Answers, one a kind of message

    def _advertise(self, message: bytes) -> bytes:
        offer, rules = Offer.unpack(message), self.rules
        if self.member not in offer.members:
            raise PeerError(f"member {self.member} is not among those this sum is offered to")
        if offer.signed != (self.identity is not None):
            found = "signed" if offer.signed else "unsigned"
            raise PeerError(f"the server offers a sum of {found} keys; this client wants the other")
        if offer.round <= rules.after_round:
            raise PeerError(
                f"round {offer.round} is offered after round {rules.after_round}: it is replayed"
            )
        if 2 * offer.threshold <= offer.degree + 1 + rules.withstands:
            raise PeerError(
                f"a threshold of {offer.threshold} of {offer.degree + 1} holders is too low: a "
                f"server that lies and {rules.withstands} that help it could read a word"
            )
        if offer.fewest < rules.fewest:
            raise PeerError(f"a sum of {offer.fewest} is offered; at least {rules.fewest} must be")
        if rules.model is not None and offer.model != rules.model:
            raise PeerError(
                f"the model has hash {rules.model[:4].hex()}, the offer says "
                f"{offer.model[:4].hex()}: clients were given different models"
            )
        self.offer = offer
        channel, mask, seed = (self.source(KEY_BYTES) for _ in range(3))
        self.secrets = (channel, mask, seed)
        keys = b"".join(steps.advertise(self._secrets()))
        return pack(Kind.ADVERTISE, offer.session, self._me, keys, self.identity)

    def _share(self, message: bytes) -> bytes:
        roster = self._roster(message)
        sharing = steps.share(self._secrets(), roster, self._offer.threshold, self.source)
        self.own = sharing.own
        body = b"".join(
            holder.to_bytes(4, "big") + sealed for holder, sealed in sorted(sharing.sealed.items())
        )
        return pack(Kind.SHARES, self._offer.session, self._me, body)

    def _mask(self, message: bytes) -> bytes:
        roster = self._roster(self.received[Kind.ROSTER])
        sealed = self._sealed(message, roster)
        for owner in sealed:
            self._opened(owner, roster, sealed)  # refuse what was changed before masking
        if len(sealed) + 1 < self._offer.threshold:
            raise PeerError(f"shares of {len(sealed)} neighbours: fewer than the threshold")
        words, self._words = self._words, None
        assert words is not None  # noqa: S101 - receive has seen to it
        steps.mask(self._secrets(), roster, (*sealed, self._me), words, self._offer.sum_bits)
        packed = pack_words(words.astype(np.uint64), self._offer.sum_bits).tobytes()
        return pack(Kind.MASKED, self._offer.session, self._me, packed)

    def _consent(self, message: bytes) -> bytes:
        self._survivors(message)
        if not self._offer.signed:
            return self._reveal(message)
        digest = hashlib.sha256(unpack(message, Kind.SURVIVORS).body).digest()
        return pack(Kind.CONSENT, self._offer.session, self._me, digest, self.identity)

    def _unmask(self, message: bytes) -> bytes:
        survivors = self.received[Kind.SURVIVORS]
        digest = hashlib.sha256(unpack(survivors, Kind.SURVIVORS).body).digest()
        body = unpack(message, Kind.CONSENTS, self._offer.session).body
        around, agreed = self._offer.graph.around(self._me), {self._me}
        for part in pieces(body, 50 + 32 + 64):
            frame = unpack(part, Kind.CONSENT, self._offer.session, signed=True)
            if frame.sender not in around:
                raise PeerError(f"worker {frame.sender} consents, but is no neighbour")
            self._check_signed(frame.sender, frame.signed, frame.signature)
            if frame.body != digest:
                raise PeerError(
                    f"worker {frame.sender} was told of other survivors: the server lies"
                )
            agreed.add(frame.sender)
        if len(agreed) < self._offer.threshold:
            raise PeerError(
                f"{len(agreed)} holders consent to the survivors; {self._offer.threshold} must"
            )
        return self._reveal(survivors)

    def _reveal(self, survivors: bytes) -> bytes:
        alive = self._survivors(survivors)
        roster = self._roster(self.received[Kind.ROSTER])
        sealed = self._sealed(self.received[Kind.DELIVERY], roster)
        body = b""
        for owner in sorted((*sealed, self._me)):
            own = owner == self._me
            shares = self.own if own else self._opened(owner, roster, sealed)
            lost = owner not in alive
            share = shares.key if lost else shares.seed
            body += owner.to_bytes(4, "big") + bytes([lost])
            body += share.to_bytes(shamir.SHARE_BYTES, "big")
        return pack(Kind.REVEAL, self._offer.session, self._me, body)

    # What messages say

    @property
    def _offer(self) -> Offer:
        if self.offer is None:
            raise InputError("there is no offer yet: receive it first")
        return self.offer

    @property
    def _me(self) -> int:
        return self._offer.members.index(self.member)

    def _secrets(self) -> steps.Secrets:
        if self._pairs is None:
            channel, mask, seed = self.secrets
            self._pairs = steps.Secrets(
                worker=self._me,
                channel=KeyPair(channel, self.agreed),
                mask=KeyPair(mask, self.agreed),
                seed=seed,
                session=self._offer.session,
            )
        return self._pairs

    def _check_signed(self, worker: int, signed: bytes, signature: bytes) -> None:
        if self.directory is not None:
            check_signature(self.directory, self._offer.members[worker], signed, signature)

    def _roster(self, message: bytes) -> Mapping[int, steps.PublicKeys]:
        offer = self._offer
        body = unpack(message, Kind.ROSTER, offer.session).body
        around = offer.graph.around(self._me)
        roster = {self._me: steps.advertise(self._secrets())}
        for part in pieces(body, _ADVERT + 64 * offer.signed):
            frame = unpack(part, Kind.ADVERTISE, offer.session, signed=offer.signed)
            if frame.sender not in around or frame.sender in roster:
                raise PeerError(f"worker {frame.sender} on the roster is no neighbour, or twice")
            if len(frame.body) != 2 * KEY_BYTES:
                raise PeerError(f"worker {frame.sender} advertises {len(frame.body)} bytes of keys")
            self._check_signed(frame.sender, frame.signed, frame.signature)
            keys = steps.PublicKeys(frame.body[:KEY_BYTES], frame.body[KEY_BYTES:])
            roster[frame.sender] = keys
        if len(roster) < offer.threshold:
            raise PeerError(f"{len(roster) - 1} neighbours on the roster: fewer than the threshold")
        if len({key for keys in roster.values() for key in keys}) < 2 * len(roster):
            raise PeerError("two workers on the roster have the same key")
        return dict(sorted(roster.items()))

    def _sealed(self, message: bytes, roster: Mapping[int, object]) -> dict[int, bytes]:
        body = unpack(message, Kind.DELIVERY, self._offer.session).body
        sealed: dict[int, bytes] = {}
        for part in pieces(body, _SEALED):
            owner = int.from_bytes(part[:4], "big")
            if owner not in roster or owner == self._me or owner in sealed:
                raise PeerError(f"shares of worker {owner}, who is not on the roster, or twice")
            sealed[owner] = part[4:]
        return dict(sorted(sealed.items()))

    def _opened(
        self, owner: int, roster: Mapping[int, steps.PublicKeys], sealed: Mapping[int, bytes]
    ) -> steps.Shares:
        return steps.opened(self._secrets(), owner, roster[owner], sealed[owner])

    def _survivors(self, message: bytes) -> frozenset[int]:
        offer = self._offer
        body = unpack(message, Kind.SURVIVORS, offer.session).body
        workers = len(offer.members)
        if len(body) != -(-workers // 8):
            raise PeerError(f"{len(body)} bytes name the survivors among {workers} workers")
        bits = np.unpackbits(np.frombuffer(body, np.uint8))
        alive = frozenset(int(worker) for worker in bits.nonzero()[0])
        if max(alive, default=-1) >= workers:
            raise PeerError("survivors that are no workers")
        if self._me not in alive:
            raise PeerError("the server says that this client was lost, and asks it all the same")
        if len(alive) < offer.fewest:
            raise PeerError(f"{len(alive)} survivors; without {offer.fewest} nothing is revealed")
        held = {self._me}
        for part in pieces(unpack(self.received[Kind.DELIVERY], Kind.DELIVERY).body, _SEALED):
            held.add(int.from_bytes(part[:4], "big"))
        near = alive.intersection((self._me, *offer.graph.around(self._me)))
        if not near <= held:
            raise PeerError("a neighbour is said to survive that never shared its secrets")
        if len(near) < offer.threshold:
            raise PeerError(f"{len(near)} holders survive here; {offer.threshold} must")
        if not offer.graph.connected(alive):
            raise PeerError("the survivors are cut in two: sums of parts would be told")
        return alive
