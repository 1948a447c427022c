"""Fallback of a sum that a lost worker spoils: none, or classical secure aggregation.

Where the sum with the lost worker is known to whoever listens, or can become known, the sum without
it would tell its gradient: there is nothing to fall back to. On GHZ copies that is every coordinate
of which the lost worker announced an outcome: digits below the one it failed to announce are those
of the whole sum. In a masked ring it is every chunk on which its word is out.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.collectives.aggregate import Aborted, Method, Outcome, Progress, Told
from qring.collectives.dropouts import OnDropout
from qring.collectives.ghz.method import Ghz
from qring.collectives.ghz.outcome import GhzAborted, GivenUpError
from qring.collectives.spans import (
    Fate,
    PartialAggregate,
    Span,
    decoded,
    joined,
    listed,
    numbers,
    told_by,
)
from qring.encoding.values import WordEncoding
from qring.errors import InputError
from qring.ledger import Ledger
from qring.network.run import Run
from qring.network.supply import RanOutError
from qring.security.dp.encoding import DistributedGaussian
from qring.security.masks.method import Private
from qring.security.secagg.method import SecAgg
from qring.security.secagg.outcome import SecAggAborted, SecAggAggregate, Stage
from qring.security.vga.method import Vga
from qring.security.vga.outcome import Cause, VgaRejected
from qring.validate import check_able, check_instance, check_whole

__all__ = ["Fallback", "FallenBack", "Spoiled"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Spoiled(Aborted):
    """A round that ``lost`` workers spoiled, with nothing to fall back on.

    ``spans`` say which sums whoever listened may know, ``also_told`` what the first method shows
    besides; ``second`` is how secure aggregation ended, if it was tried; ``noisy`` whether noise
    was shared out in the words.
    """

    lost: tuple[int, ...]
    spans: tuple[Span, ...] = ()
    also_told: tuple[Told, ...] = ()
    second: SecAggAborted | None = None
    noisy: bool = False

    @property
    def told(self) -> tuple[Told, ...]:
        """Nothing, or the sums of coordinates that were given up."""
        return (*self.also_told, *told_by(self.spans))

    def __str__(self) -> str:
        text = f"aborted: {_named(self.lost)} fell silent, and what was sent cannot be recovered"
        if self.second is not None:
            text += f"; secure aggregation {self.second}"
        known = [span for span in self.spans if span.fate is Fate.GIVEN_UP]
        if known:
            text += (
                f"; the sum of coordinates {listed(known)} may be known: repeat it with the same "
                "workers only"
            )
            if self.noisy:
                text += "; it counts as one of the rounds that noise was promised for"
        return text

    def evidence(self) -> dict[str, Any]:
        """Lost workers, and the sums that may be known."""
        return {
            "aborted": "a worker fell silent",
            "lost": list(self.lost),
            "spans": [span.row() for span in self.spans],
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class FallenBack(PartialAggregate):
    """A sum that ``lost`` workers spoiled, completed by secure aggregation where that is safe.

    ``second`` is how that ended, if it was needed; ``also_told`` is what the first method shows
    besides sums.
    """

    lost: tuple[int, ...]
    also_told: tuple[Told, ...] = ()
    second: SecAggAggregate | SecAggAborted | None = None

    @property
    def told(self) -> tuple[Told, ...]:
        """One sum a coordinate at most, if the first method hides words."""
        return (*self.also_told, *told_by(self.spans))


class _Begun(NamedTuple):
    """Remains of the first method: sums of words by holder, spans, who is lost, the account."""

    sums: NDArray[np.uint64]
    holders: tuple[int, ...]
    spans: tuple[Span, ...]
    lost: tuple[int, ...]
    ledger: Ledger
    also_told: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """Sum by ``method``; what a lost worker left untouched, sum without it by ``secagg``.

    ``lost`` is a scenario: these workers fall silent, all at once. Until then they had announced
    outcomes of the first ``announced`` coordinates, or may have; of all of them unless said
    otherwise. A sum is read in blocks, one after another (65,536 coordinates of digits). Blocks
    before the last one announced have their sums, that one is given up, those after it are left to
    ``secagg``. Where that leaves no sum at all the run ends :class:`Spoiled`. For ``private`` its
    own ``dropouts`` are the scenario, and chunks take the place of blocks. What a spoiled block
    took is charged in full, a bound.

    What falls back is private as ``secagg`` is: computationally, no longer by the laws of physics.
    """

    method: Method[Outcome]
    lost: tuple[int, ...] = ()
    announced: int | None = None
    secagg: SecAgg | None = field(default=None)

    def __post_init__(self) -> None:
        check_able("method", self.method, ("run",), "a method such as qring.Ghz(encoding=...)")
        for worker in self.lost:
            check_whole("a lost worker", worker)
        if self.secagg is not None:
            check_instance("secagg", self.secagg, SecAgg, "qring.SecAgg(encoding=...) or None")
        if isinstance(self.method, Private) and (self.lost or self.announced is not None):
            raise InputError("who is lost in private, and when, is said by its own dropouts")
        if self.announced is not None:
            check_whole("announced", self.announced, least=0)
        ghz = _ghz(self.method)
        if ghz is not None and ghz.weights is not None and self.secagg is not None:
            raise InputError("secagg forms sums without weights: leave them out, or secagg")

    def run(self, gradients: NDArray[Any], run: Run, progress: Progress) -> Outcome:
        """Sum ``gradients`` of shape (workers, coords).

        Raises:
            InputError: lost workers that are none, or what the two methods refuse.
            MissingExtraError: the package ``cryptography`` is not installed.
        """
        workers, method = len(gradients), self.method
        for worker in self.lost:
            if not 0 <= worker < workers:
                raise InputError(f"worker {worker} cannot be lost: workers are 0..{workers - 1}")
        lost = method.dropouts if isinstance(method, Private) else self.lost
        if not lost:
            return method.run(gradients, run, progress)
        if self.secagg is not None:
            self.secagg.terms(workers)  # refuse early
        if isinstance(method, Private):
            begun = _masked(method, gradients, run, progress)
        elif _ghz(method) is not None:
            begun = self._read(gradients, run, progress)
        else:
            begun = self._in_clear(gradients, run, progress)
        if isinstance(begun, Aborted):
            return begun
        return self._completed(begun, gradients, run, progress)

    def _read(
        self,
        gradients: NDArray[Any],
        run: Run,
        progress: Progress,
    ) -> _Begun | Aborted:
        """Read blocks of sums on GHZ copies, up to the one that is spoiled."""
        method, workers = self.method, len(gradients)
        ghz = _ghz(method)
        assert ghz is not None  # noqa: S101 - the caller looked
        ghz.open(run)  # refuse early
        ghz.encoding.check(gradients)
        words, _ = ghz.encoding.encode(gradients)
        count = words.shape[1]
        announced = count if self.announced is None else min(self.announced, count)
        blocks = [block for block in ghz.blocks(count, workers) if block.start < announced]
        done, reached = (blocks[-1].start, blocks[-1].stop) if blocks else (0, 0)
        if isinstance(method, Vga):
            opened = method.open(count, run)
            if opened.session is None:
                return method.rejected(opened, gradients, run)
            session = opened.session
        else:
            session = ghz.open(run)
        try:
            read = session.read(words[:, :reached], progress)
        except (GivenUpError, RanOutError) as error:
            return _unread(method, gradients, run, error)
        sums = np.zeros((workers, count), np.uint64)
        sums[:, :done] = read[:done]
        everybody = tuple(range(workers))
        spans = (
            Span(0, done, everybody, Fate.SUMMED),
            Span(done, reached, everybody, Fate.GIVEN_UP),
            Span(reached, count, everybody, Fate.UNTOUCHED),
        )
        left = tuple(worker for worker in everybody if worker not in self.lost)
        return _Begun(sums[list(left)], left, joined(spans), self.lost, run.ledger())

    def _in_clear(
        self,
        gradients: NDArray[Any],
        run: Run,
        progress: Progress,
    ) -> _Begun | Aborted:
        """Run a method that hides no words: there is nothing left that a second sum could tell."""
        first = self.method.run(gradients, run, progress)
        if isinstance(first, Aborted):
            return first
        left = tuple(worker for worker in range(len(gradients)) if worker not in self.lost)
        spans = (Span(0, first.sums.shape[1], left, Fate.UNTOUCHED),)
        nothing = np.zeros((len(left), 0), np.uint64)
        return _Begun(nothing, left, spans, self.lost, first.ledger, first.told)

    def _completed(
        self,
        begun: _Begun,
        gradients: NDArray[Any],
        run: Run,
        progress: Progress,
    ) -> Outcome:
        """Sum without the lost workers what they left untouched, and put all together."""
        encoding = getattr(_ghz(self.method) or self.method, "encoding", None)
        mixes = isinstance(encoding, DistributedGaussian)
        rest = [span for span in begun.spans if span.fate is Fate.UNTOUCHED]
        second: SecAggAggregate | SecAggAborted | None = None
        if self.secagg is not None and rest and not (mixes and len(begun.spans) > 1):
            part = gradients if len(begun.spans) == 1 else gradients[:, numbers(rest)]
            second = self._second(self.secagg, begun.lost, part, run, progress)
        spans = joined(_after(span, second) for span in begun.spans)
        ledger = begun.ledger + (Ledger() if second is None else second.ledger)
        if not any(span.fate is Fate.SUMMED for span in spans) or (mixes and len(spans) > 1):
            return Spoiled(
                coords=gradients.shape[1],
                ledger=ledger,
                workers=len(gradients),
                lost=begun.lost,
                spans=tuple(
                    span._replace(fate=Fate.GIVEN_UP) if span.fate is Fate.SUMMED else span
                    for span in spans
                ),
                also_told=begun.also_told,
                second=second if isinstance(second, SecAggAborted) else None,
                noisy=mixes,
            )
        holders = second.holders if isinstance(second, SecAggAggregate) else begun.holders
        return FallenBack(
            sums=_sums(encoding, begun, second, gradients.shape[1]),
            ledger=ledger,
            caveats=(*(second.caveats if second else ()), *self._caveats(begun.lost, spans)),
            spans=spans,
            holders=holders,
            lost=begun.lost,
            also_told=begun.also_told,
            second=second,
        )

    def _second(
        self,
        secagg: SecAgg,
        lost: tuple[int, ...],
        gradients: NDArray[Any],
        run: Run,
        progress: Progress,
    ) -> SecAggAggregate | SecAggAborted:
        """Sum over those that are left.

        After a masked ring their words are out as well: whoever falls silent now ends the sum.
        """
        without = dict.fromkeys(lost, Stage.ADVERTISE)
        dropouts = {**secagg.dropouts, **without}
        method = dataclasses.replace(secagg, dropouts=dropouts)
        if not isinstance(self.method, Private):
            return method.run(gradients, run.again(), progress)
        left = tuple(worker for worker in range(len(gradients)) if worker not in lost)
        later = {left.index(w): stage for w, stage in secagg.dropouts.items() if w in left}
        method = dataclasses.replace(
            secagg,
            server=left.index(secagg.server) if secagg.server in left else 0,
            on_dropout=OnDropout.ABORT,
            dropouts=later,
        )
        found = method.run(gradients[list(left)], run.among(left), progress)
        named: dict[str, Any] = {
            "ledger": found.ledger.renamed(left),
            "contributors": tuple(left[worker] for worker in found.contributors),
        }
        if isinstance(found, SecAggAggregate):
            named["holders"] = tuple(left[worker] for worker in found.holders)
        return dataclasses.replace(found, **named)

    def _caveats(self, lost: tuple[int, ...], spans: tuple[Span, ...]) -> tuple[str, ...]:
        found = [
            f"{_named(lost)} spoiled the first round: classical secure aggregation summed what "
            "nothing that was sent tied to them"
        ]
        for fate, text in (
            (Fate.GIVEN_UP, "given up: their sum may be known"),
            (Fate.UNTOUCHED, "not summed"),
        ):
            those = [span for span in spans if span.fate is fate]
            if those:
                found.append(f"coordinates {listed(those)} were {text}")
        return tuple(found)


def _masked(
    method: Private,
    gradients: NDArray[Any],
    run: Run,
    progress: Progress,
) -> _Begun | Aborted:
    """Sum chunks as far as the ring of masked words goes."""
    method = dataclasses.replace(method, on_dropout=OnDropout.BY_CHUNK)
    tried = method.attempt(gradients, run, progress)
    if isinstance(tried, Aborted):
        return tried
    attempts, _ = tried
    settlement = attempts.settlement
    settlement.leave()
    return _Begun(
        settlement.sums[list(settlement.left)],
        settlement.left,
        settlement.settled(),
        attempts.lost,
        attempts.ledger,
    )


def _unread(
    method: Method[Outcome], gradients: NDArray[Any], run: Run, error: GivenUpError | RanOutError
) -> Aborted:
    """The outcome of a readout that failed before the loss could matter."""
    if isinstance(method, Vga):
        given_up = isinstance(error, GivenUpError)
        cause = Cause.GIVEN_UP if given_up else Cause.RAN_OUT
        return VgaRejected(
            coords=gradients.shape[1],
            ledger=run.ledger(),
            workers=run.workers,
            verdicts=(),
            cause=cause,
        )
    if isinstance(error, RanOutError):
        raise error
    return GhzAborted(
        coords=gradients.shape[1],
        ledger=run.ledger(),
        workers=run.workers,
        block=error.coords,
        attempts=error.attempts,
    )


def _ghz(method: Method[Outcome]) -> Ghz | None:
    """The GHZ sum that a method reads, if it does."""
    if isinstance(method, Vga):
        return method.ghz
    return method if isinstance(method, Ghz) else None


def _after(span: Span, second: SecAggAggregate | SecAggAborted | None) -> Span:
    """A span, once secure aggregation has ended."""
    if span.fate is not Fate.UNTOUCHED or second is None:
        return span
    if isinstance(second, SecAggAggregate):
        return span._replace(workers=second.contributors, fate=Fate.SUMMED)
    if second.told:
        return span._replace(workers=second.contributors, fate=Fate.GIVEN_UP)
    return span


def _sums(
    encoding: WordEncoding | None,
    begun: _Begun,
    second: SecAggAggregate | SecAggAborted | None,
    coords: int,
) -> NDArray[Any]:
    """Every holder's sums, 0 where there is none."""
    before = None
    if encoding is not None and any(span.fate is Fate.SUMMED for span in begun.spans):
        before = decoded(encoding, begun.sums, begun.spans)
    if not isinstance(second, SecAggAggregate):
        assert before is not None  # noqa: S101 - something was summed
        return before
    if len(begun.spans) == 1:
        return second.sums
    found = np.zeros((len(second.holders), coords), second.sums.dtype)
    if before is not None:
        found[:] = before[[begun.holders.index(holder) for holder in second.holders]]
    rest = numbers(span for span in begun.spans if span.fate is Fate.UNTOUCHED)
    found[:, rest] = second.sums
    return found


def _named(lost: tuple[int, ...]) -> str:
    return f"worker {', '.join(map(str, lost))}"
