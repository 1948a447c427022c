"""Which topology ends an all-reduce first between processes of one machine?

The rivals are the ring and Gloo, in the same processes and turn by turn, over four ranks and shared
memory: 1 KB, in blocks of twenty calls, and 25 MB. A ratio is a ratio of median times to the
ring's, below 1 the topology is faster; for 25 MB there is also the ring's to Gloo's. Ranks share
the machine's cores with whatever else runs: compare on an idle one.

    python benchmarks/bench_topologies.py [--quick] [--json]
"""

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.distributed as dist

import qring.torch as qt

RANKS = 4
TOPOLOGIES = ("ring", "halving", "doubling", "double-tree:1", "shards")
KILOBYTE, MEGABYTES = 256, 6_553_600  # floats
TARGETS = {"halving": 1.0, "doubling": 0.8}


def worked(rank, store, quick, results):
    torch.set_num_threads(1)
    dist.init_process_group(
        "qring", store=dist.FileStore(store, RANKS), rank=rank, world_size=RANKS,
        pg_options=qt.Options(transport="memory"),
    )  # fmt: skip
    groups = {
        name: dist.new_group(pg_options=qt.Options(transport="memory", topology=name))
        for name in TOPOLOGIES
    }
    groups["gloo"] = dist.new_group(backend="gloo")
    found = {}
    for elements, calls, turns in (
        (KILOBYTE, 20, 4 if quick else 40),
        (MEGABYTES, 1, 2 if quick else 15),
    ):
        values = torch.ones(elements)
        for group in groups.values():
            dist.all_reduce(values, group=group)
        times = {name: [] for name in groups}
        for _ in range(turns):
            for name, group in groups.items():
                dist.barrier()
                start = time.perf_counter()
                for _ in range(calls):
                    dist.all_reduce(values, group=group)
                times[name].append((time.perf_counter() - start) / calls)
        found[elements] = times
    results.put((rank, found))
    dist.barrier()
    dist.destroy_process_group()


def measured(quick):
    """Median seconds by size and topology; of each turn the slowest rank counts."""
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    with tempfile.TemporaryDirectory() as folder:
        store = str(Path(folder) / "store")
        ranks = [
            context.Process(target=worked, args=(rank, store, quick, results))
            for rank in range(RANKS)
        ]
        for process in ranks:
            process.start()
        found = [results.get(timeout=300)[1] for _ in ranks]
        for process in ranks:
            process.join(30)
    return {
        elements: {
            name: statistics.median(
                max(turn) for turn in zip(*(one[elements][name] for one in found), strict=True)
            )
            for name in times
        }
        for elements, times in found[0].items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few turns, to see that it runs")
    parser.add_argument("--json", action="store_true", help="print cases as JSON")
    arguments = parser.parse_args()
    found, cases = measured(arguments.quick), []
    for elements, size in ((KILOBYTE, "1 KB"), (MEGABYTES, "25 MB")):
        ring = found[elements]["ring"]
        for name in TOPOLOGIES[1:]:
            target = TARGETS.get(name) if elements == KILOBYTE else None
            cases.append(
                {
                    "case": f"{size}, {RANKS} ranks by memory: {name} against the ring",
                    "seconds": found[elements][name],
                    "ratio": found[elements][name] / ring,
                    "target": target,
                }
            )
        cases.append(
            {
                "case": f"{size}, {RANKS} ranks by memory: the ring against Gloo",
                "seconds": ring,
                "ratio": ring / found[elements]["gloo"],
                "target": 0.33 if elements == MEGABYTES else None,
            }
        )
    if arguments.json:
        print(json.dumps(cases))
        return 0
    for case in cases:
        target = "" if case["target"] is None else f", target {case['target']:.2f}"
        print(f"{case['case']}: {1e6 * case['seconds']:,.0f} µs, ratio {case['ratio']:.2f}{target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
