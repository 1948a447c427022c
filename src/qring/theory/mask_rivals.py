"""Masks from noisy GHZ copies and what they compete with, at the same noise and the same ε.

White noise of visibility V, perfect gates. Qubits are counted that are sent for one digit of a
mask: n−1 a GHZ copy that one of the workers makes, one a pair of a key. Standing: bounds at finite
size, but for hashing, which is a limit (perfect CNOTs among all copies at once).

Sources: mask-sized batches ours; keys by the same sampling bound, composable and against coherent
attacks, 2–6% better than Tomamichel, Lim, Gisin and Renner (Nat. Commun. 3:634, 2012); hashing by
Maneva and Smolin (quant-ph/0003099).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import NamedTuple

from qring.errors import InputError
from qring.theory.capacity import binary_entropy
from qring.theory.noisy_masks import EFFICIENCY, best_masks
from qring.theory.tails import (
    log_binomial_above,
    log_hypergeometric_up_to,
    log_volume,
    smallest,
    smallest_with,
)

__all__ = [
    "CopyNoise",
    "DetectedCopies",
    "NoisyPrice",
    "cheapest",
    "detect_once",
    "key_rate",
    "noisy_prices",
    "pair_visibility",
    "white_noise",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyNoise:
    """White noise of whole copies, visibility V, and Pauli errors X, Y, Z of every qubit.

    Standing of what follows: exact, for words that are uniform and X and Y equally likely; else a
    bound for the digits.
    """

    visibility: float = 1.0
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0

    def __post_init__(self) -> None:
        white_noise(self.visibility)
        if min(self.x, self.y, self.z) < 0 or self.x + self.y + self.z > 1 + 1e-12:
            raise InputError("probabilities of X, Y and Z are not negative and at most 1 together")

    @property
    def is_white(self) -> bool:
        """Whether qubits suffer nothing of their own."""
        return self.x + self.y + self.z == 0

    @property
    def z_error(self) -> float:
        """Probability that two given workers disagree on a copy."""
        flip = self.x + self.y
        return (1 - self.visibility) / 2 + self.visibility * 2 * flip * (1 - flip)

    def x_error(self, workers: int) -> float:
        """Probability that a digit read on a copy of so many workers is wrong, at most."""
        straight = 1 - self.x - self.y - 2 * self.z
        turned = abs(self.x - self.y)
        least = straight**workers - ((straight + turned) ** workers - straight**workers)
        return (1 - self.visibility * least) / 2

    def of_pairs(self, workers: int) -> CopyNoise:
        """Noise of pairs that is the same a qubit: V^(2/n), and the same Pauli errors."""
        return replace(self, visibility=pair_visibility(self.visibility, workers))


class DetectedCopies(NamedTuple):
    """Copies left of those shared, and the rates of errors they keep."""

    kept: float
    z_error: float
    x_error: float


def white_noise(visibility: float) -> tuple[float, float]:
    """Probability that two workers disagree on a copy, and that a digit is wrong: (1−V)/2 each.

    Standing: exact, for words that are uniform.
    """
    if not 0 <= visibility <= 1:
        raise InputError(f"a visibility lies in [0, 1], not at {visibility}")
    return (1 - visibility) / 2, (1 - visibility) / 2


def detect_once(visibility: float, workers: int) -> DetectedCopies:
    """CNOTs from every copy into another one, which is kept out unless all its Z outcomes agree.

    With r = (1−V)/2^(n−1) and p₀ = V + r, the first of two copies is kept with probability
    p₀² + (2^(n−1)−1)·r²: syndromes must be equal, and phases add. Standing: exact, white noise,
    perfect gates.
    """
    white_noise(visibility)
    classes = 1 << (workers - 1)
    each = (1 - visibility) / classes
    right = visibility + each
    together = right**2 + (classes - 1) * each**2
    turned = 2 * (visibility + each / 2) * (each / 2)
    return DetectedCopies(
        kept=together / 2,
        z_error=(classes // 2) * each**2 / together,
        x_error=(turned + (classes - 1) * each**2 / 2) / together,
    )


def pair_visibility(visibility: float, workers: int) -> float:
    """V of a pair at the same noise a qubit: V^(2/n). Standing: exact, noise of single qubits."""
    return float(visibility ** (2 / workers))


@functools.lru_cache(maxsize=256)
def key_rate(
    bits: int, error: float, *, secrecy: float, correctness: float, abort: float = 1e-6,
    efficiency: float = EFFICIENCY,
) -> float:  # fmt: skip
    """Bits of key a pair in one block of ``bits`` bits, pairs being kept until tests are named.

    l = N − log2 Vol(N, w) − f·h(Q)·N − 2·log2(1/ε_s) − log2(1/ε_c) − 4, w from the T tests: the
    masks' theorem at n = 2, B = 1. Zero where there is no key. Standing: bound, finite size.
    """
    if error >= 0.5:
        return 0.0
    a1 = 2 * math.log2(1 / secrecy) + 4
    reserve = 2 * math.log2(1 / secrecy) + math.log2(1 / correctness) + 4
    syndrome = efficiency * binary_entropy(error)
    limit = 1 - binary_entropy(error) - syndrome
    if limit <= 0:
        return 0.0
    best = 0.0
    for step in range(-48, 9, 2):
        tests = max(1, round(bits * 2 ** (step / 4)))
        failures = _allowed(tests, error, abort)

        def spare(words: int, tests: int = tests, failures: int = failures) -> int:
            errors = smallest(
                lambda w: (
                    log_hypergeometric_up_to(tests + words, failures + w + 1, tests, failures)
                    <= -a1
                ),
                0,
                words,
            )
            left = words - log_volume(words, errors) - syndrome * words - reserve
            return math.floor(left) - bits

        words = smallest_with(spare, bits, 4 * round(bits / limit) + 10**6)
        if words is not None:
            best = max(best, bits / (words + tests))
    return best


def _allowed(tests: int, error: float, abort: float) -> int:
    """c: failures that honest noise exceeds with probability ``abort`` at most."""
    return smallest(
        lambda c: log_binomial_above(tests, error, c) <= math.log2(abort),
        math.floor(tests * error),
        tests,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyPrice:
    """Qubits sent a digit of a mask; ``None`` where this noise leaves nothing.

    ``outsider_only``: whoever is on the tree reads leaves' words. ``memory``: qubits a worker keeps
    for one digit.
    """

    protocol: str
    qubits: float | None
    outsider_only: bool = False
    memory: float = 0.0
    standing: str = "bound, finite size"
    remark: str = ""


def noisy_prices(
    noise: CopyNoise, *, workers: int, sum_bits: int, masks: int, epsilon: float = 2.0**-40
) -> tuple[NoisyPrice, ...]:
    """Price a batch of masks and its rivals at the same noise of the shared states.

    ``epsilon`` is secrecy and correctness together.

    Raises:
        InputError: sizes that make no sense.
    """
    links = workers - 1
    pairs = workers * links // 2
    half, digits = epsilon / 2, masks * sum_bits
    z_error, x_error = noise.z_error, noise.x_error(workers)

    def of_masks(z: float, x: float, kept: float = 1.0) -> float | None:
        if z >= 0.5 or x >= 0.5:
            return None
        found = best_masks(
            masks, workers=workers, sum_bits=sum_bits, z_error=z, x_error=x,
            epsilon=half, correctness=half,
        )  # fmt: skip
        return kept * found.rate if found is not None and found.rate > 0 else None

    def of_keys(pair: CopyNoise, number: int) -> float | None:
        worst = max(pair.z_error, pair.x_error(2))
        rate = key_rate(digits, worst, secrecy=half / number, correctness=half / number)
        return number / rate if rate else None

    def of_copies(name: str, rate: float | None, remark: str = "") -> NoisyPrice:
        return NoisyPrice(
            protocol=name, qubits=links / rate if rate else None,
            memory=1 / rate if rate else 0.0, remark=remark,
        )  # fmt: skip

    priced = [of_copies("masks", of_masks(z_error, x_error))]
    if noise.is_white:
        once = detect_once(noise.visibility, workers)
        cleaned = of_masks(once.z_error, once.x_error, once.kept)
        priced.append(of_copies("detect once, then masks", cleaned, "perfect CNOTs"))
        hashing = key_rate(digits, z_error, secrecy=half / links, correctness=half / links)
        limit = of_copies("hashing distillation", hashing or None, "a limit, not a plan: perfect "
                          "CNOTs among all copies at once")  # fmt: skip
        priced.append(replace(limit, standing="limit"))
    same = noise.of_pairs(workers)
    kinds = [(noise, "")] if same == noise else [(noise, ""), (same, ", same noise a qubit")]
    for pair, which in kinds:
        remark = f"pairs of visibility {pair.visibility:.4f}"
        for name, number in (("tree", links), ("all pairs", pairs)):
            priced.append(
                NoisyPrice(
                    protocol=f"keys, {name}{which}", qubits=of_keys(pair, number),
                    outsider_only=name == "tree", remark=remark,
                )
            )  # fmt: skip
    return tuple(priced)


def cheapest(priced: tuple[NoisyPrice, ...], *, coalitions: bool) -> str | None:
    """Winner by qubits against an outsider, or against coalitions; limits do not compete.

    Keys from pairs of the same visibility compete, not those of the same noise a qubit.
    """
    able = [
        price
        for price in priced
        if price.qubits is not None
        and price.standing != "limit"
        and "qubit" not in price.protocol
        and not (coalitions and price.outsider_only)
    ]
    return min(able, key=lambda price: price.qubits or 0.0).protocol if able else None
