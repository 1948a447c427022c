"""Parameters as one vector: flat, back, and the hash by which clients compare what they got."""

from __future__ import annotations

import hashlib

import numpy as np
from flwr.app import Array, ArrayRecord
from numpy.typing import NDArray

__all__ = ["digest", "flat", "shaped"]


def flat(arrays: ArrayRecord) -> NDArray[np.float64]:
    """All entries in order, shape (coords,)."""
    parts = [array.numpy().astype(np.float64).reshape(-1) for array in arrays.values()]
    return np.concatenate(parts) if parts else np.empty(0)


def shaped(vector: NDArray[np.float64], like: ArrayRecord) -> ArrayRecord:
    """The vector as arrays of the names, shapes and floating types of ``like``."""
    made, start = {}, 0
    for name, array in like.items():
        old = array.numpy()
        part = vector[start : start + old.size].reshape(old.shape)
        start += old.size
        made[name] = Array(np.asarray(part, old.dtype if old.dtype.kind == "f" else np.float64))
    return ArrayRecord(made)


def digest(arrays: ArrayRecord) -> bytes:
    """BLAKE2b of 32 bytes over names, types, shapes and bytes, in order."""
    found = hashlib.blake2b(digest_size=32)
    for name, array in arrays.items():
        for part in (name, array.dtype, repr(tuple(array.shape))):
            found.update(len(part).to_bytes(4, "big") + part.encode())
        found.update(len(array.data).to_bytes(8, "big") + array.data)
    return found.digest()
