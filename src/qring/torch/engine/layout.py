"""Layout of the ring over the ranks, and of vectors in chunks, that gives Gloo's bits.

Schedules speak of positions and chunks 0..n−1. Gloo sums chunk c in the order c−1, c−2, …, c,
each rank sending to its left; our ring runs clockwise. Position p = −rank (mod n) and chunk
k ↔ 1−k (mod n) make the two the same, and leave rank r holding the whole of chunk r.
"""

from __future__ import annotations

import functools
import itertools

__all__ = ["chunk_of", "gloo_bounds", "gloo_lengths", "position_of", "rank_of"]

_SEGMENT_BYTES = 1 << 20


def position_of(rank: int, size: int) -> int:
    """Position on the ring of a rank."""
    return -rank % size


def rank_of(position: int, size: int) -> int:
    """Rank at a position on the ring."""
    return -position % size


def chunk_of(scheduled: int, size: int) -> int:
    """The chunk that a schedule calls ``scheduled``."""
    return (1 - scheduled) % size


@functools.lru_cache(maxsize=256)
def gloo_lengths(elements: int, element_bytes: int, size: int) -> tuple[int, ...]:
    """Numbers of elements of the chunks into which Gloo cuts a vector."""
    bounds = gloo_bounds(elements, element_bytes, size)
    return tuple(b - a for a, b in itertools.pairwise(bounds))


def gloo_bounds(elements: int, element_bytes: int, size: int) -> tuple[int, ...]:
    """The n+1 bounds of the chunks into which Gloo cuts a vector for a ring of ``size``.

    Source: ``allreduce.cc`` (ring) of Gloo, as released with PyTorch 2.13.
    """
    total = elements * element_bytes
    segments = max(_ceil(total, _SEGMENT_BYTES), 2 * size)
    segments = _ceil(segments, size) * size
    segment = _ceil(_ceil(total, segments), element_bytes)
    chunk = segment * (segments // size)
    return tuple(min(c * chunk, elements) for c in range(size + 1))


def _ceil(a: int, b: int) -> int:
    return -(-a // b)
