"""Secure aggregation with all workers in one process, as a method of the all-reduce verb.

Source: Bonawitz et al., Practical secure aggregation for privacy-preserving machine learning
(CCS 2017).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from qring.collectives.aggregate import Progress
from qring.collectives.dropouts import OnDropout, check_answer
from qring.encoding.values import WordEncoding, check_words
from qring.errors import InputError
from qring.ledger import Ledger
from qring.network.run import Run
from qring.security.dp.encoding import DistributedGaussian
from qring.security.secagg import shamir, steps
from qring.security.secagg.agreement import KEY_BYTES, require_cryptography
from qring.security.secagg.graph import Graph, Neighbourhood, Neighbours
from qring.security.secagg.masks import Words, word_type
from qring.security.secagg.outcome import (
    Reason,
    Reveal,
    SecAggAborted,
    SecAggAggregate,
    Stage,
    Transcript,
)
from qring.security.secagg.star import Star
from qring.validate import check_enum, check_instance, check_whole

__all__ = ["SecAgg", "Terms", "default_threshold"]

T = TypeVar("T")

_FEWEST = 3  # the sum of two tells each of them the other's gradient


@dataclass(frozen=True, slots=True, kw_only=True)
class SecAgg:
    """Sum words under masks that cancel: nobody sees less than a sum of ``threshold`` gradients.

    Security is computational and against honest-but-curious nodes: the server and fewer than
    ``threshold`` workers in all, itself included, learn the sum and who is in it, if everybody
    keeps to the protocol. A server that lies about who dropped out is outside the model, but
    alone it cannot collect enough shares at the default threshold. Sums still leak what sums leak.

    Args:
        encoding: what becomes words; sums are formed mod 2^B, wide enough to be exact.
        threshold: workers needed at every stage, 3..n; ⌊(n+1)/2⌋ + 1 unless said otherwise (more
            than half, and one more for odd n), and no fewer than noise is shared out among. Who
            lies to honest workers, and colludes with c workers in all, reads a word only if
            2·threshold ≤ n + c: the default withstands one, who may be the server.
        on_dropout: whether the masks of lost workers are recovered, or the run aborts.
        server: the worker through which all messages pass.
        dropouts: a scenario to simulate: the stage at which a worker falls silent. Before
            ``MASK`` or at it, its gradient is not in the sum; at ``UNMASK`` it is.
        neighbours: rates for a sparse graph, on which a worker shares keys with k others, so that
            thousands can take part; every worker is a neighbour of every other unless said
            otherwise. ``threshold`` is then that of the whole sum: as many as do not drop out.
        source: gives the bytes that keys, seeds and shares are drawn from. Leave it, but in tests:
            ``rng`` plays no part.
    """

    encoding: WordEncoding
    threshold: int | None = None
    on_dropout: OnDropout = OnDropout.RECOVER
    server: int = 0
    dropouts: Mapping[int, Stage] = field(default_factory=dict)
    neighbours: Neighbours | None = None
    source: steps.Source = field(default=os.urandom, repr=False)

    def __post_init__(self) -> None:
        check_words(self.encoding, "secagg")
        check_answer(self.on_dropout, (OnDropout.RECOVER, OnDropout.ABORT), "secagg")
        if self.threshold is not None:
            check_whole("threshold", self.threshold)
        check_whole("server", self.server)
        if self.neighbours is not None:
            check_instance("neighbours", self.neighbours, Neighbours, "qring.Neighbours(...)")
        for worker, stage in self.dropouts.items():
            check_whole("a worker that drops out", worker)
            check_enum("the stage of a dropout", stage, Stage)

    def run(
        self, gradients: NDArray[Any], run: Run, progress: Progress
    ) -> SecAggAggregate | SecAggAborted:
        """Sum ``gradients`` of shape (workers, coords). Classical links: no noise acts.

        Raises:
            InputError: values, threshold, server or dropouts that cannot be.
            BudgetError: words too small for the values, or sums too wide.
            MissingExtraError: the package ``cryptography`` is not installed.
        """
        terms = self.terms(len(gradients))
        for worker in self.dropouts:
            if not 0 <= worker < terms.workers:
                raise InputError(
                    f"worker {worker} cannot drop out: workers are 0..{terms.workers - 1}"
                )
        self.encoding.check(gradients)
        return _Roles(self, terms, gradients, run, progress).outcome()

    def terms(self, workers: int) -> Terms:
        """Parameters that ``workers`` workers must agree on beforehand.

        Raises:
            InputError: too few workers, or a threshold or server that does not fit them.
            BudgetError: sums too wide.
            MissingExtraError: the package ``cryptography`` is not installed.
        """
        require_cryptography()
        if workers < _FEWEST:
            raise InputError(
                f"secure aggregation needs at least {_FEWEST} workers, not {workers}: a sum of "
                "two tells each the other's gradient; use another method"
            )
        sum_bits = self.encoding.budget(workers).sum_bits
        fewest = _FEWEST
        if isinstance(self.encoding, DistributedGaussian):  # its noise is shared out among these
            fewest = max(fewest, self.encoding.plan.fewest)
        neighbourhood = None if self.neighbours is None else self.neighbours.plan(workers)
        threshold = self.threshold
        if threshold is None and neighbourhood is not None:
            threshold = max(fewest, workers - neighbourhood.lost)
        elif threshold is None:
            threshold = max(fewest, default_threshold(workers))
        if not fewest <= threshold <= workers:
            raise InputError(
                f"a threshold of {threshold} cannot be: {workers} workers allow "
                f"{fewest}..{workers}; about {max(fewest, 2 * workers // 3 + 1)} is usual"
            )
        if not 0 <= self.server < workers:
            raise InputError(f"server {self.server} is not one of the workers 0..{workers - 1}")
        return Terms(
            workers=workers,
            threshold=threshold,
            sum_bits=sum_bits,
            server=self.server,
            on_dropout=self.on_dropout,
            neighbourhood=neighbourhood,
        )

    def words(self, gradient: NDArray[Any], sum_bits: int) -> Words:
        """One worker's words, shape (words,), in the type that masks are drawn in."""
        words: Words = self.encoding.encode(gradient[None])[0][0].astype(word_type(sum_bits))
        return words


