"""The network a protocol runs on: which noise each link has, and what is remembered of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from qring.errors import InputError
from qring.ledger import Meter
from qring.network.adversary.base import Adversary, History
from qring.network.copies import check_workers
from qring.network.faults import noisy_copies
from qring.network.ghz import GhzBatch, Words
from qring.network.links import AlteredLink, Faults, Link, SuperdenseLink
from qring.network.noise import NOISELESS, PERFECT_QUBITS, BellDiagonal, QubitNoise
from qring.network.pool import Pool
from qring.network.supply import FreshCopies, Supply
from qring.network.view import Announced
from qring.network.wiring import Wiring
from qring.validate import check_flag, check_instance

__all__ = ["Network"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A simulated network.

    ``noise`` is that of every shared pair, unless ``noise_on`` names the directed link
    (src, dst). ``qubit_noise`` is that of every qubit of a GHZ state. Classical bits are
    noiseless. With ``record_faults`` the result carries every sampled error of a pair.
    ``adversary`` sits where copies are made and shared; see :mod:`qring.network.adversary`. With
    ``record_view`` the result carries all that she sees and holds.
    """

    noise: BellDiagonal = NOISELESS
    noise_on: Mapping[tuple[int, int], BellDiagonal] = field(default_factory=dict)
    qubit_noise: QubitNoise = PERFECT_QUBITS
    record_faults: bool = False
    adversary: Adversary | None = None
    record_view: bool = False

    def __post_init__(self) -> None:
        pairs = "a BellDiagonal, such as BellDiagonal.depolarising(0.1)"
        check_instance("noise", self.noise, BellDiagonal, pairs)
        check_instance("noise_on", self.noise_on, Mapping, "{(src, dst): BellDiagonal(...)}")
        for (src, dst), noise in self.noise_on.items():
            check_instance(f"noise_on[{src}, {dst}]", noise, BellDiagonal, pairs)
        check_instance("qubit_noise", self.qubit_noise, QubitNoise,
                       "a QubitNoise, such as QubitNoise.depolarising(0.01)")  # fmt: skip
        if self.adversary is not None:
            check_instance("adversary", self.adversary, Adversary,
                           "Adversary(source=...), such as PlusState()")  # fmt: skip
        check_flag("record_faults", self.record_faults)
        check_flag("record_view", self.record_view)

    def noise_between(self, src: int, dst: int) -> BellDiagonal:
        """Noise of the pairs shared for messages from ``src`` to ``dst``."""
        return self.noise_on.get((src, dst), self.noise)

    def visibility(self, workers: int) -> float:
        """V that a readout of ``workers`` workers' copies may count on, if nobody tampers."""
        return self.qubit_noise.visibility(workers)

    @property
    def needs_words(self) -> bool:
        """Whether copies may tell one worker's phase from another's."""
        return self.adversary is not None or bool(self.qubit_noise.turned)

    @property
    def caveats(self) -> tuple[str, ...]:
        """What to say with every result of this network."""
        return ()

    @property
    def liars(self) -> frozenset[int]:
        """Workers on the adversary's side."""
        return frozenset() if self.adversary is None else self.adversary.nodes

    @property
    def is_noiseless(self) -> bool:
        """Whether every pair is perfect."""
        parts = (self.noise, *self.noise_on.values())
        return all(part.error_probability == 0 for part in parts)

    def check_links(self, workers: int) -> None:
        """Raise :class:`InputError` if ``noise_on`` names a link that ``workers`` do not have."""
        for src, dst in self.noise_on:
            if not (0 <= src < workers and 0 <= dst < workers and src != dst):
                raise InputError(f"there is no link {src}→{dst} among {workers} workers")

    def among(self, workers: Sequence[int]) -> Network:
        """The network of these workers only, numbered anew in this order."""
        number = {worker: k for k, worker in enumerate(workers)}
        adversary = self.adversary
        if adversary is not None:
            nodes = frozenset(number[node] for node in adversary.nodes if node in number)
            adversary = replace(adversary, nodes=nodes)
        links = {
            (number[src], number[dst]): noise
            for (src, dst), noise in self.noise_on.items()
            if src in number and dst in number
        }
        return replace(self, noise_on=links, adversary=adversary)

    def pair_link(
        self,
        src: int,
        dst: int,
        *,
        meter: Meter,
        rng: np.random.Generator | None,
        faults: list[Faults] | None = None,
    ) -> Link:
        """Open the superdense link from ``src`` to ``dst``; it charges ``meter``."""
        kept = faults if self.record_faults else None
        link = SuperdenseLink(
            src, dst, meter, noise=self.noise_between(src, dst), rng=rng, faults=kept
        )
        return self.intercepted(link, src, dst, meter)

    def intercepted(self, link: Link, src: int, dst: int, meter: Meter) -> Link:
        """Put the adversary on a link, if she changes messages."""
        if self.adversary is None or self.adversary.online is None:
            return link
        return AlteredLink(link, src, dst, meter, self.adversary.online)

    def ghz_supply(self, workers: int, *, wiring: Wiring, rng: np.random.Generator) -> Supply:
        """Copies for ``workers`` workers that are shared as they are needed, untested."""
        return FreshCopies(
            workers=workers,
            noise=self.qubit_noise,
            wiring=wiring,
            rng=rng,
            adversary=self.adversary,
        )

    def ghz_pool(
        self,
        count: int,
        *,
        workers: int,
        wiring: Wiring,
        rng: np.random.Generator,
        history: History = (),
        first: int = 0,
    ) -> Pool:
        """Share ``count`` copies, numbered from ``first``, and have them received and kept.

        An adversary's copies arrive as she made them; noise strikes the others.

        Raises:
            InputError: noise that is not followed copy by copy, or more than 64 workers.
        """
        check_workers(workers)
        wiring.share(count)
        tampered = noisy_copies(count, workers, self.qubit_noise, rng)
        nodes: frozenset[int] = frozenset()
        if self.adversary is not None:
            self.adversary.check(workers)
            nodes = self.adversary.nodes
            if self.adversary.source is not None:
                hers = self.adversary.source.tamper(first, count, workers, history, rng)
                tampered = hers.and_also(tampered)
        return Pool(
            count=count,
            workers=workers,
            tampered=tampered,
            visibility=self.visibility(workers),
            nodes=nodes,
        )

    def ghz_batch(
        self,
        total: Words,
        words: Words | None,
        *,
        workers: int,
        wiring: Wiring,
        rng: np.random.Generator,
        supply: Supply | None = None,
        view: list[Announced] | None = None,
    ) -> GhzBatch:
        """Get ready to encode words, which add up to ``total`` mod 2^64, on copies of ``supply``.

        Without a supply fresh copies are shared as they are needed. With ``view``, what is
        announced is appended to it.
        """
        return GhzBatch(
            total,
            words,
            workers=workers,
            wiring=wiring,
            rng=rng,
            supply=supply or self.ghz_supply(workers, wiring=wiring, rng=rng),
            view=view,
        )
