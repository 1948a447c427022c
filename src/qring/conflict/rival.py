"""Costs of rival protocols, in one form for all of them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Rival"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """A classical protocol and its cost: ``bits`` one way, in ``messages`` units of its own.

    ``shared_random_words`` counts the random numbers both sides must hold beforehand; only
    communication is compared. ``caveat`` says what the protocol assumes.
    """

    name: str
    bits: int
    messages: int
    shared_random_words: int = 0
    caveat: str = ""

    @property
    def dense_coded_qubits(self) -> int:
        """Qubits online if the same bits ride on pre-shared pairs, one ebit each: ⌈bits/2⌉."""
        return -(-self.bits // 2)
