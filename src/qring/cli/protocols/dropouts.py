"""``--drop`` and ``--on-dropout`` of protocols that cannot go on without a worker."""

from __future__ import annotations

import argparse

from qring.cli.protocols.choice import AnyEncoding, words
from qring.collectives.aggregate import Method
from qring.errors import InputError
from qring.security.fallback import Fallback
from qring.security.secagg.method import SecAgg

__all__ = ["with_dropouts"]


def with_dropouts(method: Method, encoding: AnyEncoding, arguments: argparse.Namespace) -> Method:
    """Let lost workers end the run, or be left out of a sum by secure aggregation.

    Raises:
        InputError: answers to a loss that the protocol does not have.
    """
    protocol, answer = arguments.protocol, arguments.on_dropout
    if protocol == "secagg" or (protocol == "private" and answer != "fallback"):
        return method  # has answers of its own
    if answer in ("recover", "rerun"):
        raise InputError(f"{protocol} cannot {answer}: choose --on-dropout abort, or fallback")
    if not arguments.drop:
        return method
    secagg = None
    if answer == "fallback":
        secagg = SecAgg(encoding=words(encoding, protocol), threshold=arguments.threshold)
    return Fallback(method=method, lost=tuple(map(_lost, arguments.drop)), secagg=secagg)


def _lost(text: str) -> int:
    try:
        return int(text.partition(":")[0])
    except ValueError:
        raise InputError(f"--drop {text!r} does not begin with a worker's number") from None
