"""Ed25519 identities: who signs what it advertises, and what it consents to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from qring.errors import InputError, PeerError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["SIGNATURE_BYTES", "Directory", "Identity", "check_signature"]

SIGNATURE_BYTES = 64
"""Bytes of a signature."""

Directory = Mapping[int, bytes]
"""Public keys of 32 bytes by member number, known to clients from elsewhere than the server."""


class Identity:
    """A long-lived Ed25519 key pair of one member; ``public`` is 32 bytes."""

    __slots__ = ("_key", "public")

    def __init__(self, private: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if len(private) != 32:
            raise InputError(f"a private Ed25519 key has 32 bytes, not {len(private)}")
        self._key: Ed25519PrivateKey = Ed25519PrivateKey.from_private_bytes(private)
        self.public: bytes = self._key.public_key().public_bytes_raw()

    @classmethod
    def fresh(cls) -> Identity:
        """An identity from the system's random bytes."""
        return cls(os.urandom(32))

    @property
    def private(self) -> bytes:
        """The 32 bytes to keep."""
        return self._key.private_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Signature of 64 bytes."""
        return self._key.sign(message)


def check_signature(directory: Directory, member: int, message: bytes, signature: bytes) -> None:
    """Refuse what ``member`` did not sign.

    Raises:
        PeerError: nobody of this number is in the directory, or the signature is another's.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    public = directory.get(member)
    if public is None:
        raise PeerError(f"member {member} is not in the directory of identities")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        raise PeerError(f"a message in the name of member {member} is not signed by it") from None
