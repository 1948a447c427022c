"""Verified GHZ aggregation, as a method of the all-reduce verb.

Source: paper section 4.3.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.collectives.aggregate import Progress
from qring.collectives.ghz.method import Ghz, Session
from qring.errors import InputError
from qring.ledger import Meter, Phase
from qring.network.adversary.base import History
from qring.network.network import Network
from qring.network.pool import Pool
from qring.network.supply import RanOutError
from qring.network.wiring import Wiring
from qring.security.vga.outcome import Cause, VgaAggregate, VgaRejected
from qring.security.vga.verification import HashedVerification, Verification, Verified
from qring.validate import check_able, check_instance

__all__ = ["Opened", "Vga"]


class Opened(NamedTuple):
    """A sum about to be read; there is no session if the copies were rejected."""

    session: Session | None
    verified: Verified
    meter: Meter


@dataclass(frozen=True, slots=True, kw_only=True)
class Vga:
    """Sum words as ``ghz`` does, on copies that passed ``verification`` before any encoding.

    All copies of a round are shared and tested together, as many as its readout can need.
    """

    ghz: Ghz
    verification: Verification = field(default_factory=HashedVerification)

    def __post_init__(self) -> None:
        check_instance("ghz", self.ghz, Ghz, "qring.Ghz(encoding=...)")
        check_able("verification", self.verification, ("verify",),
                   "a verification such as qring.HashedVerification()")  # fmt: skip

    def run(
        self,
        gradients: NDArray[Any],
        network: Network,
        rng: np.random.Generator | None,
        progress: Progress,
    ) -> VgaAggregate | VgaRejected:
        """Sum ``gradients`` of shape (workers, coords).

        Raises:
            InputError: one worker, no ``rng``, weights that do not fit, copies without
                visibility, or noise that is not followed copy by copy.
            BudgetError: words too small for the values, or sums too wide.
        """
        workers = len(gradients)
        if rng is None:
            raise InputError("measuring GHZ copies is random: pass rng=numpy.random.default_rng()")
        self.ghz.open(workers, network, rng)  # refuse early
        self.ghz.encoding.check(gradients)
        words, _ = self.ghz.encoding.encode(gradients)
        opened = self.open(words.shape[1], workers, network, rng)
        ended = partial(
            VgaRejected,
            sums=np.empty((0, gradients.shape[1])),
            workers=workers,
            verdicts=opened.verified.verdicts,
        )
        if opened.session is None:
            return ended(cause=Cause.TESTS_FAILED, ledger=opened.meter.ledger())
        try:
            sums = opened.session.read(words, progress)
        except RanOutError:
            return ended(cause=Cause.RAN_OUT, ledger=opened.meter.ledger())
        result, verified = opened.session.result(sums), opened.verified
        return VgaAggregate(
            **{f.name: getattr(result, f.name) for f in fields(result) if f.name != "caveats"},
            caveats=(*result.caveats, *self._caveats(verified.guarantee.epsilon is None)),
            verdicts=verified.verdicts,
            shared=verified.shared,
            guarantee=verified.guarantee,
        )

    def open(self, words: int, workers: int, network: Network, rng: np.random.Generator) -> Opened:
        """Share and test copies for sums of so many words, and get ready to sum on them.

        Raises:
            InputError: one worker, weights that do not fit, copies without visibility, or noise
                that is not followed copy by copy.
            BudgetError: sums too wide.
        """
        meter = Meter()
        visibility = network.visibility(workers)
        wiring = Wiring(workers, self.ghz.distribution, self.ghz.announcement, meter, Phase.SETUP)
        verified = self.verification.verify(
            self.ghz.reserve(words, workers, visibility),
            partial(_share, network, workers, wiring, rng),
            wiring,
            rng,
        )
        session = None
        if verified.data is not None:
            supply = verified.data.supply()
            session = self.ghz.open(workers, network, rng, meter=meter, supply=supply)
        return Opened(session, verified, meter)

    def _caveats(self, leaky: bool) -> tuple[str, ...]:
        return ("this verification certifies no whole round: see the guarantee",) if leaky else ()


def _share(
    network: Network,
    workers: int,
    wiring: Wiring,
    rng: np.random.Generator,
    count: int,
    history: History,
) -> Pool:
    return network.ghz_pool(
        count,
        workers=workers,
        wiring=wiring,
        rng=rng,
        history=history,
        first=sum(public.copies for public in history),
    )
