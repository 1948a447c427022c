"""``qring device``: note down what runs on a few qubits of a device depend on."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from qring.atomic import check_writable, write_text
from qring.circuits.device import best_line, fake_backend, make_card
from qring.cli.options import refuse_unmet
from qring.errors import InputError
from qring.numbers import whole
from qring.protocols.uses import Uses

__all__ = ["add_to"]


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "device",
        help="make a device card from an offline fake device",
        description="Write the times and errors of a few qubits of an offline fake device as a "
        "small JSON card, for: qring circuit NAME --shots N --device CARD",
    )
    add = parser.add_argument
    add("name", metavar="NAME", help="a fake device of qiskit-ibm-runtime, like FakeTorino")
    add("--line", type=whole, default=4, metavar="N",
        help="take the N connected qubits in a row with the least errors (default: 4)")  # fmt: skip
    add("--qubits", metavar="Q,Q,…", help="take these qubits instead")
    add("--out", type=Path, metavar="FILE", help="write the card there instead of printing it")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    refuse_unmet(arguments, (Uses(("--line",), without="--qubits"),))
    if not 2 <= arguments.line <= 12:
        raise InputError(f"a line has 2 to 12 qubits, not {arguments.line}")
    if arguments.out is not None:
        check_writable(arguments.out)
    backend = fake_backend(arguments.name)
    if arguments.qubits is None:
        qubits = best_line(backend, arguments.line)
    else:
        try:
            qubits = tuple(int(part) for part in arguments.qubits.split(","))
        except ValueError:
            raise InputError(
                f"qubits are numbers separated by commas, not {arguments.qubits!r}"
            ) from None
    card = make_card(backend, qubits)
    if arguments.out is None:
        print(card.to_json())
        return 0
    write_text(arguments.out, card.to_json() + "\n")
    print(f"{card.device}, qubits {', '.join(map(str, qubits))}: {arguments.out}", file=sys.stderr)
    return 0
