"""``qring masks``: make masks ahead of private sums, into a folder, or count what is left there."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from qring.cli.answer import answer as as_answer
from qring.cli.options import refuse_unmet
from qring.cli.show import carriers, count, progress_line, table
from qring.collectives.aggregate import Aborted
from qring.encoding.values import Integers
from qring.errors import InputError
from qring.ledger import Phase
from qring.network.network import Network
from qring.network.noise import QubitNoise
from qring.numbers import at_least, number, probability, seed, whole
from qring.protocols.uses import Uses
from qring.security.masks.batch import fresh_masks
from qring.security.masks.inventory import Inventory
from qring.security.masks.leftovers import discard
from qring.security.masks.method import Private, Stocked
from qring.security.masks.noisy_terms import NoisyTerms
from qring.security.masks.terms import DEFAULT_EPSILON

__all__ = ["add_to"]

_MANY, _TRIAL = 10**6, 1 << 15
_MAKING = ("--workers", "--word-bits", "--epsilon", "--tested-share", "--visibility", "--seed")
_USES = (Uses((*_MAKING, "--qubit-noise"), "--make"),)


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
    add(
        "--make",
        type=at_least(1, 2**50),
        metavar="N",
        help="make N masks: one a coordinate of each sum to come",
    )
    add("--discard", action="store_true",
        help="remove all masks of the folder, and what stopped makers left there")  # fmt: skip
    add("--workers", type=whole, default=4, help="that will sum (default: 4)")
    add("--word-bits", type=whole, default=16, metavar="B", help="of their words (default: 16)")
    add("--epsilon", type=probability, default=DEFAULT_EPSILON, metavar="E",
        help="privacy of all sums under these masks together (default: 2^-40)")  # fmt: skip
    add("--tested-share", type=number(1e-9, 1), metavar="F",
        help="share of copies to test (default: what costs fewest copies)")  # fmt: skip
    add("--visibility", type=number(), default=1.0, metavar="V",
        help="of the copies, under white noise (default: 1)")  # fmt: skip
    add("--qubit-noise", default="0", metavar="P|X,Y,Z",
        help="error probability of every qubit of a copy, or of its errors X,Y,Z")  # fmt: skip
    add("--seed", type=seed, default=0, help="of public coins, not of masks (default: 0)")
    add("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    refuse_unmet(arguments, _USES)
    if arguments.discard:
        return _discard(arguments)
    made: Stocked | None = None
    if arguments.make is not None:
        method = Private(
            encoding=Integers(word_bits=arguments.word_bits),
            epsilon=arguments.epsilon,
            tested_share=arguments.tested_share,
            inventory=arguments.folder,
        )
        noise = QubitNoise.of_copies(arguments.visibility, arguments.qubit_noise)
        network = Network(qubit_noise=noise)
        _foretell(method, network, arguments)
        result = method.stock(
            arguments.make,
            workers=arguments.workers,
            rng=np.random.default_rng(arguments.seed),
            network=network,
            progress=progress_line("masks"),
        )
        if isinstance(result, Aborted):
            print(as_answer(arguments, result.evidence()) if arguments.json else result)
            return 1
        made = result
    elif next(iter(arguments.folder.glob(".*.part")), None) is not None:
        print(
            "qring: a maker of masks is at work here, or was stopped; --make and --discard remove "
            "what stopped ones left",
            file=sys.stderr,
        )
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
        if isinstance(made.terms, NoisyTerms):
            figures["failing_tests_tolerated"] = made.terms.failures
            figures["pads_for_syndromes"] = made.terms.pads
        figures["words_lost_to_code"] = made.terms.words - made.terms.masks - made.terms.checks
    if arguments.json:
        print(as_answer(arguments, {"folder": str(arguments.folder), **figures}))
        return 0
    rows = [["bound, finite size", str(arguments.folder)]]
    for name, figure in figures.items():
        shown = count(figure) if isinstance(figure, int) else f"{figure:.3g}"
        rows.append([name.replace("_", " "), shown])
    if made is not None:
        rows.append(["setup, all links", carriers(made.ledger, Phase.SETUP)])
    print(table(rows))
    return 0


def _foretell(method: Private, network: Network, arguments: argparse.Namespace) -> None:
    """Say what the masks will take on disk and in time, before any is made.

    Raises:
        InputError: more than the disk has.
    """
    masks, workers = arguments.make, arguments.workers
    run = network.open(workers, np.random.default_rng(0))
    sum_bits = method.encoding.budget(workers).sum_bits
    _, terms = method.batches(masks, run, sum_bits)
    word = next(size for size in (1, 2, 4, 8) if 8 * size >= terms.sum_bits)
    needed = workers * masks * 2 * word
    there = next(folder for folder in arguments.folder.absolute().parents if folder.is_dir())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise InputError(
            f"{masks:,} masks of {workers} workers take {needed / 1e9:,.1f} GB, and the disk has "
            f"{free / 1e9:,.1f} GB; make fewer"
        )
    if masks < _MANY:
        return
    earlier, trial = method.batches(_TRIAL, run, sum_bits)
    started = time.perf_counter()
    fresh_masks(trial, run, method.source, earlier=earlier)
    seconds = (time.perf_counter() - started) * terms.copies / trial.copies
    span = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:,.0f} minutes"
    print(
        f"qring: {needed / 1e9:,.2f} GB on disk, {terms.copies:,} copies, about {span}",
        file=sys.stderr,
    )


def _discard(arguments: argparse.Namespace) -> int:
    if arguments.make is not None:
        raise InputError("--discard removes masks and --make makes them: one after the other")
    files, leftovers = discard(arguments.folder)
    if arguments.json:
        answer = {"folder": str(arguments.folder), "removed": files, "leftovers": leftovers}
        print(as_answer(arguments, answer))
    else:
        print(f"removed the masks of {files} workers and {leftovers} leftovers of stopped makers")
    return 0
