"""``qring train``: data-parallel training over the simulated ring, with the account to show."""

from __future__ import annotations

import argparse
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

from qring.cli.answer import answer
from qring.cli.options import refuse_unmet, refuse_unused
from qring.cli.page import write_page
from qring.cli.show import busiest_link, carriers, count, lifetime, table
from qring.encoding.values import BitBudget
from qring.errors import InputError, MissingExtraError
from qring.ledger import Ledger, Phase
from qring.numbers import number, positive, whole
from qring.paper.trace import Trace, check_shown, ring_trace, schedule_trace
from qring.protocols.uses import Uses
from qring.registry import PROTOCOLS
from qring.schedule.schedule import Collective, Schedule
from qring.schedule.topology import Topology
from qring.training.clocked import clocked_by
from qring.training.folder import run_folder
from qring.training.launch import launch
from qring.training.plots import draw_audits
from qring.training.settings import TrainSettings, add_arguments

__all__ = ["add_to"]


def _by_protocol() -> dict[str, tuple[Uses, ...]]:
    return {
        name: tuple(Uses((f"--{setting.replace('_', '-')}",)) for setting in entry.settings)
        for name, entry in PROTOCOLS.items()
    }


_TOGETHER = (
    Uses(("--dp-delta", "--dp-clip"), "--dp-epsilon"),
    Uses(("--clip",), without="--dp-epsilon"),
    Uses(("--audit-every",), "--audit"),
    Uses(("--compute-time", "--link-rate"), "--hardware"),
)


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "train",
        help="train a model data-parallel over a simulated ring",
        description="Train a model on real images with unmodified DistributedDataParallel; every "
        "gradient bit goes around the simulated ring. On many hosts: "
        "torchrun ... -m qring.training.rank, with the same options.",
    )
    parser.add_argument("--workers", type=whole, default=4, help="processes (default: 4)")
    add_arguments(parser)
    add = parser.add_argument
    add("--hardware", metavar="PROFILE", help="superdense, classical: time every step on links of "
        "this hardware, by name or .json file; pairs have the noise of their age")  # fmt: skip
    add("--compute-time", type=number(0), metavar="S", help="with --hardware: seconds that a "
        "worker computes a step (default: measured here)")  # fmt: skip
    add("--link-rate", type=positive, metavar="BIT/S", help="with --hardware: of classical links "
        "(default: no limit)")  # fmt: skip
    parser.add_argument("--compare", action="store_true", help="then train over the classical ring")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder (default: runs/TIME)")
    parser.add_argument("--json", action="store_true", help="print one JSON object, not a table")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    refuse_unused(arguments, arguments.protocol, _by_protocol())
    refuse_unmet(arguments, _TOGETHER)
    clocked = clocked_by(arguments)
    if clocked is not None:
        print(f"qring: {clocked}", file=sys.stderr)
        arguments.noise = str(clocked.law)
    settings = TrainSettings.from_arguments(arguments)
    if settings.sums_words and not settings.dp_epsilon:
        budget = BitBudget.of(settings.word_bits, max(1, arguments.workers))
        print(f"qring: {budget}; range ±{settings.clip:g} (from --clip)", file=sys.stderr)
    with run_folder(arguments.out) as out:
        launch(settings, workers=arguments.workers, out=out, compare=arguments.compare)
    summary = json.loads((out / "result.json").read_text())
    ledgers = json.loads((out / "ledger.json").read_text())
    for note in settings.entry.training_notes(settings.epsilon):
        print(f"qring: {note}", file=sys.stderr)
    if settings.noise.error_probability and settings.protocol == "superdense":
        told = (
            "caution: noise without error correction: every error that fell is in the gradients, "
        )
        told += "and ranks may have drifted apart"
        if settings.coding is not None:
            told = f"noise was corrected ({settings.coding})"
        print(f"qring: {told}", file=sys.stderr)
    _write_page(settings, summary, ledgers, out)
    timed = None
    if clocked is not None:
        steps = summary["runs"][settings.protocol]["steps"]
        timed = clocked.write(out, steps, compare=arguments.compare and clocked.quantum)
    print(
        _as_json(settings, summary, ledgers, out, arguments, timed)
        if arguments.json
        else _as_table(settings, summary, ledgers, out, timed)
    )
    return 0


