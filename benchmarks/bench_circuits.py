"""What does a device card spare, and is it as good as the device it was made from?

Rival, in the same run: Qiskit's own way, the noise model of the whole fake device
(``NoiseModel.from_backend``, through Aer's sampler). Both start from nothing, as a script does:
load the noise, fit the circuit, run it. Times are process CPU time, the card's the median of five;
ratios above 50 are wanted, and differences of success or visibility below .01. Those are sampled;
the standard deviation of the difference is printed beside it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable

from qring.circuits.device import best_line, fake_backend, make_card
from qring.circuits.ghz import GhzCopy
from qring.circuits.sampling import Sampling
from qring.circuits.superdense import SuperdensePair

Case = dict[str, str | float | None]


def timed(job: Callable[[], float], repeats: int) -> tuple[float, float]:
    """The job's value, the same each time, and the median of its times."""
    times = []
    for _ in range(repeats):
        started = time.process_time()
        value = job()
        times.append(time.process_time() - started)
    return value, statistics.median(times)


def compare(name: str, shots: int) -> list[Case]:
    from qiskit.transpiler import generate_preset_pass_manager
    from qiskit_aer.primitives import SamplerV2

    backend = fake_backend(name)
    line = best_line(backend, 4)
    card = make_card(backend, line)

    def on_device(circuit: SuperdensePair | GhzCopy) -> Sampling:
        layout = list(line[: circuit.build().num_qubits])
        passes = generate_preset_pass_manager(
            1, backend=backend, initial_layout=layout, seed_transpiler=0
        )
        return Sampling(sampler=SamplerV2.from_backend(backend, seed=1), passes=passes)

    figures = {
        "superdense success": (
            SuperdensePair(label=3),
            lambda found: float((found == 3).mean()),
            lambda p: p * (1 - p),
        ),
        "GHZ-4 visibility": (
            GhzCopy(phases=(0.0,) * 4),
            lambda odd: float(1 - 2 * odd.mean()),
            lambda v: 1 - v**2,
        ),
    }
    card.sampling(seed=0).sample(SuperdensePair(label=0), 10)  # imports belong to neither
    cases: list[Case] = []
    for what, (circuit, value, variance) in figures.items():
        here, ours = timed(lambda c=circuit, v=value: v(card.sampling(2).sample(c, shots)), 5)
        there, theirs = timed(lambda c=circuit, v=value: v(on_device(c).sample(c, shots)), 1)
        spread = (2 * variance(there) / shots) ** 0.5
        print(
            f"{what}, {shots:,} shots: card {here:.4f} in {ours:.2f} s, {name} {there:.4f} in "
            f"{theirs:.1f} s; difference {abs(here - there):.4f} ± {spread:.4f}",
            file=sys.stderr,
        )
        cases += [
            {"case": f"{what}: time of {name} over that of its card", "ratio": theirs / ours,
             "target": 50},
            {"case": f"{what}: card over device", "ratio": here / there, "target": 1},
        ]  # fmt: skip
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small device and few shots")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    name, shots = ("FakeManilaV2", 1000) if arguments.quick else ("FakeTorino", 20_000)
    cases = compare(name, shots)
    if arguments.json:
        print(json.dumps(cases))
        return
    for case in cases:
        print(f"{case['case']}: {case['ratio']:.3g} (target {case['target']})")


if __name__ == "__main__":
    main()
