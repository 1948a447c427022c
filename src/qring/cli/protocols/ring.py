"""``superdense`` and ``classical``: the two rings."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable

from qring.cli.options import Uses
from qring.cli.protocols import topology
from qring.cli.protocols.choice import SPOILED, Choice
from qring.collectives.ring import Classical, Superdense
from qring.errors import InputError
from qring.network.coded.coding import Code, Coding, Emulation
from qring.network.network import Network

__all__ = ["CHOICES", "corrected"]


def _add_options(add: Callable[..., argparse.Action]) -> None:
    add("--code", choices=["none", *(code.value for code in Code)], default="none",
        help="superdense, private: correct the noise of pairs by this code; auto: whichever takes "
        "fewest carriers, or classical bits where none pays (default: none)")  # fmt: skip
    add("--emulate", choices=[way.value for way in Emulation],
        help="with --code: run the decoders, sample whether they succeed (bch), or draw losses at "
        "calibrated rates (default: decoded)")  # fmt: skip
    topology.add_options(add)


def corrected(given: Network, workers: int, arguments: argparse.Namespace) -> Network:
    """Let links correct their noise as ``--code`` and ``--emulate`` say.

    Raises:
        InputError: nothing to correct, or options that contradict each other.
    """
    coding = Coding.parse(arguments.code, arguments.emulate)
    if coding is not None and given.is_noiseless:
        raise InputError("--code corrects noise, but pairs have none: give --noise, too")
    return topology.laid_out(dataclasses.replace(given, coding=coding), workers, arguments)


_RING = (
    Uses(("--allow-nonfinite",), without="--word-bits"),
    Uses(("--topology",), without="--schedule"),
    Uses(("--schedule",)),
    SPOILED,
)

CHOICES = (
    Choice(
        name="superdense",
        method=lambda encoding, _: Superdense(encoding=encoding),
        add_options=_add_options,
        network=corrected,
        uses=(
            Uses(("--noise", "--code", "--emulate")),
            Uses(("--inside",), by="--topology"),
            Uses(("--inside-noise",), by="--inside", values=("superdense",)),
            *_RING,
        ),
    ),
    Choice(
        name="classical",
        method=lambda encoding, _: Classical(encoding=encoding),
        network=topology.laid_out,
        uses=_RING,
    ),
)
