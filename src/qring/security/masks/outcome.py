"""Outcome of a sum under masks: the sum, or an abort, with the evidence either way."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.collectives.aggregate import Aborted, Told
from qring.collectives.spans import Fate, PartialAggregate, Span, listed, told_by
from qring.network.pool import Verdict
from qring.network.view import View
from qring.security.masks.integrity import IntegrityVerdict
from qring.security.masks.noisy_terms import NoisyTerms
from qring.security.masks.terms import MaskTerms
from qring.validate import check_enum

__all__ = ["PrivateAborted", "PrivateAggregate", "Reason"]


class Reason(Enum):
    """Reason for which there is no sum."""

    TAMPERED = "a tested copy was not what it should be"
    UNDECODED = "noise left digits of the masks' sums that could not be corrected"
    WRONG_SUMS = "the masks do not add up to what was announced"
    BROKEN_PROMISE = "a worker did not open what it had committed to"
    DROPOUT = "a worker fell silent"
    CHANGED_ONLINE = "the ring's result failed its check: noise, or somebody, changed a message"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PrivateAggregate(PartialAggregate):
    """The sum, over the workers that ``spans`` name, and what vouches for its privacy.

    ``terms`` are those that the masks were made under, if they were made here. ``epsilon``, the
    secrecy, bounds everything that an eavesdropper learns beyond sums over *all* uses of the batch;
    ``correctness`` the probability that any of their sums is wrong though it passed: by wrong mask
    sums, or by a changed message. Masks number ``first`` and on were used. On a network that
    records it, ``view`` is what an adversary saw and holds of the copies, and ``masked``, shape
    (workers, words), what the ring told her.
    """

    epsilon: float
    correctness: float
    withstood: int
    first: int
    terms: MaskTerms | NoisyTerms | None = None
    view: View = ()
    masked: NDArray[np.uint64] | None = None

    @property
    def total_epsilon(self) -> float:
        """Secrecy and correctness together: distance from right sums that hide single words."""
        return min(1.0, self.epsilon + self.correctness)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PrivateAborted(Aborted):
    """A run that ended without a sum; masks it had taken are gone.

    ``verdict`` is that of the tests, where they were reached, ``integrity`` that of the check
    after the ring; ``lost`` are silent workers, ``liars`` those that broke a commitment. ``spans``
    say what may have been told of the words until then: a coordinate that was given up must never
    be summed without one of its workers. Without spans nothing was sent.
    """

    reason: Reason
    verdict: Verdict | None = None
    lost: tuple[int, ...] = ()
    integrity: IntegrityVerdict | None = None
    liars: tuple[int, ...] = ()
    spans: tuple[Span, ...] = ()

    @property
    def told(self) -> tuple[Told, ...]:
        """Nothing, or the sums of coordinates that were given up."""
        return told_by(self.spans)

    def __post_init__(self) -> None:
        check_enum("reason", self.reason, Reason)

    def __str__(self) -> str:
        text = f"aborted: {self.reason.value}"
        if self.lost:
            text += f" (worker {', '.join(map(str, self.lost))})"
        if self.liars:
            text += f" (worker {', '.join(map(str, self.liars))})"
        if self.verdict is not None and not self.verdict.passed:
            text += f"; {self.verdict.failed:,} of {self.verdict.tested:,} tests failed"
            if self.verdict.evidence:
                text += f", first {self.verdict.evidence[0]}"
        if self.integrity is not None and not self.integrity.passed:
            text += f"; {self.integrity}; its masks are gone"
        known = [span for span in self.spans if span.fate is Fate.GIVEN_UP]
        if known:
            text += (
                f"; the sum of coordinates {listed(known)} may be known: try again with the same "
                "workers only"
            )
        return text

    def evidence(self) -> dict[str, Any]:
        """Evidence of the abort, as plain values ready for JSON."""
        found: dict[str, Any] = {"aborted": self.reason.value, "lost": list(self.lost)}
        found["spans"] = [span.row() for span in self.spans]
        if self.verdict is not None:
            found["tested"] = self.verdict.tested
            found["failed"] = self.verdict.failed
            found["evidence"] = [str(each) for each in self.verdict.evidence]
        if self.liars:
            found["liars"] = list(self.liars)
        if self.integrity is not None and not self.integrity.passed:
            found["differing_workers"] = list(self.integrity.differing)
            found["changed_links"] = [list(link) for link in self.integrity.links]
        return found
