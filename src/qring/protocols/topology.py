"""``--topology`` and ``--schedule``: who sends which chunk to whom."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path

from qring.errors import InputError
from qring.network.levels import Inside
from qring.network.network import Network
from qring.network.noise import BellDiagonal
from qring.schedule.check import check
from qring.schedule.formats.msccl_reader import read_msccl
from qring.schedule.formats.notation import read_json
from qring.schedule.schedule import Schedule
from qring.schedule.topology import TOPOLOGIES, Topology

__all__ = ["add_options", "laid_out", "read_schedule"]

_LARGEST = 64 << 20


def add_options(add: Callable[..., argparse.Action]) -> None:
    """Add the options to a parser."""
    add("--topology", metavar="NAME",
        help="superdense, classical: " + "; ".join(
            f"{name} ({kind.help})" for name, kind in TOPOLOGIES.items()
        ) + " (default: ring)")  # fmt: skip
    add("--schedule", type=Path, metavar="FILE",
        help="superdense, classical: the schedule of an MSCCL XML file, or of qring schedule "
        "--format json")  # fmt: skip
    add("--inside", choices=["classical", "superdense"],
        help="superdense over --topology hierarchical: what travels inside a host (default: what "
        "travels between hosts)")  # fmt: skip
    add("--inside-noise", default="0", metavar="P",
        help="with --inside superdense: error probability of a pair inside a host")  # fmt: skip


def laid_out(given: Network, workers: int, arguments: argparse.Namespace) -> Network:
    """Let the network have the topology, schedule and levels that the options name.

    Raises:
        InputError: what does not exist, does not fit ``workers``, or is wrong.
    """
    if arguments.schedule is not None:
        found = read_schedule(arguments.schedule)
        if found.workers != workers:
            raise InputError(
                f"{arguments.schedule} is for {found.workers} workers; there are {workers} files"
            )
        check(found)
        return dataclasses.replace(given, topology=found)
    if arguments.topology is None:
        return given
    topology, inside = Topology(arguments.topology), None
    if getattr(arguments, "inside", None) is not None:
        noise = BellDiagonal.parse(arguments.inside_noise)
        inside = Inside(carrier=arguments.inside, noise=noise)
    return dataclasses.replace(given, topology=topology, inside=inside)


def read_schedule(path: Path) -> Schedule:
    """The schedule of a file, MSCCL XML or JSON by what it begins with.

    Raises:
        InputError: a file that cannot be read, or holds no schedule.
    """
    try:
        if not path.is_file():
            raise InputError(f"{path} is not a file")
        if path.stat().st_size > _LARGEST:
            raise InputError(f"{path} has more than {_LARGEST:,} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    try:
        if data.lstrip()[:1] == b"{":
            return read_json(data.decode())
        return read_msccl(data)
    except UnicodeDecodeError:
        raise InputError(f"{path}: not text") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
