"""Secure aggregation and distributed noise under any averaging strategy of Flower's Message API."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qring.flower.audit import SubspaceAudits
    from qring.flower.config import SecureSum
    from qring.flower.grid import LocalGrid
    from qring.flower.mod import SecureMod
    from qring.flower.strategy import SecureAggregation

__all__ = ["LocalGrid", "SecureAggregation", "SecureMod", "SecureSum", "SubspaceAudits"]

_HOMES = {
    "LocalGrid": "qring.flower.grid",
    "SecureAggregation": "qring.flower.strategy",
    "SecureMod": "qring.flower.mod",
    "SecureSum": "qring.flower.config",
    "SubspaceAudits": "qring.flower.audit",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever is asked for
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "flwr":
            raise
        from qring.errors import MissingExtraError

        raise MissingExtraError("federated learning with Flower", "flower") from None
