"""Printed lines on a conflict test's classical rival, and the winner of the two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qring.conflict.rival import Rival
from qring.ledger import Ledger

__all__ = ["beside", "winner"]


def winner(ledger: Ledger, rival: Rival) -> str:
    """Winner by carriers sent online: qubits and bits together, against the rival's bits."""
    carriers = ledger.totals.online_qubits + ledger.totals.online_bits
    return "quantum" if carriers < rival.bits else "classical"


def beside(rival: Rival, ledger: Ledger, caveats: Sequence[str]) -> dict[str, Any]:
    """The part of a test's JSON that sets it beside its classical rival."""
    return {
        "rival": {
            "name": rival.name,
            "bits": rival.bits,
            "dense_coded_qubits": rival.dense_coded_qubits,
        },
        "winner": winner(ledger, rival),
        "caveats": list(caveats),
        "links": ledger.rows(),
        "totals": ledger.totals._asdict(),
    }
