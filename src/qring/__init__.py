"""Quantum communication for distributed learning, on a simulated quantum network.

A simulation protects nobody's data and speeds nothing up: it shows what a quantum network would
do, cost and leak.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from qring.collectives.aggregate import Aggregate
from qring.collectives.all_reduce import all_reduce
from qring.collectives.ring import Classical, Superdense
from qring.encoding.formats import Width
from qring.encoding.values import BitBudget, FixedPoint, FloatBits, Integers, OutOfRange
from qring.errors import BudgetError, InputError, MissingExtraError, PeerError, QringError
from qring.ledger import Carrier, Entry, Ledger, Phase
from qring.network.links import Faults
from qring.network.network import Network
from qring.network.noise import NOISELESS, PERFECT_QUBITS, BellDiagonal, QubitNoise
from qring.schedule.ring import Direction

if TYPE_CHECKING:
    from qring.collectives.ghz.checksum import Checksum
    from qring.collectives.ghz.coded import CodedDigits
    from qring.collectives.ghz.digits import Digits, Repetition
    from qring.collectives.ghz.kitaev import Kitaev
    from qring.collectives.ghz.method import Ghz, GhzAggregate
    from qring.collectives.ghz.shots import Shots
    from qring.encoding.signs import SignVote, Tie
    from qring.network.wiring import Announcement, Distribution
    from qring.security.secagg.method import SecAgg
    from qring.security.secagg.outcome import Aborted, OnDropout, SecAggAggregate, Stage

__all__ = [
    "NOISELESS",
    "PERFECT_QUBITS",
    "Aborted",
    "Aggregate",
    "Announcement",
    "BellDiagonal",
    "BitBudget",
    "BudgetError",
    "Carrier",
    "Checksum",
    "Classical",
    "CodedDigits",
    "Digits",
    "Direction",
    "Distribution",
    "Entry",
    "Faults",
    "FixedPoint",
    "FloatBits",
    "Ghz",
    "GhzAggregate",
    "InputError",
    "Integers",
    "Kitaev",
    "Ledger",
    "MissingExtraError",
    "Network",
    "OnDropout",
    "OutOfRange",
    "PeerError",
    "Phase",
    "QringError",
    "QubitNoise",
    "Repetition",
    "SecAgg",
    "SecAggAggregate",
    "Shots",
    "SignVote",
    "Stage",
    "Superdense",
    "Tie",
    "Width",
    "all_reduce",
]

__version__ = "0.1.0"

_LATER = {
    "Checksum": "qring.collectives.ghz.checksum",
    "CodedDigits": "qring.collectives.ghz.coded",
    "Digits": "qring.collectives.ghz.digits",
    "Repetition": "qring.collectives.ghz.digits",
    "Kitaev": "qring.collectives.ghz.kitaev",
    "Ghz": "qring.collectives.ghz.method",
    "GhzAggregate": "qring.collectives.ghz.method",
    "Shots": "qring.collectives.ghz.shots",
    "SignVote": "qring.encoding.signs",
    "Tie": "qring.encoding.signs",
    "Announcement": "qring.network.wiring",
    "Distribution": "qring.network.wiring",
    "SecAgg": "qring.security.secagg.method",
    "Aborted": "qring.security.secagg.outcome",
    "OnDropout": "qring.security.secagg.outcome",
    "SecAggAggregate": "qring.security.secagg.outcome",
    "Stage": "qring.security.secagg.outcome",
}
"""Names whose modules are imported at their first use, so that ``import qring`` stays fast."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the type is that of the name asked for
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LATER[name]), name)
    return value
