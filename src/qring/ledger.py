"""Ledger of a run: counts of carriers per directed link, phase and kind.

Links write into a :class:`Meter` as carriers move; everyone else reads a frozen
:class:`Ledger`. All figures are exact integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from html import escape
from types import MappingProxyType
from typing import Any, NamedTuple

from qring.errors import InputError
from qring.validate import check_enum

__all__ = [
    "Carrier",
    "Entry",
    "Ledger",
    "Meter",
    "Phase",
    "Totals",
    "html_table",
    "summary",
]


class Phase(str, Enum):
    """Phase in which a carrier moves: before any gradient exists, or inside the all-reduce."""

    SETUP = "setup"
    ONLINE = "online"

    __hash__ = str.__hash__  # Enum's own is Python code, and links charge by the message


class Carrier(str, Enum):
    """Kind of carrier: a qubit sent, an ebit consumed, or a classical bit sent."""

    QUBIT = "qubit"
    EBIT = "ebit"
    BIT = "bit"

    __hash__ = str.__hash__


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger: ``count`` carriers on the directed link ``src`` → ``dst``."""

    src: int
    dst: int
    phase: Phase
    carrier: Carrier
    count: int

    def __post_init__(self) -> None:
        check_enum("phase", self.phase, Phase)
        check_enum("carrier", self.carrier, Carrier)


_Key = tuple[int, int, Phase, Carrier]


class Totals(NamedTuple):
    """Sums over all links. ``classical_bits`` counts both phases, ``online_bits`` one."""

    online_bits: int
    online_qubits: int
    ebits: int
    setup_qubits: int
    classical_bits: int


@dataclass(frozen=True, slots=True, repr=False)
class Ledger:
    """Exact account of one run, or of several added together; ledgers add and subtract.

    ``counts`` maps (src, dst, phase, carrier) to a positive integer; ``rounds`` is the number
    of sequential communication rounds of the online phase.
    """

    counts: Mapping[_Key, int] = field(default_factory=lambda: MappingProxyType({}))
    rounds: int = 0

    def __iter__(self) -> Iterator[Entry]:
        """Yield the entries ordered by link, phase and carrier."""
        for key in sorted(self.counts):
            yield Entry(*key, self.counts[key])

    def __add__(self, other: Ledger) -> Ledger:
        """Account of this run followed by another: counts add, rounds add."""
        return Ledger(_summed((self, other)), self.rounds + other.rounds)

    def __radd__(self, other: int | Ledger) -> Ledger:
        """Let :func:`sum` add ledgers, from its 0 on."""
        return self if other == 0 else NotImplemented

    def __sub__(self, other: Ledger) -> Ledger:
        """Part of this account beyond ``other``, an earlier state of it.

        Raises:
            InputError: ``other`` holds something that this account does not.
        """
        counts = dict(self.counts)
        for key, count in other.counts.items():
            left = counts.get(key, 0) - count
            if left < 0:
                src, dst, phase, carrier = key
                raise InputError(
                    f"the account to take off has {count} {carrier.value}s on link {src}→{dst} "
                    f"({phase.value}), more than the {count + left} here: take an earlier state"
                )
            if left:
                counts[key] = left
            else:
                counts.pop(key, None)
        if other.rounds > self.rounds:
            raise InputError(
                f"the account to take off has {other.rounds} rounds, more than the {self.rounds} "
                "here: take an earlier state"
            )
        return Ledger(MappingProxyType(counts), self.rounds - other.rounds)

    def __reduce__(self) -> tuple[Callable[..., Ledger], tuple[dict[_Key, int], int]]:
        return _thawed, (dict(self.counts), self.rounds)  # a read-only view is not pickled

    def __repr__(self) -> str:
        return f"Ledger({summary(self)})"

    def _repr_html_(self) -> str:
        """The totals as a table, for notebooks."""
        return html_table("Ledger", {**self.totals._asdict(), "rounds": self.rounds})

    def to_dict(self) -> dict[str, Any]:
        """Plain values ready for JSON: rounds, links, totals."""
        return {"rounds": self.rounds, "links": self.rows(), "totals": self.totals._asdict()}

    @classmethod
    def side_by_side(cls, ledgers: Iterable[Ledger]) -> Ledger:
        """Account of parts that ran at the same time: counts add, the longest sets the rounds."""
        parts = tuple(ledgers)
        return cls(_summed(parts), max((part.rounds for part in parts), default=0))

    def renamed(self, names: Sequence[int]) -> Ledger:
        """Account in which worker k is called ``names[k]``."""
        counts = {
            (names[src], names[dst], phase, carrier): count
            for (src, dst, phase, carrier), count in self.counts.items()
        }
        return Ledger(MappingProxyType(counts), self.rounds)

    def on(self, src: int, dst: int, phase: Phase, carrier: Carrier) -> int:
        """Carriers of one kind that crossed one directed link in one phase."""
        return self.counts.get((src, dst, phase, carrier), 0)

    def busiest(self, phase: Phase, carrier: Carrier) -> int:
        """Largest count of this kind on any directed link."""
        return max((e.count for e in self if (e.phase, e.carrier) == (phase, carrier)), default=0)

    def total(self, carrier: Carrier, phase: Phase | None = None) -> int:
        """Carriers of one kind over all links, in one phase or in both."""
        return sum(e.count for e in self if e.carrier is carrier and phase in (None, e.phase))

    @property
    def totals(self) -> Totals:
        """The five sums over all links that reports print."""
        return Totals(
            online_bits=self.total(Carrier.BIT, Phase.ONLINE),
            online_qubits=self.total(Carrier.QUBIT, Phase.ONLINE),
            ebits=self.total(Carrier.EBIT),
            setup_qubits=self.total(Carrier.QUBIT, Phase.SETUP),
            classical_bits=self.total(Carrier.BIT),
        )

    def rows(self) -> list[dict[str, int | str]]:
        """The entries as plain values, ready for JSON."""
        return [
            {
                "src": e.src,
                "dst": e.dst,
                "phase": e.phase.value,
                "carrier": e.carrier.value,
                "count": e.count,
            }
            for e in self
        ]

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, int | str]], rounds: int) -> Ledger:
        """Rebuild a ledger from :meth:`rows`.

        Raises:
            InputError: a row lacks a field, or holds something that is not a count.
        """
        meter = Meter()
        for row in rows:
            try:
                meter.charge(
                    int(row["src"]),
                    int(row["dst"]),
                    Phase(row["phase"]),
                    Carrier(row["carrier"]),
                    int(row["count"]),
                )
            except (KeyError, ValueError) as error:
                raise InputError(f"not a ledger row: {dict(row)} ({error})") from None
        return Ledger(meter.ledger().counts, rounds)


