"""Entries of the atlas: a statistic of an aggregate, and what asking for it costs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from qring.paper.claim import Standing
from qring.validate import check_enum, check_probability, check_whole

__all__ = ["Bound", "Cost", "Entry", "Point", "Regime", "Rounds", "Side", "Winner"]


class Regime(str, Enum):
    """Regimes of the paper's hierarchy (section 6): what a statistic is about."""

    VALUE = "value"
    PROCESS = "process"
    RELATION = "relation"


class Side(str, Enum):
    """Carriers that are counted."""

    QUANTUM = "quantum"
    CLASSICAL = "classical"


class Bound(str, Enum):
    """Whether a protocol is known that sends so much, or none can send less."""

    UPPER = "upper"
    LOWER = "lower"


class Rounds(str, Enum):
    """Messages that are allowed."""

    ONE_WAY = "one-way"
    INTERACTIVE = "interactive"


class Winner(str, Enum):
    """Result of a comparison of carriers; any bits halve if dense-coded, an ebit a qubit."""

    QUANTUM = "quantum"
    UNASSISTED = "quantum, if no ebits"
    DENSE_CODING = "dense coding only"
    NOBODY = "nobody"
    CLASSICAL = "classical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Sizes at which costs are evaluated.

    ``coords`` d, ``workers`` n, ``word_bits`` b; ``epsilon`` and ``delta`` of estimates and audits;
    ``margin`` τ and ``error`` of GapIP; ``top`` coordinates asked for; ``groups`` of ties; ``rank``
    of an adapter of a square matrix; ``secrecy`` of private sums.
    """

    coords: int = 10**6
    workers: int = 8
    word_bits: int = 16
    epsilon: float = 0.1
    delta: float = 0.05
    margin: float = 0.05
    error: float = 0.1
    top: int = 1000
    groups: int = 16
    rank: int = 16
    secrecy: float = 2.0**-40

    def __post_init__(self) -> None:
        check_whole("coords", self.coords, least=100, most=10**15)
        for name in ("workers", "groups"):
            check_whole(name, getattr(self, name), least=2, most=self.coords // 2)
        for name in ("word_bits", "rank"):
            check_whole(name, getattr(self, name), least=1, most=64)
        check_whole("top", self.top, least=1, most=self.coords - 1)
        for name in ("epsilon", "delta", "margin", "secrecy"):
            check_probability(name, getattr(self, name), zero=False, one=False)
        check_probability("error", 2 * self.error, zero=False, one=False)

    @property
    def register(self) -> int:
        """⌈log2 d⌉ qubits of a state, or bits of a coordinate's number."""
        return max(1, (self.coords - 1).bit_length())


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One cost: carriers by ``formula``, evaluated by ``value``; None where nothing is possible.

    ``resources`` are shared beforehand and not counted; a cost that is not ``comparable`` answers
    another question than the rest. A lower bound of which only the order is
    known is evaluated with constant one and says so by its standing, asymptotic.
    """

    side: Side
    bound: Bound
    rounds: Rounds
    formula: str
    value: Callable[[Point], float | None]
    standing: Standing
    source: str
    resources: str = "none"
    comparable: bool = True

    def __post_init__(self) -> None:
        for name, kind in (("side", Side), ("bound", Bound), ("rounds", Rounds)):
            check_enum(name, getattr(self, name), kind)

    @property
    def unit(self) -> str:
        """Qubits or bits."""
        return "qubits" if self.side is Side.QUANTUM else "bits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A statistic: ``asked`` is the question, ``advantage`` says what quantum networks give."""

    id: str
    title: str
    regime: Regime
    asked: str
    advantage: str
    costs: tuple[Cost, ...]
    command: str = ""

    def best(
        self, side: Side, point: Point, rounds: Rounds | None = None, *, assisted: bool = False
    ) -> float:
        """Least carriers of a known protocol, with ebits if ``assisted``; infinite without one."""
        found = [
            cost.value(point)
            for cost in self.costs
            if cost.side is side
            and cost.bound is Bound.UPPER
            and cost.comparable
            and (assisted or "ebits" not in cost.resources)
            and (rounds is None or cost.rounds is rounds)
        ]
        return min((value for value in found if value is not None), default=math.inf)

    def ratio(self, point: Point, rounds: Rounds | None = None) -> float:
        """Bits over qubits, both at their best: above one quantum sends less."""
        classical = self.best(Side.CLASSICAL, point, rounds)
        quantum = self.best(Side.QUANTUM, point, rounds)
        return classical / quantum if quantum < math.inf else 0.0

    def winner(self, point: Point) -> Winner:
        """Winner by carriers at this point, and whether dense coding of bits undoes it."""
        ratio = self.ratio(point)
        if self.best(Side.QUANTUM, point) == math.inf:
            return Winner.DENSE_CODING
        if ratio > 1:
            return Winner.QUANTUM if ratio > 2 else Winner.UNASSISTED
        return Winner.CLASSICAL if ratio < 1 else Winner.NOBODY
