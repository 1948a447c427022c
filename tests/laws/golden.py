"""Runs whose results are pinned: protocol × noise × seed, and the digest of sums and ledger.

Write the table anew with ``python tests/laws/golden.py``; only where a result is *meant* to change.
"""

import hashlib
import json
from functools import partial
from pathlib import Path

import numpy as np

import qring
from qring.conflict.gap_ip import Simulation, gap_ip
from qring.conflict.group_tally import tally_groups
from qring.conflict.hidden_matching import HiddenMatching, solve
from qring.conflict.matching import Groups
from qring.conflict.oracle import ConflictOracle
from qring.conflict.signs import as_signs
from qring.conflict.sketches import rivals, sketch
from qring.conflict.strategies.ancilla_free import AncillaFree
from qring.conflict.strategies.kitaev import Kitaev
from qring.conflict.strategies.maximum_likelihood import MaximumLikelihood
from qring.conflict.strategies.sequential import Sequential
from qring.conflict.tie_audit import tie_audit

TABLE = Path(__file__).with_suffix(".json")
SEEDS = (0, 1)


FIXED = qring.FixedPoint(word_bits=16, limit=4.0, out_of_range=qring.OutOfRange.CLIP)
GROWING = qring.FixedPoint(
    word_bits=9, limit=4.0, out_of_range=qring.OutOfRange.CLIP, width=qring.Width.GROWING
)
SMALL = qring.FixedPoint(word_bits=5, limit=2.0, out_of_range=qring.OutOfRange.CLIP)
COUNTER = qring.Direction.CLOCKWISE
PAIRS = {
    "noiseless": {},
    "werner": {"noise": qring.BellDiagonal.werner(0.98)},
    "rare": {"noise": qring.BellDiagonal.werner(0.999)},
    "one link": {"noise_on": {(1, 2): qring.BellDiagonal(x=0.1, y=0.2, z=0.3)}},
    "recorded": {"noise": qring.BellDiagonal(x=0.02, z=0.05), "record_faults": True},
}
COPIES = {
    "noiseless": {},
    "depolarised": {"qubit_noise": qring.QubitNoise.depolarising(0.01)},
    "biased": {"qubit_noise": qring.QubitNoise(x=0.02, z=0.01)},
    "tampered": {
        "adversary": qring.Adversary(source=qring.PlusState(aim=qring.RandomCopies(0.1))),
        "record_view": True,
    },
    "halves": {
        "adversary": qring.Adversary(source=qring.EprHalves(aim=qring.RandomCopies(0.1))),
        "record_view": True,
    },
}


def rows(seed, workers=4, coords=37, dtype="float32"):
    return np.random.default_rng(1000 + seed).normal(size=(workers, coords)).astype(dtype)


def updated(digest, value):
    if isinstance(value, np.ndarray):
        digest.update(str(value.dtype).encode() + str(value.shape).encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, (tuple, list)):
        for each in value:
            updated(digest, each)
    else:
        digest.update(repr(value).encode())


def digest_of(*values):
    digest = hashlib.sha256()
    for value in values:
        updated(digest, value)
    return digest.hexdigest()[:16]


def account(ledger):
    return sorted(tuple(map(str, row.values())) for row in ledger.rows()), ledger.rounds


def summed(seed, method, network, **shape):
    result = qring.all_reduce(
        rows(seed, **shape), method=method, network=network, rng=np.random.default_rng(seed)
    )
    sums = np.zeros(0) if isinstance(result, qring.Aborted) else result.sums
    more = [getattr(result, name, None) for name in ("copies", "repeated", "first")]
    faults = [(f.src, f.dst, f.round, f.pairs, f.paulis) for f in result.faults]
    seen = [
        (each.digit, each.quarter, each.coords, each.correction, each.transcript.planes, each.held)
        for each in getattr(result, "view", ())
    ]
    return digest_of(sums, account(result.ledger), more, faults, seen)


def ring_cases():
    methods = {
        "superdense floats": (qring.Superdense(), {}),
        "superdense words": (qring.Superdense(encoding=FIXED), {}),
        "superdense growing": (qring.Superdense(encoding=GROWING, gather=COUNTER), {}),
        "superdense half": (qring.Superdense(), {"dtype": "float16"}),
        "superdense 1 worker": (qring.Superdense(), {"workers": 1}),
        "superdense few coords": (qring.Superdense(encoding=FIXED), {"workers": 7, "coords": 3}),
        "superdense 17 workers": (qring.Superdense(encoding=SMALL), {"workers": 17, "coords": 90}),
        "superdense long": (qring.Superdense(), {"workers": 4, "coords": 3000}),
    }
    for name, (method, shape) in methods.items():
        for noise, fields in PAIRS.items():
            if noise == "one link" and shape.get("workers") == 1:
                continue
            network = qring.Network(**fields)
            yield f"{name}, {noise}", partial(summed, method=method, network=network, **shape)
    plain = qring.Network()
    yield "classical floats", partial(summed, method=qring.Classical(), network=plain)
    yield (
        "classical words",
        partial(summed, method=qring.Classical(encoding=FIXED), network=plain, workers=6),
    )


