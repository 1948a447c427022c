"""``secagg``: classical secure aggregation."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from qring.collectives.dropouts import OnDropout
from qring.errors import InputError
from qring.numbers import probability, whole
from qring.protocols.entry import AnyEncoding, Entry, Sums, words
from qring.protocols.uses import Uses
from qring.security.secagg.graph import Neighbours
from qring.security.secagg.method import SecAgg
from qring.security.secagg.outcome import Stage

__all__ = ["ENTRY"]


def _add_options(add: Callable[..., argparse.Action]) -> None:
    add("--threshold", type=whole, metavar="T",
        help="secagg: workers needed at every stage (default: n/2 + 1, rounded up: no server that "
        "lies alone reads a word)")  # fmt: skip
    add("--sparse", action="store_true",
        help="secagg: share keys with few neighbours each, not with everybody; their number is "
        "computed from the two rates")  # fmt: skip
    add("--dropout-rate", type=probability, default=0.05, metavar="P",
        help="secagg: share of workers that may be lost (--sparse; default: 0.05)")  # fmt: skip
    add("--corruption-rate", type=probability, default=0.05, metavar="P",
        help="secagg: share of workers that may collude with the server, with --sparse "
        "(default: 0.05)")  # fmt: skip
    add("--on-dropout", choices=[answer.value for answer in OnDropout],
        help="secagg: recover the masks of lost workers (default), or abort; private: abort "
        "(default), or by-chunk: finish a chunk with them where their words are out, sum it again "
        "without them where not, else give it up; all but secagg: abort (default), or fallback: "
        "secagg sums what they left untouched")  # fmt: skip
    add("--drop", action="append", default=[], metavar="WORKER:WHEN",
        help="simulate a lost worker; secagg: at share, mask or unmask; private: at an online "
        "round, from 0; others: once it has announced outcomes of so many coordinates, or of all "
        "(WORKER alone)")  # fmt: skip


def _method(encoding: AnyEncoding, arguments: argparse.Namespace) -> SecAgg:
    return SecAgg(
        encoding=words(encoding, arguments.protocol),
        threshold=arguments.threshold,
        on_dropout=OnDropout(arguments.on_dropout or "recover"),
        dropouts=dict(map(_dropout, arguments.drop)),
        neighbours=Neighbours(dropout=arguments.dropout_rate, corruption=arguments.corruption_rate)
        if arguments.sparse
        else None,
    )


def _dropout(text: str) -> tuple[int, Stage]:
    worker, _, stage = text.partition(":")
    try:
        return int(worker), Stage(stage)
    except ValueError:
        names = ", ".join(stage.value for stage in Stage)
        raise InputError(f"--drop {text!r} is not WORKER:STAGE, with a stage of {names}") from None


ENTRY = Entry(
    name="secagg",
    about="classical secure aggregation: pairwise masks over X25519, and what is possible today",
    sums=Sums.WORDS,
    method=_method,
    kinds=(SecAgg,),
    wire="public keys, sealed shares and masked words: computationally, the sum alone",
    caveats=("honest-but-curious, and computational",),
    add_options=_add_options,
    uses=(
        Uses(("--threshold", "--sparse")),
        Uses(("--dropout-rate", "--corruption-rate"), "--sparse"),
    ),
    answers=tuple(OnDropout),
    settings=("word_bits", "clip"),
    member="qring.torch.secagg:secagg_member",
)
