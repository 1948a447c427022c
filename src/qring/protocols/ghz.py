"""``ghz``: sums in the phases of shared GHZ copies."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable

from qring.collectives.aggregate import Aggregate
from qring.collectives.ghz.checksum import Checksum
from qring.collectives.ghz.coded import CodedDigits
from qring.collectives.ghz.digits import Digits, Repetition
from qring.collectives.ghz.kitaev import Kitaev
from qring.collectives.ghz.method import Ghz, GhzAggregate
from qring.collectives.ghz.readout import Readout
from qring.collectives.ghz.shots import Shots
from qring.network.network import Network
from qring.network.noise import QubitNoise
from qring.network.wiring import Announcement, Distribution
from qring.numbers import number, probability
from qring.protocols import adversary
from qring.protocols.entry import SPOILED, AnyEncoding, Entry, Sums, words
from qring.protocols.uses import Uses

__all__ = ["COPIES", "ENTRY", "add_options", "figures", "method", "network"]

_READOUTS: dict[str, Callable[[float], Readout]] = {
    "digits": lambda failure: Digits(failure=failure),
    "sequential": lambda failure: Digits(failure=failure, repetition=Repetition.SEQUENTIAL),
    "coded": lambda _: CodedDigits(),
    "kitaev": lambda failure: Kitaev(failure=failure),
    "shots": lambda failure: Shots(failure=failure),
}


def add_options(add: Callable[..., argparse.Action]) -> None:
    """Add what the copies and their readout can be told."""
    add("--readout", choices=list(_READOUTS), default="digits",
        help="ghz: how sums are read from the copies (default: digits)")  # fmt: skip
    add("--visibility", type=number(), default=1.0, metavar="V",
        help="ghz: visibility of the shared copies (default: 1)")  # fmt: skip
    add("--failure", type=probability, default=1e-6, metavar="P",
        help="ghz: probability that a coordinate's sum is wrong (default: 1e-6)")  # fmt: skip
    add("--announce", choices=[kind.value for kind in Announcement], default="xor-ring",
        help="ghz: how outcome bits are made public (default: xor-ring)")  # fmt: skip
    add("--distribute", choices=[kind.value for kind in Distribution], default="star",
        help="ghz, vga, private: where copies come from (default: star)")  # fmt: skip
    add("--checksum", action="store_true", help="ghz, vga: find wrong sums and read them again; "
        "always on with --readout coded")  # fmt: skip
    adversary.add_options(add)


def method(encoding: AnyEncoding, arguments: argparse.Namespace) -> Ghz:
    """Make the method that the options describe; say so where it adds a checksum."""
    if arguments.readout == "coded" and not arguments.checksum:
        print("qring: how often --readout coded fails is only measured: a checksum is added, "
              "and charged", file=sys.stderr)  # fmt: skip
    return Ghz(
        encoding=words(encoding, arguments.protocol),
        readout=_READOUTS[arguments.readout](arguments.failure),
        announcement=Announcement(arguments.announce),
        distribution=Distribution(arguments.distribute),
        checksum=Checksum() if arguments.checksum else None,
    )


def network(given: Network, workers: int, arguments: argparse.Namespace) -> Network:
    """Add the noise of the copies' qubits that gives ``--visibility``, and the adversary."""
    noise = QubitNoise.of_visibility(arguments.visibility, workers)
    return dataclasses.replace(given, qubit_noise=noise, adversary=adversary.adversary(arguments))


def figures(result: Aggregate) -> dict[str, int | float]:
    """Count copies and repetitions."""
    if not isinstance(result, GhzAggregate):
        return {}
    return {
        "copies": result.copies,
        "copies_per_coordinate": result.copies_per_coordinate,
        "repeated": result.repeated,
        "wrong_at_most": result.wrong,
    }


COPIES = (
    Uses(("--visibility", "--adversary", "--adversary-copies", "--dishonest")),
    Uses(("--readout", "--announce", "--distribute", "--checksum")),
    Uses(("--failure",), "--readout", ("digits", "sequential", "kitaev", "shots")),
    SPOILED,
)
"""Options of all protocols that read sums from GHZ copies."""

ENTRY = Entry(
    name="ghz",
    about="sums in the phases of shared GHZ states, read digit by digit",
    sums=Sums.WORDS,
    method=method,
    kinds=(Ghz,),
    wire="outcomes that are uniform but for the sums, if the copies are good",
    caveats=("nothing tests the copies: a tampered source reads single words",),
    closed_form="qring.theory.precision",
    add_options=add_options,
    network=network,
    figures=figures,
    uses=COPIES,
    settings=("word_bits", "clip", "visibility"),
    member="qring.torch.hooks:ghz_member",
)
