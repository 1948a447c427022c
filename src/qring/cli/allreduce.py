"""``qring allreduce``: sum gradients from files, one file a worker."""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.cli import privacy
from qring.cli.answer import answer
from qring.cli.options import refuse_unmet, refuse_unused
from qring.cli.page import check_page, write_page
from qring.cli.show import busiest, busiest_link, carriers, count, lifetime, progress_line, table
from qring.collectives.aggregate import Aborted, Aggregate, Told
from qring.collectives.all_reduce import all_reduce
from qring.collectives.ring import schedule_of
from qring.collectives.spans import PartialAggregate
from qring.data.gradient_files import IntegerTensors, check_target, read_workers, write_gradient
from qring.encoding.values import BitBudget, FixedPoint, FloatBits, Integers, OutOfRange
from qring.errors import InputError
from qring.ledger import Phase
from qring.network.network import Network
from qring.network.noise import BellDiagonal
from qring.numbers import number, seed, whole
from qring.paper.trace import check_shown, even_lengths, ring_trace, schedule_trace
from qring.protocols.dropouts import with_dropouts
from qring.protocols.entry import AnyEncoding, Entry
from qring.protocols.topology import laid_out
from qring.registry import PROTOCOLS
from qring.schedule.schedule import Schedule
from qring.security.dp.encoding import DistributedGaussian
from qring.theory.resources import RingResources

__all__ = ["add_to"]


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
    add("--protocol", choices=list(PROTOCOLS), default="superdense",
        help="what carries the sum (default: superdense)")  # fmt: skip
    for entry in PROTOCOLS.values():
        entry.add_options(add)
    add("--word-bits", type=whole, metavar="B", help="send words of B bits plus carry")
    add("--clip", type=number(), metavar="C", help="clip to [-C, C]; the range of the words")
    privacy.add_options(add)
    add("--noise", default="0", help="superdense, private: error probability of a pair, "
        "or of its errors X,Y,Z")  # fmt: skip
    add("--seed", type=seed, default=0, help="of all randomness but secrets (default: 0)")
    add("--allow-nonfinite", action="store_true", help="let NaN and infinity through (float bits)")
    add("--integers", choices=[kind.value for kind in IntegerTensors], default="leave-out",
        help="integer tensors among floats, such as counters: leave them out, or sum them as "
        "floats (default: leave-out)")  # fmt: skip
    add("--out", type=Path, metavar="FILE", help="write the sum: .npy, .safetensors or .pt")
    add("--page", type=Path, metavar="FILE",
        help="superdense, classical: write the sum, round by round, as an HTML page")  # fmt: skip
    add("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    refuse_unused(
        arguments, arguments.protocol, {each.name: each.uses for each in PROTOCOLS.values()}
    )
    refuse_unmet(arguments, privacy.USES)
    noise = BellDiagonal.parse(arguments.noise)
    rows, layout = read_workers(arguments.files, integers=IntegerTensors(arguments.integers))
    if arguments.out is not None:
        check_target(arguments.out, layout, rows.dtype if arguments.word_bits is None else None)
    if layout.left_out:
        print(f"qring: {layout.notice()}", file=sys.stderr)
    if arguments.page is not None:
        check_page(arguments.page, arguments.protocol)
        shown = _schedule(arguments, len(rows))
        if shown is not None:
            check_shown(shown)
    encoding = _encoding(rows, arguments)
    choice: Entry = PROTOCOLS[arguments.protocol]
    result = all_reduce(
        rows,
        method=with_dropouts(choice.method(encoding, arguments), encoding, arguments),
        network=choice.network(Network(noise=noise), len(rows), arguments),
        rng=np.random.default_rng(arguments.seed),
        progress=progress_line("rounds"),
    )
    if isinstance(result, Aborted):
        print(_aborted(result, arguments))
        _name_noise(arguments)
        return 1
    whole = not isinstance(result, PartialAggregate) or result.is_whole
    if arguments.out is not None and whole:
        write_gradient(arguments.out, result.sum, layout)
    if arguments.page is not None:
        _write_page(result, rows, encoding, arguments)
    noisy = isinstance(encoding, DistributedGaussian)
    for caveat in (*result.caveats, *(privacy.caution(choice.name) if noisy else ())):
        print(f"qring: caution: {caveat}", file=sys.stderr)
    print(
        _as_json(result, choice, rows, encoding, arguments)
        if arguments.json
        else _as_table(result, choice, rows, encoding, arguments)
    )
    if whole:
        return 0
    if arguments.out is not None:
        print(f"qring: {arguments.out} was not written: some coordinates have no sum",
              file=sys.stderr)  # fmt: skip
    return 1


def _name_noise(arguments: argparse.Namespace) -> None:
    """Say what lost workers do to noise that was shared out, where that may have ended a run."""
    if arguments.dp_epsilon is not None and len(arguments.drop) > arguments.dp_may_drop:
        print(
            f"qring: caution: noise suffices for {arguments.dp_may_drop} lost workers, not for "
            f"{len(arguments.drop)}: give --dp-may-drop {len(arguments.drop)}",
            file=sys.stderr,
        )


