"""``qring circuit``: a protocol as a circuit, written down, drawn, or run on Aer."""

from __future__ import annotations

import argparse
import math
import sys
from argparse import ArgumentTypeError
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from qring.circuits.device import DeviceCard
from qring.circuits.export import Format, draw, export
from qring.circuits.gap_ip import GapIPPasses, GapIPPhase
from qring.circuits.ghz import GhzCopy, PhaseDigits, Source
from qring.circuits.portable import ProtocolCircuit
from qring.circuits.sampling import Sampling, aer_sampling
from qring.circuits.superdense import SuperdensePair
from qring.circuits.tie_audit import TieAuditCopy
from qring.circuits.verification import HashedCheck, StabiliserTest, ZTest
from qring.cli.answer import answer as as_answer
from qring.cli.options import given, refuse_unmet
from qring.cli.show import count, progress_line, table
from qring.errors import InputError
from qring.numbers import at_least, number, seed
from qring.protocols.uses import Uses

__all__ = ["add_to"]

Arguments = argparse.Namespace

_AT_ONCE = 4096  # shots of one call into Aer, which hears no interrupt
_SEED_STEP = 0x9E3779B97F4A7C15 >> 1  # seeds of further calls lie far from those people choose


def _superdense(a: Arguments) -> SuperdensePair:
    if len(a.bits) != 2 or set(a.bits) - {"0", "1"}:
        raise InputError(f"a pair carries two bits, like 10, not {a.bits!r}")
    return SuperdensePair(label=int(a.bits, 2), storage_s=a.storage)


def _ghz(a: Arguments) -> GhzCopy:
    phases = _numbers(a.phases) if a.phases else (0.0,) * a.workers
    _same_workers(a, len(phases), "--phases")
    return GhzCopy(phases=phases, source=Source(a.source))


def _same_workers(a: Arguments, workers: int, option: str) -> None:
    """Refuse a number of workers that another option contradicts."""
    if "--workers" in given(a) and a.workers != workers:
        raise InputError(f"{option} is for {workers} workers, not for --workers {a.workers}")


def _phase_digits(a: Arguments) -> PhaseDigits:
    words = _whole(a.words)
    needed = max(1, sum(words).bit_length())
    bits = a.sum_bits if a.sum_bits is not None else needed
    if bits < needed:
        raise InputError(f"the sum {sum(words)} takes {needed} bits: raise --sum-bits {bits}")
    return PhaseDigits(words=words, sum_bits=bits, source=Source(a.source))


def _stabiliser_test(a: Arguments) -> StabiliserTest:
    workers = a.workers if a.stabiliser is None else len(a.stabiliser) - 1
    _same_workers(a, workers, "--stabiliser")
    return StabiliserTest(workers=workers, stabiliser=a.stabiliser, source=Source(a.source))


def _hashed_check(a: Arguments) -> HashedCheck:
    if set(a.subset) - {"0", "1"}:
        raise InputError(f"a subset is one digit a copy, 1 where it is chosen; not {a.subset!r}")
    subset = tuple(digit == "1" for digit in a.subset)
    return HashedCheck(workers=a.workers, subset=subset, source=Source(a.source))


def _z_test(a: Arguments) -> ZTest:
    return ZTest(workers=a.workers, source=Source(a.source))


def _tie_audit(a: Arguments) -> TieAuditCopy:
    if set(a.signs) - {"+", "-"}:
        raise InputError(f"signs are written + and -, not {a.signs!r}")
    pairs = []
    for text in a.pairs.split(","):
        ends = _whole(text.replace("-", ","))
        if len(ends) != 2:
            raise InputError(f"a pair is written like 0-5, not {text!r}")
        pairs.append((ends[0], ends[1]))
    return TieAuditCopy(signs=tuple(1 if s == "+" else -1 for s in a.signs), pairs=tuple(pairs))


def _gap_ip(a: Arguments) -> GapIPPasses:
    if a.passes < 1:
        raise InputError(f"the register makes at least 1 pass, not {a.passes}")
    phases = (math.pi,) * (a.passes - 1)
    return GapIPPasses(vectors=(_numbers(a.u), _numbers(a.v)), phases=phases)


def _gap_ip_phase(a: Arguments) -> GapIPPhase:
    return GapIPPhase(vectors=(_numbers(a.u), _numbers(a.v)), digits=a.digits)


_WORKERS = (
    "--workers",
    {"type": at_least(1, 10_000), "default": 3, "metavar": "N", "help": "default: 3"},
)
_SOURCE = (
    "--source",
    {
        "choices": [source.value for source in Source],
        "default": "chain",
        "help": "how copies are made; plus is a tampered source (default: chain)",
    },
)
_VECTORS = [
    ("--u", {"default": "1,2,0.5", "help": "worker 0's vector (default: 1,2,0.5)"}),
    ("--v", {"default": "1,-1,1", "help": "worker 1's vector (default: 1,-1,1)"}),
]


_USES = (Uses(("--json", "--seed"), "--shots"), Uses(("--format",), without="--shots"))


class _Entry(NamedTuple):
    about: str
    make: Callable[[Arguments], ProtocolCircuit]
    options: list[tuple[str, dict[str, Any]]]


