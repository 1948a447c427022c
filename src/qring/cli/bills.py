"""``qring privacy``: what private sums of a given size cost, under every protocol and its rival."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from typing import Any

from qring.cli.answer import answer
from qring.cli.show import count, table
from qring.network.noise import QubitNoise
from qring.numbers import at_least, number, probability, whole
from qring.registry import PROTOCOLS
from qring.theory.bills import Bill, Job, Protects, bills, winners
from qring.theory.mask_rivals import CopyNoise, NoisyPrice, cheapest, noisy_prices
from qring.theory.privacy import leak_of_static_gaussian

__all__ = ["add_to"]

_LEVELS = {
    Protects.NOBODY: "nobody",
    Protects.COMPUTATIONAL: "computational",
    Protects.OUTSIDER: "outsider",
    Protects.COALITIONS: "coalitions",
}
_COLUMNS: dict[str, Callable[[Bill], str]] = {
    "hides from": lambda bill: _LEVELS[bill.protects],
    "states": lambda bill: _short(bill.states),
    "of them tested": lambda bill: _short(bill.tests),
    "qubits sent": lambda bill: _short(bill.qubits_sent),
    "memory, a worker": lambda bill: _short(bill.memory_qubits),
    "1-qubit ops": lambda bill: _short(bill.one_qubit),
    "2-qubit ops": lambda bill: _short(bill.two_qubit),
    "online, busiest link": lambda bill: _online(bill),
}


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "privacy",
        help="price private sums under every protocol, and under quantum keys",
        description="Price a job under every protocol: copies, tests, memory and operations of the "
        "offline phase, and the load of the online ring; and under the rival, quantum key "
        "distribution with one-time pads. Closed forms, noiseless copies and pairs.",
    )
    add = parser.add_argument
    add("--workers", type=at_least(0, 10**5), default=8, help="(default: 8)")
    add("--coords", type=whole, default=10**6, help="of a gradient (default: 1000000)")
    add("--word-bits", type=whole, default=17, help="before the carry of the sum (default: 17)")
    add("--rounds", type=whole, default=1, help="sums (default: 1)")
    add("--epsilon", type=probability, default=2.0**-40, metavar="E",
        help="of all rounds together, such as 1e-6 or 2^-40 (default: 2^-40)")  # fmt: skip
    add("--visibility", type=number(), metavar="V",
        help="price masks and keys at white noise of the shared states too")  # fmt: skip
    add("--qubit-noise", metavar="P|X,Y,Z",
        help="and at this error probability of every qubit, or of its errors X,Y,Z")  # fmt: skip
    add("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    job = Job(
        workers=arguments.workers,
        coords=arguments.coords,
        word_bits=arguments.word_bits,
        rounds=arguments.rounds,
        epsilon=arguments.epsilon,
    )
    others = (entry.bill(job) for entry in PROTOCOLS.values() if entry.bill is not None)
    priced = (*bills(job), *others)
    noisy = _noisy(job, arguments)
    if arguments.json:
        print(
            answer(
                arguments,
                {
                    **dataclasses.asdict(job),
                    "sum_bits": job.sum_bits,
                    "standing": "bound, finite size, noiseless copies and pairs",
                    "protocols": [
                        {**dataclasses.asdict(bill), "total_epsilon": bill.total_epsilon}
                        for bill in priced
                    ],
                    "fewest": winners(priced),
                    **_noisy_figures(noisy),
                    "leak_of_static_inputs_bits_a_coordinate": leak_of_static_gaussian(job.workers),
                },
            )
        )
        return 0
    print(_as_table(job, priced))
    if noisy:
        print(_noisy_table(job, noisy))
    return 0


def _noisy(job: Job, arguments: argparse.Namespace) -> tuple[NoisyPrice, ...]:
    """Prices at the noise that is asked for, if any is."""
    if arguments.visibility is None and arguments.qubit_noise is None:
        return ()
    visibility = 1.0 if arguments.visibility is None else arguments.visibility
    qubits = QubitNoise.of_copies(visibility, arguments.qubit_noise or "0")
    noise = CopyNoise(visibility=visibility, x=qubits.x, y=qubits.y, z=qubits.z)
    return noisy_prices(
        noise, workers=job.workers, sum_bits=job.sum_bits, masks=job.coords * job.rounds,
        epsilon=job.epsilon,
    )  # fmt: skip


def _noisy_figures(priced: tuple[NoisyPrice, ...]) -> dict[str, Any]:
    if not priced:
        return {}
    return {
        "noisy": [dataclasses.asdict(price) for price in priced],
        "fewest_qubits_at_this_noise": {
            "outsider": cheapest(priced, coalitions=False),
            "coalitions": cheapest(priced, coalitions=True),
        },
    }


def _noisy_table(job: Job, priced: tuple[NoisyPrice, ...]) -> str:
    lines = [["at this noise", "qubits a mask digit", "kept, a worker", "hides from", "standing"]]
    for price in priced:
        lines.append(
            [
                price.protocol,
                "nothing is left" if price.qubits is None else f"{price.qubits:.3g}",
                f"{price.memory:.3g}",
                "outsider" if price.outsider_only else "coalitions",
                price.standing,
            ]
        )
    remarks = [f"{price.protocol}: {price.remark}" for price in priced if price.remark]
    fewest = [
        f"fewest qubits at this noise against {name}: {cheapest(priced, coalitions=both) or '-'}"
        for name, both in (("an outsider", False), ("coalitions", True))
    ]
    heading = (
        f"one batch of {job.coords * job.rounds:,} masks, secrecy and correctness together "
        f"{job.epsilon:.3g}; white noise and gates without errors"
    )
    return "\n".join(["", heading, "", table(lines), "", *remarks, "", *fewest])


def _as_table(job: Job, priced: tuple[Bill, ...]) -> str:
    lines = [["bound, finite size", *_COLUMNS]]
    lines += [[bill.protocol, *(cell(bill) for cell in _COLUMNS.values())] for bill in priced]
    heading = (
        f"{job.workers} workers, {job.coords:,} coordinates, sums of {job.sum_bits} bits, "
        f"{job.rounds:,} rounds, epsilon {job.epsilon:.3g} over all of them"
    )
    remarks = [f"{bill.protocol}: {bill.remark}" for bill in priced if bill.remark]
    remarks += [
        f"{bill.protocol}: secrecy epsilon {bill.secrecy:.3g}, correctness epsilon "
        f"{bill.correctness:.3g} (mask sums, and the check after each ring), total "
        f"{bill.total_epsilon:.3g}"
        for bill in priced
        if bill.secrecy is not None and bill.correctness is not None
    ]
    fewest = [
        f"fewest against {'an outsider' if level == 'outsider' else level}: "
        + "; ".join(f"{figure.replace('_', ' ')}: {name}" for figure, name in by.items())
        for level, by in winners(priced).items()
    ]
    leak = leak_of_static_gaussian(job.workers)
    closing = (
        f"the sums themselves tell {leak:.3g} bits a coordinate of a constant Gaussian input, in "
        "any number of rounds, if nobody drops out and weights stay"
    )
    return "\n".join([heading, "", table(lines), "", *remarks, "", *fewest, closing])


def _online(bill: Bill) -> str:
    if bill.online_qubits:
        bits = f" + {_short(bill.online_bits)} bits" if bill.online_bits else ""
        return f"{_short(bill.online_qubits)} qubits{bits}"
    return f"{_short(bill.online_bits)} bits"


def _short(number: int) -> str:
    """An integer in full up to twelve digits, else its order of magnitude."""
    return count(number) if number < 10**12 else f"{number:.2e}"
