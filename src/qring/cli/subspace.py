"""``qring subspace``: what share of an update lies in a private subspace?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from qring.cli.answer import answer
from qring.cli.rivalry import beside, winner
from qring.cli.show import count, table
from qring.cli.subspace_files import read_subspace
from qring.conflict.rival import Rival
from qring.conflict.subspace.audit import SubspaceAudit, subspace_audit
from qring.conflict.subspace.rivals import best_subspace_rival
from qring.conflict.subspace.span import Complement, Subspace
from qring.data.gradient_files import read_gradient
from qring.network.noise import BellDiagonal
from qring.numbers import probability, seed

__all__ = ["add_to"]


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "subspace",
        help="estimate what share of a gradient lies in a private subspace",
        description="Audit a gradient against a client's private subspace by copies of one state, "
        "one message from server to client. The subspace is a .npy of floats (k, d), a row a "
        "vector; of integers (M, 2), pairs whose differences span it; of integers (d,), group "
        "labels whose constant vectors do; or a .safetensors of adapters, lora_A and lora_B.",
    )
    add = parser.add_argument
    add("gradient", type=Path, metavar="GRADIENT", help=".npy, .safetensors or .pt")
    add("subspace", type=Path, metavar="SUBSPACE", help=".npy or .safetensors")
    add("--epsilon", type=probability, required=True, metavar="E", help="accuracy of the share")
    add(
        "--delta",
        type=probability,
        required=True,
        metavar="D",
        help="probability of a larger error",
    )
    add("--complement", action="store_true", help="ask for the share outside the subspace")
    add("--noise", default="0", help="error probability of a qubit, or of its errors X,Y,Z")
    add("--seed", type=seed, default=0, help="of the measurements (default: 0)")
    add("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    gradient, layout = read_gradient(arguments.gradient)
    subspace: Subspace = read_subspace(arguments.subspace, layout)
    if arguments.complement:
        subspace = Complement(subspace)
    result = subspace_audit(
        gradient,
        subspace,
        epsilon=arguments.epsilon,
        delta=arguments.delta,
        rng=np.random.default_rng(arguments.seed),
        noise=BellDiagonal.parse(arguments.noise),
    )
    rival = best_subspace_rival(
        subspace,
        arguments.epsilon,
        arguments.delta,
        gradient=gradient,
        word_bits=min(16, 8 * gradient.dtype.itemsize),
    )
    print(
        _as_json(result, rival, subspace, arguments)
        if arguments.json
        else _as_table(result, rival, subspace)
    )
    return 0


def _as_json(
    result: SubspaceAudit, rival: Rival, subspace: Subspace, arguments: argparse.Namespace
) -> str:
    return answer(
        arguments,
        {
            "fraction": result.fraction,
            "interval": list(result.interval),
            "confidence": result.confidence,
            "coords": subspace.coords,
            "dimension": subspace.dimension,
            "copies": result.copies,
            "hits": result.hits,
            "qubits": result.qubits,
            **beside(rival, result.ledger, result.caveats),
        },
    )


def _as_table(result: SubspaceAudit, rival: Rival, subspace: Subspace) -> str:
    low, high = result.interval
    lines = [
        ["online, one client", "copies of the state", rival.name],
        ["carriers", f"{count(result.qubits)} qubits", f"{count(rival.bits)} bits"],
        ["dense-coded", "", f"{count(rival.dense_coded_qubits)} qubits"],
        ["copies found inside", f"{count(result.hits)} of {count(result.copies)}", ""],
    ]
    text = (
        f"{subspace.dimension:,} of {subspace.coords:,} dimensions hold {result.fraction:.3f} of "
        f"the gradient's square, within [{low:.3f}, {high:.3f}] at {result.confidence:.4g} "
        f"confidence\n\n{table(lines)}\n\nwinner: {winner(result.ledger, rival)}"
    )
    return text + "".join(f"\ncaution: {caveat}" for caveat in result.caveats)
