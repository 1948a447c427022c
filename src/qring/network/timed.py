"""Links that take time: bits at a classical rate, qubits over pairs from an inventory."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from qring.encoding.superdense import pairs_for
from qring.ledger import Carrier
from qring.network.clock import Clock
from qring.network.coded.choice import plan
from qring.network.coded.coding import Coding
from qring.network.coded.link import Wires
from qring.network.coded.sending import Receipt, send
from qring.network.hardware.supply import Hardware
from qring.network.inventory.arrivals import Spacing, arrivals_of
from qring.network.inventory.fates import Taken
from qring.network.inventory.inventory import Inventory
from qring.network.noise import BellDiagonal
from qring.network.timeline import Activity, Use
from qring.network.wires import Wire

__all__ = ["Supplied", "TimedClassicalLink", "TimedSuperdenseLink", "stocked"]

Laws = NDArray[np.float64]
_LANES = np.array([6, 4, 2, 0], np.uint8)


class TimedClassicalLink:
    """Noiseless classical bits that leave at the hardware's classical rate."""

    __slots__ = ("_clock", "_hardware", "_wire")

    def __init__(self, wire: Wire, hardware: Hardware, clock: Clock) -> None:
        self._wire, self._hardware, self._clock = wire, hardware, clock

    def carry(self, message: NDArray[np.uint8], bits: int) -> None:
        """Charge for a message, which arrives as it was."""
        self.charge(bits)
        self.transmit(message, bits)

    def charge(self, bits: int) -> None:
        """One classical bit a bit."""
        self._wire.send(Carrier.BIT, bits)

    def transmit(self, message: NDArray[np.uint8], bits: int) -> None:
        """Take the time of ``bits`` bits."""
        self.spend(bits)

    def spend(self, bits: int) -> None:
        """Take the time of ``bits`` bits, without a message."""
        if bits:
            self._clock.hop(self._wire.src, self._wire.dst, [
                (Activity.CLASSICAL, bits / self._hardware.classical_bits_per_s),
                (Activity.TRAVEL, self._hardware.latency_s),
            ])  # fmt: skip


def stocked(hardware: Hardware, rng: Callable[[], np.random.Generator]) -> Inventory:
    """Inventory of the pairs that two workers share, filled from ``lead_s`` before time 0 on."""
    profile, start = hardware.profile, -hardware.lead_s
    rate = profile.pairs_per_s.value
    births = None
    if rate != math.inf:
        source = rng() if hardware.births is Spacing.RANDOM else None
        births = arrivals_of(rate / hardware.grain, hardware.births, source, start)
    return Inventory(births, hardware.memory, profile.noise, start_s=start)


