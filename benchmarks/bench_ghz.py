"""How fast are sums read from simulated GHZ copies, and what grows with what?

Rivals, in the same run and in turn: drawing one random byte a copy with NumPy's fastest generator
(what any transcript costs at least, for up to eight workers), and Qiskit Aer running one circuit a
coordinate at 1,024 shots. Ratios are of median times; the exponent is fitted over n·d·B.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

import qring
from qring import Digits, FixedPoint, Ghz, Network, QubitNoise
from qring.collectives.ghz.digits import majority_copies
from qring.network.ghz import GhzBatch
from qring.network.parity import coin_flips, transcript_of

Case = dict[str, str | float | None]


def medians(jobs: list[Callable[[], object]], repeats: int) -> list[float]:
    times: list[list[float]] = [[] for _ in jobs]
    for turn in range(repeats + 1):
        for job, seen in zip(jobs, times, strict=True):
            started = time.process_time()  # others may share the machine
            job()
            if turn:  # the first turn warms up
                seen.append(time.process_time() - started)
    return [statistics.median(seen) for seen in times]


def batch(workers: int, coords: int, noise: QubitNoise, rng: np.random.Generator) -> GhzBatch:
    total = rng.integers(1 << 20, size=coords, dtype=np.uint64)
    return Network(qubit_noise=noise).open(workers, rng).copies().batch(total, None)


def transcripts(repeats: int, coords: int) -> list[Case]:
    rng = np.random.Generator(np.random.SFC64(0))
    cases: list[Case] = []

    def random_bytes() -> object:
        return rng.integers(1 << 64, size=coords // 8, dtype=np.uint64)

    for workers in (4, 8):
        copies = batch(workers, coords, QubitNoise.of_visibility(0.9, workers), rng)
        known = np.zeros(coords, np.uint64)
        rival, drawn, whole = medians(
            [
                random_bytes,
                lambda n=workers: transcript_of(coin_flips(0.05, coords, rng), n, rng),
                lambda copies=copies, known=known: copies.announce(0, known),
            ],
            repeats,
        )
        for name, seconds, target in [
            ("transcript", drawn, 4),
            ("phases and transcript", whole, None),
        ]:
            case = f"{name} a copy, n={workers}, V=.9, against a random byte"
            cases.append({"case": case, "ratio": seconds / rival, "target": target})
            print(f"{case}: {seconds / coords * 1e9:.2f} ns against {rival / coords * 1e9:.2f}",
                  file=sys.stderr)  # fmt: skip
    return cases


def against_aer(repeats: int) -> list[Case]:
    try:
        from qiskit import QuantumCircuit
        from qiskit_aer import AerSimulator
    except ImportError:
        print("Aer is not installed: its cases are skipped", file=sys.stderr)
        return []
    shots, circuits = 1024, 20
    simulator = AerSimulator()
    jobs = []
    for k in range(circuits):
        circuit = QuantumCircuit(4, 4)
        circuit.h(0)
        for worker in range(3):
            circuit.cx(worker, worker + 1)
        for worker in range(4):
            circuit.p(0.1 * (k + worker), worker)
        circuit.h(range(4))
        circuit.measure(range(4), range(4))
        jobs.append(circuit)
    coords = 100_000
    copies = batch(4, coords, QubitNoise(), np.random.default_rng(0))
    ours, rival = medians(
        [
            lambda: copies.tally([3], shots // 2),
            lambda: simulator.run(jobs, shots=shots).result(),
        ],
        repeats,
    )
    each, theirs = ours / coords, rival / circuits
    print(f"1,024 shots a coordinate: {each * 1e9:.0f} ns, Aer {theirs * 1e6:.0f} µs",
          file=sys.stderr)  # fmt: skip
    return [
        {"case": "1,024 shots a coordinate, speed against Aer", "ratio": theirs / each,
         "target": 1000},
        {"case": "counts-only readout, ns a coordinate and quadrature", "ratio": each / 2 * 1e9,
         "target": 200},
    ]  # fmt: skip


def growth(quick: bool) -> list[Case]:
    rng = np.random.default_rng(0)
    sizes, times = [], []
    for workers, coords, bits in [(2, 1 << 17, 8), (4, 1 << 17, 16), (16, 1 << 18, 16),
                                  (64, 1 << 18, 24)][: 3 if quick else 4]:  # fmt: skip
        rows = rng.normal(size=(workers, coords)).astype(np.float32).clip(-1, 1)
        method = Ghz(encoding=FixedPoint(word_bits=bits, limit=1.0), readout=Digits())
        started = time.perf_counter()
        qring.all_reduce(rows, method=method, network=Network(), rng=rng)
        times.append(time.perf_counter() - started)
        sizes.append(workers * coords * (workers * (2**bits - 1)).bit_length())
        print(f"n={workers} d={coords:,} b={bits}: {times[-1]:.2f} s", file=sys.stderr)
    slope = np.polyfit(np.log(sizes), np.log(times), 1)[0]
    return [{"case": "exponent of the time in n·d·B", "ratio": float(slope), "target": 1.05}]


def copies_needed() -> list[Case]:
    """What noise costs: copies a digit over Shannon's limit (exact), no timing."""
    q = 0.05
    limit = 1 / (1 + q * math.log2(q) + (1 - q) * math.log2(1 - q))
    allowed = 1 - (1 - 1e-6) ** (1 / 20)
    majority = majority_copies(q, allowed)
    return [{"case": "majority copies a digit at V=.9 over Shannon's limit",
             "ratio": majority / limit, "target": None}]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print a list of cases")
    parser.add_argument("--quick", action="store_true", help="few repetitions, small sizes")
    arguments = parser.parse_args()
    repeats = 3 if arguments.quick else 15
    cases = transcripts(20 * repeats, 1 << 16)
    cases += against_aer(repeats)
    cases += growth(arguments.quick) + copies_needed()
    if arguments.json:
        print(json.dumps(cases))
        return
    for case in cases:
        print(f"{case['case']:70} {case['ratio']:10.3g}  target {case['target'] or '-'}")


if __name__ == "__main__":
    main()