def default_threshold(workers: int) -> int:
    """⌊(n+1)/2⌋ + 1, the least t with 2t > n + 1.

    A server that is a worker too holds a share of each secret of everybody's. If it tells a of the
    n−1 others that a worker dropped out, and n−1−a that it did not, it holds a+1 shares of one
    secret and n−a of the other: n+1 in all. It takes t of each to uncover a word.
    """
    return (workers + 1) // 2 + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Parameters that all workers agreed on, with B as ``sum_bits``."""

    workers: int
    threshold: int
    sum_bits: int
    server: int
    on_dropout: OnDropout
    neighbourhood: Neighbourhood | None = None

    def graph(self, source: steps.Source) -> Graph | None:
        """A sparse graph drawn for one sum; none if all workers are neighbours."""
        if self.neighbourhood is None:
            return None
        return Graph(self.neighbourhood, source(KEY_BYTES))

    def judge(self, present: Collection[int]) -> Reason | None:
        """Whether a run must end, now that only ``present`` are left, and why."""
        if self.server not in present:
            return Reason.SERVER_LOST
        if self.on_dropout is OnDropout.ABORT and len(present) < self.workers:
            return Reason.DROPOUT
        return Reason.TOO_FEW if len(present) < self.threshold else None

    def aborted(
        self,
        reason: Reason,
        stage: Stage,
        present: Mapping[Stage, tuple[int, ...]],
        coords: int,
        ledger: Ledger,
    ) -> SecAggAborted:
        """The outcome of a run that ended at ``stage``."""
        return SecAggAborted(
            coords=coords,
            ledger=ledger,
            reason=reason,
            stage=stage,
            present=present.get(stage, ()),
            contributors=present.get(Stage.MASK, ()),
            workers=self.workers,
            threshold=self.threshold,
        )

    def accepted(
        self,
        encoding: WordEncoding,
        total: Words,
        ledger: Ledger,
        present: Mapping[Stage, tuple[int, ...]],
        revealed: Mapping[int, Reveal],
    ) -> SecAggAggregate:
        """The outcome of a run that found ``total``, shape (coords,)."""
        contributors, holders = present[Stage.MASK], present[Stage.UNMASK]
        decoded = encoding.decode(total.astype(np.uint64), len(contributors))
        return SecAggAggregate(
            sums=np.broadcast_to(decoded, (len(holders), len(decoded))),
            ledger=ledger,
            caveats=self._caveats(contributors),
            contributors=contributors,
            holders=holders,
            transcript=Transcript(present=present, revealed=revealed),
        )

    def _caveats(self, contributors: tuple[int, ...]) -> tuple[str, ...]:
        if self.neighbourhood is None:
            lies = f"any {self.threshold} workers that pool their shares"
        else:
            lies = f"{self.neighbourhood.threshold} neighbours of one that pool their shares"
        found = [
            "honest-but-curious: a server that lies about who dropped out, or "
            f"{lies}, could read single gradients"
        ]
        if self.neighbourhood is not None:
            found.append(str(self.neighbourhood))
        lost = sorted(set(range(self.workers)) - set(contributors))
        if lost:
            names = ", ".join(map(str, lost))
            found.append(f"dropped out and not in the sum: worker {names}")
        return tuple(found)


