"""Adversaries: their tampering, the nodes on their side, the announcements they have seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError
from qring.network.copies import PERFECT, Tampered
from qring.validate import check_able, check_whole

__all__ = ["Adversary", "History", "Interceptor", "Public", "Source"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Public:
    """Public record of one verification: copies shared, copies tested, tests failed."""

    copies: int
    tested: int
    failed: int
    accepted: bool


History = tuple[Public, ...]
"""All verifications so far, first to last."""


class Source(Protocol):
    """Tampering of an eavesdropper with copies on their way. A frozen value."""

    def tamper(
        self,
        first: int,
        count: int,
        workers: int,
        history: History,
        rng: np.random.Generator,
    ) -> Tampered:
        """Change some of the copies ``first`` … ``first + count − 1``, and say which, from 0.

        It must not depend on coins that are drawn after receipt, and cannot: it is not told.
        """


class Interceptor(Protocol):
    """Tampering of an eavesdropper with messages on pairs that she supplied. A frozen value."""

    def alter(
        self, message: NDArray[np.uint8], bits: int, *, src: int, dst: int, round_: int
    ) -> None:
        """Change a packed message of ``bits`` bits, first bit highest, in place.

        ``round_`` counts the online rounds that are over.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Adversary:
    """An eavesdropper, her ``source`` of copies, and the dishonest ``nodes`` on her side.

    ``online`` is what she does to messages of a superdense ring, whose pairs she supplies.

    Nodes pool all they have with her. In a test they speak last and say what makes it pass; in
    a sum they report honestly, as what they could spoil there is their own.
    """

    source: Source | None = None
    nodes: frozenset[int] = frozenset()
    online: Interceptor | None = None

    def __post_init__(self) -> None:
        if self.source is not None:
            check_able("source", self.source, ("tamper",), "a source such as PlusState(), or None")
        for node in self.nodes:
            check_whole("a dishonest node", node)

    def tampered(
        self, first: int, count: int, workers: int, history: History, rng: np.random.Generator
    ) -> Tampered:
        """Say what she does to copies; none of them without a source.

        She draws from a generator of her own: ``rng`` goes on to draw public coins, which she must
        not be able to foresee.
        """
        if self.source is None:
            return PERFECT
        hers = np.random.default_rng(rng.integers(1 << 63, size=4))
        return self.source.tamper(first, count, workers, history, hers)

    def check(self, workers: int) -> None:
        """Refuse nodes that do not exist.

        Raises:
            InputError: a node beyond the workers, or no honest worker left.
        """
        for node in self.nodes:
            if not 0 <= node < workers:
                raise InputError(
                    f"dishonest node {node} is not one of the workers 0..{workers - 1}"
                )
        if len(self.nodes) >= workers:
            raise InputError("all workers are dishonest: there is nobody to protect")
