"""``private``: a superdense ring on words hidden by masks that were made beforehand.

Offline, GHZ copies are shared, some are tested, and the sums of random words are read from the
others; what is left of the words after privacy amplification hides the gradients' words online.
Source: ours; the paper's verified aggregation (section 4.3) and remark 1 are what it unites.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.collectives.aggregate import Progress
from qring.collectives.ring import around_the_ring, noise_caveats
from qring.encoding.formats import WordFormat
from qring.encoding.values import WordEncoding, check_words
from qring.errors import InputError
from qring.ledger import Ledger
from qring.network.links import superdense
from qring.network.network import Network
from qring.network.run import Run
from qring.network.view import View
from qring.schedule.ring import Direction
from qring.security.masks.gathering import Words
from qring.security.masks.integrity import IntegrityCheck, OnlineCheck, Recorder
from qring.security.masks.inventory import Inventory, MaskStore, fill
from qring.security.masks.making import Made, MaskMaking, Source, make_masks
from qring.security.masks.outcome import OnDropout, PrivateAborted, PrivateAggregate, Reason
from qring.security.masks.silence import Silence, SilentError
from qring.security.masks.terms import DEFAULT_EPSILON, MaskTerms
from qring.validate import check_enum, check_probability, check_whole

__all__ = ["Masks", "Private", "Stocked", "fresh_masks"]


class Masks(NamedTuple):
    """Masks of all workers, shape (workers, count), number ``first`` and on of a batch.

    ``total`` are their public sums mod 2^B; the batch held ``batch`` masks. ``epsilon`` is their
    secrecy, ``correctness`` the probability that wrong sums passed their check.
    """

    own: Words
    total: Words
    first: int
    batch: int
    epsilon: float
    correctness: float
    withstood: int
    terms: MaskTerms | None = None
    view: View = ()


class Stocked(NamedTuple):
    """Masks made ahead: under which terms, and what it took."""

    terms: MaskTerms
    ledger: Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Private:
    """Sum words that nobody sees: neither an eavesdropper on all channels nor other workers.

    What is learned beyond the sum is at most ``epsilon``, in trace distance, over everything that
    the same batch of masks is used for: a bound at finite size. It takes authenticated classical
    channels, public coins drawn after copies are received, and two honest workers. The sum is
    right, and the same for all, or the run is aborted. Sums still leak what sums leak.

    Args:
        encoding: what becomes words; sums are formed mod 2^B.
        epsilon: secrecy of the whole batch; also the probability that wrong mask sums pass their
            check, and that a changed message passes those after the rings of a batch.
        tested_share: of the copies; what costs fewest copies unless given.
        inventory: a folder of masks made ahead; without one they are made for this sum alone.
        gather: direction of the all-gather.
        online_check: whether results are checked before anybody uses them.
        on_dropout: whether a worker that falls silent ends the run, or the others make new masks
            and sum without it.
        dropouts: a scenario to simulate: worker → online round, from 0, from which on it is
            silent. Rounds of a rerun count on.
        source: gives the bytes of secret words. Leave it, but in tests: ``rng`` draws no secrets.
    """

    encoding: WordEncoding
    epsilon: float = DEFAULT_EPSILON
    tested_share: float | None = None
    inventory: Path | None = None
    gather: Direction = Direction.COUNTER_CLOCKWISE
    online_check: OnlineCheck = OnlineCheck.REQUIRED
    on_dropout: OnDropout = OnDropout.ABORT
    dropouts: Mapping[int, int] = field(default_factory=dict)
    source: Source = field(default=os.urandom, repr=False)

    def __post_init__(self) -> None:
        check_words(self.encoding, "private")
        check_enum("gather", self.gather, Direction)
        check_enum("online_check", self.online_check, OnlineCheck)
        check_enum("on_dropout", self.on_dropout, OnDropout)
        check_probability("epsilon", self.epsilon, zero=False, one=False)
        for worker, round_ in self.dropouts.items():
            check_whole("a worker that drops out", worker)
            check_whole("the round of a dropout", round_)

    def run(
        self, gradients: NDArray[Any], run: Run, progress: Progress
    ) -> PrivateAggregate | PrivateAborted:
        """Sum ``gradients`` of shape (workers, coords).

        Raises:
            InputError: one worker, no generator, noise that masks do not survive, masks that are
                used up or do not fit, or dropouts that cannot be.
            BudgetError: words too small for the values, or sums too wide.
        """
        workers = len(gradients)
        for worker in self.dropouts:
            if not 0 <= worker < workers:
                raise InputError(f"worker {worker} cannot drop out: workers are 0..{workers - 1}")
        sum_bits = self.encoding.budget(workers).sum_bits
        self.encoding.check(gradients)
        words, _ = self.encoding.encode(gradients)
        masks = self._masks(words.shape[1], sum_bits, run)
        if isinstance(masks, PrivateAborted):
            return masks
        return self._online(gradients, words, masks, sum_bits, run, progress)

    def plan(self, masks: int, workers: int, *, visibility: float = 1.0) -> MaskTerms:
        """Terms of a batch of ``masks`` masks that this method can use.

        Raises:
            InputError: what cannot be made.
            BudgetError: sums too wide.
        """
        return MaskTerms.plan(
            masks,
            workers=workers,
            sum_bits=self.encoding.budget(workers).sum_bits,
            epsilon=self.epsilon,
            tested_share=self.tested_share,
            visibility=visibility,
        )

    def stock(
        self, masks: int, *, workers: int, rng: np.random.Generator, network: Network | None = None
    ) -> Stocked | PrivateAborted:
        """Make ``masks`` masks ahead, for all workers, into the folder of the inventory.

        Raises:
            InputError: no inventory, a folder that cannot be used or holds masks, or noise.
            BudgetError: sums too wide.
        """
        if self.inventory is None:
            raise InputError("masks are made ahead into a folder: name one as the inventory")
        run = (network or Network()).open(workers, rng)
        terms = self.plan(masks, workers, visibility=run.visibility)
        making = MaskMaking(terms=terms, run=run, source=self.source, rows=workers)
        made = fill(self.inventory, making, batch=self.source(16), workers=range(workers))
        return _aborted(making, made) or Stocked(terms, making.ledger)

    def _masks(self, count: int, sum_bits: int, run: Run) -> Masks | PrivateAborted:
        workers = run.workers
        if self.inventory is None:
            terms = self.plan(count, workers, visibility=run.visibility)
            return fresh_masks(terms, run, self.source)
        with Inventory(self.inventory) as inventory:
            label = inventory.label
            if (label.workers, label.sum_bits) != (workers, sum_bits):
                raise InputError(
                    f"the masks in {self.inventory} are for {label.workers} workers and sums of "
                    f"{label.sum_bits} bits, not for {workers} and {sum_bits}; make new masks"
                )
            if label.epsilon > self.epsilon:
                raise InputError(
                    f"the masks in {self.inventory} keep epsilon at {label.epsilon:.3g}, not at "
                    f"{self.epsilon:.3g}; allow that much, or make new masks"
                )
            first, own, total = inventory.take(count)
        return Masks(
            own, total, first, label.masks, label.epsilon, label.correctness, label.withstood
        )

    def _online(
        self,
        gradients: NDArray[Any],
        words: Words,
        masks: Masks,
        sum_bits: int,
        run: Run,
        progress: Progress,
    ) -> PrivateAggregate | PrivateAborted:
        workers = run.workers
        silence, recorder = Silence(self.dropouts), Recorder()
        low_bits = np.uint64((1 << sum_bits) - 1)
        masked = (words + masks.own) & low_bits
        wire = WordFormat(word_bits=sum_bits, workers=workers, carry=False)
        try:
            sums = around_the_ring(
                masked, wire, self.gather, run, silence.over(recorder.over(superdense)),
                silence.noticed_by(progress),
            )  # fmt: skip
        except SilentError:
            return self._without(silence.lost, gradients, run, progress)
        missed = 1.0
        if self.online_check is OnlineCheck.REQUIRED:
            check = IntegrityCheck.plan(masked.shape[1], sum_bits, self.epsilon, masks=masks.batch)
            verdict = recorder.verdict(check, masked, sums, wire=wire, gather=self.gather, run=run)
            missed = self.epsilon
            if not verdict.passed:
                return PrivateAborted(
                    sums=np.empty((0, gradients.shape[1])),
                    ledger=run.ledger(),
                    faults=tuple(run.faults),
                    workers=workers,
                    reason=Reason.CHANGED_ONLINE,
                    integrity=verdict,
                )
        decoded = self.encoding.decode((sums - masks.total) & low_bits, workers)
        return PrivateAggregate(
            sums=decoded,
            ledger=run.ledger(),
            faults=tuple(run.faults),
            caveats=(*self._conditions(masks), *noise_caveats(run)),
            epsilon=masks.epsilon,
            correctness=min(1.0, masks.correctness + missed),
            withstood=masks.withstood,
            first=masks.first,
            contributors=tuple(range(workers)),
            terms=masks.terms,
            view=masks.view,
            masked=masked if run.conditions.record_view else None,
        )

    def _conditions(self, masks: Masks) -> tuple[str, ...]:
        found = [
            f"epsilon {masks.epsilon:.3g} is a bound over all uses of the batch of masks; it takes "
            "authenticated classical channels, coins drawn after receipt, and two honest workers"
        ]
        if self.online_check is OnlineCheck.LEFT_OUT:
            found.append(
                "the ring's results were not checked: whoever changes qubits online can give each "
                "worker a sum of its own"
            )
        return tuple(found)

    def _without(
        self,
        lost: tuple[int, ...],
        gradients: NDArray[Any],
        run: Run,
        progress: Progress,
    ) -> PrivateAggregate | PrivateAborted:
        """End without a sum, or sum again without the lost workers, under masks of their own."""
        workers, spent = len(gradients), run.ledger()
        left = tuple(worker for worker in range(workers) if worker not in lost)
        if self.on_dropout is OnDropout.ABORT or len(left) < 2:
            return PrivateAborted(
                sums=np.empty((0, gradients.shape[1])),
                ledger=spent,
                workers=workers,
                reason=Reason.DROPOUT,
                lost=lost,
            )
        later = {left.index(w): r - run.rounds for w, r in self.dropouts.items() if w in left}
        again = replace(self, inventory=None, dropouts=later)
        result = again.run(gradients[list(left)], run.among(left), progress)
        ledger = spent + result.ledger.renamed(left)
        if isinstance(result, PrivateAborted):
            lost = (*lost, *(left[worker] for worker in result.lost))
            return replace(result, ledger=ledger, workers=workers, lost=tuple(sorted(lost)))
        contributors = tuple(left[worker] for worker in result.contributors)
        gone = ", ".join(str(worker) for worker in range(workers) if worker not in contributors)
        return replace(
            result,
            ledger=ledger,
            contributors=contributors,
            caveats=(*result.caveats, f"fell silent and not in the sum: worker {gone}"),
        )


def fresh_masks(terms: MaskTerms, run: Run, source: Source = os.urandom) -> Masks | PrivateAborted:
    """Make a batch of masks for workers that all live here, in memory.

    Raises:
        InputError: noise under which the tests cannot pass.
    """
    making = MaskMaking(terms=terms, run=run, source=source, rows=terms.workers)
    store = MaskStore(terms.workers, terms.masks)
    made = make_masks(making, store)
    return _aborted(making, made) or Masks(
        store.own,
        store.total,
        0,
        terms.masks,
        terms.epsilon,
        terms.correctness,
        terms.withstood,
        terms,
        run.seen(),
    )


def _aborted(making: MaskMaking, made: Made) -> PrivateAborted | None:
    if made.reason is None:
        return None
    return PrivateAborted(
        sums=np.empty((0, making.terms.masks)),
        ledger=making.ledger,
        workers=making.terms.workers,
        reason=made.reason,
        verdict=made.verdict,
        liars=made.liars,
    )
