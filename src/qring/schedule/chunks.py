"""Division of a vector into one chunk a worker."""

from __future__ import annotations

from itertools import pairwise

from qring.errors import InputError

__all__ = ["even_chunks"]


def even_chunks(coords: int, chunks: int) -> tuple[slice, ...]:
    """Cut ``coords`` coordinates into ``chunks`` slices whose lengths differ by at most one.

    The first ``coords mod chunks`` slices are the longer ones; when there are fewer
    coordinates than chunks the last slices are empty.
    """
    if chunks < 1 or coords < 0:
        raise InputError(f"cannot cut {coords} coordinates into {chunks} chunks")
    short, longer = divmod(coords, chunks)
    starts = [k * short + min(k, longer) for k in range(chunks + 1)]
    return tuple(slice(a, b) for a, b in pairwise(starts))
