"""How fast do labels become ties, and a training step an audit?

At a million parameters with a label of eight bits each (16 and 256 groups): the matching against
20 ms and against grouping by ``np.unique``; the audit of a float32 gradient (ε = .1, δ = .05, a
new matching every time) against 3 ms and against the exact statistic, which counts all signs.

    python benchmarks/bench_ties.py [--quick] [--json]
"""

import argparse
import json
import statistics
import time

import numpy as np
from torch import nn

from qring.conflict.matching import Groups, RandomPairs
from qring.torch.ties import Layout, Ties

SEED = 5


def measure(candidates, rounds):
    """Median seconds of each candidate, by name, taken turn by turn."""
    seconds = {name: [] for name in candidates}
    for turn in range(rounds + 1):
        for name, run in candidates.items():
            start = time.perf_counter()
            run()
            if turn:  # the first turn warms up
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def cases_of(groups, d, rounds):
    rng = np.random.default_rng(SEED)
    labels = rng.integers(groups, size=d).astype(np.uint8)
    gradient = rng.normal(size=d).astype(np.float32)
    layout = Layout.of(nn.Linear(d - 1, 1))
    made = Ties(layout=layout, groups=Groups.of(labels))

    def unique():
        np.argsort(np.unique(labels, return_inverse=True)[1])

    def exact():
        minus = np.bincount(labels, weights=gradient < 0, minlength=256)
        counts = np.bincount(labels, minlength=256)
        return (2 * minus * (counts - minus) / np.maximum(counts - 1, 1)).sum() / counts.sum()

    seconds = measure(
        {
            "matching": lambda: RandomPairs(Groups.of(labels), rng),
            "np.unique": unique,
            "audit": lambda: made.audit(gradient, epsilon=0.1, delta=0.05, rng=rng),
            "exact": exact,
        },
        rounds,
    )
    matching, audit = seconds["matching"], seconds["audit"]
    cases = [
        (f"matching: 20 ms against ours, {groups} groups", 20e-3 / matching, 1),
        (f"matching against np.unique, {groups} groups", seconds["np.unique"] / matching, 0),
        (f"audit: 3 ms against ours, {groups} groups", 3e-3 / audit, 1),
        (f"audit against the exact statistic, {groups} groups", seconds["exact"] / audit, 0),
    ]
    notes = [f"{groups} groups: {name} {1e3 * taken:.2f} ms" for name, taken in seconds.items()]
    return [{"case": c, "ratio": r, "target": float(t)} for c, r, t in cases], notes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the ratios as JSON")
    parser.add_argument("--quick", action="store_true", help="a smoke run: ratios mean little")
    arguments = parser.parse_args()
    d, rounds = (10**5, 3) if arguments.quick else (10**6, 25)
    cases, notes = [], []
    for groups in (16, 256):
        found, said = cases_of(groups, d, rounds)
        cases += found
        notes += said
    if arguments.json:
        print(json.dumps(cases, indent=2))
        return
    print("\n".join(notes))
    for case in cases:
        print(f"{case['case']:52} {case['ratio']:10.3g} {case['target']:8g}")


if __name__ == "__main__":
    main()
