"""Options that a protocol, or a value of another option, uses."""

from __future__ import annotations

import argparse
from typing import NamedTuple

__all__ = ["Uses"]


class Uses(NamedTuple):
    """Options that are used: always, or under a condition on another option.

    With ``by`` they are used if that option has one of ``values``, or, without values, if it is
    set at all. With ``without`` they are used unless that option is set.
    """

    options: tuple[str, ...]
    by: str = ""
    values: tuple[str, ...] = ()
    without: str = ""

    def unmet(self, arguments: argparse.Namespace) -> str:
        """Condition that is missing for these options to be used; empty if none is."""
        if self.without and _is_set(arguments, self.without):
            return f"is not used with {self.without}: leave one of the two out"
        if not self.by:
            return ""
        if self.values:
            met = getattr(arguments, _destination(self.by)) in self.values
            return "" if met else f"is used with {self.by} {' or '.join(self.values)} only"
        return "" if _is_set(arguments, self.by) else f"is used with {self.by} only: give it too"


def _is_set(arguments: argparse.Namespace, option: str) -> bool:
    return getattr(arguments, _destination(option)) not in (None, False, [], 0.0, "none")


def _destination(option: str) -> str:
    return option.removeprefix("--").replace("-", "_")
