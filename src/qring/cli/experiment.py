"""``qring experiment NAME``: the paper's open questions, answered by training."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from qring.atomic import check_writable, write_text
from qring.cli.answer import answer as as_answer
from qring.cli.show import progress_line, table
from qring.errors import InputError, MissingExtraError
from qring.jsontext import to_json
from qring.numbers import at_least

__all__ = ["add_to"]


class _Report(NamedTuple):
    """Texts of an experiment: labels of its arms, what is compared, what is drawn."""

    settings: str
    arms: dict[str, str]
    comparisons: tuple[tuple[str, str], ...]
    curve: str
    curve_label: str
    x_label: str
    question: str


_REPORTS = {
    "untying": _Report(
        settings="Untying",
        arms={
            "never": "never untie",
            "random": "untie at random",
            "tieaudit": "what TieAudit flags",
            "signs": "what random signs flag",
            "exact": "by exact disagreement",
            "spread": "by spread of gradients",
            "energy": "by copies of the gradient",
        },
        comparisons=(
            ("random", "never"),
            ("tieaudit", "never"),
            ("tieaudit", "random"),
            ("tieaudit", "signs"),
            ("exact", "random"),
            ("tieaudit", "exact"),
            ("spread", "random"),
            ("energy", "random"),
            ("energy", "tieaudit"),
        ),
        curve="losses",
        curve_label="training loss",
        x_label="round",
        question="Does untying what TieAudit flags improve training?",
    ),
    "adapters": _Report(
        settings="Adapters",
        arms={
            "never": "no update",
            "random": "a random adapter",
            "audit": "by SubspaceAudit",
            "exact": "by exact shares",
            "full": "the whole update",
        },
        comparisons=(
            ("random", "never"),
            ("audit", "random"),
            ("exact", "random"),
            ("audit", "exact"),
            ("full", "exact"),
        ),
        curve="accuracies",
        curve_label="accuracy, mean of clients",
        x_label="round",
        question="Does choosing an adapter by SubspaceAudit help clients that cannot take all?",
    ),
    "conflicts": _Report(
        settings="Conflicts",
        arms={
            "mean": "plain mean",
            "pcgrad": "exact PCGrad",
            "gapip": "where GapIP says so",
            "coin": "as often, at random",
        },
        comparisons=(
            ("pcgrad", "mean"),
            ("gapip", "mean"),
            ("gapip", "pcgrad"),
            ("gapip", "coin"),
        ),
        curve="accuracies",
        curve_label="accuracy, mean of both tasks",
        x_label="epoch",
        question="Does aggregation by GapIP's decisions improve training of two tasks?",
    ),
}


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "experiment",
        help="answer an open question by training small models, several seeds",
        description="Train small models on MNIST, every arm with every seed, and compare them. "
        "An interrupted experiment goes on where it stopped, in the same folder.",
    )
    parser.add_argument("name", choices=list(_REPORTS))
    parser.add_argument("--quick", action="store_true", help="a smoke run: its figures mean little")
    parser.add_argument(
        "--seeds", type=at_least(2, 10**6), help="seeds of every arm (default: 10; quick: 2)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder (default: runs/NAME)")
    parser.add_argument("--figure", type=Path, metavar="SVG", help="also draw the result")
    parser.add_argument("--json", action="store_true", help="print one JSON object, not a table")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    name: str = arguments.name
    if arguments.seeds is not None and arguments.seeds < 2:
        raise InputError(f"an interval takes at least 2 seeds, not {arguments.seeds}")
    if arguments.figure is not None:
        check_writable(arguments.figure)
    try:
        import torch
    except ImportError:
        raise MissingExtraError("training", "torch") from None
    torch.set_num_threads(1)  # the models are too small for more
    report, experiment = _REPORTS[name], import_module(f"qring.experiments.{name}")
    kind = getattr(experiment, report.settings)
    settings = kind.quick() if arguments.quick else kind()
    if arguments.seeds is not None:
        settings = kind(**{**asdict(settings), "seeds": arguments.seeds})
    quick = "-quick" if arguments.quick else ""
    folder: Path = arguments.out or Path("runs") / f"{name}{quick}"
    trials = experiment.run(settings, folder, progress_line(name))
    answer = _answer(name, report, asdict(settings), trials)
    write_text(folder / "result.json", to_json(answer, indent=1) + "\n")
    if arguments.figure is not None:
        from qring.experiments.figures import draw

        draw(
            arguments.figure,
            trials,
            report.arms,
            curve=report.curve,
            curve_label=report.curve_label,
            x_label=report.x_label,
        )
    print(as_answer(arguments, answer) if arguments.json else _as_text(report, answer, folder))
    return 0


def _answer(
    name: str, report: _Report, settings: dict[str, Any], trials: list[dict[str, Any]]
) -> dict[str, Any]:
    from qring.experiments.trials import compare, mean_interval

    arms: dict[str, dict[str, Any]] = {}
    for arm in report.arms:
        rows = [row for row in trials if row["arm"] == arm]
        arms[arm] = {}
        for measure, value in rows[0].items():
            if measure != "seed" and isinstance(value, int | float):
                mean, interval = mean_interval([row[measure] for row in rows])
                arms[arm][measure] = {"mean": mean, "interval": list(interval)}
    found = [compare(trials, arm, against, "accuracy") for arm, against in report.comparisons]
    return {
        "experiment": name,
        "question": report.question,
        "settings": settings,
        "standing": "sampled; 95 % intervals by Student's law over seeds, differences paired",
        "arms": arms,
        "differences": [{**asdict(gap), "verdict": gap.verdict} for gap in found],
    }


def _figure(mean: float) -> str:
    return f"{mean:,.0f}" if abs(mean) >= 100 else f"{mean:.4g}"


def _as_text(report: _Report, answer: dict[str, Any], folder: Path) -> str:
    measures = list(dict.fromkeys(m for arm in answer["arms"].values() for m in arm))
    lines = [["mean over seeds", *(name.replace("_", " ") for name in measures)]]
    for arm, found in answer["arms"].items():
        cells = [_figure(found[m]["mean"]) if m in found else "" for m in measures]
        lines.append([report.arms[arm], *cells])
    gaps = [["accuracy, in points", "difference", "95 % interval", ""]]
    for gap in answer["differences"]:
        low, high = (100 * end for end in gap["interval"])
        gaps.append(
            [
                f"{report.arms[gap['arm']]} − {report.arms[gap['against']]}",
                f"{100 * gap['mean']:+.2f}",
                f"[{low:+.2f}, {high:+.2f}]",
                gap["verdict"],
            ]
        )
    return "\n".join(
        [report.question, "", table(lines), "", table(gaps), "",
         f"{answer['settings']['seeds']} seeds; results in {folder}"]
    )  # fmt: skip
