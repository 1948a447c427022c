"""Every exception qring raises on purpose.

QringError
├── InputError (also ValueError)          what was handed in cannot be used
│   └── BudgetError                       words of this size cannot hold the sum
├── MissingExtraError (also ImportError)  an optional dependency is not installed
└── PeerError (also RuntimeError)         another rank died, hung or disagrees

An abort of a protocol is an outcome, not an exception, and is not listed here.
"""

from __future__ import annotations

__all__ = ["BudgetError", "InputError", "MissingExtraError", "PeerError", "QringError"]


class QringError(Exception):
    """Base of all exceptions that qring raises on purpose."""


class InputError(QringError, ValueError):
    """An argument, array or file cannot be used; the message says why and what to do."""


class BudgetError(InputError):
    """Words of the chosen size cannot hold the values or their sum."""


class MissingExtraError(QringError, ImportError):
    """A feature needs a package that is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs the extra [{extra}]: pip install 'qring[{extra}]'")


class PeerError(QringError, RuntimeError):
    """A collective cannot finish because another rank died, hung or disagrees."""
