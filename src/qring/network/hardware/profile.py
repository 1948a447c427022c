"""Profile of a quantum link: what it makes, how well it keeps it, and who says so."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from qring.errors import InputError
from qring.network.generation.generated import FIBRE_KM_PER_S
from qring.network.hardware.figure import Figure, Provenance
from qring.network.memory.decay import Decay
from qring.network.memory.policy import Memory, OnFull, Order
from qring.network.noise import BellDiagonal
from qring.validate import check_flag, check_instance, check_real

__all__ = ["FIGURES", "Profile"]

FIGURES = {
    "pairs_per_s": ("1/s", 0.0, math.inf),
    "fidelity": ("", 0.25, 1.0),
    "distance_km": ("km", 0.0, math.inf),
    "t1_s": ("s", 0.0, math.inf),
    "t2_s": ("s", 0.0, math.inf),
    "capacity_pairs": ("pairs", 0.0, math.inf),
    "qubits_per_s": ("1/s", 0.0, math.inf),
}
"""Figures of a profile by name: unit, and what their values lie between."""

_POSITIVE = ("t1_s", "t2_s", "capacity_pairs", "qubits_per_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One quantum link between two nodes.

    ``pairs_per_s`` and ``fidelity`` are those of pairs as they are born; ``weights`` their law (I,
    X, Y, Z), that of a Werner pair unless known. ``t1_s`` and ``t2_s`` belong to each half's
    memory; without them the link has no memory. ``capacity_pairs`` and ``qubits_per_s`` (online
    qubits that cross) do not limit where they are None. ``post_selected`` pairs exist only once
    they were measured, and cannot be stored.

    Raises:
        InputError: a rate below 0, a fidelity above 1, T2 above 2·T1, a memory of no pairs.
    """

    name: str
    title: str
    pairs_per_s: Figure
    fidelity: Figure
    distance_km: Figure | None = None
    weights: tuple[float, float, float, float] | None = None
    t1_s: Figure | None = None
    t2_s: Figure | None = None
    capacity_pairs: Figure | None = None
    qubits_per_s: Figure | None = None
    post_selected: bool = False
    assumptions: tuple[str, ...] = ()
    references: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("name", "title"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise InputError(f"a profile's {name} is a text, not {getattr(self, name)!r}")
        for name, (unit, least, most) in FIGURES.items():
            figure = getattr(self, name)
            if figure is None and name not in ("pairs_per_s", "fidelity"):
                continue
            label = f"{name} of {self.name}"
            check_instance(label, figure, Figure, "Figure(value=..., unit=..., source=...)")
            if figure.unit != unit:
                raise InputError(f"{label} is in {figure.unit!r}; give it in {unit or 'no unit'!r}")
            if figure.value != math.inf:
                above = 0.0 if name in _POSITIVE else -math.inf
                check_real(label, figure.value, least=least, most=most, above=above)
            elif most != math.inf:
                raise InputError(f"{label} lies at most at {most:g}, not at infinity")
        check_flag("post_selected", self.post_selected)
        if self.weights is not None:
            i, x, y, z = self.weights
            law = BellDiagonal(x=x, y=y, z=z)
            if abs(i - law.fidelity) > 1e-9 or abs(i - self.fidelity.value) > 1e-9:
                raise InputError(
                    f"weights of {self.name} start with {i:g}, but its fidelity is "
                    f"{self.fidelity.value:g} and the four add up to {i + x + y + z:g}"
                )
        self._decay()
        if self.capacity_pairs is not None and self.capacity_pairs.value < 1:
            raise InputError(
                f"a memory of {self.capacity_pairs.value:g} pairs keeps nothing: give "
                f"capacity_pairs of {self.name} from 1 up"
            )

    @property
    def noise(self) -> BellDiagonal:
        """Law of a pair at its birth."""
        if self.weights is not None:
            return BellDiagonal(x=self.weights[1], y=self.weights[2], z=self.weights[3])
        return BellDiagonal.werner(self.fidelity.value)

    @property
    def storable(self) -> bool:
        """Whether pairs can wait in a memory."""
        return not self.post_selected and (self.t1_s is not None or self.t2_s is not None)

    @property
    def latency_s(self) -> float:
        """Time of light through fibre from end to end."""
        return 0.0 if self.distance_km is None else self.distance_km.value / FIBRE_KM_PER_S

    @property
    def qubit_rate(self) -> float:
        """Online qubits a second; infinite where the profile sets no limit."""
        return math.inf if self.qubits_per_s is None else self.qubits_per_s.value

    def memory(
        self, *, cutoff_s: float = math.inf, on_full: OnFull = OnFull.OVERWRITE_OLDEST,
        order: Order = Order.OLDEST_FIRST,
    ) -> Memory:  # fmt: skip
        """The memory that keeps this link's pairs.

        Raises:
            InputError: pairs that cannot be stored.
        """
        if self.post_selected:
            raise InputError(
                f"{self.name} makes post-selected pairs: they exist only once they were measured "
                "and cannot be stored; choose heralded or deterministic hardware"
            )
        if not self.storable:
            raise InputError(
                f"{self.name} has no memory, so its pairs cannot be stored: give t1_s or t2_s in "
                "a profile of your own, or choose other hardware"
            )
        limit = self.capacity_pairs
        return Memory(
            capacity=None if limit is None or limit.value == math.inf else int(limit.value),
            cutoff_s=cutoff_s, decay=self._decay(), on_full=on_full, order=order,
        )  # fmt: skip

    def _decay(self) -> Decay:
        t1 = math.inf if self.t1_s is None else self.t1_s.value
        if self.t2_s is None:
            return Decay(t1_s=t1, t2_s=2 * t1)
        return Decay(t1_s=t1, t2_s=self.t2_s.value)

    def but(self, **values: float | None) -> Profile:
        """This profile with other values, marked as assumed, of the figures named.

        Raises:
            InputError: no such figure, or a value that cannot be.
        """
        changed: dict[str, Figure | None] = {}
        for name, value in values.items():
            if name not in FIGURES:
                raise InputError(f"{name} is not a figure: use {', '.join(FIGURES)}")
            changed[name] = None if value is None else Figure(
                value=value, unit=FIGURES[name][0], source="given", date="",
                standing=Provenance.ASSUMED,
            )  # fmt: skip
        law = {"weights": None} if "fidelity" in changed else {}
        return dataclasses.replace(self, **changed, **law)  # type: ignore[arg-type]
