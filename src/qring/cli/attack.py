"""``qring attack``: what an attack on a protocol tells of one worker's word, and who notices."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from qring.cli import inversion
from qring.cli.answer import answer
from qring.cli.options import refuse_unused
from qring.cli.show import table
from qring.errors import InputError
from qring.network.wiring import Distribution
from qring.numbers import at_least, number, probability, seed, whole
from qring.protocols.entry import Entry
from qring.protocols.uses import Uses
from qring.registry import PROTOCOLS
from qring.security.leakage.laboratory import ATTACKS, attack, attacked
from qring.security.leakage.report import Leak, Setting
from qring.security.vga.verification import CutAndChoose, HashedVerification
from qring.theory.privacy import classical_leak_at_least

__all__ = ["add_to"]

_LABORATORY = Uses(("--protocol", "--workers", "--word-bits", "--copies", "--rounds",
                    "--verification", "--epsilon", "--copies-factor", "--withstood",
                    "--distribute"))  # fmt: skip
_BY_ATTACK = {
    **dict.fromkeys(ATTACKS, (_LABORATORY,)),
    inversion.NAME: (Uses(("--clients", "--images", "--dp-epsilon")),),
}


def _uses(protocol: str) -> tuple[Uses, ...]:
    """Options that are used against a protocol; those of the laboratory's own rivals are none."""
    entry: Entry | None = PROTOCOLS.get(protocol)
    return entry.attack_uses if entry is not None else ()


def _families() -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.split()[0] for name in attacked()))


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    about = "\n".join(f"  {one.name:18} {one.about}" for one in ATTACKS.values())
    about += f"\n  {inversion.NAME:18} {inversion.ABOUT}"
    parser = commands.add_parser(
        "attack",
        help="measure what an attack learns of single words",
        description="Measure what an attack on a protocol tells, in bits, of the last worker's "
        "word. Words are uniform and sums are formed mod 2^B.\n\nattacks:\n" + about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--attack", choices=[*ATTACKS, inversion.NAME], required=True, metavar="A",
        help="one of the above")  # fmt: skip
    families = _families()
    add("--protocol", choices=families, metavar="P",
        help=", ".join(families) + f"; none for {inversion.NAME}")  # fmt: skip
    add("--verification", choices=["hashed", "cut-and-choose"], default="hashed",
        help="vga: how copies are tested (default: hashed)")  # fmt: skip
    add("--epsilon", type=probability, default=2.0**-40, metavar="E",
        help="vga, hashed: privacy of the whole round (default: 2^-40)")  # fmt: skip
    add("--copies-factor", type=number(), default=2.0, metavar="F",
        help="vga, cut-and-choose: copies shared for each one used (default: 2)")  # fmt: skip
    add("--workers", type=whole, default=3, help="how many there are (default: 3)")
    add("--word-bits", type=whole, default=2, metavar="B", help="bits of a word (default: 2)")
    add("--copies", default="1", metavar="K",
        help="copies tampered with, or all (default: 1)")  # fmt: skip
    add("--rounds", type=whole, default=400, help="runs where sizes are sampled (default: 400)")
    inversion.add_options(add)
    add("--withstood", type=whole, default=1, metavar="K",
        help="private: corrupted words that its code withstands; 0 is no code "
        "(default: 1)")  # fmt: skip
    add("--distribute", choices=[kind.value for kind in Distribution], default="star",
        help="private: how copies reach the workers (default: star)")  # fmt: skip
    add("--seed", type=seed, default=0, help="of all randomness (default: 0)")
    add("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    refuse_unused(arguments, arguments.attack, _BY_ATTACK)
    if arguments.attack == inversion.NAME:
        return inversion.run(arguments)
    protocol = arguments.protocol
    if protocol is None:
        raise InputError(
            f"--attack {arguments.attack} needs --protocol: one of {', '.join(_families())}"
        )
    refuse_unused(
        arguments,
        protocol,
        {name: PROTOCOLS[name].attack_uses if name in PROTOCOLS else () for name in _families()},
    )
    if protocol == "vga":
        protocol = f"vga {arguments.verification}"
    setting = _setting(arguments)
    found = attack(arguments.attack, protocol, setting, np.random.default_rng(arguments.seed))
    print(_as_json(found, arguments) if arguments.json else _as_table(found, arguments))
    return 0


def _setting(arguments: argparse.Namespace) -> Setting:
    copies: int | None = None
    if arguments.copies != "all":
        try:
            copies = at_least(0, 10**9)(arguments.copies)
        except argparse.ArgumentTypeError as error:
            raise InputError(f"--copies takes all, or a number: {error}") from None
    if not arguments.copies_factor > 1:
        raise InputError(
            f"--copies-factor {arguments.copies_factor} leaves nothing to test: it must exceed 1"
        )
    return Setting(
        workers=arguments.workers,
        word_bits=arguments.word_bits,
        copies=copies,
        rounds=arguments.rounds,
        withstood=arguments.withstood,
        distribution=Distribution(arguments.distribute),
        hashed=HashedVerification(epsilon=arguments.epsilon),
        cut=CutAndChoose(tests_per_copy=arguments.copies_factor - 1),
    )


def _as_json(found: Leak, arguments: argparse.Namespace) -> str:
    return answer(
        arguments,
        {
            "attack": arguments.attack,
            "protocol": arguments.protocol,
            "verification": arguments.verification if arguments.protocol == "vga" else None,
            "workers": arguments.workers,
            "word_bits": arguments.word_bits,
            "tampered_copies": arguments.copies,
            "leak_bits": found.leak_bits,
            "leak_interval": list(found.leak_interval),
            "leak_with_sum_bits": found.leak_with_sum_bits,
            "leak_with_sum_interval": list(found.leak_with_sum_interval),
            "standing": found.standing.value,
            "detected": found.detected,
            "detected_interval": list(found.detected_interval),
            "sum_correct": found.sum_correct,
            "sum_correct_interval": list(found.sum_correct_interval),
            "classical_at_least": classical_leak_at_least(arguments.word_bits, 0.0),
            "meaning": found.meaning,
        },
    )


def _as_table(found: Leak, arguments: argparse.Namespace) -> str:
    lines = [
        [f"{arguments.attack} against {arguments.protocol}", "figure", "interval"],
        ["told of a word, bits", _figure(found.leak_bits), _range(found.leak_interval)],
        [
            "once the sum is known, bits",
            _figure(found.leak_with_sum_bits),
            _range(found.leak_with_sum_interval),
        ],
        ["detected, probability", _figure(found.detected), _range(found.detected_interval)],
        ["right sum, probability", _figure(found.sum_correct), _range(found.sum_correct_interval)],
    ]
    floor = classical_leak_at_least(arguments.word_bits, 0.0)
    return (
        f"{arguments.workers} workers, words of {arguments.word_bits} bits; standing: "
        f"{found.standing.value}\n\n{table(lines)}\n\n{found.meaning}\n"
        f"any exact classical protocol tells an all-seeing wiretapper {floor:.3g} bits (theorem 2)"
    )


def _figure(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".") if value == 0 or value > 1e-4 else f"{value:.2g}"


def _range(interval: tuple[float, float]) -> str:
    low, high = (_figure(value) for value in interval)
    return "" if low == high else f"{low} to {high}"
