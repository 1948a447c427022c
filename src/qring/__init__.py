"""Quantum communication for distributed learning, on a simulated quantum network.

A simulation protects nobody's data and speeds nothing up: it shows what a quantum network would
do, cost and leak.
"""

from qring.collectives.aggregate import Aggregate
from qring.collectives.all_reduce import all_reduce
from qring.collectives.ring import Classical, Superdense
from qring.encoding.formats import Width
from qring.encoding.values import BitBudget, FixedPoint, FloatBits, Integers, OutOfRange
from qring.errors import BudgetError, InputError, MissingExtraError, PeerError, QringError
from qring.ledger import Carrier, Entry, Ledger, Phase
from qring.network.links import Faults
from qring.network.network import Network
from qring.network.noise import NOISELESS, BellDiagonal
from qring.schedule.ring import Direction

__all__ = [
    "NOISELESS",
    "Aggregate",
    "BellDiagonal",
    "BitBudget",
    "BudgetError",
    "Carrier",
    "Classical",
    "Direction",
    "Entry",
    "Faults",
    "FixedPoint",
    "FloatBits",
    "InputError",
    "Integers",
    "Ledger",
    "MissingExtraError",
    "Network",
    "OutOfRange",
    "PeerError",
    "Phase",
    "QringError",
    "Superdense",
    "Width",
    "all_reduce",
]

__version__ = "0.1.0"
