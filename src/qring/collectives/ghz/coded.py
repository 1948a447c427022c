"""Coded digit planes: an error-correcting code across coordinates instead of repeated copies.

For a public set A of coordinates, the copy on which every worker encodes Σ_{c∈A} x_c, corrected by
the known digits, shows the XOR of the coordinates' next digits. So one extra copy can be a parity
check, and a linear code over the digits of one plane needs little more than the 1/(1−h(q)) copies
a digit that Shannon's theorem asks for, where repetition needs many times that.

The code is an irregular repeat-accumulate code (Jin, Khandekar and McEliece, 2000); its decoder,
belief propagation, is that of the package ``ldpc``.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.collectives.ghz.digits import Digits, majority_digit, majority_error
from qring.collectives.ghz.readout import check_visibility, set_digit
from qring.errors import InputError, MissingExtraError
from qring.network.ghz import GhzBatch, Words
from qring.validate import check_whole

__all__ = ["CodedDigits", "checks_for"]

_COLUMN_WEIGHTS = ((3, 0.7), (9, 0.15), (15, 0.15))
"""Checks that a digit takes part in, and the share of digits that do."""
_EXCESS, _SHORTNESS = 1.08, 4.0
"""Copies over Shannon's limit: _EXCESS·(1 + _SHORTNESS/√N), at which blocks of N = 1,024 to 8,192
digits were seen to be decoded at visibilities from 0.88 to 0.98. Measured, not derived."""
_GOOD_ENOUGH = 0.88
"""Visibility above which the code works well; below it, copies are repeated up to there first."""
_SHORTEST = 256
"""Fewer coordinates than this are read by repetition: codes this short are not worth it."""
_SHORT_FAILURE = 1e-9
_ITERATIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedDigits:
    """Read digit planes of ``block`` coordinates through a code. Needs the extra [codes].

    Standing of its failure probability: sampled; :class:`Ghz` adds a checksum, which repeats what
    failed. ``seed`` names the public code.
    """

    block: int = 8192
    seed: int = 0

    def __post_init__(self) -> None:
        check_whole("block", self.block)
        check_whole("seed", self.seed, least=0)
        if self.block < _SHORTEST:
            raise InputError(
                f"a code over {self.block} coordinates is too short; use {_SHORTEST} or more"
            )

    @property
    def standing(self) -> str:
        """Of the failure probability: it was measured, so that a checksum must find what failed."""
        return "sampled"

    def wrong(self, coords: int, visibility: float) -> float | None:
        """Probability that any of ``coords`` sums is wrong, at most, where no code is used."""
        if visibility == 1 or coords < _SHORTEST:
            return Digits(failure=_SHORT_FAILURE).wrong(coords, visibility)
        return None

    def read(self, batch: GhzBatch, sum_bits: int) -> Words:
        """Read all digits, lowest first: data and check copies of a plane are measured at once.

        Raises:
            InputError: the copies have no visibility.
            MissingExtraError: the decoder's package is not installed.
        """
        visibility = check_visibility(batch.visibility)
        if visibility == 1 or len(batch) < _SHORTEST:
            return Digits(failure=_SHORT_FAILURE).read(batch, sum_bits)
        sums = np.zeros(len(batch), np.uint64)
        repeats, visibility = _repeated(visibility)
        code = _code(len(batch), checks_for(len(batch), visibility), self.seed, visibility)
        checks = batch.mapped(code.checks_of)
        for digit in range(sum_bits):
            data = majority_digit(batch, digit, sums, repeats)
            parity = majority_digit(checks, digit, code.checks_of(sums), repeats)
            set_digit(sums, digit, code.decode(data, parity))
        batch.copies += checks.copies
        return sums

    def reserve(self, coords: int, sum_bits: int, visibility: float) -> int:
        """Copies that suffice, exactly."""
        visibility = check_visibility(visibility)
        if visibility == 1 or coords < _SHORTEST:
            return Digits(failure=_SHORT_FAILURE).reserve(coords, sum_bits, visibility)
        repeats, visibility = _repeated(visibility)
        return (coords + checks_for(coords, visibility)) * repeats * sum_bits


def checks_for(coords: int, visibility: float) -> int:
    """Check copies a plane of ``coords`` digits gets at this visibility."""
    wrong = (1 - visibility) / 2
    entropy = -wrong * math.log2(wrong) - (1 - wrong) * math.log2(1 - wrong)
    excess = _EXCESS * (1 + _SHORTNESS / math.sqrt(coords))
    return math.ceil(coords * (excess / (1 - entropy) - 1))


def _repeated(visibility: float) -> tuple[int, float]:
    """Copies whose majority is good enough for the code, and the visibility it amounts to."""
    repeats, effective = 1, visibility
    while effective < _GOOD_ENOUGH:
        repeats += 2
        effective = 1 - 2 * majority_error(repeats, (1 - visibility) / 2)
    return repeats, effective


class _Code:
    """Digits of one plane, then accumulated checks: check i is check i−1 plus a few digits."""

    __slots__ = ("_decoder", "_members", "_whole")

    def __init__(self, coords: int, checks: int, seed: int, visibility: float) -> None:
        try:
            from ldpc import BpDecoder
            from scipy import sparse
        except ImportError:
            raise MissingExtraError("the coded readout", "codes") from None
        rng = np.random.default_rng(seed)
        rows, columns = _edges(coords, checks, rng)
        ones = np.ones(len(rows), np.uint64)
        self._members: Any = sparse.csr_matrix((ones, (rows, columns)), shape=(checks, coords))
        chain = sparse.diags([np.ones(checks), np.ones(checks - 1)], [0, -1])
        self._whole: Any = sparse.hstack([self._members, chain]).astype(np.uint8).tocsr()
        self._decoder: Any = BpDecoder(
            self._whole,
            error_rate=(1 - visibility) / 2,
            max_iter=_ITERATIONS,
            bp_method="product_sum",
            input_vector_type="syndrome",
        )

    def checks_of(self, words: Words) -> Words:
        """Encode words as checks, along the last axis, mod 2^64."""
        sums = (self._members @ words.T).T
        return np.cumsum(sums, axis=-1, dtype=np.uint64)

    def decode(self, data: NDArray[np.uint8], parity: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Most likely digits behind noisy ones; may be wrong, which a checksum finds out."""
        received = np.concatenate([data, parity])
        syndrome = (self._whole @ received) & 1
        errors: NDArray[np.uint8] = self._decoder.decode(syndrome.astype(np.uint8))
        return data ^ errors[: len(data)]


def _edges(
    coords: int, checks: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draw which digit takes part in which check: no pair twice, checks of equal size nearly."""
    weights = np.concatenate(
        [np.full(round(share * coords), min(weight, checks)) for weight, share in _COLUMN_WEIGHTS]
    )
    columns = np.repeat(np.arange(coords), np.resize(weights, coords))
    rows = np.arange(len(columns)) % checks
    rng.shuffle(rows)
    for _ in range(100):
        order = np.argsort(columns * checks + rows, kind="stable")
        key = (columns * checks + rows)[order]
        twice = order[1:][key[1:] == key[:-1]]
        if len(twice) == 0:
            break
        other = rng.permutation(len(rows))[: len(twice)]
        rows[twice], rows[other] = rows[other].copy(), rows[twice].copy()
    return rows, columns


@functools.lru_cache(maxsize=8)
def _code(coords: int, checks: int, seed: int, visibility: float) -> _Code:
    return _Code(coords, checks, seed, visibility)
