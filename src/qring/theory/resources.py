"""Ledger of a ring all-reduce in closed form, in exact integers, for any size at once.

Source: paper section 3.2 and remark 1, with the carries, odd bits and link directions that the
paper leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

from qring.errors import InputError
from qring.ledger import Carrier, Ledger, Phase
from qring.validate import check_among, check_whole

__all__ = ["LinkLoad", "RingResources"]


class LinkLoad(NamedTuple):
    """Standing: exact. What one directed link carries online: as classical bits, or as qubits."""

    bits: int
    qubits: int

    def __add__(self, other: object) -> LinkLoad:
        """Both loads together."""
        if not isinstance(other, LinkLoad):
            return NotImplemented
        return LinkLoad(self.bits + other.bits, self.qubits + other.qubits)


@dataclass(frozen=True, slots=True, kw_only=True)
class RingResources:
    """Closed forms for ``workers`` nodes that sum ``coords`` words of ``word_bits`` bits.

    ``width``: ``"fixed"`` sends every partial sum as wide as the whole sum, ``"growing"`` only as
    wide as it is, ``"float"`` sends bits of floating-point values, which need no carry.
    ``gather``: direction of the all-gather; scatter-reduce is clockwise.
    """

    workers: int
    coords: int
    word_bits: int
    width: Literal["fixed", "growing", "float"] = "fixed"
    gather: Literal["clockwise", "counter-clockwise"] = "counter-clockwise"

    def __post_init__(self) -> None:
        for name in ("workers", "coords", "word_bits"):
            check_whole(name, getattr(self, name))
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}")
        check_among("width", self.width, ("fixed", "growing", "float"))
        check_among("gather", self.gather, ("clockwise", "counter-clockwise"))

    @property
    def rounds(self) -> int:
        """2(n−1) sequential rounds."""
        return 2 * (self.workers - 1)

    def partial_sum_bits(self, summed: int) -> int:
        """W_k: bits of a message's word when it holds the sum of ``summed`` workers' words."""
        if self.width == "float":
            return self.word_bits
        k = self.workers if self.width == "fixed" else summed
        return (k * ((1 << self.word_bits) - 1)).bit_length()

    @property
    def sum_bits(self) -> int:
        """B: bits of a word of the whole sum."""
        return self.partial_sum_bits(self.workers)

    @property
    def carry_bits(self) -> int:
        """B − b."""
        return self.sum_bits - self.word_bits

    def chunk(self, k: int) -> int:
        """Coordinates in chunk k (mod n)."""
        base, longer = divmod(self.coords, self.workers)
        return base + (k % self.workers < longer)

    def link(self, src: int, dst: int) -> LinkLoad:
        """Online load of one directed link; zero where the ring has none."""
        n = self.workers
        load = LinkLoad(0, 0)
        if n == 1:
            return load
        if dst == (src + 1) % n:
            load += self._reduce_load(src)
            if self.gather == "clockwise":
                load += self._all_but(src + 2)
        if dst == (src - 1) % n and self.gather == "counter-clockwise":
            load += self._all_but(src)
        return load

    @property
    def total(self) -> LinkLoad:
        """Online load of all links together, in time proportional to n."""
        n = self.workers
        load = LinkLoad(0, 0)
        for t in range(n - 1):
            load += self._every_chunk_once(self.partial_sum_bits(t + 1))
        gathered = self._every_chunk_once(self.sum_bits)
        return load + LinkLoad((n - 1) * gathered.bits, (n - 1) * gathered.qubits)

    @property
    def critical_path_bits(self) -> int:
        """Bits that must pass one after another in one phase at fixed width: (n−1)·⌈d/n⌉·B."""
        return (self.workers - 1) * -(-self.coords // self.workers) * self.sum_bits

    @property
    def lifetime_excess(self) -> int:
        """Setup plus online carriers, less the classical ring's bits: the rounding of odd bits.

        At most n−1 a link and phase, so the factor two is online only.
        """
        return 2 * self.total.qubits - self.total.bits

    def ledger(self, protocol: Literal["classical", "superdense"]) -> Ledger:
        """The account a noiseless or noisy run must show, entry by entry.

        Raises:
            InputError: a protocol that is no ring of pairs or bits.
        """
        check_among("protocol", protocol, ("classical", "superdense"))
        counts: dict[tuple[int, int, Phase, Carrier], int] = {}
        for src in range(self.workers):
            for dst in {(src + 1) % self.workers, (src - 1) % self.workers}:
                bits, qubits = self.link(src, dst)
                if protocol == "classical":
                    counts[src, dst, Phase.ONLINE, Carrier.BIT] = bits
                else:
                    counts[src, dst, Phase.SETUP, Carrier.QUBIT] = qubits
                    counts[src, dst, Phase.ONLINE, Carrier.QUBIT] = qubits
                    counts[src, dst, Phase.ONLINE, Carrier.EBIT] = qubits
        present = {key: count for key, count in counts.items() if count}
        return Ledger(MappingProxyType(present), self.rounds)

    def _reduce_load(self, src: int) -> LinkLoad:
        """Scatter-reduce on the link src → src+1: chunk src−t at width W_{t+1}, t = 0..n−2."""
        if self.width != "growing":
            return self._all_but(src + 1)
        load = LinkLoad(0, 0)
        for t in range(self.workers - 1):
            load += _message(self.chunk(src - t), self.partial_sum_bits(t + 1))
        return load

    def _all_but(self, k: int) -> LinkLoad:
        """One message of every chunk but chunk k (mod n), at the width of the whole sum."""
        everything = self._every_chunk_once(self.sum_bits)
        missing = _message(self.chunk(k), self.sum_bits)
        return LinkLoad(everything.bits - missing.bits, everything.qubits - missing.qubits)

    def _every_chunk_once(self, width: int) -> LinkLoad:
        base, longer = divmod(self.coords, self.workers)
        short, long = _message(base, width), _message(base + 1, width)
        shorter = self.workers - longer
        return LinkLoad(
            longer * long.bits + shorter * short.bits,
            longer * long.qubits + shorter * short.qubits,
        )


def _message(words: int, width: int) -> LinkLoad:
    bits = words * width
    return LinkLoad(bits, -(-bits // 2))
