"""How fast is SubspaceAudit simulated, and does structure pay?

* The exact projection onto a rank-64 adapter's tangent space of a 4096×4096 float32 gradient,
  against 0.5 s and, in the same run and turn by turn, against the rival way: an explicit basis of
  as many directions (smaller, and scaled by the number of multiplications it saves).
* A hundred copies after that, designs and intervals included, against 1 ms.
* Copies of signs, drawn one by one without the projection, d = 2^20, against 50 ns a copy.

    python benchmarks/bench_subspace.py [--quick] [--json]
"""

import argparse
import json
import statistics
import time

import numpy as np

from qring.conflict.matching import Pairs
from qring.conflict.signs import ArraySigns
from qring.conflict.subspace.audit import Mixing, drawn_inside, share, subspace_audit
from qring.conflict.subspace.broadcasts import index_law
from qring.conflict.subspace.rivals import index_rival
from qring.conflict.subspace.span import Coordinates, Dense, PairSpan
from qring.conflict.subspace.tangent import Tangent

SEED = 11


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the ratios as JSON")
    parser.add_argument("--quick", action="store_true", help="a smoke run: ratios mean little")
    arguments = parser.parse_args()
    rng = np.random.default_rng(SEED)
    side, rank = (512, 8) if arguments.quick else (4096, 64)
    bases = [np.linalg.qr(rng.normal(size=(side, rank)))[0] for _ in range(2)]
    low = Tangent(*bases)
    gradient = rng.normal(size=side * side).astype(np.float32)
    rows = np.linalg.qr(rng.normal(size=(side * side, 4)).astype(np.float32))[0].T
    dense = Dense(np.ascontiguousarray(rows))
    half = Coordinates(np.arange(64) < 20)
    few = rng.normal(size=64)
    copies = 1 << (14 if arguments.quick else 20)
    d = 1 << 20
    signs = ArraySigns(rng.random(d) < 0.5)
    odd = PairSpan(Pairs.of(rng.permutation(d).reshape(-1, 2), d))
    seconds = measure(
        {
            "tangent": lambda: share(gradient, low),
            "four rows": lambda: share(gradient, dense),
            "copies": lambda: subspace_audit(few, half, epsilon=0.1, delta=0.05, rng=rng),
            "signs": lambda: drawn_inside(signs, odd, copies, Mixing(), rng),
        },
        3 if arguments.quick else 9,
    )
    scaled = seconds["four rows"] * low.dimension / 4
    one = seconds["signs"] / copies
    cases = [
        {"case": f"0.5 s against the exact projection, {side}x{side}, rank {rank}",
         "ratio": 0.5 / seconds["tangent"], "target": 1.0},
        {"case": "as many explicit rows against the tangent's projection",
         "ratio": scaled / seconds["tangent"], "target": 100.0},
        {"case": "1 ms against 100 copies", "ratio": 1e-3 / seconds["copies"], "target": 1.0},
        {"case": "50 ns against a copy of signs, drawn by its pair, d=2^20", "ratio": 50e-9 / one,
         "target": 1.0},
    ]  # fmt: skip
    if arguments.json:
        print(json.dumps(cases, indent=2))
        return
    print(f"projection {1e3 * seconds['tangent']:.0f} ms, 100 copies "
          f"{1e6 * seconds['copies']:.0f} us, signs {1e9 * one:.1f} ns a copy")  # fmt: skip
    for d in (10**4, 10**6, 10**9):
        rival = index_rival(d, d // 2, 0.1, 0.05)
        told = [index_law(0.5, d, d // 2, rival, rng) for _ in range(20)]
        print(f"d={d:.0e}: {100 * (d - 1).bit_length():,} qubits; {rival.bits:,} bits by index, "
              f"drawn 20 times: {np.mean(told):.3f} ± {np.std(told):.3f}")  # fmt: skip
    print(f"\n{'':62} {'ratio':>10} {'target':>8}")
    for case in cases:
        print(f"{case['case']:62} {case['ratio']:10.3g} {case['target']:8g}")


if __name__ == "__main__":
    main()