class Meter:
    """The counter that links write into while a protocol runs."""

    __slots__ = ("_counts", "_writers", "rounds")

    def __init__(self) -> None:
        self._counts: dict[_Key, int] = {}
        self._writers: list[Callable[[], None]] = []
        self.rounds = 0

    def settled_by(self, write: Callable[[], None]) -> None:
        """Call ``write`` before the account is read: it charges what somebody kept back."""
        self._writers.append(write)

    def charge(self, src: int, dst: int, phase: Phase, carrier: Carrier, count: int) -> None:
        """Add ``count`` carriers to the directed link ``src`` → ``dst``."""
        if count < 0:
            raise InputError(f"a link cannot carry {count} {carrier.value}s")
        if count:
            key = (src, dst, phase, carrier)
            self._counts[key] = self._counts.get(key, 0) + count

    def ledger(self) -> Ledger:
        """Ledger of all charges so far, frozen."""
        for write in self._writers:
            write()
        return Ledger(MappingProxyType(dict(self._counts)), self.rounds)


def summary(ledger: Ledger) -> str:
    """The totals of a ledger that are not zero, in one line."""
    parts = [
        f"{count:,} {name.replace('_', ' ')}"
        for name, count in ledger.totals._asdict().items()
        if count
    ]
    return ", ".join([*parts, f"{ledger.rounds:,} rounds"])


def html_table(heading: str, rows: Mapping[str, object]) -> str:
    """A small HTML table of names and values, escaped; counts with thousands separators."""
    lines = [f"<tr><th colspan=2>{escape(heading)}</th></tr>"]
    for name, value in rows.items():
        shown = f"{value:,}" if isinstance(value, int) else str(value)
        label = escape(name.replace("_", " "))
        lines.append(f"<tr><td>{label}</td><td>{escape(shown)}</td></tr>")
    return f"<table>{''.join(lines)}</table>"


def _thawed(counts: dict[_Key, int], rounds: int) -> Ledger:
    return Ledger(MappingProxyType(counts), rounds)


def _summed(ledgers: Iterable[Ledger]) -> Mapping[_Key, int]:
    counts: dict[_Key, int] = {}
    for ledger in ledgers:
        for key, count in ledger.counts.items():
            counts[key] = counts.get(key, 0) + count
    return MappingProxyType(counts)
