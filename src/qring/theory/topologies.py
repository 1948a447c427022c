"""Ledger of an all-reduce over every topology, in closed form and exact integers.

D words are cut into chunks whose lengths differ by one at most, the longer ones first. A link
carries messages: so many words that hold the sum of so many workers' words. All counts follow
from what each link carries, which is written down here link by link, without following rounds.

Standing: exact. Source: Rabenseifner and Träff (2004) for folded halving-doubling, Sanders, Speck
and Träff (2009) for the two trees; carries, odd bits and uneven chunks by us.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from qring.errors import InputError
from qring.ledger import Carrier, Ledger, Phase
from qring.theory.resources import LinkLoad
from qring.theory.topology_links import (
    Bidirectional,
    Form,
    Hierarchical,
    Message,
    Ring,
    Server,
    Shards,
)
from qring.theory.topology_partners import Folded, Halving
from qring.theory.topology_trees import Trees, TwoTrees

__all__ = ["FORMS", "TopologyResources"]


FORMS: dict[str, Callable[[int, int, str], Form]] = {
    "ring": Ring,
    "bidirectional": Bidirectional,
    "tree": Trees,
    "double-tree": TwoTrees,
    "doubling": Folded,
    "halving": Halving,
    "shards": Shards,
    "server": Server,
    "hierarchical": Hierarchical,
}
"""Every topology's closed forms by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopologyResources:
    """Closed forms for ``workers`` nodes that sum ``coords`` words of ``word_bits`` bits.

    ``topology`` is a name with its option: ``"ring:clockwise"``, ``"tree:8"``,
    ``"hierarchical:4x2"``. The server is node ``workers``. ``width`` as for
    :class:`~qring.theory.resources.RingResources`.

    Raises:
        InputError: sizes below 1, or a topology without closed form.
    """

    topology: str
    workers: int
    coords: int
    word_bits: int
    width: Literal["fixed", "growing", "float"] = "fixed"

    def __post_init__(self) -> None:
        for name in ("workers", "coords", "word_bits"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.width not in ("fixed", "growing", "float"):
            raise InputError(f"width is fixed, growing or float, not {self.width!r}")
        if self._name not in FORMS:
            raise InputError(
                f"no closed form for topology {self.topology!r}; there are {', '.join(FORMS)}"
            )
        if self._name == "hierarchical":
            inner, outer = self._levels
            if inner * outer != self.workers:
                raise InputError(f"{self.topology} has {inner * outer} workers, not {self.workers}")

    @property
    def rounds(self) -> int:
        """Sequential rounds."""
        return self._form.rounds()

    @property
    def total_words(self) -> int:
        """Words over all links."""
        return sum(times * message.words for times, message in self._form.tally())

    @property
    def busiest_words(self) -> int:
        """Words on the link that carries most of them."""
        return self._form.busiest()

    @property
    def critical_path_words(self) -> int:
        """Words that pass one after another: of every round, the most that a link carries."""
        return self._form.critical()

    def egress_words(self, node: int) -> int:
        """Words that a node sends."""
        return sum(m.words for dst in self._form.neighbours(node) for m in self.link(node, dst))

    def link(self, src: int, dst: int) -> tuple[Message, ...]:
        """The messages of one directed link; none where the topology has no such link."""
        return tuple(self._form.link(src, dst)) if src != dst else ()

    def load(self, src: int, dst: int) -> LinkLoad:
        """Online load of one directed link, as classical bits or as qubits."""
        return _loads(((1, message) for message in self.link(src, dst)), self._bits)

    @property
    def total(self) -> LinkLoad:
        """Online load of all links together."""
        return _loads(self._form.tally(), self._bits)

    def ledger(
        self,
        protocol: Literal["classical", "superdense"],
        inside: Literal["classical", "superdense"] | None = None,
    ) -> Ledger:
        """The account that a run must show, entry by entry.

        ``inside`` is the protocol inside the hosts of a hierarchy, if it is another.

        Raises:
            InputError: another protocol, or ``inside`` without hosts.
        """
        for name in (protocol, *((inside,) if inside is not None else ())):
            if name not in ("classical", "superdense"):
                raise InputError(f"a protocol is classical or superdense, not {name!r}")
        if inside is not None and self._name != "hierarchical":
            raise InputError(f"{self.topology} has no hosts; drop inside")
        counts: dict[tuple[int, int, Phase, Carrier], int] = {}
        nodes = self.workers + (self._name == "server")
        for src in range(nodes):
            for dst in self._form.neighbours(src):
                bits, qubits = self.load(src, dst)
                near = inside is not None and self._on_one_host(src, dst)
                if (inside if near else protocol) == "classical":
                    counts[src, dst, Phase.ONLINE, Carrier.BIT] = bits
                else:
                    counts[src, dst, Phase.SETUP, Carrier.QUBIT] = qubits
                    counts[src, dst, Phase.ONLINE, Carrier.QUBIT] = qubits
                    counts[src, dst, Phase.ONLINE, Carrier.EBIT] = qubits
        present = {key: count for key, count in counts.items() if count}
        return Ledger(MappingProxyType(present), self.rounds)

    def _on_one_host(self, src: int, dst: int) -> bool:
        inner, _ = self._levels
        return src // inner == dst // inner

    @property
    def _name(self) -> str:
        return self.topology.partition(":")[0]

    @property
    def _levels(self) -> tuple[int, int]:
        return _levels(self.topology)

    @property
    def _form(self) -> Form:
        option = self.topology.partition(":")[2]
        return FORMS[self._name](self.workers, self.coords, option)

    def _bits(self, message: Message) -> int:
        if self.width == "float":
            return message.words * self.word_bits
        summed = self.workers if self.width == "fixed" else message.summed
        return message.words * (summed * ((1 << self.word_bits) - 1)).bit_length()


def _levels(topology: str) -> tuple[int, int]:
    inner, _, outer = topology.partition(":")[2].partition("x")
    if not (inner.isdigit() and outer.isdigit()):
        raise InputError(f"the levels of a hierarchy are INNERxOUTER, not {topology!r}")
    return int(inner), int(outer)


def _loads(messages: Iterable[tuple[int, Message]], bits_of: Callable[[Message], int]) -> LinkLoad:
    """So many times each message: classical bits, and qubits of two bits each."""
    bits = qubits = 0
    for times, message in messages:
        length = bits_of(message)
        bits += times * length
        qubits += times * -(-length // 2)
    return LinkLoad(bits, qubits)
