"""Links: what carries a message from one worker to the next, over wires that charge for it.

A link owns the message buffer while it travels: noise is applied in place.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qring.encoding.superdense import pairs_for
from qring.ledger import Carrier, Phase
from qring.network import pauli
from qring.network.adversary.base import Interceptor
from qring.network.coded.link import CodedLink, Wires
from qring.network.engine import Pairs
from qring.network.run import Run
from qring.network.timed import TimedClassicalLink, TimedSuperdenseLink
from qring.network.wires import Faults, Wire

__all__ = [
    "AlteredLink",
    "ClassicalLink",
    "Link",
    "SuperdenseLink",
    "classical",
    "exact_superdense",
    "superdense",
]


class Link(Protocol):
    """A directed link between two workers.

    Who sends many messages may transmit each and charge for all of them at the end.
    """

    def carry(self, message: NDArray[np.uint8], bits: int) -> None:
        """Send ``bits`` bits, packed eight a byte; what arrives is left in ``message``."""

    def charge(self, bits: int) -> None:
        """Write into the account what ``bits`` bits take."""

    def transmit(self, message: NDArray[np.uint8], bits: int) -> None:
        """Do to ``bits`` bits what the link does to them, uncharged."""


class ClassicalLink:
    """Noiseless classical bits, one carrier a bit."""

    __slots__ = ("_wire",)

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def carry(self, message: NDArray[np.uint8], bits: int) -> None:
        """Charge for a message, which arrives as it was."""
        self._wire.send(Carrier.BIT, bits)

    def charge(self, bits: int) -> None:
        """One classical bit a bit."""
        self._wire.send(Carrier.BIT, bits)

    def transmit(self, message: NDArray[np.uint8], bits: int) -> None:
        """Change nothing."""


class SuperdenseLink:
    """Two bits a qubit over pre-shared ``pairs``, each with independent noise.

    Without ``pairs`` messages arrive as they were. With ``faults``, every error is appended to
    it. A message of m bits takes ⌈m/2⌉ pairs: as many qubits in the setup phase, to share them,
    and as many qubits and ebits online. Source: paper sections 3.1 and 3.2, remark 1.
    """

    __slots__ = ("_faults", "_online", "_pairs", "_setup")

    def __init__(
        self, setup: Wire, online: Wire, pairs: Pairs | None, faults: list[Faults] | None = None
    ) -> None:
        self._setup, self._online, self._pairs, self._faults = setup, online, pairs, faults

    def carry(self, message: NDArray[np.uint8], bits: int) -> None:
        """Charge ⌈bits/2⌉ pairs and XOR their errors onto the message."""
        self.charge(bits)
        self.transmit(message, bits)

    def charge(self, bits: int) -> None:
        """⌈bits/2⌉ pairs: shared beforehand, one half sent, both consumed."""
        pairs = pairs_for(bits)
        self._setup.send(Carrier.QUBIT, pairs)
        self._online.send(Carrier.QUBIT, pairs)
        self._online.send(Carrier.EBIT, pairs)

    def transmit(self, message: NDArray[np.uint8], bits: int) -> None:
        """XOR the errors of ⌈bits/2⌉ pairs onto the message."""
        pairs = pairs_for(bits)
        sent = message.copy() if self._faults is not None else None
        if self._pairs is not None:
            self._pairs.disturb(message, pairs)
        if self._faults is not None and sent is not None:
            where, which = pauli.faults_between(sent, message, pairs)
            ends = self._online.src, self._online.dst
            self._faults.append(Faults(*ends, self._online.round, where, which))


class AlteredLink:
    """A link on which somebody changes messages before they arrive; they cost what they cost.

    ``wire`` is the one that messages cross online.
    """

    __slots__ = ("_interceptor", "_link", "_wire")

    def __init__(self, link: Link, wire: Wire, interceptor: Interceptor) -> None:
        self._link, self._wire, self._interceptor = link, wire, interceptor

    def carry(self, message: NDArray[np.uint8], bits: int) -> None:
        """Charge for a message, and let it be changed on its way."""
        self.charge(bits)
        self.transmit(message, bits)

    def charge(self, bits: int) -> None:
        """Charge as the link does."""
        self._link.charge(bits)

    def transmit(self, message: NDArray[np.uint8], bits: int) -> None:
        """Do to a message what the link does, and what the interceptor does."""
        self._link.transmit(message, bits)
        if len(message) and bits:
            wire = self._wire
            self._interceptor.alter(message, bits, src=wire.src, dst=wire.dst, round_=wire.round)


def classical(run: Run, src: int, dst: int) -> Link:
    """Open a classical link of a run; with hardware it takes time."""
    hardware = run.conditions.hardware
    if hardware is not None:
        return TimedClassicalLink(run.wire(src, dst), hardware, run.clock)
    return ClassicalLink(run.wire(src, dst))


def superdense(run: Run, src: int, dst: int) -> Link:
    """Open a superdense link of a run, with the adversary on it if she changes messages.

    It corrects its noise if the conditions say so, and takes time if they name hardware.

    Raises:
        InputError: noise or measurements, and no generator to draw them.
    """
    conditions = run.conditions
    if conditions.hardware is not None:
        ends = Wires(run.wire(src, dst, Phase.SETUP), run.wire(src, dst), run.wire(dst, src))
        coding = None if conditions.is_noiseless else conditions.coding
        return TimedSuperdenseLink(
            ends,
            run.inventory(src, dst),
            conditions.hardware,
            coding,
            run.clock,
            lambda: run.rng,
            run.note_coded,
        )
    setup, online, adversary = (
        run.wire(src, dst, Phase.SETUP),
        run.wire(src, dst),
        conditions.adversary,
    )
    pairs, noise = run.pairs(src, dst), conditions.noise_between(src, dst)
    link: Link
    if conditions.coding is not None and pairs is not None and noise.error_probability:
        wires = Wires(setup, online, run.wire(dst, src))
        link = CodedLink(wires, pairs, noise, conditions.coding, run.rng, run.note_coded)
    else:
        link = SuperdenseLink(
            setup, online, pairs, run.faults if conditions.record_faults else None
        )
    if adversary is None or adversary.online is None:
        return link
    return AlteredLink(link, online, adversary.online)


def exact_superdense(run: Run, src: int, dst: int) -> SuperdenseLink:
    """Open a superdense link whose pairs are perfect, whatever the noise of the network."""
    return SuperdenseLink(run.wire(src, dst, Phase.SETUP), run.wire(src, dst), None)
