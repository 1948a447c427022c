"""The JSON object that every command prints: one versioned form, described in docs/json.md."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from qring import __version__
from qring.jsontext import to_json

__all__ = ["SCHEMA", "answer"]

SCHEMA = 1
"""Version of the form. It grows when a key is taken away or means something else."""

_NO_OPTIONS = ("command", "given", "json", "run")


def answer(arguments: argparse.Namespace, figures: Mapping[str, Any]) -> str:
    """One command's ``figures`` under the head that all commands share.

    The head says which form and command it is, the version, seed and noise (null where there are
    none) and all options as they were understood, defaults included.
    """
    options = {
        name: _plain(value)
        for name, value in sorted(vars(arguments).items())
        if name not in _NO_OPTIONS
    }
    head = {
        "schema": SCHEMA,
        "command": arguments.command,
        "version": __version__,
        "seed": options.get("seed"),
        "noise": options.get("noise"),
        "options": options,
    }
    return to_json({**head, **figures})


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever an option was read as
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value.as_posix() if isinstance(value, Path) else value)
