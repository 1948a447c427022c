"""All-reduce in the phases of GHZ states: encode words, share copies, read out, check.

Source: paper section 3.3, definition 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.collectives.aggregate import Aggregate, Progress, Told
from qring.collectives.ghz.checksum import Checksum
from qring.collectives.ghz.digits import Digits
from qring.collectives.ghz.outcome import GhzAborted, GivenUpError
from qring.collectives.ghz.reading import read_block
from qring.collectives.ghz.readout import Readout, check_visibility
from qring.encoding.signs import SignVote
from qring.encoding.values import WordEncoding, check_words
from qring.errors import InputError
from qring.network.ghz import Words
from qring.network.run import Run
from qring.network.supply import Supply
from qring.network.view import View
from qring.network.wiring import Announcement, Distribution
from qring.validate import check_able, check_enum, check_instance, check_whole

__all__ = ["Ghz", "GhzAggregate", "Session"]

_WORDS_AT_ONCE = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class GhzAggregate(Aggregate):
    """An aggregate read from GHZ copies.

    ``copies`` counts all that were used, checksums and repetitions included; ``repeated`` the
    coordinates read again because a checksum failed. ``wrong`` is the probability that any
    coordinate of this run is wrong, at most, if nobody tampered. ``view`` is all an adversary saw
    and holds, empty unless the network records it.
    """

    copies: int
    repeated: int
    wrong: float
    view: View = ()

    @property
    def copies_per_coordinate(self) -> float:
        """Copies over coordinates."""
        return self.copies / len(self.sum)

    @property
    def told(self) -> tuple[Told, ...]:
        """The sum, with the method's weights, if the copies are good."""
        return (Told(0, self.sums.shape[1], tuple(range(len(self.sums)))),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ghz:
    """Sum words in the phases of shared GHZ states.

    ``weights``, one non-zero integer a worker, makes it Σ w_i·x_i. ``checksum`` finds and repeats
    wrong sums; a readout whose failure is only measured gets one unless it is given. What is
    announced tells sums only, if the copies are good: nothing here tests them.
    """

    encoding: WordEncoding
    readout: Readout = field(default_factory=Digits)
    distribution: Distribution = Distribution.STAR
    announcement: Announcement = Announcement.XOR_RING
    weights: tuple[int, ...] | None = None
    checksum: Checksum | None = None

    def __post_init__(self) -> None:
        check_words(self.encoding, "ghz")
        check_able("readout", self.readout, ("read", "reserve", "block", "standing", "wrong"),
                   "a readout such as qring.Digits()")  # fmt: skip
        if self.checksum is None and self.readout.standing == "sampled":
            object.__setattr__(self, "checksum", Checksum())
        check_enum("distribution", self.distribution, Distribution)
        check_enum("announcement", self.announcement, Announcement)
        if self.checksum is not None:
            check_instance("checksum", self.checksum, Checksum, "qring.Checksum() or None")
        for weight in self.weights or ():
            check_whole("a weight", weight)
        if self.weights is not None and 0 in self.weights:
            raise InputError(f"weights must be non-zero integers, not {self.weights}")

    def run(
        self, gradients: NDArray[Any], run: Run, progress: Progress
    ) -> GhzAggregate | GhzAborted:
        """Sum ``gradients`` of shape (workers, coords), one block of coordinates after another.

        Raises:
            InputError: one worker, no generator, weights that do not fit, or copies without
                visibility.
            BudgetError: words too small for the values, or sums too wide.
        """
        session = self.open(run)
        self.encoding.check(gradients)
        words, _ = self.encoding.encode(gradients)
        try:
            return session.result(session.read(words, progress))
        except GivenUpError as error:
            return GhzAborted(
                coords=gradients.shape[1],
                ledger=run.ledger(),
                workers=run.workers,
                block=error.coords,
                attempts=error.attempts,
            )

    def open(self, run: Run, supply: Supply[Any] | None = None) -> Session:
        """Prepare to sum blocks of words of all workers of ``run``.

        With ``supply``, on copies that were received, and perhaps tested, before.

        Raises:
            InputError: one worker, no generator, weights that do not fit, or copies without
                visibility.
            BudgetError: sums too wide.
        """
        return Session(self, run, supply)

    def reserve(self, words: int, workers: int, visibility: float) -> int:
        """Copies that suffice to read ``words`` sums of ``workers`` workers' words.

        Exact where readouts take a fixed number. Else more may be needed, with a probability
        of 1e-9 where readouts adapt; checksums are given a tenth more, and one block.
        """
        sum_bits = self.encoding.budget(sum(map(abs, self.weights or (1,) * workers))).sum_bits
        copies = 0
        for block in self.blocks(words, workers):
            size = block.stop - block.start
            if self.checksum is None:
                copies += self.readout.reserve(size, sum_bits, visibility)
                continue
            check = self.readout.reserve(1, sum_bits + self.checksum.bits, visibility)
            for start in range(0, size, self.checksum.block):
                part = min(self.checksum.block, size - start)
                copies += self.readout.reserve(part, sum_bits, visibility) + check
        if self.checksum is not None and visibility < 1:
            largest = min(self.checksum.block, words)
            copies += copies // 10 + self.readout.reserve(largest, sum_bits, visibility) + check
        return copies

    def blocks(self, coords: int, workers: int) -> Iterator[slice]:
        """Cut words into blocks that are summed one after another, to bound memory."""
        size = max(1, min(self.readout.block, _WORDS_AT_ONCE // workers))
        for start in range(0, coords, size):
            yield slice(start, min(start + size, coords))


class Session:
    """One all-reduce under way: its run, and the repetitions it needed."""

    __slots__ = (
        "_copies",
        "_method",
        "_repeated",
        "_run",
        "_shared",
        "_sum_bits",
        "_supply",
        "_verified",
        "_wrong",
        "weights",
    )  # fmt: skip

    def __init__(self, method: Ghz, run: Run, supply: Supply[Any] | None) -> None:
        workers = run.workers
        if workers < 2:
            raise InputError("a GHZ state is shared by at least 2 workers, not 1")
        self.weights = method.weights or (1,) * workers
        if len(self.weights) != workers:
            raise InputError(f"{workers} workers need {workers} weights, not {len(self.weights)}")
        check_visibility(run.visibility)
        budget = method.encoding.budget(sum(map(abs, self.weights)))
        self._sum_bits = budget.sum_bits
        if method.checksum is not None:
            if budget.carry_bits == 0:
                cure = "leave it out"
                if method.readout.standing == "sampled":
                    cure = "choose another readout: this one is only as good as its checksum"
                raise InputError(f"a checksum needs exact sums, but these wrap: {cure}")
            method.checksum.check_width(self._sum_bits)
        self._method, self._run = method, run
        self._shared = run.copies(
            distribution=method.distribution, announcement=method.announcement
        )
        self._verified = supply is not None
        self._supply = supply if supply is not None else self._shared.fresh()
        self._copies = self._repeated = 0
        self._wrong = 0.0

    def sum(self, total: Words, words: Words | None) -> Words:
        """Read the sums, mod 2^B, of a block whose weighted words add up to ``total`` mod 2^64.

        ``words``, shape (workers, coords), may be None where the noise treats X and Y alike and
        no single copy is followed, for an adversary's sake or after tests.
        """
        # Negative weights reach below zero by a known amount: worker 0 adds it, all take it off.
        below = self._below
        own = None
        if words is not None and self._phases_matter:
            own = words.copy()
            own[0] += below
        reading = read_block(
            self._shared.batch(total + below, own, self._supply),
            sum_bits=self._sum_bits,
            readout=self._method.readout,
            checksum=self._method.checksum,
            rng=self._run.rng,
        )
        self._copies += reading.copies
        self._repeated += reading.repeated
        self._wrong += reading.wrong
        return reading.sums - below

    def read(self, words: Words, progress: Progress) -> Words:
        """Weigh and sum all workers' words, shape (workers, words), block by block, mod 2^B."""
        scale = np.array(self.weights, np.int64).view(np.uint64)[:, None]
        sums = np.empty(words.shape[1], np.uint64)
        for block in self._method.blocks(len(sums), self._run.workers):
            part = words[:, block] * scale
            sums[block] = self.sum(part.sum(axis=0, dtype=np.uint64), part)
            progress(block.stop, len(sums))
        return sums

    def result(self, sums: Words) -> GhzAggregate:
        """Decode all blocks' sums, shape (words,), and close the account."""
        total = self._method.encoding.decode(sums, sum(self.weights))
        return GhzAggregate(
            sums=np.broadcast_to(total, (self._run.workers, len(total))),
            ledger=self._run.ledger(),
            caveats=self._caveats(),
            copies=self._copies,
            repeated=self._repeated,
            wrong=min(1.0, self._wrong),
            view=self._run.seen(),
        )

    @property
    def _phases_matter(self) -> bool:
        """Whether copies may tell one worker's phase from another's."""
        return self._verified or self._run.needs_words

    @property
    def _below(self) -> np.uint64:
        largest = (1 << self._method.encoding.word_bits) - 1
        return np.uint64(-largest * sum(w for w in self.weights if w < 0))

    def _caveats(self) -> tuple[str, ...]:
        found = [*self._run.caveats]
        if not self._verified:
            found.append(
                "the copies were not verified: a tampered source could have read single words"
            )
        if isinstance(self._method.encoding, SignVote):
            found.append("the number of votes of every coordinate is public, not only its sign")
        if self._wrong:
            standing = self._method.readout.standing if self._method.checksum is None else "bound"
            found.append(
                f"a coordinate of this run is wrong with probability at most "
                f"{min(1.0, self._wrong):.2g} in all ({standing}; if nobody tampered)"
            )
        return tuple(found)
