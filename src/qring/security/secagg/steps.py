"""The steps of secure aggregation, each a function of what one role holds and has received.

A worker draws its secrets and goes through ``advertise``, ``share``, ``mask`` and ``unmask``; the
server can ``recover`` the sum from what arrives. Who carries the messages is another's business.

Source: Bonawitz et al., Practical secure aggregation for privacy-preserving machine learning
(CCS 2017), figure 4 without the steps against active adversaries.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from qring.errors import InputError
from qring.security.secagg import shamir
from qring.security.secagg.agreement import KEY_BYTES, TAG_BYTES, KeyPair, open_sealed, seal
from qring.security.secagg.masks import Words, add_masks
from qring.security.secagg.outcome import Reveal

__all__ = [
    "CHANNEL",
    "SEALED_BYTES",
    "Around",
    "PublicKeys",
    "Secrets",
    "Shares",
    "Sharing",
    "Source",
    "advertise",
    "draw",
    "mask",
    "opened",
    "recover",
    "share",
    "unmask",
]

SEALED_BYTES = 2 * shamir.SHARE_BYTES + TAG_BYTES
"""Bytes of a sealed pair of shares."""

Source = Callable[[int], bytes]
"""Gives as many random bytes as asked for; ``os.urandom`` is one."""

Around = Callable[[int], Collection[int]]
"""Neighbours of a worker."""

_STREAMS = 128  # key streams that are open together

CHANNEL = b"qring secagg channel"
"""Purpose of keys that seal shares."""

_MASK = b"qring secagg mask"


class PublicKeys(NamedTuple):
    """Advertisement of a worker: 32 bytes for the channel of shares, 32 for masks."""

    channel: bytes
    mask: bytes


class Shares(NamedTuple):
    """One holder's shares of one owner's self-mask seed and private mask key."""

    seed: int
    key: int


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Secrets:
    """Secrets of a worker for one sum, never used again.

    Agreed keys are bound to ``session``, which names the sum.
    """

    worker: int
    channel: KeyPair
    mask: KeyPair
    seed: bytes
    session: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Sharing:
    """Result of :func:`share`: its own share and channel keys to keep, messages to send."""

    own: Shares
    channels: Mapping[int, bytes]
    sealed: Mapping[int, bytes]


def draw(worker: int, source: Source, agreed: dict[bytes, bytes] | None = None) -> Secrets:
    """Draw fresh secrets. Those of one sum must not serve another.

    ``agreed`` is for one process that plays all workers; see :class:`KeyPair`.
    """
    return Secrets(
        worker=worker,
        channel=KeyPair(source(KEY_BYTES), agreed),
        mask=KeyPair(source(KEY_BYTES), agreed),
        seed=source(KEY_BYTES),
    )


def advertise(secrets: Secrets) -> PublicKeys:
    """Return the public keys."""
    return PublicKeys(secrets.channel.public, secrets.mask.public)


def share(
    secrets: Secrets, roster: Mapping[int, PublicKeys], threshold: int, source: Source
) -> Sharing:
    """Share the seed and the mask key among all of ``roster``, sealed for each holder.

    On a sparse graph the roster has the worker itself and its neighbours only.

    Raises:
        InputError: too few on the roster, or a key that occurs twice.
    """
    if len(roster) < threshold:
        raise InputError(f"{len(roster)} on the roster, but the threshold is {threshold}")
    if len({key for keys in roster.values() for key in keys}) < 2 * len(roster):
        raise InputError("two workers advertised the same key: run again with fresh keys")
    points = [holder + 1 for holder in roster]
    seeds = shamir.split(int.from_bytes(secrets.seed, "big"), threshold, points, source)
    keys = shamir.split(int.from_bytes(secrets.mask.private, "big"), threshold, points, source)
    channels, sealed = {}, {}
    for holder, public in roster.items():
        if holder != secrets.worker:
            key = secrets.channel.agree(public.channel, CHANNEL + secrets.session)
            plain = _pack(Shares(seeds[holder + 1], keys[holder + 1]))
            channels[holder] = key
            sealed[holder] = seal(key, secrets.worker, holder, plain)
    own = Shares(seeds[secrets.worker + 1], keys[secrets.worker + 1])
    return Sharing(own=own, channels=channels, sealed=sealed)


def mask(
    secrets: Secrets,
    roster: Mapping[int, PublicKeys],
    sharers: Collection[int],
    words: Words,
    sum_bits: int,
) -> Words:
    """Mask ``words`` in place mod 2^B, for the worker itself and against every other sharer.

    On a sparse graph ``sharers`` are those among the neighbours.
    """
    me = secrets.worker
    added: list[bytes] = [secrets.seed]
    subtracted: list[bytes] = []
    for other in sharers:
        if other != me:
            key = secrets.mask.agree(roster[other].mask, _MASK + secrets.session)
            (added if me < other else subtracted).append(key)
    add_masks(words, added, subtracted, sum_bits)
    return words


def opened(secrets: Secrets, owner: int, keys: PublicKeys, sealed: bytes) -> Shares:
    """Shares that ``owner`` sealed for the worker.

    Raises:
        PeerError: they were changed on their way.
    """
    key = secrets.channel.agree(keys.channel, CHANNEL + secrets.session)
    return _unpack(open_sealed(key, owner, secrets.worker, sealed))


def unmask(
    secrets: Secrets,
    sharing: Sharing,
    sealed: Mapping[int, bytes],
    contributors: Collection[int],
    threshold: int,
) -> Reveal:
    """Reveal seed shares of ``contributors`` and key shares of the sharers that were lost.

    ``sealed`` holds the message of every other sharer. Once only: to answer two different sets
    of contributors would show the server both shares of somebody. On a sparse graph
    ``contributors`` are those among the worker itself and its neighbours.

    Raises:
        InputError: contributors that are too few, or that never shared.
        PeerError: a share was changed on its way.
    """
    me = secrets.worker
    held = {me: sharing.own}
    for owner, message in sealed.items():
        held[owner] = _unpack(open_sealed(sharing.channels[owner], owner, me, message))
    if len(contributors) < threshold or not held.keys() >= set(contributors):
        raise InputError(
            f"cannot unmask {len(contributors)} contributors of {len(held)} sharers at "
            f"threshold {threshold}: the server asked for what it must not have"
        )
    return Reveal(
        seeds={owner: held[owner].seed for owner in held if owner in contributors},
        keys={owner: held[owner].key for owner in held if owner not in contributors},
    )


def recover(
    total: Words,
    roster: Mapping[int, PublicKeys],
    contributors: Collection[int],
    reveals: Mapping[int, Reveal],
    threshold: int,
    sum_bits: int,
    around: Around | None = None,
    session: bytes = b"",
) -> Words:
    """Take off ``total``, in place, every mask that does not cancel; what is left is the sum.

    ``total`` is the sum of the contributors' masked words, ``reveals`` the workers' answers, by
    holder: at least ``threshold`` for each secret. ``around`` gives a worker's neighbours, if not
    all others are.

    Raises:
        InputError: too few answers.
    """
    everybody = sorted(reveals)
    added: list[bytes] = []
    subtracted: list[bytes] = []

    def secret(owner: int, kind: Callable[[Reveal], Mapping[int, int]]) -> bytes:
        among = everybody if around is None else sorted((owner, *around(owner)))
        shares: dict[int, int] = {}
        for holder in among:
            if holder in reveals and owner in kind(reveals[holder]):
                shares[holder + 1] = kind(reveals[holder])[owner]
                if len(shares) == threshold:
                    return shamir.combine(shares).to_bytes(KEY_BYTES, "big")
        raise InputError(f"{len(shares)} answers cannot unmask at threshold {threshold}")

    def settle(most: int) -> None:
        if len(added) + len(subtracted) > most:
            add_masks(total, added, subtracted, sum_bits)
            added.clear()
            subtracted.clear()

    arrived = frozenset(contributors)
    for owner in contributors:
        subtracted.append(secret(owner, operator.attrgetter("seeds")))
        settle(_STREAMS)
    for lost in sorted({owner for reveal in reveals.values() for owner in reveal.keys}):
        pair = KeyPair(secret(lost, operator.attrgetter("keys")))
        for other in contributors if around is None else arrived.intersection(around(lost)):
            key = pair.agree(roster[other].mask, _MASK + session)  # what the other put in goes out
            (added if lost < other else subtracted).append(key)
            settle(_STREAMS)
    settle(0)
    return total


def _pack(shares: Shares) -> bytes:
    return b"".join(part.to_bytes(shamir.SHARE_BYTES, "big") for part in shares)


def _unpack(plain: bytes) -> Shares:
    half = shamir.SHARE_BYTES
    return Shares(int.from_bytes(plain[:half], "big"), int.from_bytes(plain[half:], "big"))
