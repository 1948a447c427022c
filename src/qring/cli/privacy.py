"""``--dp-…``: noise shared out among the workers, so that the sum itself tells little of anyone."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from qring.collectives.aggregate import Aggregate
from qring.errors import InputError
from qring.numbers import positive, probability, whole
from qring.protocols.uses import Uses
from qring.security.dp.calibration import calibrate
from qring.security.dp.encoding import DistributedGaussian
from qring.security.dp.plan import Promise

__all__ = ["USES", "add_options", "advice", "caution", "figures", "noisy_words"]

USES = (Uses(("--dp-delta", "--dp-clip", "--dp-rounds", "--dp-may-drop"), "--dp-epsilon"),)

_OPEN = ("superdense", "classical")


def add_options(add: Callable[..., argparse.Action]) -> None:
    """Add what differential privacy can be told."""
    add("--dp-epsilon", type=positive, metavar="E",
        help="add noise: the sum is (E, D) differentially private for a worker")  # fmt: skip
    add("--dp-delta", type=probability, default=1e-5, metavar="D", help="with --dp-epsilon "
        "(default: 1e-5)")  # fmt: skip
    add("--dp-clip", type=positive, default=1.0, metavar="C",
        help="shorten gradients to the L2 length C first (default: 1)")  # fmt: skip
    add("--dp-rounds", type=whole, default=1, metavar="R",
        help="sums that the promise is for, this one included (default: 1)")  # fmt: skip
    add("--dp-may-drop", type=whole, default=0, metavar="K",
        help="workers whose noise may be missing: lost, or dishonest (default: 0)")  # fmt: skip


def noisy_words(rows: NDArray[Any], arguments: argparse.Namespace) -> DistributedGaussian:
    """Calibrate, and say before the first round what is promised and where the bits go.

    Raises:
        InputError: options that do not go together.
        BudgetError: words too small for the promise.
    """
    if arguments.word_bits is None:
        raise InputError("noise is shared out in words: give --word-bits as well; 16 is usual")
    if arguments.clip is not None:
        raise InputError("--clip sets the range of each value; with --dp-epsilon give --dp-clip")
    promise = Promise(
        epsilon=arguments.dp_epsilon,
        delta=arguments.dp_delta,
        clip=arguments.dp_clip,
        rounds=arguments.dp_rounds,
    )
    plan = calibrate(
        promise,
        workers=len(rows),
        coords=rows.shape[1],
        word_bits=arguments.word_bits,
        may_drop=arguments.dp_may_drop,
    )
    print(f"qring: {plan}", file=sys.stderr)
    return DistributedGaussian(plan=plan)


def advice(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Option that lets a sum go on that ended because too few workers' noise was left."""
    others = arguments.protocol == "secagg" or arguments.on_dropout == "fallback"
    lost = len({text.partition(":")[0] for text in arguments.drop})
    if arguments.dp_epsilon is None or not others or lost <= arguments.dp_may_drop:
        return ()
    return (
        f"noise was shared out for at most {arguments.dp_may_drop} lost workers: "
        f"--dp-may-drop {lost} shares out more, so that the others can go on",
    )


def caution(protocol: str) -> tuple[str, ...]:
    """Limits of the promise."""
    found = ["(ε, δ) holds for the sum; a simulation on one machine protects nobody's data"]
    if protocol in _OPEN:
        found.append(
            f"{protocol} shows partial sums to the neighbours on the ring: they hold less noise "
            "than the sum; use ghz or secagg where that matters"
        )
    return tuple(found)


def figures(encoding: DistributedGaussian, result: Aggregate) -> dict[str, int | float | str]:
    """The promise and its noise, for the JSON object; what is left of it after losses, too."""
    promise = encoding.plan.promise
    added = len(getattr(result, "contributors", range(encoding.plan.workers)))
    return {
        "epsilon": promise.epsilon,
        "delta": promise.delta,
        "clip": promise.clip,
        "rounds": promise.rounds,
        "unit": promise.unit.value,
        "noise_std": encoding.plan.sum_std,
        "noise_left_std": encoding.plan.local_std * math.sqrt(added),
    }
