"""One value of ``--protocol``: the options it adds, the method it makes, the figures it prints."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from qring.cli.options import Uses
from qring.collectives.aggregate import Aggregate, Method, Outcome
from qring.encoding.values import FixedPoint, FloatBits, Integers, WordEncoding
from qring.errors import InputError
from qring.network.network import Network
from qring.security.dp.encoding import DistributedGaussian

__all__ = [
    "SPOILED",
    "AnyEncoding",
    "Choice",
    "as_given",
    "no_figures",
    "no_notes",
    "no_options",
    "words",
]

SPOILED = Uses(("--threshold",), "--on-dropout", ("fallback",))
"""What secure aggregation after a spoiled round is told."""

AnyEncoding = FloatBits | Integers | FixedPoint | DistributedGaussian


def no_options(add: Callable[..., argparse.Action]) -> None:
    """Add no options."""


def as_given(network: Network, _workers: int, _arguments: argparse.Namespace) -> Network:
    """Leave the network as it is."""
    return network


def no_figures(_result: Aggregate) -> dict[str, int | float]:
    """Report nothing beyond the ledger."""
    return {}


def no_notes(_result: Aggregate) -> tuple[str, ...]:
    """Nothing to add in words."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One protocol of the command line.

    ``add_options`` gets a parser's ``add_argument``. ``method`` turns the encoding and the parsed
    arguments into the method to run. ``network`` adds to the network what only this protocol
    asks for. ``figures`` names what a result holds beyond its ledger: keys of the JSON object
    and, with spaces for underscores, rows of the table. ``notes`` are sentences that go with them.
    ``uses`` lists the options that this protocol uses and some other does not.
    """

    name: str
    method: Callable[[AnyEncoding, argparse.Namespace], Method[Outcome]]
    add_options: Callable[[Callable[..., argparse.Action]], None] = no_options
    network: Callable[[Network, int, argparse.Namespace], Network] = as_given
    figures: Callable[[Aggregate], dict[str, int | float]] = no_figures
    notes: Callable[[Aggregate], tuple[str, ...]] = no_notes
    uses: tuple[Uses, ...] = ()


def words(encoding: AnyEncoding, protocol: str) -> WordEncoding:
    """Insist on words.

    Raises:
        InputError: the encoding is of float bits.
    """
    if isinstance(encoding, FloatBits):
        raise InputError(f"{protocol} carries words, not float bits: give --word-bits")
    return encoding
