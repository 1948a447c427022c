"""Certificates from recorded tests of GHZ states: on states tested, and copies never tested.

Tests of equal, independent states bound the fidelity of these states. Of a source that nobody
trusts they say nothing, unless the tested copies were chosen by coins drawn after all copies had
been received: then the untested ones are bounded, whatever the source, and masks can be made.
Sources: Clopper and Pearson 1934; Pallister, Linden and Montanaro 2018 for stabilisers as tests;
the rest ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from qring.errors import InputError
from qring.security.masks.typical import patterns, undetected
from qring.validate import check_probability, check_whole

__all__ = ["Certificate", "Counts", "MaskYield", "certify", "clopper_pearson"]

_MASK_BITS = 20
_MOST = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Recorded tests of one kind: how many, and how many failed.

    ``stabiliser`` is ``"random"`` (a uniformly random one but the identity, each time), ``"Z"``
    (all qubits in Z; fails unless all agree), ``"X"`` (all in X; fails if odd), or a string over
    I, X, Y, Z with one letter a qubit: a stabiliser of the GHZ state, which fails at the wrong
    sign.
    """

    stabiliser: str
    tests: int
    failures: int

    def __post_init__(self) -> None:
        check_whole("tests", self.tests, most=_MOST)
        check_whole("failures", self.failures, least=0, most=_MOST)
        if self.failures > self.tests:
            raise InputError(
                f"{self.failures:,} of {self.tests:,} tests of {self.stabiliser} failed: there are "
                "not so many"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskYield:
    """Masks that such tests allow: ``masks`` net ones from ``words`` words, Y = ``rate`` a copy."""

    words: int
    masks: int
    rate: float
    epsilon: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Bounds that hold but for probability ``delta``; ``None`` where none does, for ``reasons``.

    ``fidelity_least`` and ``fidelity_most`` are those of equal, independent states, by ``method``;
    ``pair_disagreement`` bounds how often two of their qubits differ in Z. For any source,
    ``bad_copies`` of ``untested`` ones are bad at most, and ``mean_fidelity`` is that of the
    untested ones at least, in the sense P(pass)·(1 − F) ≤ P(pass)·bad/untested + δ.
    """

    workers: int
    delta: float
    untested: int
    method: str = ""
    fidelity_least: float | None = None
    fidelity_most: float | None = None
    pair_disagreement: float | None = None
    bad_copies: int | None = None
    mean_fidelity: float | None = None
    masks: MaskYield | None = None
    reasons: tuple[str, ...] = field(default=())

    @property
    def certifies(self) -> bool:
        """Whether anything is certified."""
        return self.fidelity_least is not None or self.bad_copies is not None

    def __str__(self) -> str:
        if not self.certifies:
            return "certifies nothing, because " + "; ".join(self.reasons)
        found = []
        if self.fidelity_least is not None:
            found.append(
                f"independent equal states: fidelity at least {self.fidelity_least:.4f} "
                f"({self.method})"
            )
        if self.bad_copies is not None:
            found.append(
                f"any source: at most {self.bad_copies:,} of {self.untested:,} untested copies bad"
            )
        if self.masks is not None:
            found.append(f"{self.masks.masks:,} masks from {self.masks.words:,} words")
        return f"but for {self.delta:.3g}: " + "; ".join(found)


def certify(
    counts: Sequence[Counts],
    *,
    workers: int,
    delta: float = 2.0**-40,
    shuffled: bool = False,
    untested: int = 10**5,
    epsilon: float = 2.0**-40,
    x_error: float | None = None,
    threshold: int | None = None,
) -> Certificate:
    """Bound what the recorded tests allow to say.

    Args:
        counts: one entry a kind of test.
        workers: qubits of a state.
        delta: probability with which all bounds together may fail.
        shuffled: whether coins drawn after all copies had been received chose which copies, and
            which test of each, were tested. Without it no untested copy is certified.
        untested: copies that were not tested and are to be used.
        epsilon: secrecy of masks, and their correctness.
        x_error: probability that a digit is wrong; what the tests show unless given.
        threshold: failures in Z that were agreed on before any test; without one, masks pay for
            a threshold that was chosen after the fact by a union over all of them.

    Raises:
        InputError: no counts, impossible ones, strings that are no stabilisers, or two settings of
            one kind.
    """
    check_whole("workers", workers, least=2, most=64)
    check_whole("untested copies", untested, most=_MOST)
    if threshold is not None:
        check_whole("the threshold", threshold, least=0, most=_MOST)
    check_probability("delta", delta, zero=False, one=False)
    check_probability("epsilon", epsilon, zero=False, one=False)
    if x_error is not None:
        check_probability("the share of wrong digits", x_error)
    kinds = _by_kind(counts, workers)
    reasons: list[str] = []
    least, most, method = _fidelity(kinds, workers, delta, reasons)
    apart = _pair(kinds, delta, least)
    bad = _bad_copies(kinds, workers, delta, shuffled, untested, reasons)
    return Certificate(
        workers=workers,
        delta=delta,
        untested=untested,
        method=method,
        fidelity_least=least,
        fidelity_most=most,
        pair_disagreement=apart,
        bad_copies=bad,
        mean_fidelity=None if bad is None else 1 - bad / untested,
        masks=_masks(kinds, workers, shuffled, untested, epsilon, x_error, threshold, reasons),
        reasons=tuple(reasons),
    )


def clopper_pearson(failures: int, tests: int, delta: float) -> float:
    """Upper bound on a rate of which ``failures`` of ``tests`` were seen: wrong with ``delta``.

    Source: Clopper and Pearson 1934. Standing: exact coverage, at least 1 − δ.
    """
    if failures >= tests:
        return 1.0
    low, high = failures / tests, 1.0
    for _ in range(100):
        middle = (low + high) / 2
        if _at_most(failures, tests, middle) > math.log(delta):
            low = middle
        else:
            high = middle
    return high


def _at_most(count: int, trials: int, chance: float) -> float:
    """Ln P[Bin(trials, chance) ≤ count], term by term from the largest."""
    if chance >= 1:
        return -math.inf
    top = (
        math.lgamma(trials + 1) - math.lgamma(count + 1) - math.lgamma(trials - count + 1)
        + count * math.log(chance) + (trials - count) * math.log1p(-chance)
    )  # fmt: skip
    total = term = 1.0
    for k in range(count, 0, -1):
        term *= k / (trials - k + 1) * (1 - chance) / chance
        total += term
        if term < 1e-17 * total:
            break
    return min(0.0, top + math.log(total))


def _by_kind(counts: Sequence[Counts], workers: int) -> dict[str, Counts]:
    if not counts:
        raise InputError("there are no tests to certify anything by: give at least one count")
    found: dict[str, Counts] = {}
    for each in counts:
        name = each.stabiliser if each.stabiliser == "random" else each.stabiliser.upper()
        if name in ("Z" * workers, "Z"):
            name = "Z"
        elif name in ("X" * workers, "X"):
            name = "X"
        elif name != "random":
            _check_stabiliser(name, workers)
        if name in found:
            raise InputError(f"{name} is counted twice: add its tests up")
        found[name] = each
    return found


def _check_stabiliser(text: str, workers: int) -> None:
    letters = set(text)
    if len(text) != workers or not letters <= set("IXYZ"):
        raise InputError(
            f"{text!r} is neither random, Z, X nor a string of {workers} letters of I, X, Y, Z"
        )
    bits = letters <= set("IZ") and text.count("Z") % 2 == 0 and "Z" in letters
    phases = letters <= set("XY") and text.count("Y") % 2 == 0
    if not bits and not phases:
        raise InputError(
            f"{text} is no stabiliser of a GHZ state: these have Z on an even number of qubits and "
            "I on all others, or Y on an even number of qubits and X on all others"
        )


def _fidelity(
    kinds: dict[str, Counts], workers: int, delta: float, reasons: list[str]
) -> tuple[float | None, float | None, str]:
    """Bounds for equal, independent states; each method gets its δ's share."""
    offers: list[tuple[float, float | None, str]] = []
    methods = ("random" in kinds) + ({"Z", "X"} <= set(kinds))
    whole = len([name for name in kinds if name not in ("random", "Z", "X")])
    every = whole == 2**workers - 1 - (workers == 2) or _all_stabilisers(kinds, workers)
    share = delta / max(1, methods + every)
    if "random" in kinds:
        caught = 2 ** (workers - 1) / (2**workers - 1)
        each = kinds["random"]
        upper = clopper_pearson(each.failures, each.tests, share)
        offers.append((max(0.0, 1 - upper / caught), None, "random stabilisers"))
    if {"Z", "X"} <= set(kinds):
        z, x = (kinds[name] for name in "ZX")
        lost = sum(clopper_pearson(each.failures, each.tests, share / 2) for each in (z, x))
        worst = max(
            1 - clopper_pearson(each.tests - each.failures, each.tests, share / 2)
            for each in (z, x)
        )
        offers.append((max(0.0, 1 - lost), 1 - worst, "two settings, all in Z and all in X"))
    if every:
        size = 2**workers
        total = 1.0
        for name in _stabilisers(workers):
            each = _counted(kinds, name, workers)
            total += 1 - 2 * clopper_pearson(each.failures, each.tests, share / size)
        offers.append((max(0.0, total / size), None, "every stabiliser"))
    if not offers:
        reasons.append(
            "fidelity takes random stabilisers, or all in Z and all in X, or every stabiliser: "
            "less leaves some errors open"
        )
        return None, None, ""
    best = max(offers, key=lambda offer: offer[0])
    most = min((offer[1] for offer in offers if offer[1] is not None), default=None)
    return best[0], most, best[2]


def _stabilisers(workers: int) -> list[str]:
    found = []
    for pattern in range(2**workers):
        letters = [pattern >> k & 1 for k in range(workers)]
        if sum(letters) % 2:
            continue
        if any(letters):
            found.append("".join("Z" if bit else "I" for bit in letters))
        found.append("".join("Y" if bit else "X" for bit in letters))
    return found


def _counted(kinds: dict[str, Counts], name: str, workers: int) -> Counts:
    if name == "X" * workers:
        return kinds["X"]
    return kinds["Z"] if name == "Z" * workers and name not in kinds else kinds[name]


def _all_stabilisers(kinds: dict[str, Counts], workers: int) -> bool:
    if workers > 8:
        return False
    wanted = {name for name in _stabilisers(workers) if name != "X" * workers}
    # "Z" counts disagreement of any two, which is another event than the string's sign, but at two.
    return "X" in kinds and {n for n in wanted if not (n == "ZZ" and workers == 2)} <= set(kinds)


def _pair(kinds: dict[str, Counts], delta: float, least: float | None) -> float | None:
    """Bound on how often two given qubits of equal, independent states differ in Z."""
    found = [
        clopper_pearson(each.failures, each.tests, delta)
        for name, each in kinds.items()
        if name == "Z" or (set(name) <= set("IZ") and name.count("Z") == 2)
    ]
    if "Z" in kinds:
        return min(found)
    if least is None:
        return None
    return 1 - least


def _bad_copies(
    kinds: dict[str, Counts], workers: int, delta: float, shuffled: bool, untested: int,
    reasons: list[str],
) -> int | None:  # fmt: skip
    """Bad ones among the untested copies, for any source."""
    if not shuffled:
        reasons.append(
            "which copies were tested was not chosen by coins drawn after all were received: of "
            "untested copies, and of any source that nobody trusts, nothing follows"
        )
        return None
    if "random" in kinds:
        each = kinds["random"]
        flagged = _left(each, untested, delta / 2)
        caught = 2 ** (workers - 1) / (2**workers - 1)
        wanted = math.log(delta / 2)
        low, high = flagged, untested
        while low < high:
            middle = (low + high) // 2
            if _at_most(flagged, middle + 1, caught) <= wanted:
                high = middle
            else:
                low = middle + 1
        return low
    if "Z" in kinds:
        return _left(kinds["Z"], untested, delta)
    reasons.append("untested copies are bounded by random stabilisers, or by all in Z")
    return None


def _left(each: Counts, untested: int, delta: float) -> int:
    """Flaggable copies among the untested ones, but for δ."""
    low, high = 0, untested
    while low < high:
        middle = (low + high) // 2
        total = each.tests + untested
        if undetected(total, each.failures + middle + 1, each.tests, each.failures) <= math.log(
            delta
        ):
            high = middle
        else:
            low = middle + 1
    return low


def _masks(
    kinds: dict[str, Counts], workers: int, shuffled: bool, untested: int, epsilon: float,
    x_error: float | None, threshold: int | None, reasons: list[str],
) -> MaskYield | None:  # fmt: skip
    """Masks from the untested copies, by the theorem, with these tests and their failures as c."""
    if not shuffled:
        return None
    if "Z" not in kinds:
        reasons.append("masks take tests of all qubits in Z, as many as can be had")
        return None
    each = kinds["Z"]
    if x_error is None:
        seen = kinds.get("X", each)
        x_error = seen.failures / seen.tests
    words = untested // _MASK_BITS
    half = epsilon / 2
    eta = half**2 * (1 - 2 * half)
    levels = (workers - 1) * _MASK_BITS
    a1, a2 = math.log2(4 * levels / eta), math.log2(16 * levels / eta)
    allowed = each.failures
    if threshold is None:
        a1 += math.log2(each.tests + 1)
    elif threshold < each.failures:
        reasons.append(
            f"{each.failures:,} tests in Z failed and {threshold:,} were allowed: the run was to "
            "be aborted, and its copies to be thrown away"
        )
        return None
    else:
        allowed = threshold
    counted = patterns(words, each.tests, allowed, a1, a2) if words else None
    if counted is None:
        reasons.append(f"{untested:,} copies carry no word of {_MASK_BITS} bits")
        return None
    wrong = min(0.5, x_error)
    entropy = 0.0 if wrong == 0 else -wrong * math.log2(wrong) - (1 - wrong) * math.log2(1 - wrong)
    lost = math.ceil(counted.bits + math.log2(2 * levels / eta))
    pads = math.ceil(1.2 * entropy * words)
    checks = math.ceil(math.log2(max(2, words) / half))
    masks = words - lost - pads - checks
    if masks <= 0:
        reasons.append(
            f"{each.tests:,} tests of which {each.failures:,} failed leave no mask of {words:,} "
            "words: test more copies, or take more of them"
        )
        return None
    rate = masks / (words + each.tests / _MASK_BITS)
    return MaskYield(words=words, masks=masks, rate=rate, epsilon=half)
