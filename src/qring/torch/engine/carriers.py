"""A rank's outgoing links, their noise and their account."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np
import torch

from qring.ledger import Ledger
from qring.network.coded.coding import Emulation
from qring.network.fast import FastEngine
from qring.network.links import Link, classical, exact_superdense, superdense
from qring.network.network import Network
from qring.network.run import Run
from qring.torch.engine.plans import Laid
from qring.torch.options import Options
from qring.torch.transport.arena import Message

__all__ = ["Carriers"]

_NOTHING = np.empty(0, np.uint8)
_Kind = Callable[[Run, int, int], Link]


class Carriers:
    """Links from one rank to all others, made when first used. Used by one thread.

    Inside a host of a hierarchy bits travel as they are, unless the options say otherwise.
    """

    __slots__ = ("_decoded", "_kinds", "_names", "_near", "_network", "_rank", "_rng", "_run")

    def __init__(
        self, options: Options, laid: Laid, names: Sequence[int], rank: int, stream: str
    ) -> None:
        self._names, self._rank = names, rank
        self._near = laid.beside(rank) if options.inside != "superdense" else frozenset()
        self._network = Network(
            noise=options.noise, coding=options.coding, engine=FastEngine(ahead=True)
        )
        self._decoded = (
            options.coding is not None
            and options.is_noisy
            and (options.coding.emulation is Emulation.DECODED)
        )
        seed = (options.seed, names[rank], zlib.crc32(stream.encode()))
        self._rng = np.random.Generator(np.random.SFC64(seed)) if options.is_noisy else None
        if options.protocol == "classical":
            self._kinds: tuple[_Kind, _Kind] = classical, classical
        else:
            spared = exact_superdense if options.coding is None else superdense
            self._kinds = superdense, spared
        self.reset()

    def reset(self) -> None:
        """Start a new account; the random stream goes on."""
        self._run = self._network.open(max(self._names) + 1, self._rng)

    @property
    def coded(self) -> bool:
        """Whether links correct noise, so that what a message takes shows when it is sent."""
        return self._run.corrections is not None

    def spoils(self, exact: bool) -> bool:
        """Whether payloads are worked on where they lie as they are sent."""
        if self.coded:
            return self._decoded
        return self._rng is not None and not exact

    def spoil(self, dst: int, message: Message) -> None:
        """Let the noise of the link to ``dst`` have its way with a message."""
        self._link(dst, False).transmit(message.array[: message.nbytes], 8 * message.nbytes)

    def note(self, dst: int, nbytes: int) -> None:
        """Let the coded link to ``dst`` find out what a parcel takes, without reading it."""
        self._link(dst, False).transmit(_NOTHING, 8 * nbytes)

    def end_step(self) -> None:
        """End a round of a plan: parcels of coded links that are sent later wait for its own."""
        self._run.end_attempts()

    def charge(self, dst: int, nbytes: int, exact: bool) -> None:
        """Charge the bits of slots that were sent to ``dst``.

        ``exact`` payloads are charged like others, but arrive as they were sent.
        """
        self._link(dst, exact).charge(8 * nbytes)

    def carry_values(self, dst: int, values: torch.Tensor, exact: bool) -> torch.Tensor:
        """Charge a flat tensor to the link to ``dst``; return what arrives."""
        link, bits = self._link(dst, exact), 8 * values.numel() * values.itemsize
        if self.coded and not self._decoded:
            self.note(dst, bits // 8)
        if not self.spoils(exact):
            link.charge(bits)
            return values
        arriving = values.clone()
        link.transmit(arriving.view(torch.uint8).numpy(), bits)
        link.charge(bits)
        return arriving

    def rounds(self, count: int) -> None:
        """Charge rounds, one after another."""
        self._run.end_rounds(count)

    def ledger(self) -> Ledger:
        """Ledger of all charges so far."""
        return self._run.ledger()

    def _link(self, dst: int, exact: bool) -> Link:
        kind = classical if dst in self._near else self._kinds[exact]
        return self._run.link(kind, self._names[self._rank], self._names[dst])
