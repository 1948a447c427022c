"""Interface of attacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from qring.security.leakage.ghz_family import (
    Tampering,
    against_cut_and_choose,
    against_ghz,
    against_hashed,
)
from qring.security.leakage.masked import against_private
from qring.security.leakage.report import Leak, Setting

__all__ = ["Attack", "Experiment", "on_copies"]

Experiment = Callable[[Setting, np.random.Generator], Leak]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """A named attack: what it does in a sentence, and an experiment for each protocol it fits."""

    name: str
    about: str
    against: Mapping[str, Experiment]


def on_copies(tampering: Tampering) -> dict[str, Experiment]:
    """Experiments with a way to tamper with copies, for the protocols that use copies."""
    return {
        "ghz": partial(against_ghz, tampering),
        "vga cut-and-choose": partial(against_cut_and_choose, tampering),
        "vga hashed": partial(against_hashed, tampering),
        "private": partial(against_private, tampering),
    }
