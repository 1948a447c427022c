"""``vga``: sums in the phases of GHZ copies that were tested first."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from qring.collectives.aggregate import Aggregate
from qring.errors import InputError
from qring.numbers import at_least, number, probability
from qring.protocols import ghz
from qring.protocols.entry import AnyEncoding, Entry, Sums
from qring.protocols.uses import Uses
from qring.security.vga.method import Vga
from qring.security.vga.outcome import VgaAggregate
from qring.security.vga.verification import CutAndChoose, HashedVerification, Verification

__all__ = ["ENTRY"]


def _add_options(add: Callable[..., argparse.Action]) -> None:
    add("--verification", choices=["hashed", "cut-and-choose"], default="hashed",
        help="vga: how copies are tested (default: hashed)")  # fmt: skip
    add("--epsilon", type=probability, default=2.0**-40, metavar="E",
        help="vga, private: privacy of the whole round, such as 1e-6 or 2^-40 "
        "(default: 2^-40)")  # fmt: skip
    add("--phase-checks", type=at_least(0, 10**6), default=20, metavar="T",
        help="vga, hashed: checks that guard the sums (default: 20)")  # fmt: skip
    add("--check-block", type=at_least(0, 2**40), metavar="W",
        help="vga, hashed: copies checked together at most (default: all)")  # fmt: skip
    add("--copies-factor", type=number(), default=2.0, metavar="F",
        help="vga, cut-and-choose: copies shared for each one used (default: 2)")  # fmt: skip
    add("--tolerated", type=number(), default=0.0, metavar="P",
        help="vga, cut-and-choose: fraction of tests that may fail (default: 0)")  # fmt: skip


def _method(encoding: AnyEncoding, arguments: argparse.Namespace) -> Vga:
    return Vga(ghz=ghz.method(encoding, arguments), verification=_verification(arguments))


def _verification(arguments: argparse.Namespace) -> Verification:
    if arguments.verification == "hashed":
        return HashedVerification(
            epsilon=arguments.epsilon,
            phase_checks=arguments.phase_checks,
            block=arguments.check_block,
        )
    if not arguments.copies_factor > 1:
        raise InputError(
            f"--copies-factor {arguments.copies_factor} leaves nothing to test: it must exceed 1"
        )
    return CutAndChoose(tests_per_copy=arguments.copies_factor - 1, tolerated=arguments.tolerated)


def _figures(result: Aggregate) -> dict[str, int | float]:
    if not isinstance(result, VgaAggregate):
        return {}
    return {
        **ghz.figures(result),
        "copies_shared": result.shared,
        "copies_tested": result.tested,
        "cnots_a_worker": result.cnots,
        "tests_failed": sum(verdict.failed for verdict in result.verdicts),
        "bad_copies_at_most": result.guarantee.bad_copies,
    }


def _notes(result: Aggregate) -> tuple[str, ...]:
    return (str(result.guarantee),) if isinstance(result, VgaAggregate) else ()


ENTRY = Entry(
    name="vga",
    about="sums in the phases of GHZ states that were tested first",
    sums=Sums.WORDS,
    method=_method,
    kinds=(Vga,),
    wire="outcomes of tests, then outcomes that are uniform but for the sums",
    caveats=("cut-and-choose certifies no whole round",),
    closed_form="qring.theory.privacy",
    add_options=_add_options,
    network=ghz.network,
    figures=_figures,
    notes=_notes,
    uses=(
        *ghz.COPIES,
        Uses(("--verification",)),
        Uses(("--epsilon", "--phase-checks", "--check-block"), "--verification", ("hashed",)),
        Uses(("--copies-factor", "--tolerated"), "--verification", ("cut-and-choose",)),
    ),
    settings=("word_bits", "clip", "visibility", "epsilon"),
    attack_uses=(
        Uses(("--verification",)),
        Uses(("--epsilon",), "--verification", ("hashed",)),
        Uses(("--copies-factor",), "--verification", ("cut-and-choose",)),
    ),
    member="qring.torch.hooks:ghz_member",
)
