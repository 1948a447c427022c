"""Quantum communication for distributed learning, on a simulated quantum network.

A simulation protects nobody's data and speeds nothing up: it shows what a quantum network would
do, cost and leak.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qring.circuits.network import QiskitNetwork
    from qring.collectives.aggregate import Aborted, Aggregate, Outcome, Told
    from qring.collectives.all_reduce import all_reduce
    from qring.collectives.dropouts import OnDropout
    from qring.collectives.ghz.checksum import Checksum
    from qring.collectives.ghz.coded import CodedDigits
    from qring.collectives.ghz.digits import Digits, Repetition
    from qring.collectives.ghz.kitaev import Kitaev
    from qring.collectives.ghz.method import Ghz, GhzAggregate
    from qring.collectives.ghz.outcome import GhzAborted
    from qring.collectives.ghz.shots import Shots
    from qring.collectives.ring import Classical, Superdense
    from qring.collectives.spans import Fate, PartialAggregate, Span
    from qring.encoding.formats import Width
    from qring.encoding.signs import SignVote, Tie
    from qring.encoding.values import BitBudget, FixedPoint, FloatBits, Integers, OutOfRange
    from qring.errors import BudgetError, InputError, MissingExtraError, PeerError, QringError
    from qring.ledger import Carrier, Entry, Ledger, Phase
    from qring.network.adversary.aim import Every, RandomCopies, These
    from qring.network.adversary.base import Adversary
    from qring.network.adversary.online import FlipOnline
    from qring.network.adversary.sources import (
        Basis,
        BitFlips,
        EprHalves,
        InterceptResend,
        PhaseRotation,
        PlusState,
        Purification,
        UntilNoticed,
    )
    from qring.network.coded.coding import Code, Coding, Emulation
    from qring.network.dense.engine import DenseNetwork
    from qring.network.hardware.supply import Hardware
    from qring.network.network import Network
    from qring.network.noise import NOISELESS, PERFECT_QUBITS, BellDiagonal, QubitNoise
    from qring.network.timeline import Timeline
    from qring.network.wires import Faults
    from qring.network.wiring import Announcement, Distribution
    from qring.schedule.ring import Direction
    from qring.security.certify import Certificate, Counts, certify
    from qring.security.dp.calibration import calibrate
    from qring.security.dp.encoding import DistributedGaussian
    from qring.security.dp.plan import Plan, Promise, Unit
    from qring.security.fallback import Fallback, FallenBack, Spoiled
    from qring.security.masks.integrity import OnlineCheck
    from qring.security.masks.method import Private
    from qring.security.masks.outcome import PrivateAborted, PrivateAggregate
    from qring.security.secagg.graph import Neighbours
    from qring.security.secagg.method import SecAgg
    from qring.security.secagg.outcome import SecAggAborted, SecAggAggregate, Stage
    from qring.security.vga.method import Vga
    from qring.security.vga.outcome import VgaAggregate, VgaRejected
    from qring.security.vga.verification import CutAndChoose, HashedVerification

__all__ = [
    "NOISELESS",
    "PERFECT_QUBITS",
    "Aborted",
    "Adversary",
    "Aggregate",
    "Announcement",
    "Basis",
    "BellDiagonal",
    "BitBudget",
    "BitFlips",
    "BudgetError",
    "Carrier",
    "Certificate",
    "Checksum",
    "Classical",
    "Code",
    "CodedDigits",
    "Coding",
    "Counts",
    "CutAndChoose",
    "DenseNetwork",
    "Digits",
    "Direction",
    "DistributedGaussian",
    "Distribution",
    "Emulation",
    "Entry",
    "EprHalves",
    "Every",
    "Fallback",
    "FallenBack",
    "Fate",
    "Faults",
    "FixedPoint",
    "FlipOnline",
    "FloatBits",
    "Ghz",
    "GhzAborted",
    "GhzAggregate",
    "Hardware",
    "HashedVerification",
    "InputError",
    "Integers",
    "InterceptResend",
    "Kitaev",
    "Ledger",
    "MissingExtraError",
    "Neighbours",
    "Network",
    "OnDropout",
    "OnlineCheck",
    "OutOfRange",
    "Outcome",
    "PartialAggregate",
    "PeerError",
    "Phase",
    "PhaseRotation",
    "Plan",
    "PlusState",
    "Private",
    "PrivateAborted",
    "PrivateAggregate",
    "Promise",
    "Purification",
    "QiskitNetwork",
    "QringError",
    "QubitNoise",
    "RandomCopies",
    "Repetition",
    "SecAgg",
    "SecAggAborted",
    "SecAggAggregate",
    "Shots",
    "SignVote",
    "Span",
    "Spoiled",
    "Stage",
    "Superdense",
    "These",
    "Tie",
    "Timeline",
    "Told",
    "Unit",
    "UntilNoticed",
    "Vga",
    "VgaAggregate",
    "VgaRejected",
    "Width",
    "all_reduce",
    "calibrate",
    "certify",
]

__version__ = "0.1.0"

_HOMES = {
    "QiskitNetwork": "qring.circuits.network",
    "DenseNetwork": "qring.network.dense.engine",
    "Aborted": "qring.collectives.aggregate",
    "Outcome": "qring.collectives.aggregate",
    "Aggregate": "qring.collectives.aggregate",
    "Told": "qring.collectives.aggregate",
    "all_reduce": "qring.collectives.all_reduce",
    "OnDropout": "qring.collectives.dropouts",
    "Checksum": "qring.collectives.ghz.checksum",
    "CodedDigits": "qring.collectives.ghz.coded",
    "Digits": "qring.collectives.ghz.digits",
    "Repetition": "qring.collectives.ghz.digits",
    "Kitaev": "qring.collectives.ghz.kitaev",
    "Ghz": "qring.collectives.ghz.method",
    "GhzAborted": "qring.collectives.ghz.outcome",
    "GhzAggregate": "qring.collectives.ghz.method",
    "Shots": "qring.collectives.ghz.shots",
    "Classical": "qring.collectives.ring",
    "Superdense": "qring.collectives.ring",
    "Fate": "qring.collectives.spans",
    "PartialAggregate": "qring.collectives.spans",
    "Span": "qring.collectives.spans",
    "Width": "qring.encoding.formats",
    "SignVote": "qring.encoding.signs",
    "Tie": "qring.encoding.signs",
    "BitBudget": "qring.encoding.values",
    "FlipOnline": "qring.network.adversary.online",
    "FixedPoint": "qring.encoding.values",
    "FloatBits": "qring.encoding.values",
    "Integers": "qring.encoding.values",
    "OutOfRange": "qring.encoding.values",
    "BudgetError": "qring.errors",
    "InputError": "qring.errors",
    "MissingExtraError": "qring.errors",
    "PeerError": "qring.errors",
    "QringError": "qring.errors",
    "Carrier": "qring.ledger",
    "Entry": "qring.ledger",
    "Ledger": "qring.ledger",
    "Phase": "qring.ledger",
    "Every": "qring.network.adversary.aim",
    "These": "qring.network.adversary.aim",
    "RandomCopies": "qring.network.adversary.aim",
    "Adversary": "qring.network.adversary.base",
    "BitFlips": "qring.network.adversary.sources",
    "EprHalves": "qring.network.adversary.sources",
    "InterceptResend": "qring.network.adversary.sources",
    "PhaseRotation": "qring.network.adversary.sources",
    "PlusState": "qring.network.adversary.sources",
    "Purification": "qring.network.adversary.sources",
    "UntilNoticed": "qring.network.adversary.sources",
    "Basis": "qring.network.adversary.sources",
    "Faults": "qring.network.wires",
    "Hardware": "qring.network.hardware.supply",
    "Timeline": "qring.network.timeline",
    "Network": "qring.network.network",
    "Code": "qring.network.coded.coding",
    "Coding": "qring.network.coded.coding",
    "Emulation": "qring.network.coded.coding",
    "BellDiagonal": "qring.network.noise",
    "NOISELESS": "qring.network.noise",
    "PERFECT_QUBITS": "qring.network.noise",
    "QubitNoise": "qring.network.noise",
    "Announcement": "qring.network.wiring",
    "Distribution": "qring.network.wiring",
    "Direction": "qring.schedule.ring",
    "Certificate": "qring.security.certify",
    "Counts": "qring.security.certify",
    "certify": "qring.security.certify",
    "calibrate": "qring.security.dp.calibration",
    "DistributedGaussian": "qring.security.dp.encoding",
    "Plan": "qring.security.dp.plan",
    "Promise": "qring.security.dp.plan",
    "Unit": "qring.security.dp.plan",
    "Fallback": "qring.security.fallback",
    "FallenBack": "qring.security.fallback",
    "Spoiled": "qring.security.fallback",
    "OnlineCheck": "qring.security.masks.integrity",
    "Private": "qring.security.masks.method",
    "PrivateAborted": "qring.security.masks.outcome",
    "PrivateAggregate": "qring.security.masks.outcome",
    "Neighbours": "qring.security.secagg.graph",
    "SecAgg": "qring.security.secagg.method",
    "SecAggAborted": "qring.security.secagg.outcome",
    "SecAggAggregate": "qring.security.secagg.outcome",
    "Stage": "qring.security.secagg.outcome",
    "Vga": "qring.security.vga.method",
    "VgaAggregate": "qring.security.vga.outcome",
    "VgaRejected": "qring.security.vga.outcome",
    "CutAndChoose": "qring.security.vga.verification",
    "HashedVerification": "qring.security.vga.verification",
}
"""Module of each public name. Modules are imported at their first use: importing is fast."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the type is that of the name asked for
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(globals().keys() | _HOMES.keys())
