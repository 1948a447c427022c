"""What making masks moves, link by link, and what noisy copies leave of them, in closed form."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import NamedTuple

from qring.errors import InputError
from qring.ledger import Carrier, Ledger, Phase
from qring.theory.capacity import binary_entropy
from qring.theory.privacy import serfling_slack
from qring.theory.resources import RingResources

__all__ = ["NoisyMasks", "mask_ledger", "noisy_masks"]

_Key = tuple[int, int, Phase, Carrier]


def mask_ledger(
    workers: int,
    *,
    sum_bits: int,
    words: int,
    tests: int,
    checks: int,
    repeats: int = 1,
    block: int = 1 << 16,
) -> Ledger:
    """Account of ``words`` random words summed on GHZ copies, with tests and checks.

    Worker 0 makes every copy. Of each digit of a ``block`` of words, outcomes are XORed around
    the ring; of each test and each check, everybody tells everybody, checks being committed to
    first: 256 bits, and 256 more that open them. All of it is setup. Standing: exact. Ours.
    """
    counts: dict[_Key, int] = {}
    for dst in range(1, workers):
        counts[0, dst, Phase.SETUP, Carrier.QUBIT] = words * sum_bits * repeats + tests
    told = tests + (checks * sum_bits + 512 if checks else 0)
    for src in range(workers):
        for dst in range(workers):
            if src != dst:
                counts[src, dst, Phase.SETUP, Carrier.BIT] = told
    for start in range(0, words, block):
        announced = min(block, words - start) * repeats
        ring = RingResources(workers=workers, coords=announced, word_bits=1, width="float")
        for src in range(workers):
            for dst in {(src + 1) % workers, (src - 1) % workers}:
                load = ring.link(src, dst).bits
                counts[src, dst, Phase.SETUP, Carrier.BIT] += load * sum_bits
    return Ledger(MappingProxyType(counts))


class NoisyMasks(NamedTuple):
    """Masks from noisy copies: corrupted words to withstand, code rate, masks left, ε."""

    withstood: int
    rate: float
    masks: int
    epsilon: float


def noisy_masks(
    words: int, *, sum_bits: int, tests: int, copy_error: float, slack_bits: int = 40
) -> NoisyMasks:
    """Masks where a share ``copy_error`` of tested copies may fail, and no more.

    B·N copies carry N words. But for probability δ = 4^−s the untested copies' share of errors
    exceeds the tested one's by Serfling's ν at most: K = B·N·(q+ν) words are corrupted at worst.
    But for probability 2^−s a random public Toeplitz code has distance above 2K if it keeps
    k = N·(1 − h(2K/N)) − s words (Gilbert and Varshamov). ε = 2·2^−s, s = ``slack_bits``.
    Standing: bound, finite size. Ours.

    Raises:
        InputError: no code withstands so much: 2K must stay below N/2.
    """
    if words < 1 or sum_bits < 1 or tests < 1 or not 0 <= copy_error <= 1:
        raise InputError("words, bits and tests are positive, and an error rate lies in [0, 1]")
    copies = words * sum_bits
    excess = serfling_slack(copies, tests, 4.0**-slack_bits)
    withstood = math.ceil(copies * (copy_error + excess))
    share = 2 * withstood / words
    if share >= 0.5:
        raise InputError(
            f"{withstood:,} of {words:,} words may be corrupted, and codes withstand fewer than a "
            f"quarter: copies of {sum_bits}-bit sums must err below {1 / (4 * sum_bits):.3g} with "
            f"the tests' slack of {excess:.3g}; distil them, or test more"
        )
    rate = 1 - binary_entropy(share)
    return NoisyMasks(
        withstood, rate, max(0, math.floor(words * rate) - slack_bits), 2 * 2.0**-slack_bits
    )
