"""``--drop`` and ``--on-dropout`` of protocols that cannot go on without a worker."""

from __future__ import annotations

import argparse

from qring.collectives.aggregate import Method, Outcome
from qring.collectives.dropouts import OnDropout, check_answer
from qring.errors import InputError
from qring.protocols.entry import AnyEncoding, words
from qring.registry import PROTOCOLS
from qring.security.fallback import Fallback
from qring.security.secagg.method import SecAgg

__all__ = ["with_dropouts"]


def with_dropouts(
    method: Method[Outcome], encoding: AnyEncoding, arguments: argparse.Namespace
) -> Method[Outcome]:
    """Let lost workers end the run, or be left out of a sum by secure aggregation.

    Raises:
        InputError: answers to a loss that the protocol does not have.
    """
    protocol, answer = arguments.protocol, OnDropout(arguments.on_dropout or "abort")
    own = PROTOCOLS[protocol].answers
    if answer in own:
        return method
    check_answer(answer, (OnDropout.ABORT, OnDropout.FALLBACK), protocol)
    if not arguments.drop:
        return method
    secagg = None
    if answer is OnDropout.FALLBACK:
        secagg = SecAgg(encoding=words(encoding, protocol), threshold=arguments.threshold)
    if own:  # which simulates the losses itself
        return Fallback(method=method, secagg=secagg)
    lost, announced = zip(*map(_lost, arguments.drop), strict=True)
    begun = [count for count in announced if count is not None]
    return Fallback(
        method=method,
        lost=tuple(lost),
        announced=min(begun) if begun else None,  # reading ends with the first loss
        secagg=secagg,
    )


def _lost(text: str) -> tuple[int, int | None]:
    worker, _, when = text.partition(":")
    try:
        return int(worker), int(when) if when else None
    except ValueError:
        raise InputError(
            f"--drop {text!r} is not WORKER, or WORKER:COORDINATES announced, such as 2:0"
        ) from None
