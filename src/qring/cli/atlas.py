"""``qring atlas``: what can be asked of an aggregate, and what it costs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from qring.atomic import check_writable, write_text
from qring.cli.answer import answer
from qring.cli.show import table
from qring.errors import InputError
from qring.numbers import at_least, number
from qring.paper.atlas import ENTRIES
from qring.paper.atlas.entry import Entry, Point
from qring.paper.atlas.tables import as_json, atlas_page, rows

__all__ = ["add_to"]

_REALS = {
    "epsilon": "accuracy of estimates",
    "delta": "probability of a larger error",
    "margin": "of GapIP",
    "error": "of GapIP's decision",
    "secrecy": "epsilon of private sums",
}
_WHOLES = {
    "workers": "that sum",
    "word_bits": "of a coordinate",
    "top": "largest coordinates asked for",
    "groups": "of ties",
    "rank": "of an adapter of a square matrix",
}


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "atlas",
        help="price every statistic that can be asked of an aggregate, with sources",
        description="Price statistics of an aggregate: qubits and bits, upper and lower bounds, "
        "one-way and interactive, with and without shared resources. Closed forms; nothing runs.",
    )
    default = Point()
    add = parser.add_argument
    add(
        "--coords",
        type=at_least(1, 10**18),
        default=default.coords,
        metavar="D",
        help="(default: 1000000)",
    )
    for name, what in _WHOLES.items():
        add(f"--{name.replace('_', '-')}", type=at_least(1, 10**9), default=getattr(default, name),
            help=f"{what} (default: {getattr(default, name)})")  # fmt: skip
    for name, what in _REALS.items():
        low = 1e-6 if name in ("epsilon", "margin") else 1e-100
        add(f"--{name}", type=number(low, 1), default=getattr(default, name),
            help=f"{what} (default: {getattr(default, name):g})")  # fmt: skip
    add("--entry", action="append", default=[], metavar="ID", help="only this one; repeatable")
    add("--page", type=Path, metavar="HTML", help="also write a page with a choice of sizes")
    add("--json", action="store_true", help="print one JSON object, every cost and its source")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    names = ("coords", *_WHOLES, *_REALS)
    point = Point(**{name: getattr(arguments, name) for name in names})
    chosen = _chosen(arguments.entry)
    if arguments.page is not None:
        check_writable(arguments.page)
        write_text(arguments.page, atlas_page(point))
    if arguments.json:
        print(answer(arguments, as_json(chosen, point)))
        return 0
    print(f"d = {point.coords:,}, {point.workers} workers, epsilon {point.epsilon:g}, delta "
          f"{point.delta:g}, margin {point.margin:g}\n")  # fmt: skip
    print(table(rows(chosen, point)))
    for entry in chosen:
        print(f"\n{entry.title}: {entry.advantage}")
    return 0


def _chosen(names: list[str]) -> tuple[Entry, ...]:
    known = {entry.id: entry for entry in ENTRIES}
    for name in names:
        if name not in known:
            raise InputError(f"there is no entry {name!r}; entries are {', '.join(known)}")
    return tuple(known[name] for name in names) or ENTRIES
