"""How fast are GHZ copies verified, and what does verification add to a sum?

Rivals, in the same run and in turn: drawing one random byte a copy with NumPy's fastest generator,
and stim with one compiled circuit for each stabiliser: sampling what every worker measures, as the
protocol does, or the parity's flips only, its fastest. Copies suffer white noise
of 1% a qubit; a flag says that a copy's random stabiliser came out wrong. Coins of copies without
an error decide nothing and are not drawn, by us; stim runs through every copy. Ratios are of
median process times.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

import qring
from qring import FixedPoint, Ghz, HashedVerification, Network, QubitNoise, Vga
from qring.network.faults import noisy_copies
from qring.network.stabilisers import every_string, flag_each, pauli_string

Case = dict[str, str | float | None]
NOISE = QubitNoise.depolarising(0.01)


def medians(jobs: list[Callable[[], object]], repeats: int) -> list[float]:
    times: list[list[float]] = [[] for _ in jobs]
    for turn in range(repeats + 1):
        for job, seen in zip(jobs, times, strict=True):
            started = time.process_time()  # others may share the machine
            job()
            if turn:  # the first turn warms up
                seen.append(time.process_time() - started)
    return [statistics.median(seen) for seen in times]


def stim_flaggers(workers: int, copies: int) -> list[Callable[[], object]]:
    """Jobs that draw flags of ``copies`` copies, split evenly over all stabilisers."""
    try:
        import stim
    except ImportError:
        print("stim is not installed: its cases are skipped", file=sys.stderr)
        return []
    measuring, detecting = [], []
    for phase, members in zip(*every_string(workers), strict=True):
        name = pauli_string(bool(phase), int(members), workers)
        circuit = stim.Circuit()
        circuit.append("H", [0])
        for worker in range(1, workers):
            circuit.append("CX", [0, worker])
        circuit.append("DEPOLARIZE1", range(workers), 0.01)
        asked = [(i, c) for i, c in enumerate(name[1:]) if c != "_"]
        for worker, letter in asked:
            circuit.append(f"M{letter}", [worker])
        measuring.append(circuit.compile_sampler(seed=len(measuring)))
        circuit.append("DETECTOR", [stim.target_rec(-1 - k) for k in range(len(asked))])
        detecting.append(circuit.compile_detector_sampler(seed=len(detecting)))
    each = -(-copies // len(measuring))
    return [
        lambda: [np.bitwise_xor.reduce(one.sample(each), axis=1) for one in measuring],
        lambda: [one.sample(each) for one in detecting],
    ]


def flag_rates(repeats: int, copies: int) -> list[Case]:
    rng = np.random.Generator(np.random.SFC64(0))
    cases: list[Case] = []
    for workers in (4, 8):

        def ours(workers: int = workers) -> object:
            return flag_each(noisy_copies(copies, workers, NOISE, rng), workers, rng)

        def random_bytes() -> object:
            return rng.integers(1 << 64, size=copies // 8, dtype=np.uint64)

        seconds = medians([random_bytes, ours, *stim_flaggers(workers, copies)], repeats)
        each = ", ".join(f"{one / copies * 1e9:.2f}" for one in seconds)
        print(f"n={workers}, ns a copy: random byte, ours, stim's two: {each}", file=sys.stderr)
        cases.append({"case": f"flag a copy, n={workers}, p=.01, against a random byte",
                      "ratio": seconds[1] / seconds[0], "target": 14})  # fmt: skip
        for name, theirs, target in zip(
            ("measurements", "detectors"), seconds[2:], (10, None), strict=False
        ):
            cases.append({"case": f"flags, n={workers}, speed against stim's {name}",
                          "ratio": theirs / seconds[1], "target": target})  # fmt: skip
    return cases


def whole_sums(repeats: int, coords: int) -> list[Case]:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(8, coords)).astype(np.float32).clip(-1, 1)
    ghz = Ghz(encoding=FixedPoint(word_bits=16, limit=1.0))
    plain, hashed = medians(
        [
            lambda: qring.all_reduce(rows, method=ghz, rng=rng),
            lambda: qring.all_reduce(
                rows, method=Vga(ghz=ghz, verification=HashedVerification()), rng=rng
            ),
        ],
        repeats,
    )
    pool = Network(qubit_noise=NOISE).open(8, rng).copies().pool(coords)
    (stabilisers,) = medians([lambda: pool.shuffled(rng).test_stabilisers(rng)], repeats)
    print(f"a verified sum of {coords:,} coordinates: {hashed:.2f} s; testing as many noisy copies "
          f"that are shared already: {stabilisers * 1e3:.1f} ms", file=sys.stderr)  # fmt: skip
    return [{"case": "a sum on hashed copies against an unverified one, time, n=8",
             "ratio": hashed / plain, "target": 1.2}]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print a list of cases")
    parser.add_argument("--quick", action="store_true", help="few repetitions, small sizes")
    arguments = parser.parse_args()
    repeats, copies = (3, 1 << 18) if arguments.quick else (9, 1 << 20)
    cases = flag_rates(repeats, copies) + whole_sums(
        repeats, 20_000 if arguments.quick else 200_000
    )
    if arguments.json:
        print(json.dumps(cases))
        return
    for case in cases:
        print(f"{case['case']:70} {case['ratio']:10.3g}  target {case['target'] or '-'}")


if __name__ == "__main__":
    main()
