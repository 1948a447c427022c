"""Pools of GHZ copies as qubits: tests measure them, hashed checks entangle them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError
from qring.network.dense.copies import DenseCopy, DenseSupply, eigenvalue, measure
from qring.network.dense.memory import CX, X
from qring.network.pool import Check, Evidence, Pool, Verdict, most_apart

__all__ = ["DensePool"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DensePool(Pool):
    """A pool that holds its ``copies``; all nodes are honest."""

    copies: tuple[DenseCopy, ...]

    def shuffled(self, rng: np.random.Generator) -> DensePool:
        """The copies in a uniformly random order, drawn by public coins."""
        return self._of(tuple(self.copies[k] for k in rng.permutation(self.count)))

    def cut(self, first: int) -> tuple[DensePool, DensePool]:
        """The first ``first`` copies, and the rest."""
        if not 0 <= first <= self.count:
            raise InputError(f"{first} copies cannot be cut off a pool of {self.count}")
        return self._of(self.copies[:first]), self._of(self.copies[first:])

    def joined(self, other: Pool) -> DensePool:
        """These copies, and then those of ``other``."""
        return self._of(self.copies + _dense(other).copies)

    def supply(self) -> DenseSupply:
        """Let a readout use the copies, in order."""
        return DenseSupply(iter(self.copies), self.visibility)

    def test_stabilisers(self, rng: np.random.Generator) -> Verdict:
        """Measure a uniformly random non-identity stabiliser of every copy; uses them up.

        The sign it must have is that of the GHZ state written out.
        """
        failures = []
        for copy in self.copies:
            letters = _random_letters(self.workers, rng)
            outcomes = measure(copy, letters)
            asked = [bit for bit, letter in zip(outcomes, letters, strict=True) if letter != "_"]
            value = eigenvalue(letters)
            if (-1) ** sum(asked) != value:
                shown = [b if c != "_" else None for b, c in zip(outcomes, letters, strict=True)]
                name = ("+" if value > 0 else "-") + letters
                failures.append(_evidence(Check.STABILISER, copy.origin, name, shown))
        return _verdict(Check.STABILISER, self.count, failures)

    def test_z(self, rng: np.random.Generator) -> Verdict:
        """Measure every qubit of every copy in Z; outcomes must agree. Uses the copies up."""
        return self._in_z()[0]

    def test_pairs(self, tolerated: int, rng: np.random.Generator) -> Verdict:
        """Measure every qubit in Z; no two workers may disagree on more than ``tolerated``."""
        plain, shown = self._in_z()
        apart = most_apart(np.array(shown, np.uint8).reshape(-1, self.workers).T)
        return replace(plain, disagreements=apart, tolerated=tolerated)

    def twirled(self, rng: np.random.Generator) -> DensePool:
        """The copies, X on all qubits of half of them: their phases then count backwards."""
        for copy, flip in zip(self.copies, rng.integers(2, size=self.count), strict=True):
            if flip:
                for qubit in copy.qubits:
                    copy.memory.apply(X, qubit)
        return self

    def _in_z(self) -> tuple[Verdict, list[tuple[int, ...]]]:
        letters, failures, shown = "Z" * self.workers, [], []
        for copy in self.copies:
            outcomes = measure(copy, letters)
            shown.append(tuple(outcomes))
            if len(set(outcomes)) > 1:
                failures.append(_evidence(Check.Z, copy.origin, letters, outcomes))
        return _verdict(Check.Z, self.count, failures), shown

    def hash_phases(self, checks: Pool, rng: np.random.Generator) -> tuple[Verdict, DensePool]:
        """Apply CX from each check copy to the copies that coins choose, and measure it in X."""
        coins = rng.integers(2, size=(checks.count, self.count), dtype=np.uint8)
        failures = []
        for number, check in enumerate(_dense(checks).copies):
            self._fold(check, coins[number], from_check=True)
            outcomes = measure(check, "X" * self.workers)
            if sum(outcomes) % 2:
                letters = "X" * self.workers
                failures.append(_evidence(Check.PHASES, number, letters, outcomes))
        return _verdict(Check.PHASES, checks.count, failures, int(coins.sum())), self

    def hash_amplitudes(self, checks: Pool, rng: np.random.Generator) -> tuple[Verdict, DensePool]:
        """Apply CX from the copies that coins choose to each check copy, and measure it in Z."""
        coins = rng.integers(2, size=(checks.count, self.count), dtype=np.uint8)
        failures = []
        for number, check in enumerate(_dense(checks).copies):
            self._fold(check, coins[number], from_check=False)
            outcomes = measure(check, "Z" * self.workers)
            if len(set(outcomes)) > 1:
                letters = "Z" * self.workers
                failures.append(_evidence(Check.AMPLITUDES, number, letters, outcomes))
        return _verdict(Check.AMPLITUDES, checks.count, failures, int(coins.sum())), self

    def _fold(self, check: DenseCopy, coins: NDArray[np.uint8], *, from_check: bool) -> None:
        for copy, chosen in zip(self.copies, coins.tolist(), strict=True):
            if chosen:
                for ours, theirs in zip(copy.qubits, check.qubits, strict=True):
                    ends = (theirs, ours) if from_check else (ours, theirs)
                    copy.memory.apply(CX, *ends)

    def _of(self, copies: tuple[DenseCopy, ...]) -> DensePool:
        return replace(self, count=len(copies), copies=copies)


def _dense(pool: Pool) -> DensePool:
    if not isinstance(pool, DensePool):
        raise InputError("pools of the referee work together with pools of the referee only")
    return pool


def _random_letters(workers: int, rng: np.random.Generator) -> str:
    """One of the 2ⁿ − 1 stabilisers' letters: worker 0's coin says which sort."""
    coins = int(rng.integers(1, 1 << workers))
    others = [coins >> worker & 1 for worker in range(1, workers)]
    chosen = [sum(others) % 2, *others]
    pair = "XY" if coins & 1 else "_Z"
    return "".join(pair[bit] for bit in chosen)


def _evidence(check: Check, number: int, name: str, shown: Sequence[int | None]) -> Evidence:
    return Evidence(test=check, copy=number, stabiliser=name, outcomes=tuple(shown))


def _verdict(check: Check, tested: int, failures: list[Evidence], cnots: int = 0) -> Verdict:
    return Verdict(
        test=check,
        tested=tested,
        failed=len(failures),
        evidence=tuple(failures[:8]),
        failed_at=np.array(sorted(failure.copy for failure in failures), np.int64),
        cnots=cnots,
    )