def _has_page(settings: TrainSettings, workers: int) -> bool:
    """Whether one step can be shown: sums of floats, by a schedule that a picture holds."""
    if not settings.entry.backend:
        return False
    try:
        check_shown(_schedule(settings, workers))
    except InputError:
        return settings.topology == "ring"
    return True


def _schedule(settings: TrainSettings, workers: int) -> Schedule:
    from qring.torch.engine.plans import lay_out, schedule_for

    names = range(workers)
    laid = lay_out(Topology(settings.topology), names, (tuple(names),), whole=True)
    return schedule_for(laid, Collective.ALL_REDUCE, 0)


def _step(settings: TrainSettings, coords: int, workers: int, what: str) -> Trace:
    """One step's all-reduce as the backend cuts it, ranks being workers."""
    from qring.torch.engine.layout import chunk_of, gloo_bounds, rank_of

    if settings.topology != "ring":
        schedule = _schedule(settings, workers)
        return schedule_trace(
            schedule, coords=coords, what=what, bits=lambda length, _: 32 * length
        )
    bounds = gloo_bounds(coords, 4, workers)
    lengths = [after - before for before, after in pairwise(bounds)]
    return ring_trace(
        chunks=[lengths[chunk_of(k, workers)] for k in range(workers)],
        names=[rank_of(place, workers) for place in range(workers)],
        what=what,
        bits=lambda length, _: 32 * length,
    )


def _write_page(
    settings: TrainSettings, summary: dict[str, Any], ledgers: dict[str, Any], out: Path
) -> None:
    """Picture one step's all-reduce as the backend cuts it; hooks that sum words do otherwise."""
    name, workers = settings.protocol, summary["workers"]
    if not _has_page(settings, workers):
        return
    audits = _audits(out, settings)
    coords = summary["runs"][name]["coords"]
    what = (
        f"gradients of {coords:,} parameters in float32, one step of "
        f"{summary['runs'][name]['steps']}; workers are ranks"
    )
    trace = _step(settings, coords, workers, what)
    over = "around the ring" if settings.topology == "ring" else f"over {settings.topology}"
    write_page(
        out / "ring.html",
        trace,
        title=f"One training step {over}",
        facts={
            "accuracy": f"{summary['runs'][name]['accuracy']:.1%}",
            "steps": count(summary["runs"][name]["steps"]),
            **({"audits": _audited(audits)} if audits else {}),
        },
        ledger=Ledger.from_rows(ledgers[name]["links"], ledgers[name]["rounds"]),
        quantum=settings.protocol == "superdense",
    )


def _as_json(
    settings: TrainSettings,
    summary: dict[str, Any],
    ledgers: dict[str, Any],
    out: Path,
    arguments: argparse.Namespace,
    timed: dict[str, Any] | None,
) -> str:
    runs = {name: {**run, **ledgers[name]} for name, run in summary["runs"].items()}
    own = runs.pop(settings.protocol)
    return answer(
        arguments,
        {
            "protocol": settings.protocol,
            "workers": summary["workers"],
            **own,
            "settings": summary["settings"],
            "compared": runs,
            "audits": _audits(out, settings),
            **({"timeline": timed} if timed is not None else {}),
            "out": str(out),
        },
    )


def _audits(out: Path, settings: TrainSettings) -> list[dict[str, Any]]:
    """The audits of the run, without those of the run it is compared with."""
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [row for row in rows if "audit" in row and row["protocol"] == settings.protocol]


def _audited(audits: list[dict[str, Any]]) -> str:
    """One line: how much conflict was found, and what it cost beside the rival."""
    first, last = audits[0], audits[-1]
    what = {
        "ties": "of tied pairs in conflict",
        "conflicts": "of pairs of ranks in conflict",
        "subspace": "of the step inside the subspace",
    }[first["audit"]]
    qubits, bits, rival = (sum(row[k] for row in audits) for k in ("qubits", "bits", "rival_bits"))
    extra = f" + {count(bits)} bits" if bits else ""
    return (
        f"{len(audits)} audits: {first['fraction']:.0%} {what} at step "
        f"{first['step']}, {last['fraction']:.0%} at step {last['step']}; {count(qubits)} qubits"
        f"{extra}, by {first['rival']} {count(rival)} bits; winner: "
        f"{'quantum' if qubits + bits < rival else 'classical'}"
    )


