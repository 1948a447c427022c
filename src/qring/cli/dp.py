"""``qring dp``: ε from noise, or noise from ε, over many rounds of noisy sums."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from qring.cli.answer import answer
from qring.cli.options import refuse_unused
from qring.cli.show import table
from qring.errors import InputError
from qring.numbers import at_least, number, positive, probability
from qring.protocols.uses import Uses
from qring.security.dp.accountant import Central, central_epsilon, central_noise, spent_after
from qring.security.dp.calibration import calibrate, with_noise
from qring.security.dp.plan import Plan, Promise

__all__ = ["add_to"]

_USES = {
    "central": (),
    "distributed": (Uses(("--clients", "--coords", "--word-bits", "--drop", "--collude")),),
}


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "dp",
        help="account for differential privacy over many rounds",
        description="Give the noise that keeps a promise, or the promise that noise keeps. "
        "distributed: a discrete Gaussian that clients share out under secure aggregation, full "
        "participation. central: a Gaussian that a trusted server adds, which may sample clients.",
    )
    add = parser.add_argument
    add("--mechanism", choices=list(_USES), default="distributed")
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--epsilon", type=positive, metavar="E", help="find the noise for it")
    wanted.add_argument("--noise", type=positive, metavar="Z",
        help="find ε for it: standard deviation of the sum's noise over the clip")  # fmt: skip
    add("--delta", type=probability, default=1e-5, metavar="D", help="(default: 1e-5)")
    add("--clip", type=positive, default=1.0, metavar="C",
        help="L2 length of one client's contribution (default: 1)")  # fmt: skip
    add("--rounds", type=at_least(1, 10**7), default=1, help="sums (default: 1)")
    add("--sample", type=number(1e-9, 1.0), default=1.0, metavar="Q",
        help="central: probability that a client takes part (default: 1)")  # fmt: skip
    add("--clients", type=at_least(2, 10**5), default=10,
        help="distributed: that share the noise out (default: 10)")  # fmt: skip
    add("--coords", type=at_least(1, 10**10), default=100_000,
        help="distributed: of an update (default: 100000)")  # fmt: skip
    add("--word-bits", type=at_least(2, 40), default=16, help="distributed: (default: 16)")
    add("--drop", type=at_least(0), default=0, metavar="K",
        help="distributed: clients that may be lost, with their noise (default: 0)")  # fmt: skip
    add("--collude", type=at_least(0), default=0, metavar="K",
        help="distributed: clients that may pool their noise (default: 0)")  # fmt: skip
    add("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    refuse_unused(arguments, arguments.mechanism, _USES)
    told = _central(arguments) if arguments.mechanism == "central" else _distributed(arguments)
    if arguments.json:
        print(answer(arguments, told))
        return 0
    rows = [["", arguments.mechanism]]
    figures = {name: value for name, value in told.items() if not isinstance(value, str)}
    rows += [[name.replace("_", " "), _shown(value)] for name, value in figures.items()]
    print(table(rows))
    print()
    for name in ("neighbours", "standing", "theorem"):
        print(f"{name}: {told[name]}")
    return 0


def _central(arguments: argparse.Namespace) -> dict[str, Any]:
    rounds = Central(rounds=arguments.rounds, sample=arguments.sample, delta=arguments.delta)
    noise = arguments.noise or central_noise(rounds, arguments.epsilon)
    full = dataclasses.replace(rounds, sample=1.0)
    theorem = "composition of Gaussians (Balle and Wang 2018; Koskela et al. 2020)"
    if rounds.sample < 1:
        theorem = (
            "Poisson sampling of a Gaussian (Mironov, Talwar and Zhang 2019), composed by loss "
            "distributions (Koskela et al. 2020; Doroshenko et al. 2022)"
        )
    return {
        "epsilon": central_epsilon(rounds, noise),
        "delta": rounds.delta,
        "noise_multiplier": noise,
        "noise_std": noise * arguments.clip,
        "rounds": rounds.rounds,
        "sample": rounds.sample,
        "epsilon_without_sampling": central_epsilon(full, noise),
        "neighbours": "one client added or removed",
        "standing": "bound, numerically tight",
        "theorem": theorem,
    }


def _distributed(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.sample < 1:
        raise InputError(
            f"--sample {arguments.sample:g} amplifies nothing here: no theorem covers sampled sums "
            "of discrete Gaussians, and the server of secure aggregation knows who takes part; "
            "leave it out, or choose --mechanism central"
        )
    missing = arguments.drop + arguments.collude
    size = {
        "workers": arguments.clients, "coords": arguments.coords,
        "word_bits": arguments.word_bits, "may_drop": missing,
    }  # fmt: skip
    promise = Promise(
        epsilon=arguments.epsilon or 1.0, delta=arguments.delta, clip=arguments.clip,
        rounds=arguments.rounds,
    )  # fmt: skip
    plan: Plan
    if arguments.epsilon is None:
        plan = with_noise(promise, arguments.noise, **size)
    else:
        plan = calibrate(promise, **size)
    left = plan.local_std * plan.fewest**0.5
    return {
        "epsilon": spent_after(plan, arguments.rounds),
        "epsilon_of_one_round": spent_after(plan, 1),
        "delta": arguments.delta,
        "noise_multiplier": plan.sum_std / arguments.clip,
        "noise_std": plan.sum_std,
        "noise_std_after_losses": left,
        "noise_std_of_a_client": plan.local_std,
        "step": plan.step,
        "clients": plan.workers,
        "may_be_missing": missing,
        "rounds": arguments.rounds,
        "neighbours": "one client's contribution replaced by zero",
        "standing": "bound, finite size",
        "theorem": "proposition 14 of Kairouz, Liu and Steinke 2021, full participation",
    }


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else f"{value}"
