"""``superdense`` and ``classical``: the two rings."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable

from qring.collectives.ring import Classical, Superdense
from qring.errors import InputError
from qring.network.coded.coding import Code, Coding, Emulation
from qring.network.network import Network
from qring.protocols import topology
from qring.protocols.entry import SPOILED, Entry, Sums
from qring.protocols.uses import Uses

__all__ = ["CLASSICAL", "SUPERDENSE", "corrected"]


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

SUPERDENSE = Entry(
    name="superdense",
    about="ring all-reduce, two bits a qubit over shared pairs: half the carriers online",
    sums=Sums.FLOATS,
    method=lambda encoding, _: Superdense(encoding=encoding),
    kinds=(Superdense,),
    wire="partial sums, to whoever supplies the pairs; one qubit of each pair shows noise",
    closed_form="qring.theory.resources.RingResources",
    add_options=_add_options,
    network=corrected,
    uses=(
        Uses(("--noise", "--code", "--emulate")),
        Uses(("--inside",), by="--topology"),
        Uses(("--inside-noise",), by="--inside", values=("superdense",)),
        *_RING,
    ),
    settings=("noise", "code", "emulate", "topology"),
    backend=True,
)
CLASSICAL = Entry(
    name="classical",
    about="ring all-reduce over classical bits: the baseline",
    sums=Sums.FLOATS,
    method=lambda encoding, _: Classical(encoding=encoding),
    kinds=(Classical,),
    wire="partial sums",
    closed_form="qring.theory.resources.RingResources",
    network=topology.laid_out,
    uses=_RING,
    settings=("topology",),
    backend=True,
)
