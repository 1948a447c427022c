"""What a rank's messages travel on: its outgoing links, their noise and their account."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import torch

from qring.ledger import Ledger, Meter
from qring.network.links import ClassicalLink, Link, SuperdenseLink
from qring.torch.options import Options
from qring.torch.transport.arena import Message

__all__ = ["Carriers"]


class Carriers:
    """Links from one rank to all others, made when first used. Used by one thread."""

    __slots__ = ("_links", "_meter", "_names", "_options", "_rank", "_rng")

    def __init__(self, options: Options, names: Sequence[int], rank: int, stream: str) -> None:
        self._options, self._names, self._rank = options, names, rank
        seed = (options.seed, names[rank], zlib.crc32(stream.encode()))
        self._rng = np.random.Generator(np.random.SFC64(seed)) if options.is_noisy else None
        self.reset()

    def reset(self) -> None:
        """Start a new account; the random stream goes on."""
        self._meter = Meter()
        self._links: dict[tuple[int, bool], Link] = {}

    def spoils(self, exact: bool) -> bool:
        """Whether payloads are changed on their way."""
        return self._rng is not None and not exact

    def spoil(self, dst: int, parcel: Message) -> None:
        """Let the noise of the link to ``dst`` have its way with a parcel."""
        self._link(dst, False).transmit(parcel.array[: parcel.nbytes], 8 * parcel.nbytes)

    def charge(self, dst: int, nbytes: int, exact: bool) -> None:
        """Charge the bits of parcels that were sent to ``dst``.

        ``exact`` payloads are charged like others, but arrive as they were sent.
        """
        self._link(dst, exact).charge(8 * nbytes)

    def carry_values(self, dst: int, values: torch.Tensor, exact: bool) -> torch.Tensor:
        """Charge a flat tensor to the link to ``dst``; return what arrives."""
        link, bits = self._link(dst, exact), 8 * values.numel() * values.itemsize
        link.charge(bits)
        if not self.spoils(exact):
            return values
        arriving = values.clone()
        link.transmit(arriving.view(torch.uint8).numpy(), bits)
        return arriving

    def rounds(self, count: int) -> None:
        """Charge rounds, one after another."""
        self._meter.rounds += count

    def ledger(self) -> Ledger:
        """Everything charged so far."""
        return self._meter.ledger()

    def _link(self, dst: int, exact: bool) -> Link:
        found = self._links.get((dst, exact))
        if found is not None:
            return found
        ends = self._names[self._rank], self._names[dst]
        link: Link
        if self._options.protocol == "classical":
            link = ClassicalLink(*ends, self._meter)
        else:
            rng = None if exact else self._rng
            link = SuperdenseLink(*ends, self._meter, noise=self._options.noise, rng=rng)
        self._links[dst, exact] = link
        return link