class _Roles:
    """One sum under way, all roles in turn; each step sees what its role would."""

    def __init__(
        self,
        method: SecAgg,
        terms: Terms,
        gradients: NDArray[Any],
        run: Run,
        progress: Progress,
    ) -> None:
        self._method, self._terms = method, terms
        self._gradients, self._progress = gradients, progress
        self._run, self._star = run, Star(run, method.server)
        self._present: dict[Stage, tuple[int, ...]] = {}
        self._graph: Graph | None = None

    def outcome(self) -> SecAggAggregate | SecAggAborted:
        method, terms = self._method, self._terms
        self._graph = graph = terms.graph(method.source)
        threshold = terms.threshold if graph is None else graph.threshold

        agreed: dict[bytes, bytes] = {}  # both ends are here: a pair's key is worked out once
        secrets = {w: steps.draw(w, method.source, agreed) for w in self._left(Stage.ADVERTISE)}
        roster = {w: steps.advertise(own) for w, own in secrets.items()}
        keys_bits = 2 * KEY_BYTES * 8
        if ended := self._pass(
            Stage.ADVERTISE, lambda _: keys_bits, lambda w: keys_bits * self._near(w, roster)
        ):
            return ended

        sharings = {
            w: steps.share(secrets[w], self._among(w, roster), threshold, method.source)
            for w in self._left(Stage.SHARE)
        }
        agreed.clear()  # channels are open; mask keys come next
        sealed_bits = steps.SEALED_BYTES * 8
        if ended := self._pass(
            Stage.SHARE,
            lambda w: sealed_bits * self._near(w, roster),
            lambda w: sealed_bits * self._near(w, sharings),
        ):
            return ended

        total = np.zeros(0, word_type(terms.sum_bits))
        if terms.judge(self._left(Stage.MASK)) is not Reason.SERVER_LOST:
            for w in self._left(Stage.MASK):
                words = method.words(self._gradients[w], terms.sum_bits)
                steps.mask(secrets[w], roster, self._among(w, sharings), words, terms.sum_bits)
                if len(total):
                    total += words
                else:
                    total = words
        agreed.clear()
        masked_bits = len(total) * terms.sum_bits
        if ended := self._pass(Stage.MASK, lambda _: masked_bits, lambda _: 0):
            return ended

        contributors = self._present[Stage.MASK]
        arrived = dict.fromkeys(contributors, True)
        reveals = {
            w: steps.unmask(
                secrets[w],
                sharings[w],
                {o: sharings[o].sealed[w] for o in self._among(w, sharings) if o != w},
                frozenset(self._among(w, arrived)),
                threshold,
            )
            for w in self._left(Stage.UNMASK)
        }
        share_bits = shamir.SHARE_BYTES * 8
        if ended := self._pass(
            Stage.UNMASK,
            lambda w: share_bits * len(self._among(w, sharings)),
            lambda _: masked_bits,
        ):
            return ended
        around = None if graph is None else graph.around
        steps.recover(total, roster, contributors, reveals, threshold, terms.sum_bits, around)
        return terms.accepted(method.encoding, total, self._run.ledger(), self._present, reveals)

    def _among(self, worker: int, those: Mapping[int, T]) -> Mapping[int, T]:
        """Workers among ``those`` that hold ``worker``'s shares: itself and its neighbours."""
        if self._graph is None:
            return those
        near = sorted((worker, *self._graph.around(worker)))
        return {other: those[other] for other in near if other in those}

    def _near(self, worker: int, those: Mapping[int, T]) -> int:
        """Number of ``those`` that are neighbours of ``worker``."""
        among = self._among(worker, those)
        return len(among) - (worker in among)

    def _judge(self, stage: Stage, present: tuple[int, ...]) -> Reason | None:
        """Whether the run must end, for all or for a neighbourhood."""
        reason = self._terms.judge(present)
        if reason is not None or self._graph is None or stage in (Stage.ADVERTISE, Stage.SHARE):
            return reason
        if stage is Stage.MASK and not self._graph.connected(present):
            return Reason.CUT
        here = dict.fromkeys(present, True)
        asked = present if stage is Stage.MASK else self._present[Stage.SHARE]
        enough = all(len(self._among(w, here)) >= self._graph.threshold for w in asked)
        return None if enough else Reason.NEIGHBOURS

    def _left(self, stage: Stage) -> tuple[int, ...]:
        """Workers that have not fallen silent by the end of ``stage``."""
        order = list(Stage)
        return tuple(
            worker
            for worker in range(self._terms.workers)
            if worker not in self._method.dropouts
            or order.index(self._method.dropouts[worker]) > order.index(stage)
        )

    def _pass(
        self, stage: Stage, up_bits: Callable[[int], int], down_bits: Callable[[int], int]
    ) -> SecAggAborted | None:
        """Send what a stage sends up; then, unless the run must end, what it sends down."""
        present = self._present[stage] = self._left(stage)
        reason = self._judge(stage, present)
        flags = None if self._graph is None else self._graph.degree
        if reason is not Reason.SERVER_LOST:
            for worker in present:
                self._star.up(worker, stage, up_bits(worker))
            self._star.end_round(stage)
            for worker in present:
                self._star.down(worker, stage, 0 if reason else down_bits(worker), flags)
            self._star.end_round(stage)
        self._progress(list(Stage).index(stage) + 1, len(Stage))
        if reason is None:
            return None
        coords = self._gradients.shape[1]
        return self._terms.aborted(reason, stage, self._present, coords, self._run.ledger())
