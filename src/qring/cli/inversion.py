"""``qring attack --attack gradient-inversion``: images read off sums, whatever protocol sums."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import numpy as np

from qring.cli.answer import answer
from qring.cli.show import table
from qring.collectives.ring import Classical
from qring.data.images import PIXELS, ImageSet, load
from qring.errors import InputError
from qring.numbers import positive, whole
from qring.security.dp.calibration import calibrate
from qring.security.dp.encoding import DistributedGaussian
from qring.security.dp.plan import Promise
from qring.security.gradient_inversion import (
    RECOVERED_DB,
    Inversion,
    Victim,
    gradient_inversion,
)

__all__ = ["ABOUT", "NAME", "add_options", "run"]

NAME = "gradient-inversion"
ABOUT = "read training images off sums of gradients: any protocol that shows sums"

_WORD_BITS = 20
_DELTA = 1e-5


def add_options(add: Callable[..., argparse.Action]) -> None:
    """Add what the attack can be told."""
    add("--clients", type=whole, nargs="+", default=[1, 2, 4, 8, 16, 32, 64], metavar="K",
        help=f"{NAME}: gradients in a sum (default: 1 2 4 ... 64)")  # fmt: skip
    add("--images", type=whole, default=512, metavar="N",
        help=f"{NAME}: digits attacked, each in one sum (default: 512)")  # fmt: skip
    add("--dp-epsilon", type=positive, metavar="E",
        help=f"{NAME}: attack noisy sums as well, private at (E, {_DELTA:g})")  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Attack plain sums, and noisy ones where asked; print a table or one JSON object.

    Raises:
        InputError: sizes that cannot be.
    """
    training, _ = load(ImageSet.DIGITS, seed=arguments.seed, test_share=0.2)
    if not 1 <= arguments.images <= len(training.labels):
        raise InputError(f"--images lies in 1..{len(training.labels)}, not at {arguments.images}")

    def attacked(clients: int, epsilon: float | None) -> Inversion | None:
        method = None
        if epsilon is not None:
            if clients < 2:
                return None  # nobody to share noise with
            method = _noisy(clients, epsilon)
        return gradient_inversion(
            training.images[: arguments.images],
            training.labels[: arguments.images],
            clients=clients,
            method=method,
            rng=np.random.default_rng(arguments.seed),
        )

    plain = [attacked(k, None) for k in arguments.clients]
    noisy: list[Inversion | None] = []
    if arguments.dp_epsilon is not None:
        noisy = [attacked(k, arguments.dp_epsilon) for k in arguments.clients]
    shown = _as_json if arguments.json else _as_table
    print(shown(plain, noisy, arguments))
    return 0


def _noisy(clients: int, epsilon: float) -> Classical:
    victim = Victim(PIXELS[ImageSet.DIGITS], rng=np.random.default_rng(0))
    plan = calibrate(
        Promise(epsilon=epsilon, delta=_DELTA, clip=1.0),
        workers=clients, coords=victim.coords, word_bits=_WORD_BITS,
    )  # fmt: skip
    return Classical(encoding=DistributedGaussian(plan=plan))


def _as_json(
    plain: Sequence[Inversion | None],
    noisy: Sequence[Inversion | None],
    arguments: argparse.Namespace,
) -> str:
    def rows(found: Sequence[Inversion | None]) -> list[dict[str, object]]:
        return [
            {"clients": one.clients, "images": one.images, "recovered": one.recovered,
             "share": one.share, "interval": list(one.interval), "best_db": one.best_db}
            for one in found if one is not None
        ]  # fmt: skip

    return answer(arguments,
        {"attack": NAME, "recovered_from_db": RECOVERED_DB, "sums": rows(plain),
         "dp_epsilon": arguments.dp_epsilon, "noisy_sums": rows(noisy)}
    )  # fmt: skip


def _as_table(
    plain: Sequence[Inversion | None],
    noisy: Sequence[Inversion | None],
    arguments: argparse.Namespace,
) -> str:
    heading = ["gradients in a sum", "images recovered", "interval, 95%"]
    lines = [[str(k), *_cells(one)] for k, one in zip(arguments.clients, plain, strict=True)]
    if noisy:
        heading += [f"at ε = {arguments.dp_epsilon:g}", "interval, 95%"]
        lines = [line + _cells(one) for line, one in zip(lines, noisy, strict=True)]
    closing = (
        f"an image is recovered from {RECOVERED_DB:g} dB on. Whoever sees sums can do this, under "
        "every protocol.\nAn attack that fails proves nothing: the promise of (ε, δ) does."
    )
    return f"digits, 64-128-10, one image a gradient\n\n{table([heading, *lines])}\n\n{closing}"


def _cells(found: Inversion | None) -> list[str]:
    if found is None:
        return ["-", ""]
    low, high = found.interval
    return [f"{found.share:.1%}", f"{low:.1%} to {high:.1%}"]