def ghz_cases():
    methods = {
        "ghz digits": qring.Ghz(encoding=FIXED),
        "ghz sequential": qring.Ghz(
            encoding=SMALL,
            readout=qring.Digits(repetition=qring.Repetition.SEQUENTIAL),
            distribution=qring.Distribution.RING_PAIRS,
            announcement=qring.Announcement.BROADCAST,
        ),
        "ghz shots": qring.Ghz(encoding=SMALL, readout=qring.Shots(failure=0.1)),
        "ghz kitaev": qring.Ghz(encoding=SMALL, readout=qring.Kitaev()),
        "ghz weighed": qring.Ghz(encoding=SMALL, weights=(1, -2, 3, 1)),
        "ghz checked": qring.Ghz(encoding=SMALL, checksum=qring.Checksum(block=16)),
        "ghz coded": qring.Ghz(
            encoding=SMALL, readout=qring.CodedDigits(block=256), checksum=qring.Checksum()
        ),
        "vga hashed": qring.Vga(
            ghz=qring.Ghz(encoding=SMALL), verification=qring.HashedVerification(epsilon=0.01)
        ),
        "vga cut": qring.Vga(
            ghz=qring.Ghz(encoding=SMALL),
            verification=qring.CutAndChoose(tests_per_copy=0.02, tolerated=0.4),
        ),
    }
    for name, method in methods.items():
        coords = 300 if name == "ghz coded" else 6
        for noise, fields in COPIES.items():
            network = qring.Network(**fields)
            yield f"{name}, {noise}", partial(summed, method=method, network=network, coords=coords)
    yield (
        "vga to the end",
        partial(
            summed,
            method=methods["vga cut"],
            network=qring.Network(adversary=qring.Adversary(source=qring.PlusState())),
            coords=2,
        ),
    )


def dense(seed, method, **fields):
    return summed(seed, method, qring.DenseNetwork(**fields), workers=3, coords=2)


def engine_cases():
    methods = {
        "superdense": qring.Superdense(encoding=SMALL),
        "ghz": qring.Ghz(encoding=SMALL),
        "vga": qring.Vga(
            ghz=qring.Ghz(encoding=SMALL),
            verification=qring.CutAndChoose(tests_per_copy=0.5, tolerated=0.4),
        ),
    }
    for name, method in methods.items():
        for noise, fields in {
            "noiseless": {},
            "noisy": {
                "noise": qring.BellDiagonal.werner(0.9),
                "qubit_noise": qring.QubitNoise.depolarising(0.02),
            },
        }.items():
            yield f"referee {name}, {noise}", partial(dense, method=method, **fields)


def conflict(seed, ask):
    rng = np.random.default_rng(seed)
    u, v = rng.normal(size=(2, 40))
    return ask(u, v, rng)


def decided(u, v, rng, strategy, simulation):
    found = gap_ip(u, v, margin=0.2, error=0.05, rng=rng, strategy=strategy, simulation=simulation)
    return digest_of(
        found.decision, found.passes, found.qubits, found.round_trips, account(found.ledger)
    )


def audited(u, v, rng, noise, groups):
    signs = np.where(u > 0, 1, -1)
    ties = np.arange(40) // 5 if groups else np.arange(40).reshape(20, 2)
    found = tie_audit(signs, ties, epsilon=0.2, delta=0.1, rng=rng, noise=noise)
    return digest_of(found.fraction, found.hits, account(found.ledger))


def matched(u, v, rng):
    bits, pairs = u > 0, np.arange(40).reshape(20, 2)
    target = ~(bits[::2] ^ bits[1::2])
    found = solve(HiddenMatching(bits=bits, pairs=pairs, target=target), 3, rng)
    return digest_of(found.complemented, account(found.ledger))


def tallied(u, v, rng):
    found = tally_groups(as_signs(np.where(u > 0, 1, -1)), Groups.of(np.arange(40) // 5), 50, rng)
    return digest_of(found.hits, found.differ, account(found.ledger))


def sketched(u, v, rng):
    found = [sketch(u, v, rival, rng) for rival in rivals(40, 0.3, 0.1, index_bits=4)]
    return digest_of(*[(each.decision, account(each.ledger)) for each in found])


def asked(u, v, rng):
    oracle = ConflictOracle.of(np.stack([u, v, u + v, u - v]), margin=0.2, error=0.1, rng=rng)
    answers = [oracle.conflicts(i, j) for i in range(4) for j in range(i)]
    return digest_of(answers, oracle.gramian(), account(oracle.ledger))


def conflict_cases():
    for strategy in (AncillaFree(), MaximumLikelihood(), Sequential(), Kitaev()):
        for simulation in Simulation:
            ask = partial(decided, strategy=strategy, simulation=simulation)
            yield f"gap_ip, {strategy.name}, {simulation.value}", partial(conflict, ask=ask)
    for groups in (False, True):
        for noise in (qring.NOISELESS, qring.BellDiagonal.werner(0.95)):
            ask = partial(audited, noise=noise, groups=groups)
            kind = "groups" if groups else "pairs"
            yield f"tie_audit, {kind}, {noise}", partial(conflict, ask=ask)
    for ask in (matched, tallied, sketched, asked):
        yield ask.__name__, partial(conflict, ask=ask)


def cases():
    for group in (ring_cases, ghz_cases, engine_cases, conflict_cases):
        yield from group()


def outcome(run, seed):
    """The digest, or the refusal."""
    try:
        return run(seed)
    except qring.QringError as error:
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    table = {f"{name}; seed {seed}": outcome(run, seed) for name, run in cases() for seed in SEEDS}
    TABLE.write_text(json.dumps(table, indent=0, sort_keys=True, ensure_ascii=False) + "\n")
