"""At equal communication, whose Gramian serves PCGrad better: GapIP's or a classical sketch's?

Three tasks, d = 10^6, pairwise cosines drawn from [-.6, .6]. The oracle estimates each cosine by
maximum likelihood at the margin shown; every rival gets, on every link, as many bits as GapIP has
qubits there. Rivals: signs of shared projections on both sides; signs against the receiver's real
projections; the index of the largest of 2^16 projections against the receiver's real one. Lengths
are exact for all. The score is 1 − the cosine of the aggregate to that of the exact Gramian, mean
over instances: the ratio is a rival's over ours. Standing: sampled; interval in the notes.

    python benchmarks/bench_tasks.py [--quick] [--json]
"""

import argparse
import itertools
import json
import math

import numpy as np
import torch
from torchjd.aggregation import PCGradWeighting

from qring.conflict.courier import Courier
from qring.conflict.oracle import positive_semidefinite
from qring.conflict.plane import Plane
from qring.conflict.sketches import maximum_moments
from qring.conflict.strategies.maximum_likelihood import MaximumLikelihood
from qring.network.network import Network

SEED = 3
TASKS = 3
WIDTH = 20  # qubits of the register at d = 10^6
INDEX_BITS = 16
ERROR = 0.1


def instance(rng):
    """A positive definite matrix of cosines, and lengths."""
    while True:
        cosines = np.eye(TASKS)
        for i, j in itertools.combinations(range(TASKS), 2):
            cosines[i, j] = cosines[j, i] = rng.uniform(-0.6, 0.6)
        if np.linalg.eigvalsh(cosines)[0] > 0.05:
            return cosines, rng.uniform(0.5, 2.0, TASKS)


def estimated(cosines, estimate):
    found = np.eye(TASKS)
    for i, j in itertools.combinations(range(TASKS), 2):
        found[i, j] = found[j, i] = np.clip(estimate(cosines[i, j]), -1, 1)
    return positive_semidefinite(found)


def pcgrad(cosines, lengths, seed):
    torch.manual_seed(seed)  # the same order of projections for everybody
    weights = PCGradWeighting()(torch.from_numpy(cosines * np.outer(lengths, lengths))).numpy()
    return weights * lengths


def rivals(bits, rng):
    """Estimators of a cosine that send so many bits, from what the projections' law is."""

    def project(s, count):
        first = rng.standard_normal(count)
        return first, s * first + math.sqrt(1 - s * s) * rng.standard_normal(count)

    def both(s):
        first, second = project(s, bits)
        return math.sin(math.pi * (((first < 0) == (second < 0)).mean() - 0.5))

    def one(s):
        first, second = project(s, bits)
        return float((np.sign(first) * second).mean()) * math.sqrt(math.pi / 2)

    def index(s):
        count = bits // INDEX_BITS
        top, spread = maximum_moments(INDEX_BITS)
        sent = top + math.sqrt(spread) * rng.standard_normal(count)
        return float((s * sent + math.sqrt(1 - s * s) * rng.standard_normal(count)).mean()) / top

    return {"signs, both sides": both, "signs, one side real": one, "index of 2^16": index}


def compare(margin, instances):
    rng = np.random.default_rng(SEED)
    run, strategy = Network().open(2), MaximumLikelihood()

    def gapip(s):
        return strategy.run(
            Plane(s, Courier(WIDTH, run)), margin=margin, error=ERROR, rng=rng
        ).estimate

    gapip(0.0)
    bits = run.ledger().totals.online_qubits
    losses = {}
    for k in range(instances):
        cosines, lengths = instance(rng)
        exact = pcgrad(cosines, lengths, k)
        for name, estimate in {"GapIP": gapip, **rivals(bits, rng)}.items():
            ours = pcgrad(estimated(cosines, estimate), lengths, k)
            inner = ours @ cosines @ exact
            norms = math.sqrt((ours @ cosines @ ours) * (exact @ cosines @ exact))
            losses.setdefault(name, []).append(1 - inner / norms)
    return bits, losses


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the ratios as JSON")
    parser.add_argument("--quick", action="store_true", help="a smoke run: ratios mean little")
    arguments = parser.parse_args()
    cases, notes = [], []
    for margin in (0.05,) if arguments.quick else (0.02, 0.01, 0.005):
        bits, losses = compare(margin, 10 if arguments.quick else 400)
        means = {name: float(np.mean(loss)) for name, loss in losses.items()}
        for name, loss in losses.items():
            spread = 1.96 * float(np.std(loss)) / math.sqrt(len(loss))
            notes.append(
                f"margin {margin}, {bits:,} carriers a pair: {name}: 1 - cosine "
                f"{means[name]:.3g} ± {spread:.1g} (95 %)"
            )
        for name in list(losses)[1:]:
            target = 1.0 if margin == 0.005 else 0.0  # wider margins lie beyond the crossover
            case = f"1 - cosine, margin {margin}: {name} over GapIP"
            cases.append({"case": case, "ratio": means[name] / means["GapIP"], "target": target})
    if arguments.json:
        print(json.dumps(cases, indent=2))
        return
    print("\n".join(notes))
    for case in cases:
        print(f"{case['case']:60} {case['ratio']:10.3g} {case['target']:8g}")


if __name__ == "__main__":
    main()
