"""One protocol of the registry: everything that interfaces need to know of it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.collectives.aggregate import Aggregate, Method, Outcome
from qring.collectives.dropouts import OnDropout
from qring.encoding.values import FixedPoint, FloatBits, Integers, OutOfRange, WordEncoding
from qring.errors import InputError
from qring.network.network import Network
from qring.protocols.uses import Uses
from qring.registry import PROTOCOLS
from qring.security.dp.encoding import DistributedGaussian
from qring.security.leakage.attacks.attack import Experiment

__all__ = [
    "SPOILED",
    "AnyEncoding",
    "Entry",
    "Sums",
    "as_given",
    "default_arguments",
    "entry_of",
    "no_figures",
    "no_notes",
    "no_options",
    "no_training_notes",
    "words",
]

SPOILED = Uses(("--threshold",), "--on-dropout", ("fallback",))
"""Options of secure aggregation after a spoiled round."""

AnyEncoding = FloatBits | Integers | FixedPoint | DistributedGaussian
_WORD_BITS = 16


class Sums(str, Enum):
    """Values that a protocol sums: float bits or words, or words only."""

    FLOATS = "floats or words"
    WORDS = "words"


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


def no_training_notes(_epsilon: float) -> tuple[str, ...]:
    """Nothing that a run of training keeps."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A protocol: its method, its options, and where its other parts are.

    Args:
        name: on the command line, in training and in ``all_reduce(method=name)``.
        about: one line.
        sums: what it can sum.
        method: makes the method of an encoding and parsed options.
        kinds: classes of its methods, by which interfaces recognise one.
        wire: what whoever hears every message sees.
        caveats: what weakens it, whatever the options.
        closed_form: where ``qring.theory`` predicts its ledger; empty if nowhere.
        add_options: is given a parser's ``add_argument``; each option has its help.
        uses: options that it uses and some other protocol does not.
        network: adds to the network what only this protocol asks for.
        figures: what a result holds beyond its ledger: keys of the JSON object and, with spaces
            for underscores, rows of the table.
        notes: sentences that go with the figures.
        answers: its own answers to lost workers; others are left to secure aggregation.
        rides_masked: whether an interceptor on the ring finds masked words.
        settings: of training, those that it uses and some other protocol does not.
        backend: whether a process group carries it without a hook.
        member: place ``module:attribute`` of what makes its hook from (method, network, seed,
            process_group); without one, ranks bring gradients together and run the method.
        training: place of what makes its hook from (run settings, coords, steps); without one,
            from the method and the settings it uses.
        training_notes: what a run of training keeps, given its epsilon, in sentences.
        attack_uses: options of ``qring attack`` that it uses and some other protocol does not.
        attacks: experiments by the attack's name, besides those of the laboratory.
        bill: prices a job of :mod:`qring.theory.bills` under it, besides those that stand there.
    """

    name: str
    about: str
    sums: Sums
    method: Callable[[AnyEncoding, argparse.Namespace], Method[Outcome]]
    kinds: tuple[type, ...]
    wire: str
    caveats: tuple[str, ...] = ()
    closed_form: str = ""
    add_options: Callable[[Callable[..., argparse.Action]], None] = no_options
    uses: tuple[Uses, ...] = ()
    network: Callable[[Network, int, argparse.Namespace], Network] = as_given
    figures: Callable[[Aggregate], dict[str, int | float]] = no_figures
    notes: Callable[[Aggregate], tuple[str, ...]] = no_notes
    answers: tuple[OnDropout, ...] = ()
    rides_masked: bool = False
    settings: tuple[str, ...] = ()
    backend: bool = False
    member: str = ""
    training: str = ""
    training_notes: Callable[[float], tuple[str, ...]] = no_training_notes
    attack_uses: tuple[Uses, ...] = ()
    attacks: Mapping[str, Experiment] = field(default_factory=dict)
    bill: Callable[[Any], Any] | None = None

    def encoding(self, rows: NDArray[Any]) -> AnyEncoding:
        """Default encoding of ``rows``, shape (workers, coords).

        Float bits if it sums them; else words of 16 bits over the range of the rows, or as wide as
        whole numbers need.
        """
        if rows.dtype.kind in "iub":
            largest = max((abs(int(rows.min())), abs(int(rows.max()))), default=0)
            signed = rows.dtype.kind == "i"
            return Integers(word_bits=largest.bit_length() + signed or 1, signed=signed)
        if self.sums is Sums.FLOATS:
            return FloatBits()
        with np.errstate(invalid="ignore"):
            limit = float(np.abs(rows.astype(np.float64)).max())
        usable = limit if np.isfinite(limit) and limit > 0 else 1.0
        return FixedPoint(word_bits=_WORD_BITS, limit=usable, out_of_range=OutOfRange.CLIP)

    def named(self, rows: NDArray[Any]) -> Method[Outcome]:
        """The method at its defaults, for ``rows`` of shape (workers, coords)."""
        return self.method(self.encoding(rows), default_arguments(self.name))


def default_arguments(name: str, **given: object) -> argparse.Namespace:
    """Options of the protocol ``name`` at their defaults, but for those ``given``.

    Raises:
        InputError: no such protocol.
    """
    PROTOCOLS[name]
    parser = argparse.ArgumentParser(add_help=False)
    for entry in PROTOCOLS.values():
        entry.add_options(parser.add_argument)
    arguments = parser.parse_args([])
    vars(arguments).update(protocol=name, **given)
    return arguments


def entry_of(method: Method[Outcome]) -> Entry | None:
    """The entry whose method this is; ``None`` for methods that are not in the registry."""
    for entry in PROTOCOLS.values():
        if isinstance(method, entry.kinds):
            found: Entry = entry
            return found
    return None


def words(encoding: AnyEncoding, protocol: str) -> WordEncoding:
    """Insist on words.

    Raises:
        InputError: the encoding is of float bits.
    """
    if isinstance(encoding, FloatBits):
        raise InputError(f"{protocol} carries words, not float bits: give --word-bits")
    return encoding
