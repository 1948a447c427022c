"""Bundles: links of one kind between many pairs of workers, used at once.

A round's messages are independent, so their errors may be drawn in one go: as many streams of
errors as there are kinds of noise. The law is that of the links one by one; the draws are not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qring.ledger import Carrier, Phase
from qring.network import pauli
from qring.network.engine import Pairs
from qring.network.fast import FastEngine
from qring.network.links import Link, classical, exact_superdense, superdense
from qring.network.noise import BellDiagonal
from qring.network.run import Run
from qring.network.wires import Faults

__all__ = ["Bundle", "Kind", "bundle_of", "has_bundle", "leaves_alone"]

Kind = Callable[[Run, int, int], Link]
Ends = NDArray[np.intp]


class Bundle(Protocol):
    """Links from ``src[k]`` to ``dst[k]``."""

    @property
    def leaves_alone(self) -> bool:
        """Whether messages arrive as they were sent, so that they need not be transmitted."""

    def charge(self, bits: NDArray[np.int64]) -> None:
        """Write into the account what ``bits[k]`` bits on link k take."""

    def transmit(
        self, frames: NDArray[np.uint8], bits: NDArray[np.int64], links: Ends | None = None
    ) -> None:
        """Do to messages, shape (messages, bytes), what links do to them, uncharged.

        Message k, of ``bits[k]`` bits, crosses link ``links[k]``, or link k.
        """


def has_bundle(kind: Kind, run: Run) -> bool:
    """Whether links of a kind can be used at once in a run."""
    if type(run) is not Run or run.conditions.hardware is not None:
        # A run that somebody extended may do more on its links, and timed links take their time.
        return False
    if kind in (classical, exact_superdense):
        return True
    return kind is superdense and _is_fast(run)


def leaves_alone(kind: Kind, run: Run) -> bool:
    """Whether links of a kind are sure to leave messages as they were sent."""
    if type(run) is not Run or run.conditions.hardware is not None:
        return False
    if kind in (classical, exact_superdense):
        return True
    conditions = run.conditions
    quiet = conditions.is_noiseless and not conditions.record_faults
    return kind is superdense and _is_fast(run) and quiet


def bundle_of(kind: Kind, run: Run, src: Ends, dst: Ends) -> Bundle:
    """Open links of a kind that :func:`has_bundle`.

    Raises:
        InputError: noise, and no generator to draw its errors.
    """
    if kind is classical:
        return _ClassicalBundle(run, src, dst)
    return _SuperdenseBundle(run, src, dst, exact=kind is exact_superdense)


def _is_fast(run: Run) -> bool:
    """Whether nothing but the fast engine's noise happens on links."""
    conditions, adversary = run.conditions, run.conditions.adversary
    watched = adversary is not None and adversary.online is not None
    coded = conditions.coding is not None and not conditions.is_noiseless
    return isinstance(run.engine, FastEngine) and not watched and not coded


class _ClassicalBundle:
    """Classical links: one carrier a bit."""

    __slots__ = ("_wires",)

    def __init__(self, run: Run, src: Ends, dst: Ends) -> None:
        self._wires = run.wires(src, dst)

    @property
    def leaves_alone(self) -> bool:
        return True

    def charge(self, bits: NDArray[np.int64]) -> None:
        self._wires.send(Carrier.BIT, bits)

    def transmit(
        self, frames: NDArray[np.uint8], bits: NDArray[np.int64], links: Ends | None = None
    ) -> None:
        return


class _SuperdenseBundle:
    """Superdense links of the fast engine: ⌈bits/2⌉ pairs a message, errors drawn by the noise."""

    __slots__ = ("_dst", "_faults", "_online", "_run", "_setup", "_src", "_streams", "_which")

    def __init__(self, run: Run, src: Ends, dst: Ends, *, exact: bool) -> None:
        self._run, self._src, self._dst = run, src, dst
        self._setup, self._online = run.wires(src, dst, Phase.SETUP), run.wires(src, dst)
        self._faults = run.faults if run.conditions.record_faults and not exact else None
        self._which = np.zeros(len(src), np.intp)
        self._streams: list[Pairs | None] = []
        if exact:
            return
        numbers: dict[BellDiagonal, int] = {}
        ends = [(src[0], dst[0])] if not run.conditions.noise_on else zip(src, dst, strict=True)
        for link, (one, other) in enumerate(ends):
            noise = run.conditions.noise_between(int(one), int(other))
            if noise not in numbers:
                numbers[noise] = len(self._streams)
                self._streams.append(run.pairs(int(one), int(other), FastEngine(ahead=True)))
            self._which[link] = numbers[noise]

    @property
    def leaves_alone(self) -> bool:
        return self._faults is None and not any(self._streams)

    def charge(self, bits: NDArray[np.int64]) -> None:
        pairs = (bits + 1) // 2
        self._setup.send(Carrier.QUBIT, pairs)
        self._online.send(Carrier.QUBIT, pairs)
        self._online.send(Carrier.EBIT, pairs)

    def transmit(
        self, frames: NDArray[np.uint8], bits: NDArray[np.int64], links: Ends | None = None
    ) -> None:
        sent = frames.copy() if self._faults is not None else None
        if len(self._streams) == 1:
            _disturb(self._streams[0], frames)
        else:
            which = self._which if links is None else self._which[links]
            for number, stream in enumerate(self._streams):
                theirs = np.flatnonzero(which == number)
                part = frames[theirs]
                _disturb(stream, part)
                frames[theirs] = part
        if sent is not None:
            self._record(sent, frames, bits, links)

    def _record(
        self,
        sent: NDArray[np.uint8],
        received: NDArray[np.uint8],
        bits: NDArray[np.int64],
        links: Ends | None,
    ) -> None:
        """Keep what happened to the pairs of each message, in the order of the links."""
        width = 4 * sent.shape[1]
        where, which = pauli.faults_between(sent.ravel(), received.ravel(), width * len(sent))
        inside = where % width < (bits[where // width] + 1) // 2
        where, which = where[inside], which[inside]
        cuts = np.searchsorted(where, width * np.arange(len(sent) + 1))
        for message in range(len(sent)):
            link = message if links is None else int(links[message])
            part = slice(cuts[message], cuts[message + 1])
            self._run.faults.append(
                Faults(
                    int(self._src[link]),
                    int(self._dst[link]),
                    self._run.rounds,
                    where[part] - width * message,
                    which[part],
                )
            )


def _disturb(stream: Pairs | None, frames: NDArray[np.uint8]) -> None:
    """Send frames, shape (messages, bytes), one after another, in place."""
    if stream is not None:
        stream.disturb(frames.reshape(-1), 4 * frames.size)