def _drawn(out: Path, audits: list[dict[str, Any]]) -> str:
    """Draw the audits beside the other results, where that is possible."""
    try:
        draw_audits(out / "audits.svg", audits)
    except MissingExtraError as error:
        return str(error)
    return f"audits drawn in {out / 'audits.svg'}"


def _clock_note(timed: dict[str, Any]) -> str:
    """One line: what training would have taken on the hardware, and what the time went into."""
    parts = ", ".join(f"{name} {s:.3g} s" for name, s in timed["totals_s"].items() if s > 0)
    told = f"on {timed['hardware']} training takes {timed['total_s']:.4g} s: {parts}"
    if timed["mean_fidelity"] < 1:
        told += f"; pairs are used at a mean fidelity of {timed['mean_fidelity']:.4g}"
    if "classical" in timed:
        told += f"; over classical links {timed['classical']['total_s']:.4g} s"
    return told


def _as_table(
    settings: TrainSettings,
    summary: dict[str, Any],
    ledgers: dict[str, Any],
    out: Path,
    timed: dict[str, Any] | None,
) -> str:
    runs: dict[str, dict[str, Any]] = summary["runs"]
    accounts = {
        name: Ledger.from_rows(ledgers[name]["links"], ledgers[name]["rounds"]) for name in runs
    }
    own = runs[settings.protocol]

    def row(label: str, cell: Any) -> list[str]:  # noqa: ANN401 - a function of a run's name
        return [label, *(cell(name) for name in runs)]

    lines = [
        row("", str),
        row("accuracy on held-out images", lambda name: f"{runs[name]['accuracy']:.1%}"),
        row("online, busiest link", lambda name: busiest_link(accounts[name])),
        row("online, all links", lambda name: carriers(accounts[name], Phase.ONLINE)),
        row("setup, all links", lambda name: carriers(accounts[name], Phase.SETUP)),
        row("pairs consumed", lambda name: f"{count(accounts[name].totals.ebits)} ebits"),
        row("lifetime carriers", lambda name: lifetime(accounts[name])),
        row("rounds", lambda name: count(accounts[name].rounds)),
        row("parameters, sha256", lambda name: runs[name]["result_hash"][:16]),
    ]
    over = "the ring" if settings.topology == "ring" else "a step"
    has_page = _has_page(settings, summary["workers"])
    shown = f", and {over} round by round in ring.html" if has_page else ""
    notes = [f"results in {out}{shown}"]
    if not own["agreed"]:
        notes.insert(0, "the ranks ended with DIFFERENT parameters; the hash is rank 0's")
    if settings.dp_epsilon:
        notes.insert(
            0,
            f"(ε={settings.dp_epsilon:g}, δ={settings.dp_delta:g}) for each training image, over "
            f"{settings.epochs} epochs; a simulation on one machine protects nobody's data",
        )
    if len(runs) > 1:
        same = len({run["result_hash"] for run in runs.values()}) == 1
        verdict = "DIFFERENT"
        if same:
            verdict = "identical bit for bit"
        elif settings.dp_epsilon:
            verdict = "different: private training adds noise"
        elif settings.sums_words:
            verdict = "different, as sums of fixed-point words are from sums of floats"
        notes.insert(0, f"parameters are {verdict}")
    audits = _audits(out, settings)
    if audits:
        notes.insert(-1, _audited(audits))
        notes.insert(-1, _drawn(out, audits))
    if timed is not None:
        notes.insert(-1, _clock_note(timed))
        notes.insert(-1, f"timeline in {out / 'timeline.json'}; trace.json opens in Perfetto")
    heading = (
        f"{settings.data.value}, {settings.model.value} ({own['coords']:,} parameters), "
        f"{summary['workers']} workers, {settings.epochs} epochs, {own['steps']} steps"
    )
    return "\n".join([heading, "", table(lines), "", *notes])
