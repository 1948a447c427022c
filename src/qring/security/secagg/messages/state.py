"""A client between two messages, as bytes: for frameworks that start a process a message."""

from __future__ import annotations

import struct

from qring.errors import InputError
from qring.security.secagg import shamir, steps
from qring.security.secagg.messages.client import Client, Rules
from qring.security.secagg.messages.frames import Kind
from qring.security.secagg.messages.identity import Directory, Identity
from qring.security.secagg.messages.offer import Offer

__all__ = ["restore", "save"]

_MAGIC = b"QRSC1"
_SIZE = 5 + 1 + 8 + 96 + 2 * shamir.SHARE_BYTES
_KEPT = (Kind.OFFER, Kind.ROSTER, Kind.DELIVERY, Kind.SURVIVORS)


def save(client: Client) -> bytes:
    """All that ``client`` needs to go on. It holds secrets: keep it where the client's data is.

    Words that were contributed and not yet masked are not saved.
    """
    due = 0 if client.due is None else int(client.due)
    secrets = b"".join(client.secrets).ljust(96, b"\0")
    own = b"".join(share.to_bytes(shamir.SHARE_BYTES, "big") for share in client.own)
    state = _MAGIC + bytes([due]) + client.member.to_bytes(8, "big") + secrets + own
    for kind in _KEPT:
        message = client.received.get(kind, b"")
        state += len(message).to_bytes(8, "big") + message
    for name, key in client.agreed.items():
        if name.startswith(steps.CHANNEL):  # spares agreeing on them again
            state += name + key
    return state


def restore(
    state: bytes,
    *,
    identity: Identity | None = None,
    directory: Directory | None = None,
    rules: Rules | None = None,
) -> Client:
    """The client that was saved. Restoring one state twice lets it answer twice: delete it first.

    Raises:
        InputError: the bytes are no state of a client.
    """
    if state[:5] != _MAGIC or len(state) < _SIZE:
        raise InputError(f"{len(state)} bytes that are no state of a client")
    member = int.from_bytes(state[6:14], "big")
    client = Client(member, identity=identity, directory=directory, rules=rules)
    client.due = Kind(state[5]) if state[5] else None
    client.secrets = (state[14:46], state[46:78], state[78:110])
    half = shamir.SHARE_BYTES
    seed, key = state[110 : 110 + half], state[110 + half : 110 + 2 * half]
    client.own = steps.Shares(int.from_bytes(seed, "big"), int.from_bytes(key, "big"))
    at = _SIZE
    for kind in _KEPT:
        if at + 8 > len(state):
            raise InputError("a client's state ends too early")
        (length,) = struct.unpack_from(">Q", state, at)
        message = state[at + 8 : at + 8 + length]
        at += 8 + length
        if message:
            client.received[kind] = message
    size = len(steps.CHANNEL) + 4 * 32
    for start in range(at, len(state), size):
        client.agreed[state[start : start + size - 32]] = state[start + size - 32 : start + size]
    if Kind.OFFER in client.received:
        client.offer = Offer.unpack(client.received[Kind.OFFER])
    return client
