"""The vocabulary of schedules: hops, rounds, and one worker's share of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import NamedTuple

__all__ = ["Action", "Hop", "Round", "share_of"]


class Action(Enum):
    """What the receiver does with a message: add it to its own chunk, or keep it instead."""

    ADD = "add"
    KEEP = "keep"


class Hop(NamedTuple):
    """One message: worker ``src`` sends chunk ``chunk`` to worker ``dst``.

    ``summed`` is the number of workers whose words the message already holds; it decides how
    wide a growing word must be.
    """

    src: int
    dst: int
    chunk: int
    summed: int
    action: Action


Round = tuple[Hop, ...]
"""Hops that happen at the same time. Every hop reads its chunk before any hop writes one."""


def share_of(worker: int, rounds: Iterable[Round]) -> Iterator[Round]:
    """Yield, for every round, only the hops that ``worker`` sends or receives."""
    for hops in rounds:
        yield tuple(hop for hop in hops if worker in (hop.src, hop.dst))
