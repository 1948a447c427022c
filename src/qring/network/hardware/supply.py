"""Hardware of a network: the profile of its links, how pairs are kept, and the classical rival."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from qring.network.hardware.profile import Profile
from qring.network.hardware.registry import find_profile
from qring.network.inventory.arrivals import Spacing
from qring.network.memory.policy import Memory, OnFull, Order
from qring.validate import check_enum, check_instance, check_real, check_whole

__all__ = ["Hardware"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """Quantum links of one ``profile`` between all workers, each with a memory of its own.

    Two workers share one inventory of pairs, whichever of them sends. Pairs are made from
    ``lead_s`` before the first round on, and kept as ``cutoff_s``, ``on_full`` and ``order`` say.
    ``classical_bits_per_s`` and ``classical_latency_s`` (by default light's travel over the
    profile's distance) are those of classical links and answers. ``births`` are random or regular.
    ``grain`` pairs are followed together, born at one moment: times are then rounded to those of a
    grain.

    Raises:
        InputError: figures that cannot be, or pairs that cannot be stored.
    """

    profile: Profile
    lead_s: float = 0.0
    cutoff_s: float = math.inf
    on_full: OnFull = OnFull.OVERWRITE_OLDEST
    order: Order = Order.OLDEST_FIRST
    classical_bits_per_s: float = math.inf
    classical_latency_s: float | None = None
    births: Spacing = Spacing.RANDOM
    grain: int = 1

    def __post_init__(self) -> None:
        check_instance("profile", self.profile, Profile, "find_profile('ions-rate'), or a Profile")
        check_real("lead_s", self.lead_s, least=0)
        if self.classical_bits_per_s != math.inf:
            check_real("classical_bits_per_s", self.classical_bits_per_s, above=0)
        if self.classical_latency_s is not None:
            check_real("classical_latency_s", self.classical_latency_s, least=0)
        check_enum("births", self.births, Spacing)
        check_whole("grain", self.grain, least=1)
        check_enum("on_full", self.on_full, OnFull)
        check_enum("order", self.order, Order)
        _ = self.memory

    @classmethod
    def of(cls, profile: str | Profile, **more: float) -> Hardware:
        """Hardware of a profile that is named, or described in a file.

        Raises:
            InputError: no such profile, or as for the class.
        """
        return cls(profile=find_profile(profile), **more)  # type: ignore[arg-type]

    @property
    def memory(self) -> Memory:
        """Memory of one directed link, in grains."""
        kept = self.profile.memory(cutoff_s=self.cutoff_s, on_full=self.on_full, order=self.order)
        if self.grain == 1 or kept.capacity is None:
            return kept
        return dataclasses.replace(kept, capacity=max(1, kept.capacity // self.grain))

    @property
    def latency_s(self) -> float:
        """Travel of a classical message."""
        if self.classical_latency_s is not None:
            return self.classical_latency_s
        return self.profile.latency_s

    @property
    def answer_s(self) -> float:
        """From a message's arrival to that of what is sent because of its answer."""
        return self.latency_s + self.profile.latency_s

    @property
    def keeps_perfect_pairs(self) -> bool:
        """Whether no pair ever carries an error."""
        return self.profile.noise.error_probability == 0 and self.memory.decay.is_perfect
