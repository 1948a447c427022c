"""``qring allreduce``: sum gradients from files, one file a worker."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.cli.show import busiest_link, carriers, count, lifetime, progress_line, table
from qring.collectives.aggregate import Aggregate, Method
from qring.collectives.all_reduce import all_reduce
from qring.collectives.ghz.checksum import Checksum
from qring.collectives.ghz.coded import CodedDigits
from qring.collectives.ghz.digits import Digits, Repetition
from qring.collectives.ghz.kitaev import Kitaev
from qring.collectives.ghz.method import Ghz, GhzAggregate
from qring.collectives.ghz.readout import Readout
from qring.collectives.ghz.shots import Shots
from qring.collectives.ring import Classical, Superdense
from qring.data.gradient_files import check_target, read_workers, write_gradient
from qring.encoding.values import BitBudget, FixedPoint, FloatBits, Integers, OutOfRange
from qring.errors import InputError
from qring.ledger import Phase
from qring.network.network import Network
from qring.network.noise import BellDiagonal, QubitNoise
from qring.network.wiring import Announcement, Distribution
from qring.security.secagg.method import SecAgg
from qring.security.secagg.outcome import Aborted, OnDropout, Stage
from qring.theory.resources import RingResources

__all__ = ["add_to"]

_Encoding = FloatBits | Integers | FixedPoint

_READOUTS: dict[str, Callable[[float], Readout]] = {
    "digits": lambda failure: Digits(failure=failure),
    "sequential": lambda failure: Digits(failure=failure, repetition=Repetition.SEQUENTIAL),
    "coded": lambda _: CodedDigits(),
    "kitaev": lambda failure: Kitaev(failure=failure),
    "shots": lambda failure: Shots(failure=failure),
}


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "allreduce",
        help="sum gradients from files over a simulated ring",
        description="Sum gradients over a simulated ring, one file a worker. Float bits travel as "
        "they are, unless --word-bits turns them into fixed-point words of an exact sum.",
    )
    add = parser.add_argument
    add("files", nargs="+", type=Path, metavar="FILE", help=".npy, .safetensors or .pt state dict")
    add("--protocol", choices=["superdense", "classical", "ghz", "secagg"], default="superdense",
        help="what carries the sum (default: superdense)")  # fmt: skip
    add("--readout", choices=list(_READOUTS), default="digits",
        help="ghz: how sums are read from the copies (default: digits)")  # fmt: skip
    add("--visibility", type=float, default=1.0, metavar="V",
        help="ghz: visibility of the shared copies (default: 1)")  # fmt: skip
    add("--failure", type=float, default=1e-6, metavar="P",
        help="ghz: probability that a coordinate's sum is wrong (default: 1e-6)")  # fmt: skip
    add("--announce", choices=[kind.value for kind in Announcement], default="xor-ring",
        help="ghz: how outcome bits are made public (default: xor-ring)")  # fmt: skip
    add("--distribute", choices=[kind.value for kind in Distribution], default="star",
        help="ghz: where copies come from (default: star)")  # fmt: skip
    add("--checksum", action="store_true", help="ghz: find wrong sums and read them again")
    add("--threshold", type=int, metavar="T",
        help="secagg: workers needed at every stage (default: more than half)")  # fmt: skip
    add("--on-dropout", choices=[kind.value for kind in OnDropout], default="recover",
        help="secagg: recover the masks of lost workers, or abort (default: recover)")  # fmt: skip
    add("--drop", action="append", default=[], metavar="WORKER:STAGE",
        help="secagg: simulate a worker lost at share, mask or unmask")  # fmt: skip
    add("--word-bits", type=int, metavar="B", help="send words of B bits plus carry")
    add("--clip", type=float, metavar="C", help="clip to [-C, C]; the range of the words")
    add("--noise", default="0", help="error probability of a pair, or of its errors X,Y,Z")
    add("--seed", type=int, default=0, help="of the noise (default: 0)")
    add("--allow-nonfinite", action="store_true", help="let NaN and infinity through (float bits)")
    add("--out", type=Path, metavar="FILE", help="write the sum: .npy, .safetensors or .pt")
    add("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.seed < 0:
        raise InputError(f"a seed is not negative: {arguments.seed}")
    noise = BellDiagonal.parse(arguments.noise)
    rows, layout = read_workers(arguments.files)
    if arguments.out is not None:
        check_target(arguments.out, layout)
    encoding = _encoding(rows, arguments)
    qubits = QubitNoise.of_visibility(arguments.visibility, len(rows))
    network = Network(noise=noise, qubit_noise=qubits)
    result = all_reduce(
        rows,
        method=_method(encoding, arguments),
        network=network,
        rng=np.random.default_rng(arguments.seed),
        progress=progress_line("rounds"),
    )
    if isinstance(result, Aborted):
        print(_aborted(result, arguments))
        return 1
    if arguments.out is not None:
        write_gradient(arguments.out, result.sum, layout)
    for caveat in result.caveats:
        print(f"qring: caution: {caveat}", file=sys.stderr)
    print(
        _as_json(result, rows, arguments) if arguments.json else _as_table(result, rows, arguments)
    )
    return 0


def _dropout(text: str) -> tuple[int, Stage]:
    worker, _, stage = text.partition(":")
    try:
        return int(worker), Stage(stage)
    except ValueError:
        names = ", ".join(stage.value for stage in Stage)
        raise InputError(f"--drop {text!r} is not WORKER:STAGE, with a stage of {names}") from None


def _method(encoding: _Encoding, arguments: argparse.Namespace) -> Method:
    if arguments.protocol == "superdense":
        return Superdense(encoding=encoding)
    if arguments.protocol == "classical":
        return Classical(encoding=encoding)
    if isinstance(encoding, FloatBits):
        raise InputError(f"{arguments.protocol} carries words, not float bits: give --word-bits")
    if arguments.protocol == "secagg":
        return SecAgg(
            encoding=encoding,
            threshold=arguments.threshold,
            on_dropout=OnDropout(arguments.on_dropout),
            dropouts=dict(map(_dropout, arguments.drop)),
        )
    return Ghz(
        encoding=encoding,
        readout=_READOUTS[arguments.readout](arguments.failure),
        announcement=Announcement(arguments.announce),
        distribution=Distribution(arguments.distribute),
        checksum=Checksum() if arguments.checksum else None,
    )


def _encoding(rows: NDArray[Any], arguments: argparse.Namespace) -> _Encoding:
    """Choose the encoding and say, before the first round, where the bits go."""
    bits, clip = arguments.word_bits, arguments.clip
    if bits is None:
        if clip is not None:
            raise InputError("--clip sets the range of words: give --word-bits as well")
        return FloatBits(allow_nonfinite=arguments.allow_nonfinite)
    budget = BitBudget.of(bits, len(rows))
    if rows.dtype.kind in "iub":
        if clip is not None:
            raise InputError("--clip is for real values; these are integers")
        print(f"qring: {budget}", file=sys.stderr)
        return Integers(word_bits=bits, signed=rows.dtype.kind == "i")
    source = "--clip"
    if clip is None:
        source = "the data; workers that share no memory would have to agree on it beforehand"
        with np.errstate(invalid="ignore"):
            clip = float(np.abs(rows.astype(np.float64)).max()) or 1.0
        if not np.isfinite(clip):
            clip = 1.0  # the encoding refuses these values and says where they are
    fixed = FixedPoint(word_bits=bits, limit=clip, out_of_range=OutOfRange.CLIP)
    print(
        f"qring: {budget}; range ±{clip:.6g} (from {source}), step {fixed.step:.3g}",
        file=sys.stderr,
    )
    return fixed


def _aborted(result: Aborted, arguments: argparse.Namespace) -> str:
    if not arguments.json:
        return str(result)
    return json.dumps(
        {
            "protocol": arguments.protocol,
            "workers": result.workers,
            "aborted": result.reason.value,
            "stage": result.stage.value,
            "present": list(result.present),
            "threshold": result.threshold,
            "rounds": result.ledger.rounds,
            "links": result.ledger.rows(),
            "totals": result.ledger.totals._asdict(),
        }
    )


def _as_json(result: Aggregate, rows: NDArray[Any], arguments: argparse.Namespace) -> str:
    extra = {}
    if isinstance(result, GhzAggregate):
        extra = {
            "copies": result.copies,
            "copies_per_coordinate": result.copies_per_coordinate,
            "repeated": result.repeated,
        }
    return json.dumps(
        {
            "protocol": arguments.protocol,
            "workers": rows.shape[0],
            "coords": rows.shape[1],
            "word_bits": arguments.word_bits,
            "rounds": result.ledger.rounds,
            "result_hash": _hash(result.sum),
            "agreed": result.agreed,
            "caveats": list(result.caveats),
            "links": result.ledger.rows(),
            "totals": result.ledger.totals._asdict(),
            **extra,
        }
    )


def _as_table(result: Aggregate, rows: NDArray[Any], arguments: argparse.Namespace) -> str:
    workers, coords = rows.shape
    ledger = result.ledger
    rival = RingResources(
        workers=workers,
        coords=coords,
        word_bits=arguments.word_bits or rows.dtype.itemsize * 8,
        width="fixed" if arguments.word_bits else "float",
    ).ledger("classical")
    lines = [
        ["exact counts", arguments.protocol, "classical ring"],
        ["online, busiest link", busiest_link(ledger), busiest_link(rival)],
        ["online, all links", carriers(ledger, Phase.ONLINE), carriers(rival, Phase.ONLINE)],
        ["setup, all links", carriers(ledger, Phase.SETUP), "0"],
        ["pairs consumed", f"{count(ledger.totals.ebits)} ebits", "0"],
        ["lifetime carriers", lifetime(ledger), lifetime(rival)],
        ["rounds", count(ledger.rounds), count(rival.rounds)],
    ]
    if isinstance(result, GhzAggregate):
        lines.append(["copies a coordinate", f"{result.copies_per_coordinate:.2f}", "0"])
        lines.append(["coordinates read again", count(result.repeated), "0"])
    heading = f"{workers} workers, {coords:,} coordinates of {rows.dtype.name}"
    agreement = "" if result.agreed else " at worker 0; the workers' sums DIFFER"
    closing = f"sum: sha256 {_hash(result.sum)[:16]}{agreement}"
    return f"{heading}\n\n{table(lines)}\n\n{closing}"


def _hash(array: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
