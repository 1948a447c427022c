"""``--adversary``: an eavesdropper on the way of copies or qubits, to see what happens."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from qring.errors import InputError
from qring.network.adversary.aim import Aim, Every, These
from qring.network.adversary.base import Adversary, Interceptor, Source
from qring.network.adversary.online import FlipOnline
from qring.network.adversary.sources import (
    Basis,
    BitFlips,
    EprHalves,
    InterceptResend,
    PhaseRotation,
    PlusState,
    Purification,
)
from qring.registry import PROTOCOLS, Registry

__all__ = ["ONLINE", "SOURCES", "add_options", "adversary"]

SOURCES: Registry[Callable[[Aim], Source]] = Registry("adversary", "qring.adversaries", {
    "plus-state": lambda aim: PlusState(aim=aim),
    "intercept-resend": lambda aim: InterceptResend(basis=Basis.X, aim=aim),
    "intercept-resend-y": lambda aim: InterceptResend(basis=Basis.Y, aim=aim),
    "intercept-resend-z": lambda aim: InterceptResend(basis=Basis.Z, aim=aim),
    "purification": lambda aim: Purification(aim=aim),
    "phase-rotation": lambda aim: PhaseRotation(aim=aim),
    "epr-half": lambda aim: EprHalves(aim=aim),
    "bit-flip": lambda aim: BitFlips(workers=frozenset({1}), aim=aim),
})  # fmt: skip
"""Ways to tamper with GHZ copies, made from the copies aimed at."""

ONLINE: dict[str, Interceptor] = {
    "online-flips": FlipOnline(),
    "online-shift": FlipOnline(rounds=frozenset({0})),
}
"""A sum of its own for each worker; the same wrong sum for all."""


def add_options(add: Callable[..., argparse.Action]) -> None:
    """Add who tampers, with which copies, and who lies."""
    add("--adversary", choices=[*SOURCES, *ONLINE], metavar="NAME",
        help="ghz, vga, private: tamper with copies on their way: " + ", ".join(SOURCES)
        + "; private: with the ring's qubits: " + ", ".join(ONLINE))  # fmt: skip
    add("--adversary-copies", metavar="K,...",
        help="ghz, vga, private: numbers of the copies tampered with, as shared "
        "(default: all)")  # fmt: skip
    add("--dishonest", metavar="W,...",
        help="ghz, vga, private: workers that help the adversary and lie in tests")  # fmt: skip


def adversary(arguments: argparse.Namespace) -> Adversary | None:
    """The adversary that the options describe, if they do."""
    nodes = frozenset(_numbers("--dishonest", arguments.dishonest))
    if arguments.adversary is None:
        if arguments.adversary_copies is not None:
            raise InputError("--adversary-copies says where to tamper: give --adversary too")
        return Adversary(nodes=nodes) if nodes else None
    if arguments.adversary in ONLINE:
        if not PROTOCOLS[arguments.protocol].rides_masked:
            users = [name for name, entry in PROTOCOLS.items() if entry.rides_masked]
            raise InputError(
                f"{arguments.adversary} changes qubits of a masked ring, and {arguments.protocol} "
                f"has none: choose --protocol {' or '.join(users)}, or another --adversary"
            )
        if arguments.adversary_copies is not None:
            raise InputError(
                f"--adversary-copies names GHZ copies, and {arguments.adversary} leaves them alone"
            )
        return Adversary(nodes=nodes, online=ONLINE[arguments.adversary])
    aim: Aim = Every()
    if arguments.adversary_copies is not None:
        aim = These(tuple(_numbers("--adversary-copies", arguments.adversary_copies)))
    return Adversary(source=SOURCES[arguments.adversary](aim), nodes=nodes)


def _numbers(option: str, text: str | None) -> list[int]:
    if text is None:
        return []
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = [-1]
    if not 0 <= min(numbers) <= max(numbers) < 2**63:
        raise InputError(f"{option} {text!r} is not a list of numbers from 0, such as 0,3")
    return numbers
