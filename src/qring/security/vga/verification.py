"""The two ways to verify GHZ copies before use, as values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from qring.errors import InputError
from qring.network.adversary.base import History, Public
from qring.network.pool import Pool, Verdict
from qring.security.vga.guarantee import (
    Guarantee,
    checks_for,
    of_hashed,
    of_perfect_pass,
    of_tolerated,
)
from qring.validate import check_probability, check_real, check_whole

__all__ = ["Broadcast", "CutAndChoose", "HashedVerification", "Share", "Verification", "Verified"]

Share = Callable[[int, History], Pool]
"""Shares that many copies, all received when it returns; the history is what an adversary saw."""


Broadcast = Callable[[int], None]
"""Has every worker tell all others so many bits of its own."""


class Verified(NamedTuple):
    """Copies left for use (``None`` if rejected), verdicts, copies shared, and the guarantee."""

    data: Pool | None
    verdicts: tuple[Verdict, ...]
    shared: int
    guarantee: Guarantee


class Verification(Protocol):
    """A way to get hold of copies that can be trusted. A frozen value."""

    def verify(
        self, data: int, share: Share, broadcast: Broadcast, rng: np.random.Generator
    ) -> Verified:
        """Share and test copies until ``data`` good ones are left, or a test says otherwise.

        ``rng`` draws the public coins, after the copies are received. Everybody hears every
        outcome by ``broadcast``; coins are taken for granted, like authenticated channels.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class CutAndChoose:
    """Test a random part of the copies with a random stabiliser each; use the others.

    The paper shares 2m copies and tests m: ``tests_per_copy`` = 1. Accept if at most the fraction
    ``tolerated`` of the tests fail; 0 is the paper's perfect pass. It is the faithful baseline:
    one bad copy slips through with probability ½ for every m, so it certifies no whole round.
    It trusts all nodes: one that lies can make bad copies pass. ``failure`` is the probability
    with which the stated bounds may fail. Source: paper section 4.3.
    """

    tests_per_copy: float = 1.0
    tolerated: float = 0.0
    failure: float = 2.0**-40

    def __post_init__(self) -> None:
        check_real("tests a copy", self.tests_per_copy, above=0)
        check_real("the tolerated fraction of failed tests", self.tolerated)
        if not 0 <= self.tolerated < 0.5:
            raise InputError(
                f"the tolerated fraction of failed tests lies in [0, 0.5), not at {self.tolerated}:"
                " half of all tests fail on random states"
            )
        check_probability(
            "the failure probability of the bounds", self.failure, zero=False, one=False
        )

    def verify(
        self, data: int, share: Share, broadcast: Broadcast, rng: np.random.Generator
    ) -> Verified:
        """Share, shuffle, test the first part, and keep the rest."""
        tests = math.ceil(self.tests_per_copy * data)
        tested, left = share(data + tests, ()).shuffled(rng).cut(tests)
        broadcast(tests)
        verdict = tested.test_stabilisers(rng)
        if self.tolerated:
            guarantee = of_tolerated(data, tests, self.tolerated, self.failure)
        else:
            guarantee = of_perfect_pass(data, tests, self.failure)
        accepted = verdict.failed <= self.tolerated * tests
        return Verified(left if accepted else None, (verdict,), data + tests, guarantee)


@dataclass(frozen=True, slots=True, kw_only=True)
class HashedVerification:
    """Check all copies at once by CNOTs into ⌈2·log2(1/ε)⌉ more copies, for any number of copies.

    40 check copies at ε = 1e-6, 80 at 2^−40. ``phase_checks`` more come first and guard the sums
    against flipped phases. ``block`` copies at most are checked together, with checks of their
    own: an amplitude check takes about block/2 CNOTs a worker and the memory to hold the block,
    and ε does not grow with the number of blocks. Holds against dishonest nodes: honest workers'
    outcomes are compared. It passes perfect copies only. Ours.
    """

    epsilon: float = 2.0**-40
    phase_checks: int = 20
    block: int | None = None

    def __post_init__(self) -> None:
        check_probability("ε", self.epsilon, zero=False, one=False)
        check_whole("phase_checks", self.phase_checks)
        if self.block is not None:
            check_whole("block", self.block)
        if self.phase_checks < 0:
            raise InputError(f"the number of phase checks is not negative: {self.phase_checks}")
        if self.block is not None and self.block < 1:
            raise InputError(f"a block holds at least one copy, not {self.block}")

    @property
    def checks(self) -> int:
        """Amplitude checks, each of which takes one copy."""
        return checks_for(self.epsilon)

    def verify(
        self, data: int, share: Share, broadcast: Broadcast, rng: np.random.Generator
    ) -> Verified:
        """Share and check block after block; the first check that fails ends it."""
        guarantee = of_hashed(self.checks, self.phase_checks)
        kept: Pool | None = None
        verdicts: list[Verdict] = []
        history: History = ()
        shared = 0
        size = min(data, self.block or data)
        for start in range(0, data, size):
            wanted = min(size, data - start)
            pool = share(wanted + self.checks + self.phase_checks, history)
            shared += len(pool)
            found, left = self._check(pool, wanted, broadcast, rng)
            verdicts += found
            failed = sum(verdict.failed for verdict in found)
            history += (Public(copies=len(pool), tested=len(pool) - wanted, failed=failed,
                               accepted=failed == 0),)  # fmt: skip
            if failed:
                return Verified(None, tuple(verdicts), shared, guarantee)
            kept = left if kept is None else kept.joined(left)
        return Verified(kept, tuple(verdicts), shared, guarantee)

    def _check(
        self, pool: Pool, wanted: int, broadcast: Broadcast, rng: np.random.Generator
    ) -> tuple[list[Verdict], Pool]:
        """Phases first: a phase check can spread amplitude errors, and the other way round."""
        phase_checks, rest = pool.shuffled(rng).cut(self.phase_checks)
        broadcast(self.phase_checks)
        phases, rest = rest.hash_phases(phase_checks, rng)
        checks, data = rest.cut(self.checks)
        broadcast(self.checks)
        amplitudes, data = data.hash_amplitudes(checks, rng)
        return [phases, amplitudes], data
