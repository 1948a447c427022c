"""``superdense`` and ``classical``: the two rings."""

from __future__ import annotations

from qring.cli.protocols.choice import Choice
from qring.collectives.ring import Classical, Superdense

__all__ = ["CHOICES"]

CHOICES = (
    Choice(name="superdense", method=lambda encoding, _: Superdense(encoding=encoding)),
    Choice(name="classical", method=lambda encoding, _: Classical(encoding=encoding)),
)
