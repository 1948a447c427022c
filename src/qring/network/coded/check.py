"""Check of a frame: a CRC-32 of its data, carried behind it."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["CHECK_BITS", "checked", "with_check"]

CHECK_BITS = 32

Bytes = NDArray[np.uint8]


def with_check(data: Bytes) -> Bytes:
    """Rows of ``data``, shape (frames, bytes), each followed by its check of four bytes."""
    checks = np.array([zlib.crc32(row.tobytes()) for row in data], ">u4")
    return np.concatenate([data, checks.view(np.uint8).reshape(-1, 4)], axis=1)


def checked(whole: Bytes) -> tuple[Bytes, NDArray[np.bool_]]:
    """Undo :func:`with_check`; also whether each row agrees with its check."""
    data, checks = whole[:, :-4], np.ascontiguousarray(whole[:, -4:]).view(">u4").ravel()
    computed = np.array([zlib.crc32(row.tobytes()) for row in data], np.uint32)
    return data, np.asarray(computed == checks)
