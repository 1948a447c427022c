"""Outcome of a verified sum: tests and their guarantee, or a rejection."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from qring.collectives.aggregate import Aborted, Told
from qring.collectives.ghz.method import GhzAggregate
from qring.network.pool import Verdict
from qring.security.vga.guarantee import Guarantee
from qring.validate import check_enum

__all__ = ["Cause", "VgaAggregate", "VgaRejected"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class VgaAggregate(GhzAggregate):
    """A sum read from copies that were tested.

    ``verdicts`` are those of all tests in order, ``shared`` counts all copies ever shared,
    ``cnots`` the CNOTs each worker applied in checks, and ``guarantee`` is what it all means.
    """

    verdicts: tuple[Verdict, ...]
    shared: int
    guarantee: Guarantee

    @property
    def cnots(self) -> int:
        """CNOTs that each worker applied in hashed checks."""
        return sum(verdict.cnots for verdict in self.verdicts)

    @property
    def tested(self) -> int:
        """Copies that tests used up."""
        return sum(verdict.tested for verdict in self.verdicts)


class Cause(Enum):
    """Cause of a run that ended without a sum."""

    TESTS_FAILED = "copies failed their tests"
    RAN_OUT = "the readout needed more copies than had been verified"
    GIVEN_UP = "a block of coordinates failed its checksum to the last attempt"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class VgaRejected(Aborted):
    """A run that ended without a sum.

    When tests failed nothing had been encoded yet, so that the outcome tells nothing of any
    gradient. ``verdicts`` hold the evidence.
    """

    cause: Cause
    verdicts: tuple[Verdict, ...]

    def __post_init__(self) -> None:
        check_enum("cause", self.cause, Cause)

    def __str__(self) -> str:
        if self.cause is not Cause.TESTS_FAILED:
            return f"aborted: {self.cause.value}"
        worst = next(verdict for verdict in reversed(self.verdicts) if verdict.failed)
        first = worst.evidence[0]
        return (
            f"aborted before anything was encoded: {worst.failed:,} of {worst.tested:,} tests "
            f"({worst.test.value}) failed, the first one on {first}"
        )

    @property
    def told(self) -> tuple[Told, ...]:
        """Nothing, unless the readout had begun: then the sum may be."""
        if self.cause is Cause.TESTS_FAILED:
            return ()
        return (Told(0, self.coords, tuple(range(self.workers))),)

    def evidence(self) -> dict[str, Any]:
        """Why, and every test's count with its first failures."""
        return {
            "aborted": self.cause.value,
            "tests": [
                {
                    "test": verdict.test.value,
                    "tested": verdict.tested,
                    "failed": verdict.failed,
                    "evidence": [
                        {
                            "copy": found.copy,
                            "stabiliser": found.stabiliser,
                            "outcomes": list(found.outcomes),
                        }
                        for found in verdict.evidence
                    ],
                }
                for verdict in self.verdicts
            ],
        }
