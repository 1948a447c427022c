"""``qring masks``: make masks ahead of private sums, into a folder, or count what is left there."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from qring.cli.options import Uses, refuse_unmet
from qring.cli.protocols.vga import probability
from qring.cli.show import carriers, count, table
from qring.collectives.aggregate import Aborted
from qring.encoding.values import Integers
from qring.errors import InputError
from qring.jsontext import to_json
from qring.ledger import Phase
from qring.network.network import Network
from qring.network.noise import QubitNoise
from qring.security.masks.inventory import Inventory
from qring.security.masks.method import Private, Stocked
from qring.security.masks.terms import DEFAULT_EPSILON

__all__ = ["add_to"]

_USES = (
    Uses(
        ("--workers", "--word-bits", "--epsilon", "--tested-share", "--visibility", "--seed"),
        "--make",
    ),
)


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "masks",
        help="make masks ahead of private sums, or count what is left",
        description="Make masks ahead for --protocol private, one file a worker, from GHZ copies "
        "that are shared and tested now; or, without --make, count the masks that are left. Taken "
        "masks are gone for good, whatever becomes of the sum.",
    )
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="where masks are kept")
    add("--make", type=int, metavar="N", help="make N masks: one a coordinate of each sum to come")
    add("--workers", type=int, default=4, help="that will sum (default: 4)")
    add("--word-bits", type=int, default=16, metavar="B", help="of their words (default: 16)")
    add("--epsilon", type=probability, default=DEFAULT_EPSILON, metavar="E",
        help="privacy of all sums under these masks together (default: 2^-40)")  # fmt: skip
    add("--tested-share", type=float, metavar="F",
        help="share of copies to test (default: what costs fewest copies)")  # fmt: skip
    add("--visibility", type=float, default=1.0, metavar="V", help="of the copies (default: 1)")
    add("--seed", type=int, default=0, help="of public coins, not of masks (default: 0)")
    add("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.seed < 0:
        raise InputError(f"a seed is not negative: {arguments.seed}")
    refuse_unmet(arguments, _USES)
    made: Stocked | None = None
    if arguments.make is not None:
        method = Private(
            encoding=Integers(word_bits=arguments.word_bits),
            epsilon=arguments.epsilon,
            tested_share=arguments.tested_share,
            inventory=arguments.folder,
        )
        noise = QubitNoise.of_visibility(arguments.visibility, max(1, arguments.workers))
        result = method.stock(
            arguments.make,
            workers=arguments.workers,
            rng=np.random.default_rng(arguments.seed),
            network=Network(qubit_noise=noise),
        )
        if isinstance(result, Aborted):
            print(to_json(result.evidence()) if arguments.json else result)
            return 1
        made = result
    with Inventory(arguments.folder) as inventory:
        label, left = inventory.label, inventory.left
    figures: dict[str, int | float] = {
        "workers": label.workers,
        "sum_bits": label.sum_bits,
        "masks": label.masks,
        "left": left,
        "epsilon_secrecy": label.epsilon,
        "epsilon_correctness": label.correctness,
        "epsilon_total": label.epsilon + label.correctness,
        "corrupted_words_withstood": label.withstood,
    }
    if made is not None:
        figures["copies_shared"] = made.terms.copies
        figures["copies_tested"] = made.terms.tests
        figures["words_lost_to_code"] = made.terms.redundancy
    if arguments.json:
        print(to_json({"folder": str(arguments.folder), **figures}))
        return 0
    rows = [["bound, finite size", str(arguments.folder)]]
    for name, figure in figures.items():
        shown = count(figure) if isinstance(figure, int) else f"{figure:.3g}"
        rows.append([name.replace("_", " "), shown])
    if made is not None:
        rows.append(["setup, all links", carriers(made.ledger, Phase.SETUP)])
    print(table(rows))
    return 0
