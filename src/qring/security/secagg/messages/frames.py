"""The bytes of a message: a head that names the sum, a body, and a signature where one is asked.

The format is version 1; docs/guides/secagg-format.md states it, and the vectors test it.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from qring.errors import PeerError
from qring.security.secagg.messages.identity import SIGNATURE_BYTES, Identity

__all__ = ["SERVER", "VERSION", "Frame", "Kind", "pack", "pieces", "unpack"]

VERSION = 1
"""Version of the format."""

SERVER = 0xFFFFFFFF
"""The server's number as a sender."""

_MAGIC = b"QRSA"
_HEAD = 4 + 1 + 1 + 32 + 4 + 8


class Kind(IntEnum):
    """Kind of a message; odd ones up to 9 come from the server, and so on in turn."""

    OFFER = 1
    ADVERTISE = 2
    ROSTER = 3
    SHARES = 4
    DELIVERY = 5
    MASKED = 6
    SURVIVORS = 7
    CONSENT = 8
    CONSENTS = 9
    REVEAL = 10


_SIGNED = (Kind.ADVERTISE, Kind.CONSENT)


class Frame(NamedTuple):
    """A message taken apart. ``signed`` is what the signature, 64 bytes or none, is over."""

    kind: Kind
    session: bytes
    sender: int
    body: bytes
    signed: bytes
    signature: bytes


def pack(
    kind: Kind, session: bytes, sender: int, body: bytes, identity: Identity | None = None
) -> bytes:
    """A message, signed by ``identity`` if it is of a kind that is."""
    head = _MAGIC + bytes([VERSION, kind]) + session + sender.to_bytes(4, "big")
    message = head + len(body).to_bytes(8, "big") + body
    if identity is not None and kind in _SIGNED:
        message += identity.sign(message)
    return message


def unpack(message: bytes, kind: Kind, session: bytes | None = None, signed: bool = False) -> Frame:
    """Take a message apart, and refuse any but one of ``kind`` in this ``session``.

    Raises:
        PeerError: with what was found, and what was expected.
    """
    if len(message) < _HEAD or message[:4] != _MAGIC:
        raise PeerError(f"{len(message)} bytes that are no message of secure aggregation")
    if message[4] != VERSION:
        raise PeerError(f"a message of format {message[4]}; this is format {VERSION}")
    if message[5] != kind:
        raise PeerError(f"a message of kind {message[5]} where {kind.name} ({kind}) is due")
    found, sender = message[6:38], int.from_bytes(message[38:42], "big")
    if session is not None and found != session:
        raise PeerError(
            f"a message of another sum, session {found[:4].hex()} in {session[:4].hex()}: "
            "rounds are mixed, or one is replayed"
        )
    length = int.from_bytes(message[42:50], "big")
    tail = SIGNATURE_BYTES if signed and kind in _SIGNED else 0
    if len(message) != _HEAD + length + tail:
        raise PeerError(
            f"{kind.name} has {len(message)} bytes where {_HEAD} + {length} + {tail} are due"
        )
    end = _HEAD + length
    return Frame(kind, found, sender, message[_HEAD:end], message[:end], message[end:])


def pieces(body: bytes, size: int) -> Iterator[bytes]:
    """The body in parts of ``size`` bytes.

    Raises:
        PeerError: something is left over.
    """
    if len(body) % size:
        raise PeerError(f"{len(body)} bytes are no whole number of parts of {size}")
    return (body[start : start + size] for start in range(0, len(body), size))
