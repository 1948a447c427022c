"""What does secure aggregation cost a federated round?

Ten clients train a 784-128-10 network (d = 101,770) for five passes over 400 random images each,
under Flower's FedAvg, on a grid in this process. Rivals in the same run: FedAvg without protection,
and Flower's own SecAgg+ (legacy API), whose rounds are driven without training and added to the
plain round. Figures are ratios of median processor times a round; words have 20 bits.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
import time
from typing import Any

import numpy as np
from bench_privacy import Flower, gradients

CLIENTS = 10


def network(hidden: int) -> dict[str, tuple[int, ...]]:
    return {"a": (784, hidden), "b": (hidden,), "c": (hidden, 10), "d": (10,)}


def app(*mods: Any) -> Any:
    from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
    from flwr.clientapp import ClientApp

    made = ClientApp(mods=list(mods))
    rng = np.random.default_rng(0)
    x = rng.random((400, 784), np.float32)
    y = np.eye(10, dtype=np.float32)[rng.integers(0, 10, 400)]

    @made.train()
    def train(message, _):
        a, b, c, d = (array.numpy().copy() for array in message.content["arrays"].values())
        for step_number in range(0, 2000, 20):
            start = step_number % 400
            part, wanted = x[start : start + 20], y[start : start + 20]
            inner = np.maximum(part @ a + b, 0)
            found = np.exp(inner @ c + d)
            off = (found / found.sum(axis=1, keepdims=True) - wanted) / 20
            back = (off @ c.T) * (inner > 0)
            for weights, step in ((a, part.T @ back), (b, back.sum(0)), (c, inner.T @ off),
                                  (d, off.sum(0))):  # fmt: skip
                weights -= np.float32(0.05) * step
        names = zip("abcd", (a, b, c, d), strict=True)
        arrays = ArrayRecord({name: Array(np.asarray(w, np.float32)) for name, w in names})
        metrics = MetricRecord({"num-examples": 400})
        return Message(RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)

    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print a list of cases")
    parser.add_argument("--quick", action="store_true", help="few repetitions, a small network")
    arguments = parser.parse_args()
    try:
        from flwr.app import Array, ArrayRecord
        from flwr.serverapp.strategy import FedAvg
    except ImportError:
        raise SystemExit("this benchmark is about flwr: pip install 'qring[flower]'") from None
    from qring.flower import LocalGrid, SecureAggregation, SecureMod, SecureSum

    logging.getLogger("flwr").setLevel(logging.CRITICAL)

    class Private(SecureAggregation, FedAvg):
        pass

    hidden, turns, rounds = (8, 2, 1) if arguments.quick else (128, 5, 2)
    config = SecureSum(limit=1.0, word_bits=20, max_examples=400)
    rng = np.random.default_rng(0)
    first = {
        name: (0.05 * rng.normal(size=shape)).astype(np.float32)
        for name, shape in network(hidden).items()
    }
    coords = sum(array.size for array in first.values())

    def timed(strategy: Any, made: Any) -> float:
        arrays = ArrayRecord({name: Array(array) for name, array in first.items()})
        started = time.process_time()
        strategy.start(LocalGrid(made, range(1, CLIENTS + 1)), arrays, num_rounds=rounds)
        return (time.process_time() - started) / rounds

    flower, rows = Flower(), gradients(CLIENTS, coords)
    plain, mine, theirs = [], [], []
    for turn in range(turns + 1):  # the first warms up
        some = (
            timed(FedAvg(fraction_evaluate=0.0), app()),
            timed(Private(secure=config, fraction_evaluate=0.0), app(SecureMod(config))),
        )
        started = time.process_time()
        flower.mean(rows, 0, CLIENTS // 2 + 1)
        spent = time.process_time() - started
        if turn:
            plain.append(some[0])
            mine.append(some[1])
            theirs.append(some[0] + spent)
    base, ours, rival = (statistics.median(times) for times in (plain, mine, theirs))
    print(
        f"a round of {CLIENTS} clients, d={coords:,}: FedAvg {base:.3f} s, qring {ours:.3f} s, "
        f"SecAgg+ {rival:.3f} s",
        file=sys.stderr,
    )
    cases = [
        {"case": "FedAvg's round over that with secure sums", "ratio": base / ours,
         "target": 1 / 1.2},
        {"case": "SecAgg+'s round over that with secure sums", "ratio": rival / ours,
         "target": None},
    ]  # fmt: skip
    if arguments.json:
        print(json.dumps(cases))
        return
    for case in cases:
        print(f"{case['case']:50} {case['ratio']:8.3g}  target {case['target'] or '-'}")


if __name__ == "__main__":
    main()
