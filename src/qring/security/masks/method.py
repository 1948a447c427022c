"""``private``: a superdense ring on words hidden by masks that were made beforehand.

Offline, GHZ copies are shared, some are tested, and the sums of random words are read from the
others; what is left of the words after privacy amplification hides the gradients' words online.
Source: ours; the paper's verified aggregation (section 4.3) and remark 1 are what it unites.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.collectives.aggregate import Progress
from qring.collectives.dropouts import OnDropout, check_answer
from qring.collectives.ring import around_the_ring, noise_caveats
from qring.collectives.spans import Fate, Span, decoded
from qring.encoding.formats import WordFormat
from qring.encoding.values import WordEncoding, check_words
from qring.errors import InputError
from qring.ledger import Ledger
from qring.network.bundle import leaves_alone
from qring.network.links import superdense
from qring.network.network import Network
from qring.network.run import Run
from qring.network.wiring import Distribution
from qring.schedule.ring import Direction
from qring.security.dp.encoding import DistributedGaussian
from qring.security.masks.attempts import Attempts
from qring.security.masks.batch import Masks, aborted, fresh_masks
from qring.security.masks.gathering import Words
from qring.security.masks.integrity import IntegrityCheck, IntegrityVerdict, OnlineCheck, Recorder
from qring.security.masks.inventory import Inventory, fill
from qring.security.masks.losses import described
from qring.security.masks.making import MaskMaking, Source
from qring.security.masks.noisy_terms import NoisyTerms
from qring.security.masks.outcome import PrivateAborted, PrivateAggregate, Reason
from qring.security.masks.pads import chain
from qring.security.masks.terms import DEFAULT_EPSILON, MaskTerms
from qring.validate import check_enum, check_probability, check_whole

__all__ = ["Private", "Stocked"]


class Stocked(NamedTuple):
    """Masks made ahead: under which terms, and what it took."""

    terms: MaskTerms | NoisyTerms
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
        on_dropout: whether a worker that falls silent ends the run, or each chunk is finished
            with it, summed again without it, or given up: see
            :mod:`qring.security.masks.chains`. A gradient with noise shared out in its words is
            summed whole or not at all.
        dropouts: a scenario to simulate: worker → online round, from 0, from which on it is
            silent. Rounds of all attempts count on.
        distribution: how the copies reach the workers; what is told does not depend on it.
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
    distribution: Distribution = Distribution.STAR
    source: Source = field(default=os.urandom, repr=False)

    def __post_init__(self) -> None:
        check_words(self.encoding, "private")
        check_enum("gather", self.gather, Direction)
        check_enum("online_check", self.online_check, OnlineCheck)
        check_enum("distribution", self.distribution, Distribution)
        check_answer(self.on_dropout, (OnDropout.ABORT, OnDropout.BY_CHUNK), "private")
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
        if self.dropouts:
            return self._despite_losses(gradients, run, progress)
        words = self._ready(gradients)
        sum_bits = self.encoding.budget(len(gradients)).sum_bits
        masks = self._masks(words.shape[1], sum_bits, run)
        if isinstance(masks, PrivateAborted):
            return masks
        return self._online(gradients, words, masks, sum_bits, run, progress)

    def _ready(self, gradients: NDArray[Any]) -> Words:
        """Check all that can be refused early, and encode."""
        workers = len(gradients)
        for worker in self.dropouts:
            if not 0 <= worker < workers:
                raise InputError(f"worker {worker} cannot drop out: workers are 0..{workers - 1}")
        self.encoding.budget(workers)
        self.encoding.check(gradients)
        return self.encoding.encode(gradients)[0]

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

    def batches(
        self, masks: int, run: Run, sum_bits: int
    ) -> tuple[tuple[NoisyTerms, ...], MaskTerms | NoisyTerms]:
        """Terms of ``masks`` masks for a run, and of batches to make first: they hide syndromes.

        Where workers' copies agree but for dephasing, tests must all pass; else a share of them
        may fail, ε is that of all batches together, and amplification takes care of the rest.

        Raises:
            InputError: what cannot be made, or noise that leaves no masks.
        """
        noise = run.conditions.qubit_noise
        apart = noise.disagreement()
        if apart == 0:
            return (), MaskTerms.plan(
                masks,
                workers=run.workers,
                sum_bits=sum_bits,
                epsilon=self.epsilon,
                tested_share=self.tested_share,
                visibility=run.visibility,
            )
        if self.tested_share is not None:
            raise InputError(
                "the share of tests follows from the noise where copies are noisy: leave it out"
            )
        wrong = (1 - run.visibility) / 2

        def plan(count: int, share: float) -> NoisyTerms:
            return NoisyTerms.plan(
                count, workers=run.workers, sum_bits=sum_bits, epsilon=self.epsilon * share,
                z_error=apart, x_error=wrong,
            )  # fmt: skip

        *earlier, last = chain(masks, plan)
        return tuple(earlier), last

    def stock(
        self,
        masks: int,
        *,
        workers: int,
        rng: np.random.Generator,
        network: Network | None = None,
        progress: Progress | None = None,
    ) -> Stocked | PrivateAborted:
        """Make ``masks`` masks ahead, for all workers, into the folder of the inventory.

        ``progress`` is told masks made and wanted.

        Raises:
            InputError: no inventory, a folder that cannot be used or holds masks, or noise.
            BudgetError: sums too wide.
        """
        if self.inventory is None:
            raise InputError("masks are made ahead into a folder: name one as the inventory")
        run = (network or Network()).open(workers, rng)
        earlier, terms = self.batches(masks, run, self.encoding.budget(workers).sum_bits)
        making = MaskMaking(
            terms=terms, earlier=earlier, run=run, source=self.source, rows=workers,
            distribution=self.distribution,
        )  # fmt: skip
        made = fill(
            self.inventory,
            making,
            batch=self.source(16),
            workers=range(workers),
            progress=progress,
        )
        return aborted(making, made) or Stocked(terms, making.ledger)

    def _masks(self, count: int, sum_bits: int, run: Run) -> Masks | PrivateAborted:
        workers = run.workers
        if self.inventory is None:
            earlier, terms = self.batches(count, run, sum_bits)
            return fresh_masks(
                terms, run, self.source, earlier=earlier, distribution=self.distribution
            )
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
        recorder = Recorder()
        low_bits = np.uint64((1 << sum_bits) - 1)
        masked = (words + masks.own) & low_bits
        wire = WordFormat(word_bits=sum_bits, workers=workers, carry=False)
        kind = superdense if leaves_alone(superdense, run) else recorder.over(superdense)
        sums = around_the_ring(masked, wire, self.gather, run, kind, progress)
        whole = Span(0, words.shape[1], tuple(range(workers)), Fate.SUMMED)
        missed = 1.0
        if self.online_check is OnlineCheck.REQUIRED:
            check = IntegrityCheck.plan(masked.shape[1], sum_bits, self.epsilon, masks=masks.batch)
            verdict = recorder.verdict(check, masked, sums, wire=wire, gather=self.gather, run=run)
            missed = self.epsilon
            if not verdict.passed:
                return PrivateAborted(
                    coords=gradients.shape[1],
                    ledger=run.ledger(),
                    faults=tuple(run.faults),
                    workers=workers,
                    reason=Reason.CHANGED_ONLINE,
                    integrity=verdict,
                    spans=(whole._replace(fate=Fate.GIVEN_UP),),
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
            spans=(whole,),
            holders=tuple(range(workers)),
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

    def attempt(
        self, gradients: NDArray[Any], run: Run, progress: Progress
    ) -> tuple[Attempts, Masks] | PrivateAborted:
        """Sum once, as far as lost workers let; what is left wants another way.

        Raises:
            InputError, BudgetError: as :meth:`run`.
        """
        words = self._ready(gradients)
        sum_bits = self.encoding.budget(len(words)).sum_bits
        masks = self._masks(words.shape[1], sum_bits, run)
        if isinstance(masks, PrivateAborted):
            return masks
        attempts = Attempts(
            words, sum_bits, gather=self.gather, dropouts=self.dropouts, run=run, progress=progress
        )
        attempts.ride(masks.own, masks.total, end_at_loss=self.on_dropout is OnDropout.ABORT)
        verdict = self._checked(attempts, masks)
        if verdict is not None:
            return self._ended(attempts, gradients, Reason.CHANGED_ONLINE, verdict)
        return attempts, masks

    def _checked(self, attempts: Attempts, masks: Masks) -> IntegrityVerdict | None:
        if self.online_check is OnlineCheck.LEFT_OUT:
            return None
        return attempts.checked(self.epsilon, masks.batch)

    def _ended(
        self,
        attempts: Attempts,
        gradients: NDArray[Any],
        reason: Reason,
        verdict: IntegrityVerdict | None = None,
    ) -> PrivateAborted:
        """End without a sum: what was summed is known to whoever listened."""
        attempts.settlement.leave()
        return PrivateAborted(
            coords=gradients.shape[1],
            ledger=attempts.ledger,
            faults=tuple(attempts.run.faults),
            workers=len(gradients),
            reason=reason,
            lost=attempts.lost,
            integrity=verdict,
            spans=tuple(
                span._replace(fate=Fate.GIVEN_UP) if span.fate is Fate.SUMMED else span
                for span in attempts.settlement.settled()
            ),
        )

    def _despite_losses(
        self, gradients: NDArray[Any], run: Run, progress: Progress
    ) -> PrivateAggregate | PrivateAborted:
        """Sum over what lost workers leave, run after run, each under masks of its own."""
        tried = self.attempt(gradients, run, progress)
        if isinstance(tried, PrivateAborted):
            return tried
        attempts, masks = tried
        settlement, fewest = attempts.settlement, 2
        if isinstance(self.encoding, DistributedGaussian):
            fewest = max(fewest, self.encoding.plan.fewest)
        batches, failed = [masks], list[Reason]()
        while settlement.pieces:
            left = settlement.left
            if self.on_dropout is OnDropout.ABORT or len(left) < fewest:
                break
            others = run.among(left)
            sum_bits = self.encoding.budget(len(gradients)).sum_bits
            earlier, terms = self.batches(len(settlement.wanted), others, sum_bits)
            again = fresh_masks(
                terms, others, self.source, earlier=earlier, distribution=self.distribution
            )
            attempts.charge(others, left)
            if isinstance(again, PrivateAborted):
                failed.append(again.reason)
                break
            batches.append(again)
            attempts.ride(again.own, again.total, end_at_loss=False)
            verdict = self._checked(attempts, again)
            if verdict is not None:
                return self._ended(attempts, gradients, Reason.CHANGED_ONLINE, verdict)
        settlement.leave()
        return self._settled(gradients, attempts, batches, failed)

    def _settled(
        self,
        gradients: NDArray[Any],
        attempts: Attempts,
        batches: list[Masks],
        failed: list[Reason],
    ) -> PrivateAggregate | PrivateAborted:
        """The outcome of all attempts together."""
        settlement = attempts.settlement
        spans, holders, lost = settlement.settled(), settlement.left, attempts.lost
        kinds = {(span.workers, span.fate) for span in spans}
        whole = len(kinds) == 1 or not isinstance(self.encoding, DistributedGaussian)
        aborts = self.on_dropout is OnDropout.ABORT and lost
        if aborts or not whole or not holders or Fate.SUMMED not in {fate for _, fate in kinds}:
            reason = failed[0] if failed else Reason.DROPOUT
            return self._ended(attempts, gradients, reason)
        first = batches[0]
        missed = self.epsilon if self.online_check is OnlineCheck.REQUIRED else 1.0
        return PrivateAggregate(
            sums=decoded(self.encoding, settlement.sums[list(holders)], spans),
            ledger=attempts.ledger,
            faults=tuple(attempts.run.faults),
            caveats=(
                *dict.fromkeys(text for masks in batches for text in self._conditions(masks)),
                *described(lost, spans),
                *(f"what could be summed again was not: {reason.value}" for reason in failed),
                *noise_caveats(attempts.run),
            ),
            epsilon=min(1.0, sum(masks.epsilon for masks in batches)),
            correctness=min(1.0, sum(masks.correctness + missed for masks in batches)),
            withstood=min(masks.withstood for masks in batches),
            first=first.first,
            spans=spans,
            holders=holders,
            terms=first.terms,
            view=tuple(each for masks in batches for each in masks.view),
        )
