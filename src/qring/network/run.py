"""One run over a network: everything that is charged, drawn, cached or seen while it lasts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError
from qring.ledger import Ledger, Meter, Phase
from qring.network.adversary.base import History
from qring.network.clock import Clock
from qring.network.coded.coding import Corrections
from qring.network.coded.sending import Receipt
from qring.network.conditions import Conditions
from qring.network.engine import Engine, Pairs
from qring.network.ghz import GhzBatch, Words
from qring.network.inventory.fates import Counts
from qring.network.inventory.inventory import Inventory
from qring.network.noise import QubitNoise
from qring.network.pool import Pool
from qring.network.supply import Supply
from qring.network.timed import stocked
from qring.network.timeline import Timeline
from qring.network.view import Announced, View
from qring.network.wires import Faults, Wire, WireBundle
from qring.network.wiring import Announcement, Distribution, Wiring

__all__ = ["Run", "SharedCopies"]

AnyLink = TypeVar("AnyLink")


class Run:
    """A network opened for ``workers`` workers; made by :meth:`qring.Network.open`.

    It owns the account, the generator, wires and links (each opened once), rounds, the clock, and
    what is recorded. Protocols send over links and wires, which charge; they count nothing
    themselves.
    """

    __slots__ = ("_attempts", "_corrections", "_inventories", "_links", "_meter", "_rng",
                 "_waiting", "_wires", "clock", "conditions", "engine", "faults", "view",
                 "workers")  # fmt: skip

    def __init__(
        self,
        conditions: Conditions,
        engine: Engine,
        workers: int,
        rng: np.random.Generator | None,
    ) -> None:
        conditions.check_workers(workers)
        self.conditions, self.engine, self.workers, self._rng = conditions, engine, workers, rng
        self.clock = Clock()
        self.faults: list[Faults] = []
        self.view: list[Announced] = []
        self._meter = Meter()
        self._attempts, self._waiting = 1, 0
        self._corrections: Corrections | None = None
        if conditions.coding is not None and not conditions.is_noiseless:
            self._corrections = Corrections(coding=conditions.coding)
        self._wires: dict[tuple[int, int, Phase], Wire] = {}
        self._links: dict[tuple[Any, int, int], Any] = {}
        self._inventories: dict[tuple[int, int], Inventory] = {}

    @property
    def rng(self) -> np.random.Generator:
        """Source of all that happens at random.

        Raises:
            InputError: the run was opened without one.
        """
        if self._rng is None:
            raise InputError("measurements are random: pass rng=numpy.random.default_rng(...)")
        return self._rng

    @property
    def visibility(self) -> float:
        """V that a readout of GHZ copies may count on, if nobody tampers."""
        return self.engine.visibility(self.conditions.qubit_noise, self.workers)

    @property
    def needs_words(self) -> bool:
        """Whether copies may tell one worker's phase from another's."""
        told_apart = self.conditions.adversary is not None or self.conditions.qubit_noise.turned
        return self.engine.needs_words or bool(told_apart)

    @property
    def caveats(self) -> tuple[str, ...]:
        """Statements to print with every result of this run."""
        return self.engine.caveats

    @property
    def rounds(self) -> int:
        """Online rounds ended so far."""
        return self._meter.rounds

    def end_rounds(self, count: int = 1) -> None:
        """End ``count`` sequential rounds of the online phase; retransmissions add theirs."""
        self.end_attempts()
        self._meter.rounds += count + self._waiting
        self.clock.end_rounds(count)  # resent messages took theirs within their round
        self._waiting = 0

    def note_coded(self, receipt: Receipt) -> None:
        """Note what a message over a coded link took; messages of one round travel at once."""
        self._attempts = max(self._attempts, receipt.attempts)
        before = self._corrections
        if before is None:
            return
        self._corrections = replace(
            before,
            coded=before.coded + (receipt.frames > 0),
            plain=before.plain + (receipt.frames == 0),
            frames=before.frames + receipt.frames,
            lost=before.lost + sum(receipt.lost),
        )

    def end_attempts(self) -> None:
        """Let messages noted from now on be of another round, which :meth:`end_rounds` will end."""
        extra, self._attempts = self._attempts - 1, 1
        self._waiting += extra
        if extra and self._corrections is not None:
            before = self._corrections
            self._corrections = replace(before, extra_rounds=before.extra_rounds + extra)

    @property
    def corrections(self) -> Corrections | None:
        """Account of coded links so far; ``None`` where links do not correct noise."""
        return self._corrections

    def timeline(self) -> Timeline | None:
        """Time so far, frozen; ``None`` where links take none."""
        if self.conditions.hardware is None:
            return None
        fates = [inventory.counts for inventory in self._inventories.values()]
        return self.clock.timeline(sum(fates, Counts()) * self.conditions.hardware.grain)

    def inventory(self, first: int, second: int) -> Inventory:
        """Pairs that two workers share, whichever of them sends.

        Raises:
            InputError: links take no time, or births are random and there is no generator.
        """
        hardware = self.conditions.hardware
        if hardware is None:
            raise InputError("pairs are there at once: give the network hardware to keep any")
        ends = min(first, second), max(first, second)
        found = self._inventories.get(ends)
        if found is None:
            found = self._inventories[ends] = stocked(hardware, lambda: self.rng)
        return found

    def ledger(self) -> Ledger:
        """Ledger of all charges so far, frozen."""
        return self._meter.ledger()

    def wire(self, src: int, dst: int, phase: Phase = Phase.ONLINE) -> Wire:
        """The wire from ``src`` to ``dst`` in one phase."""
        key = (src, dst, phase)
        found = self._wires.get(key)
        if found is None:
            found = self._wires[key] = Wire(src, dst, phase, self._meter)
        return found

    def wires(
        self, src: NDArray[np.intp], dst: NDArray[np.intp], phase: Phase = Phase.ONLINE
    ) -> WireBundle:
        """Wires from each ``src`` to each ``dst`` in one phase, to be charged at once."""
        return WireBundle(src, dst, phase, self._meter)

    def link(self, kind: Callable[[Run, int, int], AnyLink], src: int, dst: int) -> AnyLink:
        """The link of one kind from ``src`` to ``dst``, as ``kind(run, src, dst)`` opens it."""
        key = (kind, src, dst)
        found: AnyLink | None = self._links.get(key)
        if found is None:
            found = self._links[key] = kind(self, src, dst)
        return found

    def pairs(self, src: int, dst: int, engine: Engine | None = None) -> Pairs | None:
        """Pairs shared from ``src`` to ``dst``; ``None`` where nothing happens to messages.

        They are those of the run's own engine, or of another one.

        Raises:
            InputError: noise or measurements, and no generator to draw them.
        """
        return (engine or self.engine).pairs(self.conditions.noise_between(src, dst), self._rng)

    def copies(
        self,
        *,
        distribution: Distribution = Distribution.STAR,
        announcement: Announcement = Announcement.XOR_RING,
        phase: Phase = Phase.ONLINE,
    ) -> SharedCopies:
        """GHZ copies of all workers; ``phase`` is when bits about them are announced."""
        wiring = Wiring(
            self.workers,
            distribution,
            announcement,
            phase,
            wire=self.wire,
            end_rounds=self.end_rounds,
        )
        return SharedCopies(self, wiring)

    def seen(self) -> View:
        """View of the adversary so far; empty unless the network records it."""
        return tuple(self.view)

    def again(self) -> Run:
        """Another run over the same network, with an account of its own."""
        return Run(self.conditions, self.engine, self.workers, self._rng)

    def among(self, workers: Sequence[int]) -> Run:
        """Another run, of these workers only, numbered anew in this order."""
        return Run(self.conditions.among(workers), self.engine, len(workers), self._rng)


class SharedCopies:
    """GHZ copies in a run: shared, announced, pooled and read. Every carrier is charged."""

    __slots__ = ("_run", "_wiring", "announce", "broadcast")

    def __init__(self, run: Run, wiring: Wiring) -> None:
        self._run, self._wiring = run, wiring
        self.announce, self.broadcast = wiring.announce, wiring.broadcast

    def fresh(self) -> Supply[Any]:
        """Untested copies, shared when a readout asks for them."""
        run = self._run
        return _SharedAsNeeded(run.engine.fresh(run.conditions, run.workers, run.rng), self._wiring)

    def pool(self, count: int, *, history: History = (), first: int = 0) -> Pool:
        """Share ``count`` copies, numbered from ``first``, and have them received and kept.

        Raises:
            InputError: noise that is not followed copy by copy, or too many workers.
        """
        run = self._run
        pool = run.engine.pool(
            count, run.conditions, workers=run.workers, rng=run.rng, history=history, first=first
        )
        self._wiring.share(count)
        return pool

    def batch(
        self, total: Words, words: Words | None, supply: Supply[Any] | None = None
    ) -> GhzBatch:
        """Get ready to encode words, which add up to ``total`` mod 2^64, on copies of ``supply``.

        Shapes (coords,) and (workers, coords). Without a supply fresh copies are shared as they
        are needed. What is announced is recorded if the network records a view.

        Raises:
            InputError: every worker's own words are needed, and missing.
        """
        run = self._run
        return run.engine.batch(
            total,
            words,
            workers=run.workers,
            supply=supply if supply is not None else self.fresh(),
            announce=self.announce,
            rng=run.rng,
            view=run.view if run.conditions.record_view else None,
        )


class _SharedAsNeeded:
    """A supply whose copies are charged when they are taken."""

    __slots__ = ("_supply", "_wiring")

    def __init__(self, supply: Supply[Any], wiring: Wiring) -> None:
        self._supply, self._wiring = supply, wiring

    @property
    def noise(self) -> QubitNoise:
        return self._supply.noise

    @property
    def visibility(self) -> float:
        return self._supply.visibility

    def take(self, count: int) -> Any:  # noqa: ANN401 - what the engine's batches understand
        self._wiring.share(count)
        return self._supply.take(count)
