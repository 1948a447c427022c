"""Schedules as JSON: everything that a schedule says, one object a hop."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from qring.errors import InputError
from qring.schedule.hops import Action, Hop
from qring.schedule.schedule import Collective, Schedule

__all__ = ["read_json", "write_json"]

_VERSION = 1
_FIELDS = ("src", "dst", "chunk", "span", "summed")


def write_json(schedule: Schedule) -> str:
    """A schedule as one JSON object; ``reads`` and ``writes`` stand only where they differ."""
    rounds = []
    for hops in schedule.rounds:
        found = []
        for hop in hops:
            entry: dict[str, Any] = {name: getattr(hop, name) for name in _FIELDS}
            entry["action"] = hop.action.value
            for name in ("reads", "writes"):
                if getattr(hop, name) is not None:
                    entry[name] = getattr(hop, name)
            found.append(entry)
        rounds.append(found)
    return json.dumps(
        {
            "qring_schedule": _VERSION,
            "name": schedule.name,
            "collective": schedule.collective.value,
            "workers": schedule.workers,
            "helpers": schedule.helpers,
            "chunks": schedule.chunks,
            "scratch": schedule.scratch,
            "root": schedule.root,
            "owners": list(schedule.owners),
            "rounds": rounds,
        }
    )


def read_json(text: str) -> Schedule:
    """Undo :func:`write_json`.

    Raises:
        InputError: not JSON, another version, or fields that are missing or of another type.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {str(error)[:80]}") from None
    if not isinstance(found, dict) or found.get("qring_schedule") != _VERSION:
        raise InputError(f"not a schedule: qring_schedule must be {_VERSION}")
    try:
        rounds = tuple(tuple(_hop(entry) for entry in hops) for hops in found["rounds"])
        return Schedule(
            name=str(found["name"])[:100],
            collective=Collective(found["collective"]),
            workers=_whole(found["workers"]),
            helpers=_whole(found["helpers"]),
            chunks=_whole(found["chunks"]),
            scratch=_whole(found["scratch"]),
            root=_whole(found["root"]),
            owners=tuple(_whole(owner) for owner in found["owners"]),
            make=partial(tuple, rounds),
        )
    except InputError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"not a schedule: {type(error).__name__} {str(error)[:80]}") from None


def _hop(entry: Mapping[str, object]) -> Hop:
    numbers = {name: _whole(entry[name]) for name in _FIELDS}
    slots = {name: _whole(entry[name]) for name in ("reads", "writes") if name in entry}
    return Hop(**numbers, **slots, action=Action(entry["action"]))


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 31:
        raise TypeError(f"a whole number is needed, not {value!r}"[:80])
    return value
