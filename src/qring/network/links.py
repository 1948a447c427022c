"""Links: what carries a message from one worker to the next, and charges for it.

A link owns the message buffer while it travels: noise is applied in place, and every carrier is
written into the meter here and nowhere else.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from qring.encoding.superdense import pairs_for
from qring.ledger import Carrier, Meter, Phase
from qring.network import pauli
from qring.network.adversary.base import Interceptor
from qring.network.noise import BellDiagonal

__all__ = ["AlteredLink", "ClassicalLink", "Faults", "Link", "SuperdenseLink"]


class Faults(NamedTuple):
    """Errors that one message suffered: pair numbers (ascending) and Pauli labels 1..3.

    Labels are those of :data:`qring.encoding.superdense.PAULIS`: X = 1, Z = 2, Y = 3.
    """

    src: int
    dst: int
    round: int
    pairs: NDArray[np.int64]
    paulis: NDArray[np.uint8]


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

    __slots__ = ("_dst", "_meter", "_src")

    def __init__(self, src: int, dst: int, meter: Meter) -> None:
        self._src, self._dst, self._meter = src, dst, meter

    def carry(self, message: NDArray[np.uint8], bits: int) -> None:
        """Charge for a message, which arrives as it was."""
        self.charge(bits)

    def charge(self, bits: int) -> None:
        """One classical bit a bit."""
        self._meter.charge(self._src, self._dst, Phase.ONLINE, Carrier.BIT, bits)

    def transmit(self, message: NDArray[np.uint8], bits: int) -> None:
        """Change nothing."""


class SuperdenseLink:
    """Two bits a qubit over pre-shared pairs, each pair with independent Bell-diagonal noise.

    Without ``rng`` the pairs are perfect and ``noise`` must be. With ``faults``, every error is
    appended to it. A message of m bits takes ⌈m/2⌉ pairs: as many qubits in the setup phase, to
    share them, and as many qubits and ebits online. Source: paper sections 3.1 and 3.2, remark 1.
    """

    __slots__ = ("_dst", "_errors", "_faults", "_meter", "_src")

    def __init__(
        self,
        src: int,
        dst: int,
        meter: Meter,
        *,
        noise: BellDiagonal,
        rng: np.random.Generator | None,
        faults: list[Faults] | None = None,
    ) -> None:
        self._src, self._dst, self._meter = src, dst, meter
        self._errors = None if rng is None else pauli.ErrorStream(noise, rng)
        self._faults = faults

    def carry(self, message: NDArray[np.uint8], bits: int) -> None:
        """Charge ⌈bits/2⌉ pairs and XOR their errors onto the message."""
        self.charge(bits)
        self.transmit(message, bits)

    def charge(self, bits: int) -> None:
        """⌈bits/2⌉ pairs: shared beforehand, one half sent, both consumed."""
        pairs = pairs_for(bits)
        self._meter.charge(self._src, self._dst, Phase.SETUP, Carrier.QUBIT, pairs)
        self._meter.charge(self._src, self._dst, Phase.ONLINE, Carrier.QUBIT, pairs)
        self._meter.charge(self._src, self._dst, Phase.ONLINE, Carrier.EBIT, pairs)

    def transmit(self, message: NDArray[np.uint8], bits: int) -> None:
        """XOR the errors of ⌈bits/2⌉ pairs onto the message."""
        pairs = pairs_for(bits)
        sent = message.copy() if self._faults is not None else None
        self._transmit(message, pairs)
        if self._faults is not None and sent is not None:
            where, which = pauli.faults_between(sent, message, pairs)
            self._faults.append(Faults(self._src, self._dst, self._meter.rounds, where, which))

    def _transmit(self, message: NDArray[np.uint8], pairs: int) -> None:
        """Send the pairs; what is received is left in ``message``."""
        if self._errors is not None:
            self._errors.disturb(message, pairs)


class AlteredLink:
    """A link on which somebody changes messages before they arrive; they cost what they cost."""

    __slots__ = ("_dst", "_interceptor", "_link", "_meter", "_src")

    def __init__(
        self, link: Link, src: int, dst: int, meter: Meter, interceptor: Interceptor
    ) -> None:
        self._link, self._src, self._dst, self._meter = link, src, dst, meter
        self._interceptor = interceptor

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
            self._interceptor.alter(
                message, bits, src=self._src, dst=self._dst, round_=self._meter.rounds
            )
