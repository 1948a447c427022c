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
from dataclasses import dataclass
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
    "DetectedCopies",
    "NoisyPrice",
    "detect_once",
    "key_rate",
    "noisy_prices",
    "pair_visibility",
    "white_noise",
]


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
    visibility: float, *, workers: int, sum_bits: int, masks: int, epsilon: float = 2.0**-40
) -> tuple[NoisyPrice, ...]:
    """Price a batch of masks and its rivals at visibility V of the shared states.

    ``epsilon`` is secrecy and correctness together.

    Raises:
        InputError: a visibility outside [0, 1], or sizes that make no sense.
    """
    links = workers - 1
    pairs = workers * links // 2
    half = epsilon / 2

    def of_masks(z_error: float, x_error: float) -> float | None:
        found = best_masks(
            masks, workers=workers, sum_bits=sum_bits, z_error=z_error, x_error=x_error,
            epsilon=half, correctness=half,
        )  # fmt: skip
        return found.rate if found is not None else None

    plain = of_masks(*white_noise(visibility))
    detected = detect_once(visibility, workers)
    after = of_masks(detected.z_error, detected.x_error)
    cleaned = None if after is None else after * detected.kept

    def of_keys(pair: float, number: int) -> float | None:
        rate = key_rate(
            masks * sum_bits, (1 - pair) / 2, secrecy=half / number, correctness=half / number
        )
        return number / rate if rate else None

    def of_copies(rate: float | None) -> float | None:
        return links / rate if rate else None

    hashing = key_rate(
        masks * sum_bits, (1 - visibility) / 2, secrecy=half / links, correctness=half / links
    )
    same = pair_visibility(visibility, workers)
    return (
        NoisyPrice(protocol="masks", qubits=of_copies(plain), memory=1 / plain if plain else 0.0),
        NoisyPrice(
            protocol="detect once, then masks",
            qubits=of_copies(cleaned),
            memory=1 / cleaned if cleaned else 0.0,
            remark="white noise and perfect CNOTs",
        ),
        NoisyPrice(
            protocol="hashing distillation",
            qubits=links / hashing if hashing else None,
            memory=1 / hashing if hashing else 0.0,
            standing="limit",
            remark="perfect CNOTs among all copies at once: a limit, not a plan",
        ),
        NoisyPrice(
            protocol="keys, tree", qubits=of_keys(visibility, links), outsider_only=True,
            remark="pairs of the same visibility",
        ),
        NoisyPrice(
            protocol="keys, all pairs", qubits=of_keys(visibility, pairs),
            remark="pairs of the same visibility",
        ),
        NoisyPrice(
            protocol="keys, tree, same noise a qubit", qubits=of_keys(same, links),
            outsider_only=True, remark=f"pairs of visibility {same:.4f}",
        ),
        NoisyPrice(
            protocol="keys, all pairs, same noise a qubit", qubits=of_keys(same, pairs),
            remark=f"pairs of visibility {same:.4f}",
        ),
    )  # fmt: skip
