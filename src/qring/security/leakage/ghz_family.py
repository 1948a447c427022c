"""Attacks on copies, against ``ghz`` and both kinds of ``vga``: enumerated, or run and sampled."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.collectives.aggregate import Method, Outcome
from qring.collectives.all_reduce import all_reduce
from qring.collectives.ghz.method import Ghz, GhzAggregate
from qring.encoding.formats import WordFormat
from qring.encoding.values import BitBudget
from qring.errors import InputError
from qring.network.adversary.aim import Aim, Every, These
from qring.network.adversary.base import Adversary, Source
from qring.network.network import Network
from qring.security.leakage.enumeration import affordable, passes_a_test, read_digits
from qring.security.leakage.law import Copy, fits, groups, likelihood, told
from qring.security.leakage.report import (
    Leak,
    Setting,
    Standing,
    Told,
    interval_of_mean,
    interval_of_probability,
)
from qring.security.vga.method import Vga

__all__ = [
    "Residues",
    "Tampering",
    "against_cut_and_choose",
    "against_ghz",
    "against_hashed",
    "meaning_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Residues:
    """Words mod 2^B whose sums wrap: an encoding without a carry, for experiments."""

    word_bits: int

    def budget(self, weight: int) -> BitBudget:
        """No carry."""
        return BitBudget(self.word_bits, 0, self.word_bits)

    def check(self, gradients: NDArray[Any]) -> None:
        """Refuse nothing: experiments draw their own words."""

    def encode(self, gradients: NDArray[Any]) -> tuple[NDArray[np.uint64], WordFormat]:
        """The words themselves."""
        wire = WordFormat(word_bits=self.word_bits, workers=len(gradients), carry=False)
        return gradients.astype(np.uint64), wire

    def decode(self, sums: NDArray[np.uint64], weight: int) -> NDArray[np.uint64]:
        """The sums mod 2^B."""
        return sums & np.uint64((1 << self.word_bits) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tampering:
    """An attack on copies: how to tamper, and what single copies it leaves, each with its odds.

    ``source`` makes the network's source from an aim; ``copies`` says what a copy becomes, for a
    number of workers, all alternatives equally likely and known to the attacker. ``first`` is
    the lowest digit worth an attack, where she can choose. ``nodes`` are workers on her side.
    The two descriptions are used apart: enumerations take ``copies``, runs of the protocol take
    ``source``.
    """

    source: Callable[[Aim, int], Source]
    copies: Callable[[int], tuple[Copy, ...]]
    first: int = 0
    nodes: frozenset[int] = frozenset()

    def adversary(self, setting: Setting) -> Adversary:
        """The adversary that tampers with as many copies as the setting says."""
        if len(self.nodes) + 2 > setting.workers:
            raise InputError("this attack needs at least 3 workers: two honest ones to tell apart")
        aim: Aim = Every()
        if setting.copies is not None:
            first = min(self.first, setting.word_bits - 1)
            aim = These(tuple(range(first, first + setting.copies)))
        return Adversary(source=self.source(aim, setting.workers), nodes=self.nodes)


def against_ghz(tampering: Tampering, setting: Setting, rng: np.random.Generator) -> Leak:
    """Nobody tests anything: the copies of the lowest digits are tampered with."""
    tampering.adversary(setting)
    digits = tuple(range(setting.word_bits))
    if setting.copies is not None:
        first = min(tampering.first, setting.word_bits - 1)
        digits = digits[first : first + setting.copies]
    kinds = tampering.copies(setting.workers)
    if not _small([kinds[0]] * len(digits), setting):
        return _sampled(Ghz(encoding=_words(setting)), tampering, setting, rng)
    told_here, correct = _mean_reading(tampering, setting, digits)
    return Leak.exact(told_here, 0.0, correct, meaning_of(told_here, 0.0, correct, setting))


def against_cut_and_choose(
    tampering: Tampering, setting: Setting, rng: np.random.Generator
) -> Leak:
    """Half of the copies are tested: which ones, the attacker cannot know beforehand."""
    tampering.adversary(setting)
    data = setting.word_bits
    tests = math.ceil(setting.cut.tests_per_copy * data)
    bad = min(setting.copies or data + tests, data + tests)
    kinds = tampering.copies(setting.workers)
    if setting.cut.tolerated or not _small([kinds[0]] * min(bad, data), setting):
        method = Vga(ghz=Ghz(encoding=_words(setting)), verification=setting.cut)
        return _sampled(method, tampering, setting, rng)
    n = setting.workers
    passes = math.fsum(passes_a_test(kind, n, tampering.nodes) for kind in kinds) / len(kinds)
    accepted = alone = with_sum = correct = 0.0
    for tested in range(max(0, bad - data), min(bad, tests) + 1):
        odds = math.comb(tests, tested) / math.comb(data + tests, bad) * passes**tested
        for digits in itertools.combinations(range(data), bad - tested):
            told_here, right = _mean_reading(tampering, setting, digits)
            accepted += odds
            alone += odds * told_here.alone
            with_sum += odds * told_here.with_sum
            correct += odds * right
    leak = Told(alone, with_sum)
    return Leak.exact(leak, 1 - accepted, correct, meaning_of(leak, 1 - accepted, correct, setting))


def against_hashed(tampering: Tampering, setting: Setting, rng: np.random.Generator) -> Leak:
    """All copies are checked together; what gets by is bounded by the checks' own ε."""
    method = Vga(ghz=Ghz(encoding=_words(setting)), verification=setting.hashed)
    found = _sampled(method, tampering, setting, rng)
    epsilon = 2.0 ** (-setting.hashed.checks / 2)
    # Continuity of conditional entropy (Winter 2016), for classical words.
    mixed = epsilon / (1 + epsilon)
    entropy = -mixed * math.log2(mixed) - (1 - mixed) * math.log2(1 - mixed)
    bound = epsilon * setting.word_bits + (1 + epsilon) * entropy
    if bound >= found.leak_with_sum_interval[1]:
        return found
    return replace(
        found,
        leak_bits=min(found.leak_bits, bound),
        leak_interval=(0.0, bound),
        leak_with_sum_bits=min(found.leak_with_sum_bits, bound),
        leak_with_sum_interval=(0.0, bound),
        standing=Standing.BOUND,
    )


