"""What does privacy cost, offline and online, and what does the classical rival take?

Rivals, in the same run and in turn: the superdense ring on the same words without masks, for the
online half; the plain GHZ digits of the same words, for the offline half; and classical secure
aggregation (``secagg``; skipped without the package ``cryptography``) for the whole round. All
workers run in this process. Ratios are of median processor times; the whole round is also held
against a minute and 2 GB.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import qring
from qring import FixedPoint, Ghz, Private, SecAgg, Superdense
from qring.security.masks.terms import MaskTerms

Case = dict[str, str | float | None]

WORDS = FixedPoint(word_bits=17, limit=1.0)  # of 8 workers, sums have 20 bits


def seconds(job: Callable[[], object]) -> float:
    started = time.process_time()  # others may share the machine
    job()
    return time.process_time() - started


def medians(turns: int, **jobs: Callable[[], object]) -> dict[str, float]:
    """Run all jobs in turn; the first turn warms up."""
    spent: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(turns + 1):
        for name, job in jobs.items():
            took = seconds(job)
            if turn:
                spent[name].append(took)
    return {name: statistics.median(took) for name, took in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print a list of cases")
    parser.add_argument("--quick", action="store_true", help="few repetitions, small sizes")
    arguments = parser.parse_args()
    workers, coords, turns = (4, 20_000, 1) if arguments.quick else (8, 1_000_000, 3)
    rows = np.random.default_rng(0).uniform(-1, 1, (workers, coords)).astype(np.float32)
    rng = np.random.default_rng(1)

    def run(method: qring.Private | Superdense | Ghz | SecAgg) -> object:
        return qring.all_reduce(rows, method=method, rng=rng)

    sum_bits = WORDS.budget(workers).sum_bits
    name = f"n={workers} d={coords:,} B={sum_bits}"
    cases: list[Case] = []
    started = time.perf_counter()
    run(Private(encoding=WORDS))
    wall = time.perf_counter() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    cases.append({"case": f"{name}: whole round, share of 60 s", "ratio": wall / 60, "target": 1})
    cases.append({"case": f"{name}: peak memory, share of 2 GB", "ratio": memory / 2, "target": 1})
    with tempfile.TemporaryDirectory() as folder:
        ahead = Private(encoding=WORDS, inventory=Path(folder) / "masks")
        ahead.stock(coords * (turns + 1), workers=workers, rng=rng)
        online = medians(
            turns, private=lambda: run(ahead), superdense=lambda: run(Superdense(encoding=WORDS))
        )
    cases.append(
        {"case": f"{name}: online, masks from disk, time over superdense",
         "ratio": online["private"] / online["superdense"], "target": 2.0}
    )  # fmt: skip
    jobs: dict[str, Callable[[], object]] = {
        "private": lambda: run(Private(encoding=WORDS)),
        "ghz": lambda: run(Ghz(encoding=WORDS)),
    }
    try:
        run(SecAgg(encoding=WORDS))
        jobs["secagg"] = lambda: run(SecAgg(encoding=WORDS))
    except qring.MissingExtraError:
        print("cryptography is not installed: secagg is skipped", file=sys.stderr)
    whole = medians(turns, **jobs)
    for rival in list(jobs)[1:]:
        cases.append(
            {"case": f"{name}: whole round, time over {rival}",
             "ratio": whole["private"] / whole[rival], "target": None}
        )  # fmt: skip
    terms = MaskTerms.plan(coords, workers=workers, sum_bits=sum_bits)
    cases.append(
        {"case": f"{name}: copies over the digits of the sum, epsilon 2^-40",
         "ratio": terms.copies / (coords * sum_bits), "target": None if arguments.quick else 1.07}
    )  # fmt: skip
    spent = ", ".join(f"{key} {took:.2f} s" for key, took in {**whole, "online": online["private"],
                      "superdense": online["superdense"]}.items())  # fmt: skip
    print(f"processor times: {spent}; whole round {wall:.1f} s of wall time", file=sys.stderr)
    if arguments.json:
        print(json.dumps(cases))
        return
    for case in cases:
        print(f"{case['case']:70} {case['ratio']:10.3g}  target {case['target'] or '-'}")


if __name__ == "__main__":
    main()
