"""A superdense link that corrects its noise: codes, checks, selective retransmission."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.ledger import Carrier
from qring.network.coded.adaptation import REPORT_BITS, Estimate
from qring.network.coded.choice import check_reach, plan
from qring.network.coded.coding import Code, Coding, Emulation
from qring.network.coded.pairs import AlikePairs, GuessedPairs
from qring.network.coded.sending import Receipt, send
from qring.network.engine import Pairs
from qring.network.noise import BellDiagonal
from qring.network.wires import Wire

__all__ = ["CodedLink", "Wires"]


class Wires(NamedTuple):
    """Wires of a coded link: pairs are shared over one, messages and their answers go over two."""

    setup: Wire
    online: Wire
    back: Wire


class CodedLink:
    """Superdense coding over noisy pairs, so that messages arrive as they were sent.

    Charges every pair of every attempt, frames' parity and checks included, and a bit of
    acknowledgement a frame on the way back. Where no code pays, plain classical bits go instead.
    """

    __slots__ = ("_back", "_coding", "_estimate", "_key", "_noise", "_note", "_online", "_pairs",
                 "_rng", "_sent", "_setup")  # fmt: skip

    def __init__(
        self, wires: Wires, pairs: Pairs, noise: BellDiagonal, coding: Coding,
        rng: np.random.Generator, note: Callable[[Receipt], None],
    ) -> None:  # fmt: skip
        check_reach(noise, coding)
        self._setup, self._online, self._back = wires
        self._coding, self._noise, self._rng, self._note = coding, noise, rng, note
        self._pairs = AlikePairs(noise, pairs)
        self._key = rng.bytes(16)  # a public coin, drawn apart from the noise
        self._estimate = Estimate()
        self._sent: list[Receipt] = []

    def carry(self, message: NDArray[np.uint8], bits: int) -> None:
        """Send ``bits`` bits, which arrive as they are, and charge what it took.

        Raises:
            InputError: pairs too noisy for the code.
        """
        self.transmit(message, bits)
        self.charge(bits)

    def transmit(self, message: NDArray[np.uint8], bits: int) -> None:
        """Send ``bits`` bits; :meth:`charge` charges for all that was sent since it was called."""
        if bits:
            way = self._adapted if self._coding.adaptive else self._planned
            receipt = way(message, bits)
            self._note(receipt)
            self._sent.append(receipt)

    def charge(self, bits: int) -> None:
        """Charge pairs, plain bits and acknowledgements of what was transmitted."""
        for receipt in self._sent:
            self._setup.send(Carrier.QUBIT, receipt.pairs)
            self._online.send(Carrier.QUBIT, receipt.pairs)
            self._online.send(Carrier.EBIT, receipt.pairs)
            self._online.send(Carrier.BIT, receipt.plain_bits)
            self._back.send(Carrier.BIT, receipt.ack_bits)
        self._sent.clear()

    def _planned(self, message: NDArray[np.uint8], bits: int) -> Receipt:
        coding = self._coding
        found = plan(-(-bits // 8), self._noise, coding.code, coding.emulation)
        return send(message, bits, found, self._pairs, coding.emulation, self._rng, key=self._key)

    def _adapted(self, message: NDArray[np.uint8], bits: int) -> Receipt:
        guess = self._estimate.planned()
        found = plan(-(-bits // 8), guess, Code.LDPC, Emulation.DECODED)
        pairs = GuessedPairs(self._pairs, guess)
        receipt = send(message, bits, found, pairs, Emulation.DECODED, self._rng, key=self._key)
        self._estimate = self._estimate.after(receipt.flips)
        return receipt._replace(ack_bits=receipt.ack_bits + REPORT_BITS)
