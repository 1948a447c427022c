"""Masks from noisy copies: hidden syndromes correct digits, a Toeplitz matrix amplifies.

    read the sums of random words on copies, plane by plane → correct each plane → amplify

Every worker announces H·u of its words u, each syndrome word hidden by a pad; so H·U of the sums U
is public, and nothing else. Once the lower digits are known, it leaves the syndrome of the next
plane. H and the amplification's coins are drawn after the copies were received.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qring.collectives.ghz.readout import set_digit
from qring.security.masks.gathering import Gathering, Words
from qring.security.masks.noisy_terms import NoisyTerms
from qring.security.masks.syndrome import SyndromeCode, decode
from qring.security.masks.toeplitz import Toeplitz

__all__ = ["Pads", "Plane", "UndecodedError", "noisy_masks"]

_WORDS_AT_ONCE = 1 << 18

Plane = Callable[[int, Words], NDArray[np.uint8]]
"""Reads one plane of digits of words whose lower digits are known; some are wrong."""


class UndecodedError(Exception):
    """Digits of a block could not be corrected, and no rows are left to publish."""


class Pads(Protocol):
    """One-time pads for syndrome words, of known sum."""

    def take(self, count: int) -> tuple[Words, Words]:
        """Use up the next pads: (own, shape (rows, count); their public sums)."""


def noisy_masks(
    terms: NoisyTerms,
    *,
    draw: Callable[[int], Words],
    read: Callable[[Words], tuple[Plane, Words]],
    pads: Pads,
    gathering: Gathering,
    broadcast: Callable[[int], None],
    coins: np.random.Generator,
) -> Iterator[tuple[Words, Words]]:
    """Turn tested copies into masks, part by part: (own, shape (rows, count); their sums).

    ``draw`` gives secret words, ``read`` gets copies ready for words and returns what reads their
    planes.

    Raises:
        UndecodedError: more blocks than planned could not be corrected.
    """
    length, low_bits = terms.length, np.uint64((1 << terms.sum_bits) - 1)
    codes = [
        SyndromeCode(length, rows, coins, more=more)
        for rows, more in ((terms.rows, False), (terms.more_rows, True))
        if rows
    ]
    repairs = _Repairs(terms, codes, pads, gathering, broadcast)
    spent: list[tuple[Words, Words]] = []
    gathered, toeplitz = 0, None
    at_once = max(1, _WORDS_AT_ONCE // length)
    for start in range(0, terms.blocks, at_once):
        blocks = min(at_once, terms.blocks - start)
        own = draw(blocks * length)
        plane, total = read(own)
        syndromes = repairs.publish(codes[:1], own, total, blocks)
        sums = np.zeros(blocks * length, np.uint64)
        for digit in range(terms.sum_bits):
            shown = plane(digit, sums)
            if codes:
                shown = repairs.corrected(shown, digit, sums, syndromes, own, total)
            set_digit(sums, digit, shown)
        sums &= low_bits
        if toeplitz is None:
            spent.append((own, sums))
            gathered += blocks * length
            if gathered < terms.lost:
                continue
            own, sums = (np.concatenate(each, axis=-1) for each in zip(*spent, strict=True))
            spent.clear()
            first = np.concatenate([own, sums[None]])
            toeplitz = Toeplitz(first[:, : terms.lost], terms.sum_bits, coins)
            own, sums = own[:, terms.lost :], sums[terms.lost :]
        if len(sums):
            masks = toeplitz.masks(np.concatenate([own, sums[None]]))
            yield masks[:-1], masks[-1]


class _Repairs:
    """Syndromes as they are published: first those of every block, later those of a few."""

    def __init__(
        self, terms: NoisyTerms, codes: list[SyndromeCode], pads: Pads, gathering: Gathering,
        broadcast: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._terms, self._codes, self._pads = terms, codes, pads
        self._gathering, self._broadcast = gathering, broadcast
        self._left = terms.repairs

    def publish(
        self, codes: list[SyndromeCode], own: Words, total: Words, blocks: int
    ) -> dict[int, list[Words]]:
        """H·U of every block, mod 2^B, by what all workers announce: pads hide single words."""
        if not codes:
            return {}
        (code,), low_bits = codes, np.uint64((1 << self._terms.sum_bits) - 1)
        hidden, sums = self._pads.take(blocks * code.rows)
        words = own.reshape(len(own), blocks, -1)
        said = code.of(words).reshape(len(own), -1) + hidden
        heard = self._gathering.total(said & low_bits)
        self._broadcast(blocks * code.rows * self._terms.sum_bits)
        known = ((heard - sums) & low_bits).reshape(blocks, code.rows)
        return {block: [known[block]] for block in range(blocks)}

    def corrected(
        self, shown: NDArray[np.uint8], digit: int, sums: Words, syndromes: dict[int, list[Words]],
        own: Words, total: Words,
    ) -> NDArray[np.uint8]:  # fmt: skip
        """One plane of all blocks, without its errors."""
        length = self._terms.length
        right = shown.copy()
        for block, published in syndromes.items():
            here = slice(block * length, (block + 1) * length)
            errors = self._errors(shown[here], digit, sums[here], published)
            if errors is None and len(published) == 1:
                if self._left == 0:
                    raise UndecodedError
                self._left -= 1
                more = self.publish(self._codes[1:], own[:, here], total[here], 1)
                published += more[0]
                errors = self._errors(shown[here], digit, sums[here], published)
            if errors is None:
                raise UndecodedError
            right[here] ^= errors
        return right

    def _errors(
        self, shown: NDArray[np.uint8], digit: int, sums: Words, published: list[Words]
    ) -> NDArray[np.uint8] | None:
        codes = self._codes[: len(published)]
        wanted = [
            ((known - code.of(sums)) >> np.uint64(digit)).astype(np.uint8) & np.uint8(1)
            for code, known in zip(codes, published, strict=True)
        ]
        seen = [code.of_bits(shown) ^ each for code, each in zip(codes, wanted, strict=True)]
        return decode(codes, seen, self._terms.x_error)
