"""``qring gapip``: do two gradients in files align or conflict?"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from qring.cli.answer import answer
from qring.cli.rivalry import beside, winner
from qring.cli.show import count, table
from qring.conflict.finding import Strategy
from qring.conflict.gap_ip import GapIP, gap_ip
from qring.conflict.rival import Rival
from qring.conflict.sketches import best_rival
from qring.conflict.strategies.ancilla_free import AncillaFree
from qring.conflict.strategies.kitaev import Kitaev
from qring.conflict.strategies.maximum_likelihood import MaximumLikelihood
from qring.conflict.strategies.sequential import Sequential
from qring.data.gradient_files import read_gradient
from qring.numbers import number, probability, seed

__all__ = ["add_to"]

_STRATEGIES: dict[str, Callable[[], Strategy]] = {
    strategy.name: strategy for strategy in (AncillaFree, Kitaev, Sequential, MaximumLikelihood)
}


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "gapip",
        help="decide whether two gradients align or conflict",
        description="Decide whether the cosine of two gradients is at least the margin or at most "
        "minus the margin, by one quantum register that travels between two workers.",
    )
    add = parser.add_argument
    add("files", nargs=2, type=Path, metavar="FILE", help=".npy, .safetensors or .pt state dict")
    add(
        "--margin", type=number(2e-3, 1, below=True), required=True, metavar="TAU", help="in (0, 1)"
    )
    add(
        "--error", type=probability, required=True, metavar="E", help="of the decision, in (0, 1/2)"
    )
    add("--strategy", choices=list(_STRATEGIES), default="ancilla_free")
    add("--seed", type=seed, default=0, help="of the measurements (default: 0)")
    add("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    (u, layout), (v, _) = (read_gradient(path) for path in arguments.files)
    if layout.left_out:
        print(f"qring: {layout.notice()}", file=sys.stderr)
    result = gap_ip(
        u,
        v,
        margin=arguments.margin,
        error=arguments.error,
        rng=np.random.default_rng(arguments.seed),
        strategy=_STRATEGIES[arguments.strategy](),
    )
    rival = best_rival(
        len(u), arguments.margin, arguments.error, word_bits=min(16, 8 * u.dtype.itemsize)
    )
    print(
        _as_json(result, rival, arguments) if arguments.json else _as_table(result, rival, len(u))
    )
    return 0


def _as_json(result: GapIP, rival: Rival, arguments: argparse.Namespace) -> str:
    return answer(
        arguments,
        {
            "decision": result.decision.value,
            "interval": list(result.interval),
            "confidence": result.confidence,
            "strategy": result.strategy,
            "passes": result.passes,
            "qubits": result.qubits,
            "round_trips": result.round_trips,
            **beside(rival, result.ledger, result.caveats),
        },
    )


def _as_table(result: GapIP, rival: Rival, coords: int) -> str:
    low, high = result.interval
    lines = [
        ["online, one decision", result.strategy, rival.name],
        ["carriers", f"{count(result.qubits)} qubits", f"{count(rival.bits)} bits"],
        ["dense-coded", "", f"{count(rival.dense_coded_qubits)} qubits"],
        ["one-way passes", count(result.passes), "1"],
        ["round trips", count(result.round_trips), "0"],
    ]
    text = (
        f"{coords:,} coordinates: {result.decision.value}; what the passes support: cosine within "
        f"[{low:.3f}, {high:.3f}] but for probability {1 - result.confidence:.3g}\n\n"
        f"{table(lines)}\n\nwinner: {winner(result.ledger, rival)}"
    )
    return text + "".join(f"\ncaution: {caveat}" for caveat in result.caveats)
