"""``qring protocols``: what sums gradients here, and what each protocol shows on the wire."""

from __future__ import annotations

import argparse
from typing import Any

from qring.cli.answer import answer
from qring.protocols.entry import Entry
from qring.registry import PROTOCOLS

__all__ = ["add_to"]


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "protocols",
        help="list the protocols that sum gradients, added ones included",
        description="List the protocols of this installation: what each sums, what whoever hears "
        "every message sees, and what weakens it. Packages add protocols by entry points of the "
        "group qring.protocols.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, not a list")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    rows = [_row(entry) for entry in PROTOCOLS.values()]
    if arguments.json:
        print(answer(arguments, {"protocols": rows}))
        return 0
    parts = []
    for row in rows:
        lines = [
            f"{row['name']}: {row['about']}",
            f"  sums {row['sums']}; on the wire: {row['wire']}",
            *(f"  caution: {caveat}" for caveat in row["caveats"]),
        ]
        parts.append("\n".join(lines))
    print("\n".join(parts))
    return 0


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "about": entry.about,
        "sums": entry.sums.value,
        "wire": entry.wire,
        "caveats": list(entry.caveats),
        "closed_form": entry.closed_form,
        "settings": list(entry.settings),
        "hook": entry.member,
    }
