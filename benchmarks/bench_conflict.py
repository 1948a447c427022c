"""How fast is conflict detection simulated, and who wins on the wire?

Rivals, in the same run and turn by turn:

* TieAudit's sampler, measured a copy at d = 2^20, against 50 ns and against Qiskit Aer, which
  samples the same measurement from a state vector (Hadamards, the diagonal of signs, a Hadamard
  on the lowest qubit; the matching i ↔ i⊕1 costs it least).
* GapIP in closed form at d = 2^20 against two dot products of the same vectors plus 60 µs, and
  against the register simulation at 1,000 applications of the Grover operator, of which the
  state vector is moved through as many as --quick or not allows and the rest counted.

Then, without timing, what was measured of the protocols' costs: fitted exponents, and crossovers
against the cheapest sketch, beside the paper's.

    python benchmarks/bench_conflict.py [--quick] [--json]
"""

import argparse
import json
import math
import statistics
import sys
import time

import numpy as np

from qring.conflict.courier import Courier
from qring.conflict.gap_ip import gap_ip, inner_product
from qring.conflict.matching import AffinePairs, Pairs
from qring.conflict.phase_state import measure_pairs
from qring.conflict.phases import cheapest
from qring.conflict.plane import Circuit, Plane
from qring.conflict.register import Register
from qring.conflict.signs import ArraySigns
from qring.conflict.sketches import best_rival
from qring.conflict.strategies.ancilla_free import AncillaFree
from qring.conflict.strategies.kitaev import Kitaev
from qring.network.network import Network
from qring.theory import separations

SEED = 7
QUBITS = 20
APPLICATIONS = 1000
MARGINS = (0.2, 0.1, 0.05, 0.02)


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


def aer(signs, shots):
    from qiskit import QuantumCircuit, transpile
    from qiskit.circuit.library import DiagonalGate
    from qiskit_aer import AerSimulator

    circuit = QuantumCircuit(QUBITS)
    circuit.h(range(QUBITS))
    circuit.append(DiagonalGate(signs.astype(complex).tolist()), range(QUBITS))
    circuit.h(0)
    circuit.measure_all()
    simulator = AerSimulator(method="statevector", seed_simulator=SEED)
    ready = transpile(circuit, simulator)
    return lambda: simulator.run(ready, shots=shots).result()


def tie_cases(quick):
    d, rng = 1 << QUBITS, np.random.default_rng(SEED)
    signs = rng.choice(np.array([-1, 1], np.int8), d)
    values = ArraySigns(signs == -1)
    listed = Pairs.of(rng.permutation(d).reshape(-1, 2), d)
    ruled = AffinePairs(coords=d, multiplier=12345)
    copies, shots = 1 << (14 if quick else 18), 100 if quick else 1000
    candidates = {
        "pairs in a list": lambda: measure_pairs(values, listed, copies, rng),
        "pairs by rule": lambda: measure_pairs(values, ruled, copies, rng),
    }
    try:
        candidates["Aer"] = aer(signs, shots)
    except ImportError:
        print("skipped: qiskit-aer is not installed", file=sys.stderr)
    seconds = measure(candidates, 3 if quick else 7)
    ours = seconds["pairs in a list"] / copies
    cases = [
        {"case": "TieAudit: 50 ns against a copy, d=2^20", "ratio": 50e-9 / ours, "target": 1.0}
    ]
    if "Aer" in seconds:
        ratio = seconds["Aer"] / shots / ours
        cases.append({"case": "TieAudit against Aer, d=2^20", "ratio": ratio, "target": 3000.0})
    notes = [f"TieAudit: {ours * 1e9:.1f} ns a copy, by rule "
             f"{seconds['pairs by rule'] / copies * 1e9:.1f} ns"]  # fmt: skip
    return cases, notes


