"""Policies of a memory: how many pairs, for how long, which go first, which are given up."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum

from qring.errors import InputError
from qring.network.memory.decay import Decay
from qring.validate import check_enum, check_instance, check_real, check_whole

__all__ = ["Memory", "OnFull", "Order"]


class OnFull(Enum):
    """Rule for a pair that is made while the memory is full."""

    OVERWRITE_OLDEST = "overwrite-oldest"
    DROP_NEW = "drop-new"


class Order(Enum):
    """Order in which stored pairs are used."""

    OLDEST_FIRST = "oldest-first"
    FRESHEST_FIRST = "freshest-first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Memory for the pairs of one link: ``capacity`` of them, or any number with None.

    A pair that is ``cutoff_s`` old is discarded, unused. ``decay`` is that of each half.

    Raises:
        InputError: no room for a single pair, or a cutoff that is not positive.
    """

    capacity: int | None = None
    cutoff_s: float = math.inf
    decay: Decay = field(default_factory=Decay)
    on_full: OnFull = OnFull.OVERWRITE_OLDEST
    order: Order = Order.OLDEST_FIRST

    def __post_init__(self) -> None:
        if self.capacity is not None:
            check_whole("capacity", self.capacity)
            if self.capacity < 1:
                raise InputError(
                    f"a memory of {self.capacity} pairs keeps nothing: give a capacity from 1 up, "
                    "or none for one without limit"
                )
        if self.cutoff_s != math.inf:
            check_real("cutoff_s", self.cutoff_s, above=0)
        check_instance("decay", self.decay, Decay, "Decay(t1_s=..., t2_s=...)")
        check_enum("on_full", self.on_full, OnFull)
        check_enum("order", self.order, Order)