class Supplied:
    """Pairs for one directed link, from the inventory of its two ends, in order of use.

    A source of pairs as coded links take them; it tells what one message took.
    """

    __slots__ = ("_ages", "_at", "_fidelities", "_hardware", "_held", "_inventory", "_rng",
                 "_spacing", "_start", "law", "pairs")  # fmt: skip

    def __init__(
        self, inventory: Inventory, hardware: Hardware, rng: Callable[[], np.random.Generator]
    ) -> None:
        self._inventory, self._hardware, self._rng = inventory, hardware, rng
        profile, grain = hardware.profile, hardware.grain
        self._spacing = grain / profile.qubit_rate
        self._start = self._at = 0.0
        self.pairs = self._held = 0
        self._ages = self._fidelities = 0.0
        self.law = hardware.memory.decay.noise_after(
            profile.noise, min(hardware.lead_s, hardware.cutoff_s)
        )

    def begin(self, now_s: float) -> None:
        """Begin a message."""
        self._start = self._at = now_s
        self._held = self._inventory.advance(max(now_s, self._inventory.now_s))
        self.pairs = 0
        self._ages = self._fidelities = 0.0

    def take(self, count: int) -> tuple[NDArray[np.uint8], Laws]:
        """Errors of the next ``count`` pairs by label, and their laws, shape (4, count)."""
        grain = self._hardware.grain
        laws = self.use(count)
        if grain > 1:
            laws = np.repeat(laws, grain, axis=0)[:count]
        law = laws[:, [0, 1, 3, 2]].T
        if (law[0] >= 1).all():
            return np.zeros(count, np.uint8), law
        draws = self._rng().random(count)
        labels = np.zeros(count, np.uint8)
        limit = np.zeros(count)
        for part in law[:3]:
            limit = limit + part
            labels += draws >= limit
        return labels, law

    def use(self, count: int) -> Laws:
        """Use ``count`` pairs; return weights (I, X, Y, Z) of their grains, shape (grains, 4)."""
        if not count:
            return np.empty((0, 4))
        grain = self._hardware.grain
        taken = self._taken(-(-count // grain))
        self._at = float(taken.used_s[-1]) + self._spacing
        laws = self._inventory.laws(taken, self._hardware.profile.latency_s)
        self.pairs += count
        self._ages += float(taken.ages_s.mean()) * count
        self._fidelities += float(laws[:, 0].mean()) * count
        _, x, y, z = laws.mean(axis=0)
        self.law = BellDiagonal(x=float(x), y=float(y), z=float(z))
        return laws

    def _taken(self, grains: int) -> Taken:
        """Pairs for this direction; the other one may have used its own of the round before.

        Both go at once, so what is left over for this one is used as early as it was born.
        """
        reached, at = self._inventory.now_s, self._at
        taken = self._inventory.take(grains, max(at, reached), self._spacing)
        if at >= reached:
            return taken
        lead = np.arange(grains, dtype=np.float64) * self._spacing
        born = taken.born_s
        if self._inventory.is_endless:
            return Taken(taken.pairs, at + lead, at + lead)
        when: NDArray[np.float64] = lead + np.maximum.accumulate(np.maximum(born, at) - lead)
        return Taken(taken.pairs, born, np.maximum(when, born))

    def finish(self, src: int, dst: int) -> tuple[float, float, Use]:
        """Seconds that the message waited for pairs and that its qubits took, and its pairs."""
        sending = -(-self.pairs // self._hardware.grain) * self._spacing
        waiting = max(0.0, self._at - self._start - sending)
        some = max(1, self.pairs)
        use = Use(self._start, src, dst, self.pairs, self._held * self._hardware.grain,
                  self._ages / some, self._fidelities / some)  # fmt: skip
        return waiting, sending, use


class TimedSuperdenseLink:
    """Two bits a qubit over pairs from an inventory, each with the law of its age.

    With ``coding`` messages arrive as they were sent; frames are planned for the mean law of the
    message before, and decoded with each pair's own. Every pair of every attempt is charged.
    """

    __slots__ = ("_clock", "_coding", "_hardware", "_key", "_note", "_pairs", "_rng", "_sent",
                 "_wires")  # fmt: skip

    def __init__(
        self, wires: Wires, inventory: Inventory, hardware: Hardware, coding: Coding | None,
        clock: Clock, rng: Callable[[], np.random.Generator], note: Callable[[Receipt], None],
    ) -> None:  # fmt: skip
        self._wires, self._hardware, self._coding, self._clock = wires, hardware, coding, clock
        self._rng, self._note = rng, note
        self._pairs = Supplied(inventory, hardware, rng)
        self._key = b"" if coding is None else rng().bytes(16)
        self._sent: list[Receipt] = []

    def carry(self, message: NDArray[np.uint8], bits: int) -> None:
        """Send ``bits`` bits and charge for them."""
        self.transmit(message, bits)
        self.charge(bits)

    def charge(self, bits: int) -> None:
        """Charge pairs, plain bits and acknowledgements of what was sent since the last time."""
        setup, online, back = self._wires
        for receipt in self._sent:
            setup.send(Carrier.QUBIT, receipt.pairs)
            online.send(Carrier.QUBIT, receipt.pairs)
            online.send(Carrier.EBIT, receipt.pairs)
            online.send(Carrier.BIT, receipt.plain_bits)
            back.send(Carrier.BIT, receipt.ack_bits)
        self._sent.clear()

    def transmit(self, message: NDArray[np.uint8], bits: int) -> None:
        """Send ``bits`` bits as soon as there are pairs; what arrives is left in ``message``."""
        if not bits:
            return
        self._begin()
        if self._coding is None:
            self._plain(message, bits)
            receipt = Receipt(pairs_for(bits), 0, 0, 1, 0, ())
        else:
            receipt = self._coded(message, bits, self._coding)
            self._note(receipt)
        self._sent.append(receipt)
        self._pass(receipt)

    def spend(self, bits: int) -> None:
        """Take the time and the pairs of ``bits`` bits, without a message and uncharged."""
        if self._coding is not None:
            self.transmit(np.zeros(-(-bits // 8), np.uint8), bits)
            self._sent.clear()
        elif bits:
            self._begin()
            self._pairs.use(pairs_for(bits))
            self._pass(Receipt(pairs_for(bits), 0, 0, 1, 0, ()))

    def _begin(self) -> None:
        online = self._wires.online
        self._pairs.begin(self._clock.ready(online.src, online.dst))

    def _plain(self, message: NDArray[np.uint8], bits: int) -> None:
        labels, _ = self._pairs.take(pairs_for(bits))
        if labels.any():
            lanes = np.zeros(-(-len(labels) // 4) * 4, np.uint8)
            lanes[: len(labels)] = labels
            errors = np.bitwise_or.reduce(lanes.reshape(-1, 4) << _LANES, axis=1)
            message[: len(errors)] ^= errors.astype(np.uint8)

    def _coded(self, message: NDArray[np.uint8], bits: int, coding: Coding) -> Receipt:
        found = plan(-(-bits // 8), _no_better(self._pairs.law), coding.code, coding.emulation)
        receipt = send(message, bits, found, self._pairs, coding.emulation, self._rng(),
                       key=self._key)  # fmt: skip
        self._pairs.use(receipt.pairs - self._pairs.pairs)  # losses drawn without their pairs
        return receipt

    def _pass(self, receipt: Receipt) -> None:
        online, hardware = self._wires.online, self._hardware
        waiting, sending, use = self._pairs.finish(online.src, online.dst)
        bits_s = receipt.plain_bits / hardware.classical_bits_per_s
        self._clock.uses.append(use)
        self._clock.hop(online.src, online.dst, [
            (Activity.WAIT, waiting), (Activity.SEND, sending), (Activity.CLASSICAL, bits_s),
            (Activity.TRAVEL, hardware.profile.latency_s),
            (Activity.RESEND, (receipt.attempts - 1) * hardware.answer_s),
        ])  # fmt: skip


def _no_better(law: BellDiagonal) -> BellDiagonal:
    """A Werner law of no higher fidelity, from a short list: plans are remembered by law."""
    return BellDiagonal.werner(math.floor(law.fidelity * 500) / 500)
