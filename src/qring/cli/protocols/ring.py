"""``superdense`` and ``classical``: the two rings."""

from __future__ import annotations

from qring.cli.options import Uses
from qring.cli.protocols.choice import SPOILED, Choice
from qring.collectives.ring import Classical, Superdense

__all__ = ["CHOICES"]

_RING = (Uses(("--allow-nonfinite",), without="--word-bits"), SPOILED)

CHOICES = (
    Choice(
        name="superdense",
        method=lambda encoding, _: Superdense(encoding=encoding),
        uses=(Uses(("--noise",)), *_RING),
    ),
    Choice(
        name="classical",
        method=lambda encoding, _: Classical(encoding=encoding),
        uses=_RING,
    ),
)