def gap_cases(quick):
    d, rng = 1 << QUBITS, np.random.default_rng(SEED)
    u, v = (rng.normal(size=d).astype(np.float32) for _ in range(2))
    unit_u, unit_v = u / np.linalg.norm(u), v / np.linalg.norm(v)
    long = Circuit(passes=2 * APPLICATIONS)
    part = Circuit(passes=2 * (10 if quick else 100))

    def closed():
        cosine, _ = inner_product(u, v)
        Plane(cosine, Courier(QUBITS + 1, Network().open(2))).accepts(long, 1, rng)

    def register():
        Register(unit_u, unit_v, Courier(QUBITS + 1, Network().open(2))).accepts(part, 1, rng)

    def kept():
        run = Register(unit_u, unit_v, Courier(QUBITS, Network().open(2))).phase_run(rng)
        run.tests(np.array([part.passes // 2]), np.array([1]), rng)

    def verb(strategy):
        return lambda: gap_ip(u, v, margin=0.02, error=0.01, rng=rng, strategy=strategy)

    seconds = measure(
        {
            "two dots": lambda: (np.dot(u, v), np.dot(u, v)),
            "closed": closed,
            "ancilla_free": verb(AncillaFree()),
            "kitaev": verb(Kitaev()),
            "two dots again": lambda: (np.dot(u, v), np.dot(u, v)),
        },
        20 if quick else 200,
    )
    # Apart from the above, whose vectors it would push out of the cache.
    moved = measure({"plain": register, "kept": kept}, 2 if quick else 9)
    plain = moved["plain"] * long.passes / part.passes
    whole = moved["kept"] / 2 * long.passes / part.passes  # a test in each quadrature
    allowed = (seconds["two dots"] + seconds["two dots again"]) / 2 + 60e-6
    applications = gap_ip(
        u, v, margin=0.02, error=0.01, rng=rng, strategy=Kitaev()
    ).passes // 2  # fmt: skip
    cases = [
        {"case": "GapIP: two dots + 60 us against closed form, 1,000 applications",
         "ratio": allowed / seconds["closed"], "target": 1.0},
        {"case": "GapIP: two dots + 60 us against the verb, ancilla_free",
         "ratio": allowed / seconds["ancilla_free"], "target": 1.0},
        {"case": f"GapIP: two dots + 60 us against the verb, kitaev, {applications} applications",
         "ratio": allowed / seconds["kitaev"], "target": 1.0},
        {"case": "GapIP: closed form against the register, 1,000 applications of G in a test",
         "ratio": whole / seconds["closed"], "target": 5000.0},
        {"case": "GapIP: closed form against a register of real numbers, 2,000 plain passes",
         "ratio": plain / seconds["closed"], "target": 0.0},
    ]  # fmt: skip
    notes = [f"GapIP: {name} {taken * 1e6:.0f} us" for name, taken in seconds.items()]
    return cases, [*notes, f"GapIP: register {whole:.2f} s, real {plain:.2f} s"]


def cost_cases():
    """Exponents and crossovers from designed and exact costs; nothing is timed."""
    quantum = [cheapest(margin, 0.01).circuit.passes * QUBITS for margin in MARGINS]
    classical = [best_rival(10**6, margin, 0.01).bits for margin in MARGINS]
    exponents = [
        ("qubits", separations.fitted_exponent(list(MARGINS), quantum), -1.0),
        ("bits", separations.fitted_exponent(list(MARGINS), classical), -2.0),
    ]
    cases = [
        {"case": f"exponent of {what} in the margin over {wanted:g}", "ratio": found / wanted,
         "target": 1.0}
        for what, found, wanted in exponents
    ]  # fmt: skip
    notes = ["crossover: error, d, tau* against 16-bit indices, against their limit, paper"]
    for error in (1 / 3, 0.01):
        constant = statistics.mean(
            cheapest(margin, error).circuit.passes * margin for margin in MARGINS[1:]
        )
        index = separations.index_constant(error, 16)
        best = separations.index_constant(error)
        for d in (10**6, 10**9):
            two = [separations.crossover_margin(c, constant, d) for c in (index, best)]
            margins = [*two, separations.paper_margin(d)]
            notes.append(f"  {error:.3g}, {d:.0e}: " + ", ".join(f"{m:.4f}" for m in margins))
        for margin in (0.1, 0.05):
            width = math.log2(separations.crossover_coords(best, constant, margin))
            notes.append(f"  {error:.3g}, tau={margin}: d* = 2^{width:.1f}; classical above")
    return cases, notes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the ratios as JSON")
    parser.add_argument("--quick", action="store_true", help="a smoke run: ratios mean little")
    arguments = parser.parse_args()
    cases, notes = [], []
    for found, said in (tie_cases(arguments.quick), gap_cases(arguments.quick), cost_cases()):
        cases += found
        notes += said
    if arguments.json:
        print(json.dumps(cases, indent=2))
        return
    print("\n".join(notes))
    print(f"\n{'':72} {'ratio':>10} {'target':>8}")
    for case in cases:
        print(f"{case['case']:72} {case['ratio']:10.3g} {case['target']:8g}")


if __name__ == "__main__":
    main()
