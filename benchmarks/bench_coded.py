"""How much of the capacity do coded superdense links reach, and how fast do their codes decode?

Rivals, in the same run:

* the capacity C(F) of Werner pairs, for goodput: payload bits a qubit, with parity, checks and
  retransmissions; ratio = goodput / C(F);
* Reed–Solomon over bytes (255 bytes, block failure 1e-12), and one classical bit a bit, for
  goodput; ratio = ours / theirs;
* the packages ``ldpc`` (serial minimum-sum, on the same code and the same errors) and ``bchlib``
  (on the same code and as many errors), for speed; ratio = ours / theirs, in bytes of information
  a second.

    python benchmarks/bench_coded.py [--quick] [--json]
"""

import argparse
import json
import statistics
import sys
import time

import numpy as np
import scipy.sparse

from qring.encoding.codes.bch import bch_code
from qring.encoding.codes.ldpc import PAIRED
from qring.encoding.codes.min_sum import compiled, decode, pair_laws
from qring.network.coded.choice import least_ldpc, plan
from qring.network.coded.coding import Code, Emulation
from qring.network.coded.pairs import AlikePairs
from qring.network.coded.sending import send
from qring.network.noise import BellDiagonal
from qring.network.pauli import ErrorStream
from qring.theory.capacity import (
    reed_solomon_bits_per_qubit,
    superdense_capacity,
    werner_weights,
)

SEED = 7
GOODPUT = {0.999: 1.92, 0.99: 1.80, 0.95: 1.47, 0.90: 1.19}


def goodput(fidelity, size):
    """Payload bits an online carrier, decoders really run."""
    noise, rng = BellDiagonal.werner(fidelity), np.random.default_rng(SEED)
    message = rng.integers(256, size=size, dtype=np.uint8)
    sent = message.copy()
    pairs = AlikePairs(noise, ErrorStream(noise, rng))
    found = plan(size, noise, Code.AUTO, Emulation.DECODED)
    taken = send(message, 8 * size, found, pairs, Emulation.DECODED, rng, key=b"coin")
    if (message != sent).any():
        raise SystemExit("a message did not arrive as it was sent")
    return 8 * size / (taken.pairs + taken.plain_bits)


def carried(size):
    for fidelity, target in GOODPUT.items():
        got, limit = goodput(fidelity, size), superdense_capacity(werner_weights(fidelity))
        yield {
            "case": f"goodput at F={fidelity} over capacity {limit:.3f}", "ours": got,
            "ratio": got / limit, "target": target / limit,
        }  # fmt: skip
        theirs = max(1.0, reed_solomon_bits_per_qubit(fidelity, 1e-12))
        yield {
            "case": f"goodput at F={fidelity} over Reed–Solomon or classical bits, {theirs:.2f}",
            "ours": got, "ratio": got / theirs, "target": 1.0,
        }  # fmt: skip


def alternated(ours, theirs, turns):
    times = ([], [])
    for _ in range(turns):
        for run, spent in zip((ours, theirs), times, strict=True):
            start = time.perf_counter()
            run()
            spent.append(time.perf_counter() - start)
    return [statistics.median(part) for part in times]


def ldpc_speed(fidelity, frames, turns):
    from ldpc import BpDecoder

    code, rng = least_ldpc(fidelity, 336).code, np.random.default_rng(SEED)
    third = (1 - fidelity) / 3
    labels = rng.choice(4, size=(frames, PAIRED, code.lift), p=[fidelity, third, third, third])
    errors = np.concatenate([labels >> 1, labels & 1], axis=1).astype(np.uint8)
    syndrome, laws = code.syndrome(errors), pair_laws([fidelity, third, third, third])
    z = np.arange(code.lift)
    rows = [r * code.lift + z for r, cells in enumerate(code.cells) for _ in cells]
    columns = [c * code.lift + (z + s) % code.lift for cells in code.cells for c, s in cells]
    ones = np.ones(len(rows) * code.lift, np.uint8)
    checks = scipy.sparse.csr_matrix((ones, (np.concatenate(rows), np.concatenate(columns))))
    rival = BpDecoder(
        checks, error_rate=2 * third, max_iter=60, bp_method="minimum_sum",
        ms_scaling_factor=0.75, schedule="serial",
    )  # fmt: skip
    decode(code, syndrome[:1], laws)  # compiled once
    few = max(1, frames // 16)
    ours, theirs = alternated(
        lambda: decode(code, syndrome, laws),
        lambda: [rival.decode(part.ravel()) for part in syndrome[:few]],
        turns,
    )
    size = code.information_bits / 8
    yield {
        "case": f"LDPC decoding at F={fidelity}, 1 MB/s a core",
        "ratio": frames * size / ours / 1e6, "target": 1.0,
    }  # fmt: skip
    yield {
        "case": f"LDPC decoding at F={fidelity} over the package ldpc",
        "ratio": (frames / ours) / (few / theirs), "target": 10.0,
    }  # fmt: skip


def bch_speed(frames, turns):
    import bchlib

    code, rng = bch_code(13, 13), np.random.default_rng(SEED)
    size = code.information_bits // 8
    data = rng.integers(256, size=(frames, size), dtype=np.uint8)
    sent = code.encode(np.unpackbits(data, axis=1))
    received = sent ^ (rng.random(sent.shape) < 5 / sent.shape[1]).astype(np.uint8)
    rival = bchlib.BCH(13, m=13)
    bits = 8 * size
    theirs = [
        (bytearray(np.packbits(row[:bits])), bytearray(np.packbits(row[bits:]))) for row in received
    ]
    ours, other = alternated(
        lambda: code.decode(received),
        lambda: [rival.decode(data=body, recv_ecc=parity) for body, parity in theirs],
        turns,
    )
    speed = frames * size / other / 1e6
    yield {
        "case": f"BCH decoding, 5 errors of 13, over bchlib ({speed:.0f} MB/s)",
        "ratio": other / ours, "target": 0.02,
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    size, frames, turns = (200_000, 16, 1) if arguments.quick else (4_000_000, 128, 5)
    cases = [*carried(size), *ldpc_speed(0.95, frames, turns), *bch_speed(4 * frames, turns)]
    if arguments.json:
        json.dump(cases, sys.stdout)
        return
    print("kernel:", "compiled" if compiled() else "NumPy")
    for case in cases:
        print(f"{case['case']:<70} {case['ratio']:8.3f}  (target {case['target']:.3g})")


if __name__ == "__main__":
    main()