def _write_page(
    result: Aggregate, rows: NDArray[Any], encoding: AnyEncoding, arguments: argparse.Namespace
) -> None:
    words, wire = encoding.encode(rows)
    workers, coords = rows.shape
    what = f"{workers} workers, {coords:,} coordinates of {rows.dtype.name}"
    schedule = _schedule(arguments, workers)
    if schedule is None:
        chunks = even_lengths(words.shape[1], workers)
        trace, title = ring_trace(chunks=chunks, what=what, bits=wire.bits), "around the ring"
    else:
        trace = schedule_trace(schedule, coords=words.shape[1], what=what, bits=wire.bits)
        title = f"over {_topology(arguments)}"
    write_page(
        arguments.page,
        trace,
        title=f"One sum {title}",
        facts={"command": "qring allreduce", "sum, sha256": _hash(result.sum)[:16]},
        ledger=result.ledger,
        quantum=arguments.protocol == "superdense",
    )


def _encoding(rows: NDArray[Any], arguments: argparse.Namespace) -> AnyEncoding:
    """Choose the encoding and say, before the first round, where the bits go."""
    if arguments.dp_epsilon is not None:
        return privacy.noisy_words(rows, arguments)
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
    advice = privacy.advice(arguments)
    if not arguments.json:
        return "; ".join([str(result), *advice])
    return answer(
        arguments,
        {
            **({"advice": advice[0]} if advice else {}),
            "protocol": arguments.protocol,
            "workers": result.workers,
            **result.evidence(),
            "told": [_told(told) for told in result.told],
            "rounds": result.ledger.rounds,
            "links": result.ledger.rows(),
            "totals": result.ledger.totals._asdict(),
        },
    )


def _as_json(
    result: Aggregate,
    choice: Entry,
    rows: NDArray[Any],
    encoding: AnyEncoding,
    arguments: argparse.Namespace,
) -> str:
    promised = {}
    if isinstance(encoding, DistributedGaussian):
        promised = {"privacy": privacy.figures(encoding, result)}
    return answer(
        arguments,
        {
            "protocol": arguments.protocol,
            "workers": rows.shape[0],
            "coords": rows.shape[1],
            "word_bits": arguments.word_bits,
            "topology": _topology(arguments),
            "rounds": result.ledger.rounds,
            "busiest_link": dict(zip(("qubits", "bits"), busiest(result.ledger), strict=True)),
            "result_hash": _hash(result.sums[0]),
            "agreed": result.agreed,
            "caveats": list(result.caveats),
            "told": [_told(told) for told in result.told],
            **_parts(result),
            "links": result.ledger.rows(),
            "totals": result.ledger.totals._asdict(),
            **promised,
            **choice.figures(result),
            "notes": list(choice.notes(result)),
        },
    )


def _as_table(
    result: Aggregate,
    choice: Entry,
    rows: NDArray[Any],
    encoding: AnyEncoding,
    arguments: argparse.Namespace,
) -> str:
    workers, coords = rows.shape
    ledger = result.ledger
    private = isinstance(encoding, DistributedGaussian)
    rival = RingResources(
        workers=workers,
        coords=encoding.plan.padded if isinstance(encoding, DistributedGaussian) else coords,
        word_bits=arguments.word_bits or rows.dtype.itemsize * 8,
        width="fixed" if arguments.word_bits and not private else "float",
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
    for name, figure in choice.figures(result).items():
        digits = ".2f" if figure >= 0.01 else ".3g"
        shown = count(figure) if isinstance(figure, int) else f"{figure:{digits}}"
        lines.append([name.replace("_", " "), shown, "0"])
    heading = f"{workers} workers, {coords:,} coordinates of {rows.dtype.name}"
    if _topology(arguments) != "ring":
        heading += f", topology {_topology(arguments)}"
    agreement = "" if result.agreed else " at worker 0; the workers' sums DIFFER"
    closing = f"sum: sha256 {_hash(result.sums[0])[:16]}{agreement}"
    if isinstance(result, PartialAggregate) and not result.is_whole:
        without = int((result.counts == 0).sum())
        closing += f", of {coords - without:,} coordinates; {without:,} HAVE NO SUM, here 0"
    notes = "".join(f"\n{note}" for note in choice.notes(result))
    return f"{heading}\n\n{table(lines)}\n\n{closing}{notes}"


def _schedule(arguments: argparse.Namespace, workers: int) -> Schedule | None:
    """The schedule that the options name, for the page; ``None`` for the ring."""
    return schedule_of(laid_out(Network(), workers, arguments).topology, workers)


def _topology(arguments: argparse.Namespace) -> str:
    if arguments.schedule is not None:
        return str(arguments.schedule)
    return str(arguments.topology or "ring")


def _told(told: Told) -> dict[str, Any]:
    return {**told._asdict(), "workers": list(told.workers)}


def _parts(result: Aggregate) -> dict[str, Any]:
    """Contributors by coordinate, where these may differ."""
    if not isinstance(result, PartialAggregate):
        return {}
    return {
        "spans": [span.row() for span in result.spans],
        "holders": list(result.holders),
        "without_sum": int((result.counts == 0).sum()),
    }


def _hash(array: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
