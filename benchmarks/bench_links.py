"""How fast do noisy superdense pairs cross a link?

Rivals, in the same run and turn by turn:

* memcpy: ``np.copyto`` of the packed frame, what a perfect link would cost. A noisy link is
  timed as copy plus its errors; the ratio is its speed over memcpy's.
* stim's compiled sampler of the circuit, and its faster ``FlipSimulator``, both on 64 pairs side
  by side, where they are at their best.
* Qiskit Aer, as density matrix and as stabiliser state. A message gives every pair its own two
  bits, hence its own circuit of one shot; as a bound, also a thousand shots of one circuit, as
  if all pairs carried the same two bits.

Figures against stim and Aer are ratios of pairs a second at the error probability 0.01; where
no target was set, it is 1: be faster.

    python benchmarks/bench_links.py [--quick] [--json]
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from qring.network import pauli
from qring.network.noise import BellDiagonal

TARGETS = {1e-4: 0.25, 1e-3: 0.25, 1e-2: 0.06, 0.1: 0.02, 0.5: 0.02, 1.0: 0.02}
RIVAL_ERROR = 0.01
SEED = 20


class Candidate(NamedTuple):
    """Something that sends ``pairs`` pairs each time it runs."""

    name: str
    pairs: int
    run: Callable[[], object]


class Rival(NamedTuple):
    """A simulator to be faster than, ``target`` times."""

    candidate: Candidate
    target: float = 1.0


def qring(frame, error):
    out, pairs = np.zeros_like(frame), 4 * len(frame)
    noise, rng = BellDiagonal.depolarising(error), np.random.default_rng(SEED)
    errors = pauli.ErrorStream(noise, rng)  # as a link has one, for all its messages

    def run():
        np.copyto(out, frame)
        errors.disturb(out, pairs)

    return Candidate(f"qring p={error:g}", pairs, run)


def memcpy(frame):
    out = np.zeros_like(frame)
    return Candidate("memcpy", 4 * len(frame), lambda: np.copyto(out, frame))


def stim_rivals(shots, width=64):
    import stim

    sent = range(0, 2 * width, 2)
    circuit = stim.Circuit()
    for gate in ("H", "CX", "DEPOLARIZE1", "CX", "H"):
        targets = range(2 * width) if gate == "CX" else sent
        circuit.append(gate, targets, RIVAL_ERROR if gate == "DEPOLARIZE1" else ())
    circuit.append("M", range(2 * width))
    sampler = circuit.compile_sampler(seed=SEED)
    flips = stim.FlipSimulator(batch_size=shots, num_qubits=2 * width, seed=SEED)

    def flip():
        flips.clear()
        flips.do(circuit)

    compiled = Candidate(
        "stim compiled sampler", shots * width, lambda: sampler.sample_bit_packed(shots)
    )
    return [Rival(compiled, 20.0), Rival(Candidate("stim FlipSimulator", shots * width, flip))]


def aer_rivals(shots, circuits):
    """Aer on one circuit of ``shots`` shots, and on ``circuits`` circuits of one shot."""
    from qiskit import QuantumCircuit
    from qiskit_aer import AerSimulator
    from qiskit_aer.noise import NoiseModel, depolarizing_error

    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.id(0)  # where the noise acts
    circuit.cx(0, 1)
    circuit.h(0)
    circuit.measure([0, 1], [0, 1])
    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(4 * RIVAL_ERROR / 3, 1), "id")

    def candidate(method, circuits, shots):
        simulator = AerSimulator(method=method, noise_model=model, seed_simulator=SEED)
        batch = [circuit] * circuits
        name = f"Aer {method}, {circuits}x{shots} shots"
        return Candidate(
            name, circuits * shots, lambda: simulator.run(batch, shots=shots, memory=True).result()
        )

    methods = ("density_matrix", "stabilizer")
    shared = [Rival(candidate(method, 1, shots)) for method in methods]
    return shared + [Rival(candidate(method, circuits, 1), 1e5) for method in methods]


def rivals(quick):
    """Every rival that is installed."""
    found = []
    for name, build in (
        ("stim", lambda: stim_rivals(256 if quick else 10_000)),
        ("qiskit-aer", lambda: aer_rivals(*((20, 2) if quick else (1000, 50)))),
    ):
        try:
            found += build()
        except ImportError:
            print(f"skipped: {name} is not installed", file=sys.stderr)
    return found


def measure(candidates, rounds):
    """Median seconds a pair of each candidate, by name, taken turn by turn."""
    seconds = {c.name: [] for c in candidates}
    for turn in range(rounds + 1):
        for c in candidates:
            start = time.perf_counter()
            c.run()
            if turn:  # the first turn warms up
                seconds[c.name].append((time.perf_counter() - start) / c.pairs)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def results(quick):
    """Measure all; cases of the form {"case", "ratio", "target"}, and seconds a pair by name."""
    frame = np.random.default_rng(SEED).integers(256, size=1 << (20 if quick else 26), dtype="u1")
    ours = {error: qring(frame, error) for error in TARGETS}
    base, others = memcpy(frame), rivals(quick)
    seconds = measure(
        [base, *ours.values(), *(rival.candidate for rival in others)], 3 if quick else 7
    )
    cases = [
        {
            "case": f"{ours[error].name} against memcpy",
            "ratio": seconds[base.name] / seconds[ours[error].name],
            "target": target,
        }
        for error, target in TARGETS.items()
    ]
    link = ours[RIVAL_ERROR].name
    cases += [
        {
            "case": f"{link} against {rival.candidate.name}",
            "ratio": seconds[rival.candidate.name] / seconds[link],
            "target": rival.target,
        }
        for rival in others
    ]
    return cases, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the ratios as JSON")
    parser.add_argument("--quick", action="store_true", help="a smoke run: ratios mean little")
    arguments = parser.parse_args()
    cases, seconds = results(arguments.quick)
    if arguments.json:
        print(json.dumps(cases, indent=2))
        return
    print(f"{'':44} {'pairs/s':>12}")
    for name, taken in seconds.items():
        print(f"{name:44} {1 / taken:12.3g}")
    print(f"\n{'':60} {'ratio':>10} {'target':>8}")
    for case in cases:
        print(f"{case['case']:60} {case['ratio']:10.3g} {case['target']:8g}")


if __name__ == "__main__":
    main()