def _words(setting: Setting) -> Residues:
    return Residues(word_bits=setting.word_bits)


def _small(copies: list[Copy], setting: Setting) -> bool:
    rest = [None] * (setting.word_bits - len(copies))
    return fits(setting.workers, setting.word_bits) and affordable(
        [*copies, *rest], setting.workers, setting.word_bits
    )


def _mean_reading(
    tampering: Tampering, setting: Setting, digits: tuple[int, ...]
) -> tuple[Told, float]:
    """Leak and right sums with the copies of these digits tampered with, over alternatives."""
    kinds = tampering.copies(setting.workers)
    found = []
    for choice in itertools.product(kinds, repeat=len(digits)):
        copies: list[Copy | None] = [None] * setting.word_bits
        for digit, copy in zip(digits, choice, strict=True):
            copies[digit] = copy
        found.append(
            read_digits(copies, setting.workers, setting.word_bits, tuple(sorted(tampering.nodes)))
        )
    mean = Told(
        math.fsum(one.told.alone for one in found) / len(found),
        math.fsum(one.told.with_sum for one in found) / len(found),
    )
    return mean, math.fsum(one.sum_correct for one in found) / len(found)


def _sampled(
    method: Method[Outcome], tampering: Tampering, setting: Setting, rng: np.random.Generator
) -> Leak:
    """Run the protocol itself, over and over, and work out what each view tells, exactly."""
    adversary = tampering.adversary(setting)
    n, bits = setting.workers, setting.word_bits
    if not fits(n, bits):
        raise InputError(
            f"views are weighed against all words of all workers: workers · word-bits must be at "
            f"most 16, not {n} · {bits}; the leak of one worker hardly depends on how many others "
            "there are"
        )
    network = Network(adversary=adversary, record_view=True)
    known = tuple(sorted(adversary.nodes))
    group = groups(n, bits, known)
    leaks, caught, right = [], 0, 0
    for _ in range(setting.rounds):
        words = rng.integers(1 << bits, size=(n, 1))
        result = all_reduce(words, method=method, network=network, rng=rng)
        if not isinstance(result, GhzAggregate):
            caught += 1
            leaks.append(Told(0.0, 0.0))
            continue
        total = int(words.sum()) % (1 << bits)
        right += int(result.sum[0]) == total
        table = likelihood(result.view, n, bits)
        own = tuple(int(words[k, 0]) if k in known else slice(None) for k in range(n))
        mine = np.zeros_like(table)
        mine[own] = table[own]
        leaks.append(told(mine / mine.sum(), group, bits))
    alone, with_sum = (np.maximum(column, 0) for column in np.array(leaks).T)
    rounds = setting.rounds
    leak = Told(float(alone.mean()), float(with_sum.mean()))
    detected, correct = caught / rounds, right / rounds
    return Leak(
        leak_bits=leak.alone,
        leak_interval=interval_of_mean(alone, bits),
        leak_with_sum_bits=leak.with_sum,
        leak_with_sum_interval=interval_of_mean(with_sum, bits),
        standing=Standing.SAMPLED,
        detected=detected,
        detected_interval=interval_of_probability(caught, rounds),
        sum_correct=correct,
        sum_correct_interval=interval_of_probability(right, rounds),
        meaning=meaning_of(leak, detected, correct, setting),
    )


def meaning_of(leak: Told, detected: float, correct: float, setting: Setting) -> str:
    """Say in a sentence what an attack on copies learns, and who notices."""
    if detected > 1e-9:
        seen = f"and is caught in {detected:.1%} of the rounds"
    elif correct > 1 - 1e-9:
        seen = "silently: nobody aborts and the sum is right"
    else:
        seen = f"and nobody aborts, but the sum is right in {correct:.1%} of the rounds only"
    if leak.with_sum < 1e-9:
        return f"the attacker learns nothing of single words, {seen}"
    then = f", and {leak.with_sum:.3g} once the sum is known" * (leak.with_sum > leak.alone + 1e-9)
    return (
        f"the attacker learns {leak.alone:.3g} of the {setting.word_bits} bits of a worker's "
        f"word{then}, {seen}"
    )
