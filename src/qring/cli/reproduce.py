"""``qring reproduce``: check every claim of the paper, and write a report."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qring.atomic import check_writable, make_folder, write_text
from qring.cli.answer import answer as as_answer
from qring.cli.show import progress_line, table
from qring.errors import InputError
from qring.jsontext import to_json
from qring.numbers import at_least, seed
from qring.paper.claim import Effort
from qring.paper.curves.curve import draw
from qring.paper.report import report_page
from qring.paper.runner import Outcome, as_json, run, run_curves, selected

__all__ = ["add_to"]


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "reproduce",
        help="check every claim of the paper and write a report",
        description="Check the paper's numbered statements by running them; write claims.json, "
        "plots and report.html, which opens without a network. What is done is kept: an "
        "interrupted run goes on where it stopped. Exit status 1 means that a measured figure "
        "contradicts a verdict.",
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="fewer samples: under two minutes on two cores")
    add(
        "--claim",
        action="append",
        default=[],
        metavar="ID",
        help="only this one, without plots; repeatable",
    )
    add(
        "--jobs",
        type=at_least(1, 4096),
        default=os.cpu_count(),
        metavar="N",
        help="processes (default: cores)",
    )
    add("--seed", type=seed, default=0, help="of all samples (default: 0)")
    add("--out", type=Path, default=Path("runs/reproduce"), metavar="DIR",
        help="folder (default: runs/reproduce)")  # fmt: skip
    add("--json", action="store_true", help="print claims.json instead of a table")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.jobs < 1:
        raise InputError(f"at least 1 process is needed, not {arguments.jobs}")
    effort = Effort.QUICK if arguments.quick else Effort.FULL
    claims = selected(arguments.claim)
    out: Path = arguments.out
    make_folder(out / "parts")
    for name in ("claims.json", "report.html"):
        check_writable(out / name)
    found = run(
        claims,
        effort=effort,
        seed=arguments.seed,
        folder=out / "parts",
        jobs=arguments.jobs,
        progress=progress_line("figures"),
    )
    answer = as_json(found, effort=effort, seed=arguments.seed)
    write_text(out / "claims.json", to_json(answer, indent=1, ensure_ascii=False) + "\n")
    drawn = {}
    if not arguments.claim:
        data = run_curves(
            seed=arguments.seed,
            folder=out / "parts",
            jobs=arguments.jobs,
            progress=progress_line("curves"),
        )
        drawn = draw(data, out / "plots")
    page = report_page(found, drawn, effort=effort, seed=arguments.seed)
    write_text(out / "report.html", page)
    print(as_answer(arguments, answer) if arguments.json else _as_table(found, out))
    return 0 if all(outcome.confirmed for outcome in found) else 1


def _as_table(found: Sequence[Outcome], out: Path) -> str:
    rows = [["claim", "verdict", "figures as the verdict says", "the paper's numbers"]]
    for outcome in found:
        right = sum(figure.agrees for figure in outcome.figures)
        verdict = outcome.claim.verdict.value
        stated = [figure.paper_agrees for figure in outcome.figures if figure.paper is not None]
        met = f"{sum(map(bool, stated))} of {len(stated)} met" if stated else ""
        rows.append([outcome.claim.id, verdict, f"{right} of {len(outcome.figures)}", met])
    wrong = [outcome.claim.id for outcome in found if not outcome.confirmed]
    closing = f"report in {out / 'report.html'}"
    if wrong:
        closing = f"figures contradict the verdict of {', '.join(wrong)}\n{closing}"
    return f"{table(rows)}\n\n{closing}"
