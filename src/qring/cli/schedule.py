"""``qring schedule``: check, account for, and translate schedules of collectives."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from qring.atomic import write, write_text
from qring.cli.answer import answer
from qring.cli.show import carriers, count, table
from qring.errors import InputError
from qring.ledger import Carrier, Ledger, Phase
from qring.numbers import whole
from qring.protocols.topology import read_schedule
from qring.schedule.account import account
from qring.schedule.check import check
from qring.schedule.formats.chakra import chakra_traces
from qring.schedule.formats.msccl_writer import write_msccl
from qring.schedule.formats.notation import write_json
from qring.schedule.formats.perfetto import write_perfetto
from qring.schedule.schedule import Collective, Schedule
from qring.schedule.topology import TOPOLOGIES, Topology

__all__ = ["add_to"]

_FORMATS = ("account", "msccl", "json", "perfetto", "chakra")


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "schedule",
        help="check, account for, and translate schedules of collectives",
        description="Take a topology by name, or the schedule of a file (MSCCL XML, or JSON from "
        "--format json); prove it right; and say what each directed link carries as qubits, or "
        "write it in another tool's format.",
    )
    add = parser.add_argument
    add("schedule", metavar="NAME|FILE", help=f"{', '.join(TOPOLOGIES)}; or a file")
    add("--workers", type=whole, metavar="N", help="with a name: how many workers")
    add("--collective", choices=[kind.value for kind in Collective],
        help="with a name: the collective (default: all-reduce)")  # fmt: skip
    add("--root", type=whole, metavar="R", help="with a name: the root, if the collective has one")
    add("--check", action="store_true", help="only prove it right, or say what is wrong")
    add("--format", choices=_FORMATS, default="account",
        help="account: qubits, ebits and pairs to have ready, a link (default); msccl: XML; json; "
        "perfetto: a Chrome trace; chakra: one trace a rank for ASTRA-sim")  # fmt: skip
    add("--coords", type=whole, default=1_000_000, metavar="D",
        help="account, perfetto, chakra: words of a worker (default: 1,000,000)")  # fmt: skip
    add("--word-bits", type=whole, default=32, metavar="B",
        help="account, chakra: bits of a word; sums take no carry (default: 32)")  # fmt: skip
    add("--out", type=Path, metavar="FILE",
        help="write there; chakra: FILE.0.et, FILE.1.et, …")  # fmt: skip
    add("--json", action="store_true", help="account, --check: print one JSON object")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    schedule = _schedule(arguments)
    check(schedule)
    if arguments.check:
        if arguments.format != "account" or arguments.out is not None:
            raise InputError("--check only checks: leave out --format and --out")
        print(answer(arguments, _facts(schedule)) if arguments.json else _proved(schedule))
        return 0
    for name in ("coords", "word_bits"):
        if getattr(arguments, name) < 1:
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"{option} must be at least 1, not {getattr(arguments, name)}")
    if arguments.format == "chakra":
        return _write_chakra(schedule, arguments)
    if arguments.json and arguments.format != "account":
        raise InputError("--json belongs to the account; --format json writes the schedule")
    _deliver(_text(schedule, arguments), arguments.out)
    return 0


def _schedule(arguments: argparse.Namespace) -> Schedule:
    text: str = arguments.schedule
    if text.partition(":")[0] not in TOPOLOGIES:
        path = Path(text)
        if not path.exists():
            raise InputError(
                f"{text[:60]!r} is neither a topology ({', '.join(TOPOLOGIES)}) nor a file"
            )
        for name in ("workers", "collective", "root"):
            if getattr(arguments, name) is not None:
                raise InputError(f"the file says its {name}: leave out --{name}")
        return read_schedule(path)
    topology = Topology(text)
    if arguments.workers is None and topology.sizes is None:
        raise InputError(f"say among how many workers: {text} --workers N")
    workers = arguments.workers
    if workers is None and topology.sizes is not None:
        workers = topology.sizes[0] * topology.sizes[1]
    if not 1 <= workers <= 4096:
        raise InputError(f"--workers lies in 1..4096, not at {workers}")
    kind = Collective(arguments.collective or Collective.ALL_REDUCE.value)
    if arguments.root is not None and not kind.has_root:
        raise InputError(f"{kind.value} has no root: leave out --root")
    apart = arguments.format != "msccl"  # which has GPUs only
    return topology.schedule(kind, workers, root=arguments.root or 0, apart=apart)


def _facts(schedule: Schedule) -> dict[str, Any]:
    rounds = messages = 0
    for hops in schedule.rounds:
        travelling = sum(hop.src != hop.dst for hop in hops)
        rounds, messages = rounds + (travelling > 0), messages + travelling
    return {
        "schedule": schedule.name,
        "collective": schedule.collective.value,
        "workers": schedule.workers,
        "chunks": schedule.chunks,
        "rounds": rounds,
        "messages": messages,
        "right": True,
    }


def _proved(schedule: Schedule) -> str:
    facts = _facts(schedule)
    return (
        f"right: {facts['schedule']}, {facts['collective']} among {count(schedule.workers)} "
        f"workers, {count(schedule.chunks)} chunks, {count(facts['rounds'])} rounds, "
        f"{count(facts['messages'])} messages; every contribution arrives exactly once, whatever "
        "the values"
    )


def _text(schedule: Schedule, arguments: argparse.Namespace) -> str:
    if arguments.format == "msccl":
        return write_msccl(schedule)
    if arguments.format == "json":
        return write_json(schedule) + "\n"
    if arguments.format == "perfetto":
        return write_perfetto(schedule, arguments.coords) + "\n"
    per_word: int = arguments.word_bits

    def bits(words: int, _: int) -> int:
        return words * per_word

    ledger = account(schedule, arguments.coords, bits, quantum=True)
    classical = account(schedule, arguments.coords, bits, quantum=False)
    if arguments.json:
        return answer(arguments, {**_facts(schedule), "coords": arguments.coords,
                        "word_bits": per_word, "links": ledger.rows(),
                        "totals": ledger.totals._asdict()}) + "\n"  # fmt: skip
    return _table(schedule, arguments, ledger, classical) + "\n"


def _table(
    schedule: Schedule, arguments: argparse.Namespace, ledger: Ledger, classical: Ledger
) -> str:
    rows = [["directed link", "qubits online", "ebits", "pairs ready before", "classical bits"]]
    ends = sorted({(entry.src, entry.dst) for entry in ledger})
    for src, dst in ends:
        rows.append(
            [
                f"{_node(schedule, src)} → {_node(schedule, dst)}",
                count(ledger.on(src, dst, Phase.ONLINE, Carrier.QUBIT)),
                count(ledger.on(src, dst, Phase.ONLINE, Carrier.EBIT)),
                count(ledger.on(src, dst, Phase.SETUP, Carrier.QUBIT)),
                count(classical.on(src, dst, Phase.ONLINE, Carrier.BIT)),
            ]
        )
    heading = (
        f"{_proved(schedule)}\n\n{count(arguments.coords)} words of {arguments.word_bits} bits a "
        f"worker; exact counts"
    )
    closing = (
        f"all links: {carriers(ledger, Phase.ONLINE)} online and as many pairs, against "
        f"{carriers(classical, Phase.ONLINE)}; the pairs are as many qubits again, beforehand"
    )
    return f"{heading}\n\n{table(rows)}\n\n{closing}"


def _node(schedule: Schedule, node: int) -> str:
    return str(node) if node < schedule.workers else "server"


def _write_chakra(schedule: Schedule, arguments: argparse.Namespace) -> int:
    if arguments.json:
        raise InputError("--json belongs to the account and --check; chakra writes traces")
    if arguments.out is None:
        raise InputError("chakra traces are files, one a rank: give --out PREFIX")
    if arguments.word_bits % 8:
        raise InputError(
            f"chakra counts bytes: --word-bits must be a multiple of 8, not {arguments.word_bits}"
        )
    traces = chakra_traces(schedule, arguments.coords, arguments.word_bits // 8)
    for rank, trace in enumerate(traces):
        write(Path(f"{arguments.out}.{rank}.et"), trace)
    key = f"{schedule.collective.value}-implementation-custom"
    print(f'wrote {len(traces)} traces; for ASTRA-sim: "{key}": ["{arguments.out}"]')
    return 0


def _deliver(text: str, out: Path | None) -> None:
    if out is None:
        sys.stdout.write(text)
    else:
        write_text(out, text)
