"""Verified GHZ aggregation, as a method of the all-reduce verb.

Source: paper section 4.3.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, NamedTuple

from numpy.typing import NDArray

from qring.collectives.aggregate import Progress
from qring.collectives.ghz.method import Ghz, Session
from qring.collectives.ghz.outcome import GivenUpError
from qring.ledger import Phase
from qring.network.adversary.base import History
from qring.network.pool import Pool
from qring.network.run import Run, SharedCopies
from qring.network.supply import RanOutError
from qring.security.vga.outcome import Cause, VgaAggregate, VgaRejected
from qring.security.vga.verification import HashedVerification, Verification, Verified
from qring.validate import check_able, check_instance

__all__ = ["Opened", "Vga"]


class Opened(NamedTuple):
    """A sum about to be read; there is no session if the copies were rejected."""

    session: Session | None
    verified: Verified


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
        self, gradients: NDArray[Any], run: Run, progress: Progress
    ) -> VgaAggregate | VgaRejected:
        """Sum ``gradients`` of shape (workers, coords).

        Raises:
            InputError: one worker, no generator, weights that do not fit, copies without
                visibility, or noise that is not followed copy by copy.
            BudgetError: words too small for the values, or sums too wide.
        """
        self.ghz.open(run)  # refuse early
        self.ghz.encoding.check(gradients)
        words, _ = self.ghz.encoding.encode(gradients)
        opened = self.open(words.shape[1], run)
        if opened.session is None:
            return self.rejected(opened, gradients, run)
        try:
            sums = opened.session.read(words, progress)
        except RanOutError:
            return self.rejected(opened, gradients, run, Cause.RAN_OUT)
        except GivenUpError:
            return self.rejected(opened, gradients, run, Cause.GIVEN_UP)
        result, verified = opened.session.result(sums), opened.verified
        return VgaAggregate(
            **{f.name: getattr(result, f.name) for f in fields(result) if f.name != "caveats"},
            caveats=(*result.caveats, *self._caveats(verified.guarantee.epsilon is None)),
            verdicts=verified.verdicts,
            shared=verified.shared,
            guarantee=verified.guarantee,
        )

    def open(self, words: int, run: Run) -> Opened:
        """Share and test copies for sums of so many words, and get ready to sum on them.

        Raises:
            InputError: one worker, no generator, weights that do not fit, copies without
                visibility, or noise that is not followed copy by copy.
            BudgetError: sums too wide.
        """
        copies = run.copies(
            distribution=self.ghz.distribution,
            announcement=self.ghz.announcement,
            phase=Phase.SETUP,
        )
        verified = self.verification.verify(
            self.ghz.reserve(words, run.workers, run.visibility),
            partial(_share, copies),
            copies.broadcast,
            run.rng,
        )
        session = None
        if verified.data is not None:
            session = self.ghz.open(run, verified.data.supply())
        return Opened(session, verified)

    def rejected(
        self,
        opened: Opened,
        gradients: NDArray[Any],
        run: Run,
        cause: Cause = Cause.TESTS_FAILED,
    ) -> VgaRejected:
        """The outcome of a run that ends without a sum."""
        return VgaRejected(
            coords=gradients.shape[1],
            ledger=run.ledger(),
            workers=len(gradients),
            verdicts=opened.verified.verdicts,
            cause=cause,
        )

    def _caveats(self, leaky: bool) -> tuple[str, ...]:
        return ("this verification certifies no whole round: see the guarantee",) if leaky else ()


def _share(copies: SharedCopies, count: int, history: History) -> Pool:
    first = sum(public.copies for public in history)
    return copies.pool(count, history=history, first=first)
