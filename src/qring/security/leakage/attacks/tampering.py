"""Attacks that tamper with GHZ copies on their way."""

from __future__ import annotations

import math

from qring.network.adversary.sources import (
    Basis,
    BitFlips,
    EprHalves,
    InterceptResend,
    PhaseRotation,
    PlusState,
    Purification,
)
from qring.network.copies import Kind
from qring.security.leakage.attacks.attack import Attack, on_copies
from qring.security.leakage.ghz_family import Tampering
from qring.security.leakage.law import Copy

__all__ = ["ATTACKS"]

_PRODUCT = (Copy(kind=Kind.PRODUCT),)

ATTACKS = (
    Attack(
        name="plus-state",
        about="send |+⟩ to every worker in place of a copy",
        against=on_copies(
            Tampering(source=lambda aim, _: PlusState(aim=aim), copies=lambda _: _PRODUCT)
        ),
    ),
    Attack(
        name="intercept-resend",
        about="measure every qubit of a copy in X and send on what was found",
        against=on_copies(
            Tampering(
                source=lambda aim, _: InterceptResend(basis=Basis.X, aim=aim),
                # The signs that were found relabel outcomes, and are even: as good as none.
                copies=lambda _: _PRODUCT,
            )
        ),
    ),
    Attack(
        name="purification",
        about="entangle one qubit more with a copy and keep it",
        against=on_copies(
            Tampering(
                source=lambda aim, _: Purification(aim=aim),
                copies=lambda _: (Copy(), Copy(turn=math.pi)),
            )
        ),
    ),
    Attack(
        name="phase-rotation",
        about="turn |1…1⟩ of a copy by π",
        against=on_copies(
            Tampering(
                source=lambda aim, _: PhaseRotation(aim=aim),
                copies=lambda _: (Copy(turn=math.pi),),
            )
        ),
    ),
    Attack(
        name="epr-half",
        about="send every worker half of a pair, and measure the other halves at the end",
        against=on_copies(
            Tampering(
                source=lambda aim, _: EprHalves(aim=aim),
                copies=lambda _: (Copy(kind=Kind.HALVES),),
            )
        ),
    ),
    Attack(
        name="one-bad-copy",
        about="flip the last worker's qubit of a copy, which turns its phase around",
        against=on_copies(
            Tampering(
                source=lambda aim, n: BitFlips(workers=frozenset({n - 1}), aim=aim),
                copies=lambda n: (Copy(bits=1 << (n - 1)),),
                first=1,  # at the lowest digit there and back are the same
            )
        ),
    ),
)
