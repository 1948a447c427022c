"""``qring tieaudit``: what fraction of tied coordinates gets conflicting signs?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from qring.cli.answer import answer
from qring.cli.rivalry import beside, winner
from qring.cli.show import count, table
from qring.conflict.matching import as_ties
from qring.conflict.rival import Rival
from qring.conflict.signs import ZeroRule, as_signs
from qring.conflict.tie_audit import TieAudit, tie_audit
from qring.conflict.tie_rivals import best_tie_rival
from qring.data.gradient_files import read_gradient
from qring.errors import InputError
from qring.network.noise import BellDiagonal
from qring.numbers import number, probability, seed

__all__ = ["add_to"]


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "tieaudit",
        help="estimate the fraction of tied coordinates whose signs conflict",
        description="Audit a sign-gradient against private ties by phase states, one message from "
        "server to client. The matching is an integer array of pairs, shape (M, 2), or one group "
        "label a coordinate, -1 where it is free.",
    )
    add = parser.add_argument
    add("signs", type=Path, metavar="SIGNS", help="+1 and -1: .npy, .safetensors or .pt")
    add("matching", type=Path, metavar="MATCHING", help=".npy of integers")
    add(
        "--epsilon",
        type=number(1e-6, 1),
        required=True,
        metavar="E",
        help="accuracy of the fraction",
    )
    add(
        "--delta",
        type=probability,
        required=True,
        metavar="D",
        help="probability of a larger error",
    )
    add("--zeros", choices=[rule.value for rule in ZeroRule], default="refuse",
        help="what a zero sign counts as (default: refuse)")  # fmt: skip
    add("--noise", default="0", help="error probability of a qubit, or of its errors X,Y,Z")
    add("--seed", type=seed, default=0, help="of the measurements (default: 0)")
    add("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    signs = as_signs(read_gradient(arguments.signs)[0], ZeroRule(arguments.zeros))
    ties = as_ties(_read_matching(arguments.matching), signs.coords)
    result = tie_audit(
        signs,
        ties,
        epsilon=arguments.epsilon,
        delta=arguments.delta,
        rng=np.random.default_rng(arguments.seed),
        noise=BellDiagonal.parse(arguments.noise),
    )
    rival = best_tie_rival(ties, arguments.epsilon, arguments.delta)
    print(
        _as_json(result, rival, arguments)
        if arguments.json
        else _as_table(result, rival, signs.coords)
    )
    return 0


def _read_matching(path: Path) -> np.ndarray[Any, Any]:
    """Read the array in its own shape, which tells pairs from labels."""
    vector, layout = read_gradient(path)
    tensors = layout.split(vector)
    if len(tensors) != 1:
        raise InputError(f"{path} holds {len(tensors)} arrays; a matching is one")
    array: np.ndarray[Any, Any] = next(iter(tensors.values()))
    return array


def _as_json(result: TieAudit, rival: Rival, arguments: argparse.Namespace) -> str:
    return answer(
        arguments,
        {
            "fraction": result.fraction,
            "interval": list(result.interval),
            "confidence": result.confidence,
            "copies": result.copies,
            "hits": result.hits,
            "qubits": result.qubits,
            **beside(rival, result.ledger, result.caveats),
        },
    )


def _as_table(result: TieAudit, rival: Rival, coords: int) -> str:
    low, high = result.interval
    lines = [
        ["online, one client", "phase states", rival.name],
        ["carriers", f"{count(result.qubits)} qubits", f"{count(rival.bits)} bits"],
        ["dense-coded", "", f"{count(rival.dense_coded_qubits)} qubits"],
        ["copies that hit a tie", f"{count(result.hits)} of {count(result.copies)}", ""],
    ]
    text = (
        f"{coords:,} signs: {result.fraction:.3f} of the ties conflict, within "
        f"[{low:.3f}, {high:.3f}] at {result.confidence:.4g} confidence\n\n"
        f"{table(lines)}\n\nwinner: {winner(result.ledger, rival)}"
    )
    return text + "".join(f"\ncaution: {caveat}" for caveat in result.caveats)
