"""Commit, then open: nobody chooses what to announce once others' announcements are known.

Hiding by 256 random bits, binding as far as SHA-256 is collision-free: computational. A commitment
names its worker, so that copying another's is of no use.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from qring.security.masks.gathering import Gathering, Words

__all__ = ["COMMITMENT_BITS", "Opened", "announce_at_once", "committed"]

COMMITMENT_BITS = 256
"""Bits of a commitment, and of the random number that opens it."""

_WORDS = COMMITMENT_BITS // 64


class Opened(NamedTuple):
    """Announcements of workers, shape (workers, count), and who broke its commitment."""

    said: Words
    broken: tuple[int, ...]


def committed(worker: int, secret: Words, said: Words) -> Words:
    """Commitment of ``worker`` to ``said``, shape (4,); ``secret`` holds 256 random bits."""
    text = np.concatenate([[np.uint64(worker)], secret, said]).astype("<u8").tobytes()
    return np.frombuffer(hashlib.sha256(text).digest(), "<u8").astype(np.uint64)


def announce_at_once(
    said: Words,
    *,
    first: int,
    bits: int,
    broadcast: Callable[[int], None],
    gathering: Gathering,
) -> Opened:
    """Have all announce ``said``, shape (workers here, count), before they hear others.

    ``first`` is the number of the first worker here; ``bits`` are those of one announcement, and
    ``broadcast`` has all workers tell all others so many.
    """
    secret = np.frombuffer(os.urandom(len(said) * _WORDS * 8), np.uint64).reshape(len(said), -1)
    promises = np.stack(
        [committed(first + row, secret[row], each) for row, each in enumerate(said)]
    )
    heard = gathering.everyone(promises)
    broadcast(COMMITMENT_BITS)
    opened = gathering.everyone(np.concatenate([secret, said], axis=1))
    broadcast(COMMITMENT_BITS + bits)
    return _kept(heard, opened)


def _kept(heard: Words, opened: Words) -> Opened:
    broken = tuple(
        worker
        for worker, (promise, each) in enumerate(zip(heard, opened, strict=True))
        if (committed(worker, each[:_WORDS], each[_WORDS:]) != promise).any()
    )
    return Opened(opened[:, _WORDS:], broken)
