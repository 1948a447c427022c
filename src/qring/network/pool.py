"""Pools of GHZ copies that have been received and wait to be tested or used.

See :mod:`qring.network.adversary` for how a protocol goes about it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError
from qring.network.copies import PERFECT, Tampered, check_workers, worker_bits
from qring.network.hashing import Hashed, hash_amplitudes, hash_phases
from qring.network.stabilisers import flag_each, outcomes_behind, pauli_string
from qring.network.supply import Received, Supply

__all__ = ["Check", "Evidence", "Pool", "Verdict", "most_apart"]

_EVIDENCE = 8


class Check(Enum):
    """Measurements that test copies."""

    STABILISER = "random stabiliser"
    Z = "all in Z"
    PHASES = "phases, hashed"
    AMPLITUDES = "amplitudes, hashed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One failed test: the copy as numbered when shared, what was measured, what was announced.

    ``outcomes`` has one entry a worker, ``None`` where the stabiliser asks nothing of it.
    """

    test: Check
    copy: int
    stabiliser: str
    outcomes: tuple[int | None, ...]

    def __str__(self) -> str:
        shown = "".join("_" if bit is None else str(bit) for bit in self.outcomes)
        return f"copy {self.copy}: {self.stabiliser} came out as {shown}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Verdict of tests: how many ran, how many failed, and the first few failures.

    ``cnots`` counts the CNOTs each worker applied, ``failed_at`` all failed copies' numbers as
    they were shared, ascending. Where noise is expected, no pair of honest workers may disagree on
    more than ``tolerated`` copies: ``disagreements`` is the largest number that any pair did.
    """

    test: Check
    tested: int
    failed: int
    evidence: tuple[Evidence, ...]
    failed_at: NDArray[np.int64] = field(repr=False, compare=False)
    cnots: int = 0
    disagreements: int | None = None
    tolerated: int = 0

    @property
    def passed(self) -> bool:
        """Whether nothing failed, or no pair of workers disagreed too often."""
        counted = self.failed if self.disagreements is None else self.disagreements
        return counted <= self.tolerated


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """``count`` copies in the hands of ``workers`` workers, ``tampered`` among them not perfect.

    ``visibility`` is that of copies as they come from the network; ``nodes`` lie in tests.
    """

    count: int
    workers: int
    tampered: Tampered = PERFECT
    visibility: float = 1.0
    nodes: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if self.count < 0:
            raise InputError(f"a pool holds at least 0 copies, not {self.count}")
        check_workers(self.workers)

    def __len__(self) -> int:
        return self.count

    def shuffled(self, rng: np.random.Generator) -> Pool:
        """The copies in a uniformly random order, drawn by public coins."""
        number = len(self.tampered)
        places = rng.choice(self.count, number, replace=False) if number else self.tampered.where
        return self._with(self.count, self.tampered.at(places))

    def cut(self, first: int) -> tuple[Pool, Pool]:
        """The first ``first`` copies, and the rest.

        Raises:
            InputError: there are not as many.
        """
        if not 0 <= first <= self.count:
            raise InputError(f"{first} copies cannot be cut off a pool of {self.count}")
        return (
            self._with(first, self.tampered.between(0, first)),
            self._with(self.count - first, self.tampered.between(first, self.count)),
        )

    def joined(self, other: Pool) -> Pool:
        """These copies, and then those of ``other``."""
        moved = other.tampered.at(other.tampered.where + self.count)
        return self._with(self.count + other.count, self.tampered.and_also(moved))

    def supply(self) -> Supply[Any]:
        """Let a readout use the copies, in order."""
        return Received(self.tampered, self.count, self.visibility)

    def test_stabilisers(self, rng: np.random.Generator) -> Verdict:
        """Measure a uniformly random non-identity stabiliser of every copy; uses them up.

        Coins of perfect copies decide nothing and are not drawn. Source: paper section 4.3.
        """
        strings, wrong = flag_each(self.tampered, self.workers, rng)
        # Who speaks last and is asked at all can always announce what gives the right sign.
        wrong &= ~((strings.phase & bool(self.nodes)) | (strings.sets & self._liars != 0))
        failed = np.flatnonzero(wrong)
        evidence = []
        for k in failed[:_EVIDENCE]:
            phase, members = bool(strings.phase[k]), int(strings.sets[k])
            copy = self.tampered[np.array([k])]
            evidence.append(
                Evidence(
                    test=Check.STABILISER,
                    copy=int(copy.origin[0]),
                    stabiliser=pauli_string(phase, members, self.workers),
                    outcomes=outcomes_behind(copy, phase, members, True, self.workers, rng),
                )
            )
        return self._verdict(Check.STABILISER, self.count, self.tampered.origin[failed], evidence)

    def test_z(self, rng: np.random.Generator) -> Verdict:
        """Measure every qubit of every copy in Z; outcomes must agree. Uses the copies up."""
        return self._z_verdict(self.tampered.in_z(self.workers, rng))

    def _z_verdict(self, outcomes: NDArray[np.uint64]) -> Verdict:
        failed = np.flatnonzero(self._disagree(outcomes))
        evidence = [
            Evidence(
                test=Check.Z,
                copy=int(self.tampered.origin[k]),
                stabiliser="Z" * self.workers,
                outcomes=self._bits(outcomes[k]),
            )
            for k in failed[:_EVIDENCE]
        ]
        return self._verdict(Check.Z, self.count, self.tampered.origin[failed], evidence)

    def test_pairs(self, tolerated: int, rng: np.random.Generator) -> Verdict:
        """Measure every qubit in Z; no two honest workers may disagree on more than ``tolerated``.

        Comparing all with one of them would not do: it may be dishonest. Uses the copies up.
        """
        outcomes = self.tampered.in_z(self.workers, rng)
        honest = [worker for worker in range(self.workers) if worker not in self.nodes]
        apart = most_apart(worker_bits(outcomes, self.workers)[honest])
        return replace(self._z_verdict(outcomes), disagreements=apart, tolerated=tolerated)

    def twirled(self, rng: np.random.Generator) -> Pool:
        """The copies, half of which will be used with all phases negated, by public coins.

        As the sign of all phases only matters relative to a copy's own turn, that is negated.
        """
        signs = 1.0 - 2.0 * rng.integers(2, size=len(self.tampered))
        return self._with(self.count, replace(self.tampered, turn=self.tampered.turn * signs))

    def hash_phases(self, checks: Pool, rng: np.random.Generator) -> tuple[Verdict, Pool]:
        """Check the phases of all copies by those of ``checks``, one check each; these are used up.

        Returns the copies as the checks leave them. Dishonest nodes can make every one pass.
        """
        hashed = hash_phases(
            self.tampered, self.count, checks.tampered, checks.count, self.workers, rng
        )
        return self._hashed(Check.PHASES, checks, hashed, hashed.wrong & (not self.nodes))

    def hash_amplitudes(self, checks: Pool, rng: np.random.Generator) -> tuple[Verdict, Pool]:
        """Check the amplitudes of all copies, one check a copy of ``checks``, used up by it.

        If any honest workers' qubits of any copy disagree in Z, each check fails with
        probability at least ½, whatever the check copies are: so s checks miss it with at most
        2^−s. Returns the copies as the checks leave them.
        """
        hashed = hash_amplitudes(
            self.tampered, self.count, checks.tampered, checks.count, self.workers, rng
        )
        return self._hashed(Check.AMPLITUDES, checks, hashed, self._disagree(hashed.outcomes))

    @property
    def _liars(self) -> np.uint64:
        return np.uint64(sum(1 << node for node in self.nodes))

    def _disagree(self, outcomes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Whether honest workers announced different bits; the others say what they heard."""
        honest = np.uint64((1 << self.workers) - 1) & ~self._liars
        shown = outcomes & honest
        return np.asarray((shown != 0) & (shown != honest))

    def _bits(self, pattern: np.uint64) -> tuple[int, ...]:
        honest = [i for i in range(self.workers) if i not in self.nodes]
        told = int(pattern) >> honest[0] & 1
        return tuple(
            told if i in self.nodes else int(pattern) >> i & 1 for i in range(self.workers)
        )

    def _hashed(
        self, test: Check, checks: Pool, hashed: Hashed, wrong: NDArray[np.bool_]
    ) -> tuple[Verdict, Pool]:
        failed = np.flatnonzero(wrong)
        letter = "X" if test is Check.PHASES else "Z"
        evidence = [
            Evidence(
                test=test,
                copy=int(k),
                stabiliser=letter * self.workers,
                outcomes=self._bits(hashed.outcomes[k]),
            )
            for k in failed[:_EVIDENCE]
        ]
        verdict = self._verdict(test, checks.count, failed, evidence, hashed.cnots)
        return verdict, self._with(self.count, hashed.copies)

    def _verdict(
        self, test: Check, tested: int, failed_at: NDArray[np.int64], evidence: list[Evidence],
        cnots: int = 0,
    ) -> Verdict:  # fmt: skip
        return Verdict(
            test=test,
            tested=tested,
            failed=len(failed_at),
            evidence=tuple(evidence),
            failed_at=np.sort(failed_at),
            cnots=cnots,
        )

    def _with(self, count: int, tampered: Tampered) -> Pool:
        return replace(self, count=count, tampered=tampered)


def most_apart(shown: NDArray[np.uint8]) -> int:
    """Disagreements of the pair of workers that has most; bits of shape (workers, copies)."""
    bits = shown.astype(np.float64)
    ones = bits.sum(axis=1)
    apart = ones[:, None] + ones[None, :] - 2 * (bits @ bits.T)
    return int(apart.max(initial=0))
