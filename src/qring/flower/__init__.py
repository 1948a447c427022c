"""Secure aggregation and distributed noise under any averaging strategy of Flower's Message API."""

from qring.flower.audit import SubspaceAudits
from qring.flower.config import SecureSum
from qring.flower.grid import LocalGrid
from qring.flower.mod import SecureMod
from qring.flower.strategy import SecureAggregation

__all__ = ["LocalGrid", "SecureAggregation", "SecureMod", "SecureSum", "SubspaceAudits"]
