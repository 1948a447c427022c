"""Profiles as JSON files: what people write for hardware of their own."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from qring.atomic import write_text
from qring.errors import InputError
from qring.network.hardware.figure import Figure, Provenance
from qring.network.hardware.profile import FIGURES, Profile

__all__ = [
    "SCHEMA", "as_dict", "from_dict", "json_of", "read", "read_json", "read_text", "write",
]  # fmt: skip

SCHEMA = "qring-profile-1"
"""Name of the format, in the key ``schema`` of every file."""

_TEXTS = ("name", "title")
_LISTS = ("assumptions", "references")
_MOST_BYTES = 1 << 20


def as_dict(profile: Profile) -> dict[str, Any]:
    """A profile as plain values. Infinite figures are written as the text ``"inf"``."""
    figures = {
        name: _figure_dict(figure)
        for name in FIGURES
        if (figure := getattr(profile, name)) is not None
    }
    return {
        "schema": SCHEMA,
        "name": profile.name,
        "title": profile.title,
        **figures,
        **({"weights": list(profile.weights)} if profile.weights is not None else {}),
        "post_selected": profile.post_selected,
        "assumptions": list(profile.assumptions),
        "references": list(profile.references),
    }


def from_dict(found: Any) -> Profile:  # noqa: ANN401 - whatever a file held
    """The profile that :func:`as_dict` wrote. A figure may be a bare number, then it is assumed.

    Raises:
        InputError: another schema, a key that no profile has, or a value that cannot be.
    """
    if not isinstance(found, dict):
        raise InputError(f"a profile is an object with keys, not {type(found).__name__}")
    if found.get("schema") != SCHEMA:
        raise InputError(f'a profile has "schema": "{SCHEMA}", not {found.get("schema")!r}')
    known = {"schema", *_TEXTS, *_LISTS, *FIGURES, "weights", "post_selected"}
    if strange := sorted(set(found) - known):
        raise InputError(f"a profile has no {strange[0]!r}: use {', '.join(sorted(known))}")
    for name in (*_TEXTS, "pairs_per_s", "fidelity"):
        if name not in found:
            raise InputError(f"a profile needs {name!r}")
    values: dict[str, Any] = {name: found[name] for name in _TEXTS}
    for name in _LISTS:
        rows = found.get(name, [])
        if not isinstance(rows, list) or not all(isinstance(row, str) for row in rows):
            raise InputError(f"{name} of a profile is a list of texts, not {rows!r}")
        values[name] = tuple(rows)
    for name, (unit, _, _) in FIGURES.items():
        if found.get(name) is not None:
            values[name] = _figure(name, unit, found[name])
    if found.get("weights") is not None:
        weights = found["weights"]
        if not isinstance(weights, list) or len(weights) != 4:
            raise InputError(f"weights are four numbers, of I, X, Y and Z, not {weights!r}")
        values["weights"] = tuple(_number("a weight", part) for part in weights)
    return Profile(**values, post_selected=found.get("post_selected", False))


def read(path: Path) -> Profile:
    """The profile in a JSON file.

    Raises:
        InputError: no such file, no JSON, or no profile; the line names the file.
    """
    try:
        return from_dict(read_json(path))
    except InputError as error:
        raise error if str(path) in str(error) else InputError(f"{path}: {error}") from None


def write(path: Path, profile: Profile) -> None:
    """Write a profile as JSON.

    Raises:
        InputError: the path cannot be written.
    """
    write_text(path, json.dumps(as_dict(profile), indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    """Whatever a JSON file of at most 1 MiB holds.

    Raises:
        InputError: no such file, too long, or no JSON.
    """
    return json_of(path, read_text(path))


def read_text(path: Path) -> str:
    """Text of a file of at most 1 MiB.

    Raises:
        InputError: no such file, or not text.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    if len(data) > _MOST_BYTES:
        raise InputError(f"{path} is longer than {_MOST_BYTES:,} bytes; no description of links is")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text") from None


def json_of(path: Path, text: str) -> Any:  # noqa: ANN401 - whatever the file holds
    """Parse the text of a file.

    Raises:
        InputError: no JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from None


def _figure_dict(figure: Figure) -> dict[str, Any]:
    found: dict[str, Any] = {
        "value": "inf" if figure.value == math.inf else figure.value,
        "unit": figure.unit,
        "source": figure.source,
        "date": figure.date,
        "standing": figure.standing.value,
    }
    for name in ("low", "high", "good"):
        if getattr(figure, name) is not None:
            found[name] = getattr(figure, name)
    return found


def _figure(name: str, unit: str, found: Any) -> Figure:  # noqa: ANN401 - whatever a file held
    if not isinstance(found, dict):
        return Figure(
            value=_number(name, found), unit=unit, source="this file", date="",
            standing=Provenance.ASSUMED,
        )  # fmt: skip
    known = {"value", "unit", "source", "date", "standing", "low", "high", "good"}
    if strange := sorted(set(found) - known):
        raise InputError(f"{name} has no {strange[0]!r}: use {', '.join(sorted(known))}")
    if "value" not in found:
        raise InputError(f"{name} needs a 'value'")
    standings = [one.value for one in Provenance]
    standing = found.get("standing", "assumed")
    if standing not in standings:
        raise InputError(f"standing of {name} is {standing!r}; use {', '.join(standings)}")
    span = {
        key: _number(f"{key} of {name}", found[key])
        for key in ("low", "high", "good")
        if key in found
    }
    return Figure(
        value=_number(name, found["value"]), unit=found.get("unit", unit),
        source=found.get("source", "this file"), date=found.get("date", ""),
        standing=Provenance(standing), **span,
    )  # fmt: skip


def _number(name: str, found: Any) -> float:  # noqa: ANN401 - whatever a file held
    if found == "inf":
        return math.inf
    if isinstance(found, bool) or not isinstance(found, int | float) or math.isnan(found):
        raise InputError(f'{name} got {found!r}; use a number, or "inf"')
    return float(found)
