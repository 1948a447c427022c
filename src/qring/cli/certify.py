"""``qring certify``: what recorded tests of GHZ states certify, of them and of untested copies."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

from qring.cli.answer import answer
from qring.cli.show import count, table
from qring.errors import InputError
from qring.numbers import at_least, probability, whole
from qring.security.certify import Certificate, Counts, certify

__all__ = ["add_to", "read_counts"]

_MOST_BYTES = 1 << 20
_FIELDS = {"workers", "shuffled", "untested", "x_error", "threshold", "counts", "source", "note"}


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "certify",
        help="say what recorded tests of GHZ states certify",
        description="Bound the fidelity of states that were tested, the bad ones among copies that "
        "were not, and the masks these allow. FILE is JSON with workers, counts (stabiliser, "
        "tests, failures) and, if it was so, shuffled: true; or CSV with the columns stabiliser, "
        "tests, failures. A stabiliser is random, Z, X or a string such as ZZI.",
    )
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help=".json or .csv")
    add("--workers", type=at_least(2, 64), help="qubits of a state (default: what FILE says)")
    add("--delta", type=probability, default=2.0**-40, metavar="D",
        help="probability with which the bounds may fail (default: 2^-40)")  # fmt: skip
    add("--untested", type=whole, metavar="N",
        help="copies received and not tested (default: what FILE says, or 100000)")  # fmt: skip
    add("--epsilon", type=probability, default=2.0**-40, metavar="E",
        help="of masks: secrecy and correctness together (default: 2^-40)")  # fmt: skip
    add("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(run=_run)


def read_counts(path: Path) -> dict[str, Any]:
    """Read a file of recorded tests, as arguments of :func:`~qring.security.certify.certify`.

    Raises:
        InputError: not such a file, too large, or fields that are missing, unknown or no numbers.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path} has more than {_MOST_BYTES:,} bytes: give counts, not tests")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a text file") from None
    if path.suffix.lower() == ".csv":
        return {"counts": _from_rows(list(csv.DictReader(text.splitlines())), path)}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(f"{path} is not JSON; files of counts end in .json or .csv") from None
    if not isinstance(found, dict) or not isinstance(found.get("counts"), list):
        raise InputError(f"{path} holds no object with a list of counts")
    if unknown := sorted(set(found) - _FIELDS):
        raise InputError(f"{path} has unknown fields: {', '.join(map(repr, unknown[:3]))}")
    wanted = {name: found[name] for name in _FIELDS - {"source", "note"} if name in found}
    if not isinstance(wanted.get("shuffled", False), bool):
        raise InputError(f"{path}: shuffled is true or false, not {wanted['shuffled']!r}")
    return {**wanted, "counts": _from_rows(found["counts"], path)}


def _from_rows(rows: list[Any], path: Path) -> list[Counts]:
    counts = []
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or {"stabiliser", "tests", "failures"} - set(row):
            raise InputError(f"{path}: count {number} lacks stabiliser, tests or failures")
        try:
            tests, failures = (_integer(row[name]) for name in ("tests", "failures"))
        except (TypeError, ValueError):
            raise InputError(
                f"{path}: tests and failures of count {number} are no integers"
            ) from None
        if not isinstance(row["stabiliser"], str):
            raise InputError(f"{path}: the stabiliser of count {number} is no text")
        counts.append(Counts(stabiliser=row["stabiliser"].strip(), tests=tests, failures=failures))
    return counts


def _integer(value: Any) -> int:  # noqa: ANN401 - whatever a file holds
    if isinstance(value, bool) or not isinstance(value, (int, str)) or len(str(value)) > 15:
        raise ValueError(value)
    return int(value)


def _run(arguments: argparse.Namespace) -> int:
    given = read_counts(arguments.file)
    if arguments.workers is not None:
        given["workers"] = arguments.workers
    if "workers" not in given:
        raise InputError(f"{arguments.file} does not say of how many qubits: give --workers")
    if arguments.untested is not None:
        given["untested"] = arguments.untested
    counts = given.pop("counts")
    found = certify(counts, delta=arguments.delta, epsilon=arguments.epsilon, **given)
    if arguments.json:
        print(answer(arguments, {**dataclasses.asdict(found), "says": str(found)}))
    else:
        print(_as_table(found))
    return 0


def _as_table(found: Certificate) -> str:
    lines = [["bounds", f"but for {found.delta:.3g}"]]
    figures: tuple[tuple[str, float | None], ...] = (
        ("fidelity, independent equal states, at least", found.fidelity_least),
        ("fidelity, at most", found.fidelity_most),
        ("two qubits differ in Z, at most", found.pair_disagreement),
        (f"bad ones of {found.untested:,} untested copies, any source, at most", found.bad_copies),
        ("mean fidelity of untested copies, at least", found.mean_fidelity),
        ("masks of 20 bits from the untested copies", found.masks.masks if found.masks else None),
        ("mask digits a copy", found.masks.rate if found.masks else None),
    )
    for name, value in figures:
        lines.append([name, _shown(value)])
    notes = "".join(f"\n{reason}" for reason in found.reasons)
    return f"{table(lines)}\n\n{found}{notes if found.certifies else ''}"


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return count(value) if isinstance(value, int) else f"{value:.4f}"