_CIRCUITS = {
    "superdense": _Entry("two bits on one pair", _superdense, [
        ("--bits", {"default": "10", "help": "b1 and b2 (default: 10)"}),
        ("--storage", {"type": number(0, 1e6), "default": 0.0, "metavar": "S",
                       "help": "seconds that the pair waits (default: 0)"}),
    ]),
    "ghz": _Entry("one copy, phases on it, measured in X", _ghz, [
        _WORKERS, _SOURCE,
        ("--phases", {"help": "radians, one a worker (default: all 0)"}),
    ]),
    "phase-digits": _Entry("a whole sum, digit by digit, with feed-forward", _phase_digits, [
        ("--words", {"default": "11,6,13", "help": "one a worker (default: 11,6,13)"}),
        ("--sum-bits", {"type": at_least(1, 62), "metavar": "B",
                        "help": "default: as the sum needs"}),
        _SOURCE,
    ]),
    "stabiliser-test": _Entry("test a copy by a stabiliser that coins choose", _stabiliser_test, [
        _WORKERS, _SOURCE,
        ("--stabiliser", {"help": "fix it, like --stabiliser=-YXY (default: coins choose)"}),
    ]),
    "hashed-check": _Entry("fold a subset of copies into a check copy", _hashed_check, [
        _WORKERS, _SOURCE,
        ("--subset", {"default": "11", "help": "1 for each copy chosen, else 0 (default: 11)"}),
    ]),
    "z-test": _Entry("test a copy of the offline masks in Z", _z_test, [_WORKERS, _SOURCE]),
    "tie-audit": _Entry("a phase state and its matching measurement", _tie_audit, [
        ("--signs", {"default": "+--+++-+", "help": "one a coordinate; write --signs=-+..."}),
        ("--pairs", {"default": "0-5,3-1,2-7,6-4", "help": "default: 0-5,3-1,2-7,6-4"}),
    ]),
    "gap-ip": _Entry("a register passed to and fro, without ancilla", _gap_ip, [
        *_VECTORS,
        ("--passes", {"type": at_least(1, 10_000), "default": 3, "help": "default: 3"}),
    ]),
    "gap-ip-phase": _Entry("iterative phase estimation with feed-forward", _gap_ip_phase, [
        *_VECTORS,
        ("--digits", {"type": at_least(1, 64), "default": 3, "help": "binary digits (default: 3)"}),
    ]),
}  # fmt: skip


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "circuit",
        help="write a protocol down as a circuit, draw it, or run it on Aer",
        description="Write a protocol down as a circuit for Qiskit, OpenQASM 3, stim or NetQASM, "
        "draw it, or run it on Aer. See: qring circuit NAME --help",
    )
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, entry in _CIRCUITS.items():
        one = names.add_parser(name, help=entry.about, description=f"{name}: {entry.about}.")
        for option, settings in entry.options:
            one.add_argument(option, **settings)
        add = one.add_argument
        add("--format", choices=[f.value for f in Format], default="text",
            help="default: text, a drawing in characters")  # fmt: skip
        add("--draw", type=Path, metavar="FILE", help="draw it into a .png, .svg or .pdf")
        add(
            "--shots",
            type=at_least(1, 10**9),
            metavar="N",
            help="run it on Aer N times instead of printing it",
        )
        add("--device", type=Path, metavar="CARD", help="with the noise of a card: qring device")
        add("--seed", type=seed, default=0, help="of the run (default: 0)")
        add("--json", action="store_true", help="print what a run found as one JSON object")
        one.set_defaults(run=_run)


def _run(arguments: Arguments) -> int:
    if arguments.shots is None and arguments.device is not None:
        raise InputError("a device is for running: say how often with --shots")
    refuse_unmet(arguments, _USES)
    protocol = _CIRCUITS[arguments.name].make(arguments)
    if arguments.draw is not None:
        draw(protocol.build(), arguments.draw)
        print(f"drawn into {arguments.draw}", file=sys.stderr)
    if arguments.shots is not None:
        _print_run(protocol, arguments)
    elif arguments.draw is None:
        print(export(protocol.build(), Format(arguments.format)))
    return 0


def _print_run(protocol: ProtocolCircuit, arguments: Arguments) -> None:
    card = None if arguments.device is None else DeviceCard.read(arguments.device)
    seen: Counter[tuple[Any, ...]] = Counter()
    fields: dict[str, Any] = {}
    caveats: tuple[str, ...] = ()
    progress = progress_line("shots")
    for done in range(0, arguments.shots, _AT_ONCE):  # an interrupt is heard between two runs
        own = (arguments.seed + done // _AT_ONCE * _SEED_STEP) % 2**63
        sampling: Sampling = aer_sampling(own) if card is None else card.sampling(own)
        caveats = sampling.caveats_of(protocol.build())
        some = min(_AT_ONCE, arguments.shots - done)
        found = sampling.sample(protocol, some)
        fields = found._asdict() if hasattr(found, "_asdict") else {"outcome": found}
        columns = (np.asarray(column).tolist() for column in fields.values())
        seen.update(zip(*columns, strict=True))
        progress(done + some, arguments.shots)
    rows = sorted(seen.items())
    for caveat in caveats:
        print(f"qring: caution: {caveat}", file=sys.stderr)
    if arguments.json:
        outcomes = [{**dict(zip(fields, key, strict=True)), "count": n} for key, n in rows]
        answer = {"circuit": arguments.name, "shots": arguments.shots, "outcomes": outcomes}
        print(as_answer(arguments, {**answer, "caveats": list(caveats)}))
        return
    lines = [[*(str(part) for part in key), count(n)] for key, n in rows]
    print(table([[*fields, "shots"], *lines]))


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(map(number(-1e15, 1e15), text.split(",")))
    except ArgumentTypeError as error:
        raise InputError(f"numbers are separated by commas, like 1,0.5; {error}") from None


def _whole(text: str) -> tuple[int, ...]:
    try:
        return tuple(map(at_least(0), text.split(",")))
    except ArgumentTypeError as error:
        raise InputError(f"whole numbers are separated by commas; {error}") from None
