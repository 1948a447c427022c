"""Keys that two workers agree on, and what they seal with them.

X25519, HKDF-SHA256 and AES-256-GCM of the package ``cryptography``, which is imported only when
a key is made.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from qring.errors import MissingExtraError, PeerError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

__all__ = ["KEY_BYTES", "TAG_BYTES", "KeyPair", "open_sealed", "require_cryptography", "seal"]

KEY_BYTES = 32
"""Bytes of a private key, a public key or an agreed key."""

TAG_BYTES = 16
"""Bytes that sealing adds."""


def require_cryptography() -> None:
    """Check that the package is there.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import cryptography  # noqa: F401
    except ImportError:
        raise MissingExtraError("secure aggregation", "secagg") from None


class KeyPair:
    """An X25519 key pair. ``private`` and ``public`` are 32 bytes each.

    Who plays both ends of many pairs hands the same ``agreed`` to all: what one end has worked
    out, the other looks up.
    """

    __slots__ = ("_agreed", "_key", "private", "public")

    def __init__(self, private: bytes, agreed: dict[bytes, bytes] | None = None) -> None:
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

        self._agreed = {} if agreed is None else agreed
        self._key: X25519PrivateKey = X25519PrivateKey.from_private_bytes(private)
        self.private = private
        self.public: bytes = self._key.public_key().public_bytes_raw()

    def agree(self, other: bytes, purpose: bytes) -> bytes:
        """Key shared with the owner of the public key ``other``, for one purpose.

        Both ends get the same 32 bytes. The derivation binds both public keys (RFC 7748, 6.1).

        Raises:
            PeerError: a key of low order, whose agreements everybody knows.
        """
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        info = purpose + min(self.public, other) + max(self.public, other)
        key = self._agreed.get(info)
        if key is None:
            derivation = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info)
            try:
                key = derivation.derive(self._key.exchange(_public(other)))
            except ValueError:
                raise PeerError(
                    "a public key is of low order: everybody knows its agreed keys"
                ) from None
            self._agreed[info] = key
        return key


def seal(key: bytes, src: int, dst: int, plain: bytes) -> bytes:
    """Encrypt and authenticate the one message from ``src`` to ``dst`` under ``key``.

    The two directions of a pair use different nonces; a key must not seal twice in a direction.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key).encrypt(_nonce(src, dst), plain, _names(src, dst))


def open_sealed(key: bytes, src: int, dst: int, sealed: bytes) -> bytes:
    """Undo :func:`seal`.

    Raises:
        PeerError: the message was not sealed so, or was changed.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(_nonce(src, dst), sealed, _names(src, dst))
    except InvalidTag:
        raise PeerError(
            f"the shares that worker {src} sealed for worker {dst} were changed on their way"
        ) from None


def _nonce(src: int, dst: int) -> bytes:
    return int(src > dst).to_bytes(12, "big")


def _names(src: int, dst: int) -> bytes:
    return src.to_bytes(4, "big") + dst.to_bytes(4, "big")


@functools.lru_cache(maxsize=1024)
def _public(key: bytes) -> X25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    return X25519PublicKey.from_public_bytes(key)
