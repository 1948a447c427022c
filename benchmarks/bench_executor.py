"""What does a simulated hop cost, and is a round of many hops cheaper at once than hop by hop?

The rival is the same ring over links that no bundle is known for: every message packed, carried and
unpacked by itself, as all were before. Both run in turns; ratios are of medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

import numpy as np

from qring import BellDiagonal, FloatBits, Network
from qring.collectives.scheduled import LinkKind, carry_out
from qring.network.links import Link, superdense
from qring.network.run import Run
from qring.schedule import ring
from qring.schedule.schedule import Collective


def one_by_one(run: Run, src: int, dst: int) -> Link:
    """A superdense link that the executor does not know for one."""
    return superdense(run, src, dst)


def seconds(workers: int, coords: int, error: float, kind: LinkKind) -> float:
    """Time of one all-reduce; its rows are made beforehand."""
    rows = np.random.default_rng(0).normal(size=(workers, coords)).astype(np.float32)
    values, wire = FloatBits().encode(rows)
    network = Network(noise=BellDiagonal.depolarising(error))
    run = network.open(workers, np.random.default_rng(1))
    schedule = ring.schedule(Collective.ALL_REDUCE, workers)
    started = time.perf_counter()
    carry_out(schedule, values, wire, run, kind)
    run.ledger()
    return time.perf_counter() - started


def main() -> None:
    """Compare both ways, and print or write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, once")
    parser.add_argument("--json", action="store_true", help="print a JSON array of cases")
    arguments = parser.parse_args()
    cases = [(64, 20_000, 0.0), (64, 20_000, 1e-3), (256, 20_000, 0.0), (256, 20_000, 1e-3)]
    repeats = 3
    if arguments.quick:
        cases, repeats = [(40, 400, 0.0), (40, 400, 1e-3)], 1
    found: list[dict[str, Any]] = []
    for workers, coords, error in cases:
        times: dict[str, list[float]] = {"at once": [], "hop by hop": []}
        for _ in range(repeats):
            times["at once"].append(seconds(workers, coords, error, superdense))
            times["hop by hop"].append(seconds(workers, coords, error, one_by_one))
        once, each = (statistics.median(seen) for seen in times.values())
        found.append({"case": f"{workers} workers, {coords:,} coordinates, noise {error:g}",
                      "seconds": once, "ratio": once / each, "target": 0.2})  # fmt: skip
    if arguments.json:
        print(json.dumps(found))
        return
    for row in found:
        print(f"{row['case']}: {row['seconds'] * 1e3:.1f} ms, {row['ratio']:.3f} of hop by hop")


if __name__ == "__main__":
    main()
